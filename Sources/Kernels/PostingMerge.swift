/// Merges the postings that several tables have of one word.
struct PostingMerge: ~Copyable {
  /// Postings of one table, unpacked some at a time.
  struct List {
    private var entry: UnsafeMutablePointer<WordEntry>?
    private var written: WrittenPostings?
    private let packed: UnsafeMutablePointer<UInt8>
    private var place: UnsafePointer<UInt8>
    private var end: UnsafePointer<UInt8>
    private var document: UInt32 = 0
    /// Those that were unpacked and not taken.
    let unpacked: UnsafeMutablePointer<UInt64>
    private(set) var count = 0
    /// Of those, how many were taken last.
    var takenCount = 0
    /// Whether all that is left is unpacked.
    private(set) var isAtEnd = true

    /// How many are unpacked at a time; two suffice.
    static let capacity = 1024
    private static let packedCapacity = 2 * WrittenPostings.mostByteCount + 2 * longest
    /// No posting has more bytes.
    private static let longest = 16

    init() {
      packed = .allocate(capacity: List.packedCapacity)
      (place, end) = (UnsafePointer(packed), UnsafePointer(packed))
      unpacked = .allocate(capacity: List.capacity)
    }

    func deallocate() {
      packed.deallocate()
      unpacked.deallocate()
    }

    /// Begins a word.
    @inline(__always)
    mutating func begin(_ entry: UnsafeMutablePointer<WordEntry>) {
      self.entry = entry
      written = WrittenPostings(entry)
      (place, end) = (UnsafePointer(packed), UnsafePointer(packed))
      document = 0
      count = 0
      takenCount = 0
      isAtEnd = false
    }

    /// Forgets what was taken, and unpacks more.
    @inline(__always)
    mutating func unpack() {
      if takenCount > 0 {
        count &-= takenCount
        unpacked.update(from: unpacked + takenCount, count: count)
        takenCount = 0
      }
      while !isAtEnd && count < List.capacity {
        let isLast = fill()
        // Behind this, a posting may not be there whole.
        let limit = isLast ? end : end - (List.longest &- 1)
        var (place, document, count) = (place, document, count)
        while place < limit && count < List.capacity {
          let head = readVarint(unchecked: &place)
          let occurrences = head & 1 == 1 ? 1 : readVarint(unchecked: &place)
          append(UInt32(truncatingIfNeeded: head &>> 1), occurrences, &document, &count)
        }
        if isLast && place == end && count < List.capacity {
          let entry = entry.unsafelyUnwrapped
          append(
            entry.pointee.document &- entry.pointee.written, UInt64(entry.pointee.occurrences),
            &document, &count)
          isAtEnd = true
        }
        (self.place, self.document, self.count) = (place, document, count)
      }
    }

    @inline(__always)
    private func append(
      _ difference: UInt32, _ occurrences: UInt64, _ document: inout UInt32, _ count: inout Int
    ) {
      document &+= difference
      if difference == 0 && count > 0 {
        // A count that was full.
        let sum = (unpacked[count &- 1] & 0xFFFF_FFFF) &+ occurrences
        unpacked[count &- 1] = UInt64(document) &<< 32 | min(sum, 0xFFFF_FFFF)
      } else {
        unpacked[count] = UInt64(document) &<< 32 | occurrences
        count &+= 1
      }
    }

    /// Has enough packed bytes for a posting.
    ///
    /// - Returns: Whether there are no more than those.
    @inline(__always)
    private mutating func fill() -> Bool {
      if written.unsafelyUnwrapped.isAtEnd { return true }
      if end - place >= List.longest { return false }
      let left = end - place
      if left > 0 { packed.update(from: place, count: left) }
      var filled = left
      while filled < WrittenPostings.mostByteCount + List.longest
        && !written.unsafelyUnwrapped.isAtEnd
      {
        filled &+= written!.copyNext(to: packed + filled)
      }
      place = UnsafePointer(packed)
      end = place + filled
      return written.unsafelyUnwrapped.isAtEnd
    }

