/// The packed bytes that were pulled and not yet used: one fixed buffer.
struct InputWindow: ~Copyable {
  /// Fills a prefix of the buffer and returns its length; 0 at the end of the input, then for ever.
  typealias Pull = (UnsafeMutableRawBufferPointer) throws -> Int

  private let base: UnsafeMutablePointer<UInt8>
  private let capacity: Int
  private(set) var start = 0
  private(set) var end = 0
  /// Bytes pulled so far.
  private(set) var pulledByteCount: Int64 = 0
  private(set) var isAtEnd = false

  init(capacity: Int) {
    base = .allocate(capacity: capacity)
    self.capacity = capacity
  }

  deinit { base.deallocate() }

  var count: Int { end - start }

  /// Packed bytes used so far.
  var offset: Int64 { pulledByteCount - Int64(count) }

  /// The unused bytes. Valid until the next `refill` or `gather`.
  var bytes: UnsafeMutableBufferPointer<UInt8> {
    UnsafeMutableBufferPointer(start: base + start, count: count)
  }

  mutating func consume(_ byteCount: Int) {
    start += byteCount
  }

  /// Pulls more once everything is used.
  ///
  /// - Returns: Whether there are unused bytes.
  mutating func refill(_ pull: Pull) throws -> Bool {
    if start == end {
      (start, end) = (0, 0)
      try pullMore(pull)
    }
    return start < end
  }

  /// Pulls until at least `wanted` bytes are unused or the input is at its end.
  mutating func gather(_ wanted: Int, _ pull: Pull) throws {
    while count < wanted && !isAtEnd {
      if capacity - end < wanted {
        let kept = count
        base.update(from: base + start, count: kept)
        (start, end) = (0, kept)
      }
      try pullMore(pull)
    }
  }

  /// The next byte, used up; nil at the end of the input.
  mutating func nextByte(_ pull: Pull) throws -> UInt8? {
    guard try refill(pull) else { return nil }
    start += 1
    return base[start - 1]
  }

  private mutating func pullMore(_ pull: Pull) throws {
    guard !isAtEnd else { return }
    let room = UnsafeMutableRawBufferPointer(start: base + end, count: capacity - end)
    let pulled = try pull(room)
    precondition(pulled >= 0 && pulled <= room.count, "a pull reports what it was given room for")
    isAtEnd = pulled == 0
    end += pulled
    pulledByteCount += Int64(pulled)
  }
}
