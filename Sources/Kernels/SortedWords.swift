/// The words of a table in the order of their bytes, with their postings.
///
/// Valid until the table is changed.
public struct SortedWords: @unchecked Sendable {
  // Unchecked: the table is only read.

  struct Item {
    /// The first eight bytes, as a number that compares as they do.
    var prefix: UInt64
    var entry: UnsafeMutablePointer<WordTable.Entry>
  }

  let items: [Item]
  /// Keeps the entries alive.
  private let table: WordTable

  init(items: [Item], table: WordTable) {
    self.items = items
    self.table = table
  }

  public var count: Int { items.count }

  /// A word's bytes.
  public func text(_ index: Int) -> UnsafeBufferPointer<UInt8> {
    let entry = items[index].entry
    return UnsafeBufferPointer(start: entry.text, count: Int(entry.pointee.byteCount))
  }

  /// The place of the first word that is not less than another; `count` where all are.
  public func firstIndex(notLess text: UnsafeBufferPointer<UInt8>) -> Int {
    guard let base = text.baseAddress else { return 0 }
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      let word = self.text(middle)
      if compareBytes(word.baseAddress.unsafelyUnwrapped, word.count, base, text.count) < 0 {
        low = middle + 1
      } else {
        high = middle
      }
    }
    return low
  }

  /// Distributes by the first two bytes, then sorts what is left to sort.
  static func sort(_ items: inout [Item]) {
    guard items.count > 4096 else {
      items.sort(by: isLess)
      return
    }
    var starts = [Int](repeating: 0, count: 1 << 16 + 1)
    for item in items { starts[Int(item.prefix &>> 48) + 1] += 1 }
    for index in 1..<starts.count { starts[index] += starts[index - 1] }
    var places = starts
    items = [Item](unsafeUninitializedCapacity: items.count) { out, count in
      for item in items {
        let bucket = Int(item.prefix &>> 48)
        (out.baseAddress! + places[bucket]).initialize(to: item)
        places[bucket] += 1
      }
      count = items.count
      for bucket in 0..<1 << 16 where starts[bucket + 1] - starts[bucket] > 1 {
        var part = UnsafeMutableBufferPointer(rebasing: out[starts[bucket]..<starts[bucket + 1]])
        part.sort(by: isLess)
      }
    }
  }

  private static func isLess(_ a: Item, _ b: Item) -> Bool {
    if a.prefix != b.prefix { return a.prefix < b.prefix }
    return compareBytes(
      a.entry.text, Int(a.entry.pointee.byteCount), b.entry.text, Int(b.entry.pointee.byteCount))
      < 0
  }

  /// The postings of one word, in pieces of a chain.
  public struct Postings {
    private let entry: UnsafeMutablePointer<WordTable.Entry>
    private var slice: UnsafeMutablePointer<UInt8>?
    private var kind: UInt8 = 0
    private var isAtEnd = false

    init(_ entry: UnsafeMutablePointer<WordTable.Entry>) {
      self.entry = entry
      slice = entry.pointee.chain
    }

    /// Copies the next bytes, as `putPosting` wrote them; the first posting's difference is to 0.
    ///
    /// - Parameter out: At least 4096 bytes.
    /// - Returns: How many; 0 at the end.
    public mutating func read(into out: UnsafeMutablePointer<UInt8>) -> Int {
      if isAtEnd { return 0 }
      var count = 0
      while let start = slice {
        let room = WordTable.byteCount(ofSlice: kind) - WordTable.linkByteCount
        let end = start + room
        // The slice that is being written to is the last.
        let last = entry.pointee.next.unsafelyUnwrapped
        let isLast = last >= start && last <= end && entry.pointee.roomInSlice == end - last
        let used = isLast ? last - start : room
        if count + used + 16 > 4096 { return count }
        (out + count).update(from: start, count: used)
        count += used
        kind = min(kind + 1, 7)
        slice =
          isLast
          ? nil
          : UnsafeRawPointer(end).loadUnaligned(as: UnsafeMutablePointer<UInt8>.self)
      }
      var place = out + count
      putPosting(
        UInt64(entry.pointee.document &- entry.pointee.written), entry.pointee.occurrences,
        to: &place)
      isAtEnd = true
      return place - out
    }
  }

  public func postings(_ index: Int) -> Postings { Postings(items[index].entry) }
}