    /// How many come before a document.
    func count(before document: UInt64) -> Int {
      var (low, high) = (0, count)
      while low < high {
        let middle = (low &+ high) / 2
        if unpacked[middle] < document { low = middle &+ 1 } else { high = middle }
      }
      return low
    }
  }

  private typealias Run = UnsafeBufferPointer<UInt64>

  let lists: UnsafeMutableBufferPointer<List>
  private var listCount = 0
  private let runs: UnsafeMutablePointer<Run>
  /// Where two runs become one, and where two of those do.
  private let rooms: (UnsafeMutablePointer<UInt64>, UnsafeMutablePointer<UInt64>)

  init(listCount: Int) {
    lists = .allocate(capacity: listCount)
    for index in 0..<listCount { (lists.baseAddress! + index).initialize(to: List()) }
    runs = .allocate(capacity: listCount)
    let capacity = listCount * List.capacity
    rooms = (.allocate(capacity: capacity), .allocate(capacity: capacity))
  }

  deinit {
    for list in lists { list.deallocate() }
    lists.deallocate()
    runs.deallocate()
    rooms.0.deallocate()
    rooms.1.deallocate()
  }

  /// Begins a word.
  ///
  /// - Parameter count: The first so many lists have begun it.
  mutating func begin(_ count: Int) { listCount = count }

  /// The next postings, as `MergedWords` gives them; none at the end.
  mutating func next() -> UnsafeBufferPointer<UInt64> {
    // What is before all that is still packed can be merged. The last document that is unpacked may
    // go on: its count may have been full.
    var bound = UInt64.max
    for index in 0..<listCount {
      lists[index].unpack()
      if !lists[index].isAtEnd {
        bound = min(bound, lists[index].unpacked[lists[index].count &- 1] & ~0xFFFF_FFFF)
      }
    }
    var runCount = 0
    for index in 0..<listCount {
      let count = bound == .max ? lists[index].count : lists[index].count(before: bound)
      lists[index].takenCount = count
      if count > 0 {
        runs[runCount] = Run(start: lists[index].unpacked, count: count)
        runCount &+= 1
      }
    }
    if bound == .max { listCount = 0 }
    if runCount > 1 { runCount = merge(runCount) }
    return runCount > 0 ? runs[0] : Run(start: nil, count: 0)
  }

  /// Merges runs two by two until there is one.
  private mutating func merge(_ count: Int) -> Int {
    var count = count
    var (room, other) = rooms
    while count > 1 {
      var out = room
      var made = 0
      var next = 0
      while next < count {
        let start = out
        if next &+ 1 < count {
          out = PostingMerge.merge(runs[next], runs[next &+ 1], into: out)
        } else {
          out.update(from: runs[next].baseAddress.unsafelyUnwrapped, count: runs[next].count)
          out += runs[next].count
        }
        runs[made] = Run(start: start, count: out - start)
        made &+= 1
        next &+= 2
      }
      count = made
      swap(&room, &other)
    }
    return count
  }

  /// - Returns: Where the merged run ends.
  @inline(__always)
  private static func merge(
    _ a: Run, _ b: Run, into out: UnsafeMutablePointer<UInt64>
  ) -> UnsafeMutablePointer<UInt64> {
    var (a, aEnd) = (a.baseAddress.unsafelyUnwrapped, a.baseAddress.unsafelyUnwrapped + a.count)
    var (b, bEnd) = (b.baseAddress.unsafelyUnwrapped, b.baseAddress.unsafelyUnwrapped + b.count)
    var out = out
    while a < aEnd && b < bEnd {
      // For as many steps neither can end; and none of them is a branch to be guessed.
      for _ in 0..<min(aEnd - a, bEnd - b) {
        let isOfA = a.pointee < b.pointee
        out.pointee = isOfA ? a.pointee : b.pointee
        a += isOfA ? 1 : 0
        b += isOfA ? 0 : 1
        out += 1
      }
    }
    out.update(from: a, count: aEnd - a)
    out += aEnd - a
    out.update(from: b, count: bEnd - b)
    return out + (bEnd - b)
  }
}
