import Kernels

/// The words of one block of a dictionary as they are stored: how many bytes each shares with the one
/// before, how many more it has, and those. Numbers of a kind lie together, so that words that do not
/// matter are gone past without a look at their texts.
struct StoredWords {
  /// The most bytes of a word.
  static let greatestByteCount = 4 * TokenizerSettings.greatestMaximumLength

  let count: Int
  /// What the words do not share, one behind the other.
  let texts: UnsafePointer<UInt8>
  /// Keeps the bytes where they are.
  private let part: SegmentPart
  private let numbers: UnsafePointer<UInt8>
  /// Whether the numbers have two bytes each.
  private let isWide: Bool

  /// Of no block.
  init() {
    (count, part, isWide) = (0, .empty, false)
    (texts, numbers) = (UnsafePointer(bitPattern: 8)!, UnsafePointer(bitPattern: 8)!)
  }

  /// - Returns: Nil where the bytes make no sense.
  init?(_ part: SegmentPart, count: Int) {
    guard let start = part.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self),
      start.pointee == 1 || start.pointee == 2
    else { return nil }
    let headByteCount = 1 + 2 * count * Int(start.pointee)
    guard part.bytes.count >= headByteCount else { return nil }
    self.count = count
    self.part = part
    isWide = start.pointee == 2
    numbers = start + 1
    texts = start + headByteCount
    // Who goes past words relies on each sharing no more than there is of the one before. Without a
    // branch, as every word of a dictionary comes by here: below 0 is what is too long.
    var (byteCount, length, left) = (0, 0, 0)
    for index in 0..<count {
      let (shared, rest) = (shared(index), rest(index))
      left |= length &- shared
      length = shared &+ rest
      left |= StoredWords.greatestByteCount &- length
      byteCount &+= rest
    }
    guard left >= 0, part.bytes.count == headByteCount + byteCount else { return nil }
  }

  /// How many bytes a word shares with the one before; none where it is the first.
  @inline(__always)
  func shared(_ index: Int) -> Int { number(index) }

  /// How many more it has.
  @inline(__always)
  func rest(_ index: Int) -> Int { number(count &+ index) }

  @inline(__always)
  private func number(_ index: Int) -> Int {
    isWide
      ? Int(numbers[2 &* index]) | Int(numbers[2 &* index &+ 1]) &<< 8 : Int(numbers[index])
  }

  // MARK: - Writing

  /// The words of a block while they come.
  struct Writer {
    private(set) var shared: [Int] = []
    private(set) var rests: [Int] = []
    private(set) var texts: [UInt8] = []

    var count: Int { rests.count }

    /// - Parameters:
    ///   - rest: The word without what it shares.
    ///   - common: How many bytes it shares with the one before.
    mutating func append(_ rest: UnsafeBufferPointer<UInt8>, sharing common: Int) {
      shared.append(common)
      rests.append(rest.count)
      texts.append(contentsOf: rest)
    }

    var bytes: [UInt8] {
      let isWide = shared.contains { $0 > 255 } || rests.contains { $0 > 255 }
      var bytes: [UInt8] = [isWide ? 2 : 1]
      bytes.reserveCapacity(1 + 4 * count + texts.count)
      for number in [shared, rests].joined() {
        bytes.append(UInt8(truncatingIfNeeded: number))
        if isWide { bytes.append(UInt8(truncatingIfNeeded: number >> 8)) }
      }
      return bytes + texts
    }

    mutating func removeAll() {
      shared.removeAll(keepingCapacity: true)
      rests.removeAll(keepingCapacity: true)
      texts.removeAll(keepingCapacity: true)
    }
  }
}
