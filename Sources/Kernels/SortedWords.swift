/// The words of a table in the order of their bytes, with their postings.
///
/// Valid until the table is changed.
public struct SortedWords: @unchecked Sendable {
  // Unchecked: the table is only read.

  struct Item {
    /// The first eight bytes, as a number that compares as they do.
    var prefix: UInt64
    var entry: UnsafeMutablePointer<WordEntry>
  }

  private final class Storage {
    let items: UnsafeMutableBufferPointer<Item>
    /// Keeps the entries alive.
    private let table: WordTable

    init(capacity: Int, _ table: WordTable) {
      items = .allocate(capacity: capacity)
      self.table = table
    }

    deinit { items.deallocate() }
  }

  /// Lives as long as these words do.
  let items: UnsafeBufferPointer<Item>
  private let storage: Storage

  /// - Parameter forEach: Visits the entries; is called twice.
  init(_ table: WordTable, _ forEach: ((UnsafeMutablePointer<WordEntry>) -> Void) -> Void) {
    // Distributed by the first two bytes; then what is left to sort is sorted.
    var starts = [Int](repeating: 0, count: 1 << 16 + 1)
    var count = 0
    forEach { entry in
      starts[Int(entry.prefix &>> 48) + 1] += 1
      count += 1
    }
    for bucket in 1..<starts.count { starts[bucket] += starts[bucket - 1] }
    storage = Storage(capacity: count, table)
    let items = storage.items
    self.items = UnsafeBufferPointer(items)
    guard let base = items.baseAddress, count > 0 else { return }
    var places = starts
    forEach { entry in
      let item = Item(prefix: entry.prefix, entry: entry)
      let bucket = Int(item.prefix &>> 48)
      (base + places[bucket]).initialize(to: item)
      places[bucket] += 1
    }
    for bucket in 0..<1 << 16 where starts[bucket + 1] - starts[bucket] > 1 {
      SortedWords.sort(
        UnsafeMutableBufferPointer(rebasing: items[starts[bucket]..<starts[bucket + 1]]), byte: 2)
    }
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

  // MARK: - Sorting

  /// Sorts words that have their first bytes in common: many by the next one, few one by one.
  ///
  /// - Parameters:
  ///   - byte: The next one of the prefix; 8 where prefixes are the same.
  ///   - skipped: The bytes of the words before the prefix.
  private static func sort(
    _ items: UnsafeMutableBufferPointer<Item>, byte: Int, skipped: Int = 0
  ) {
    if byte == 8 { return sortRest(items, skipped) }
    if items.count <= 32 { return sortFew(items, skipped) }
    let shift = UInt64(56 - 8 * byte)
    withUnsafeTemporaryAllocation(of: Int.self, capacity: 512) { room in
      room.initialize(repeating: 0)
      let ends = room.baseAddress!
      let places = ends + 256
      for item in items { ends[Int(item.prefix &>> shift & 0xFF)] &+= 1 }
      var sum = 0
      for value in 0..<256 {
        places[value] = sum
        sum &+= ends[value]
        ends[value] = sum
      }
      // Each goes where it belongs, in exchange for the one that is there.
      for value in 0..<256 {
        while places[value] < ends[value] {
          var item = items[places[value]]
          var bucket = Int(item.prefix &>> shift & 0xFF)
          while bucket != value {
            swap(&item, &items[places[bucket]])
            places[bucket] &+= 1
            bucket = Int(item.prefix &>> shift & 0xFF)
          }
          items[places[value]] = item
          places[value] &+= 1
        }
      }
      var start = 0
      for value in 0..<256 {
        let end = ends[value]
        if end &- start > 1 {
          sort(
            UnsafeMutableBufferPointer(rebasing: items[start..<end]), byte: byte + 1,
            skipped: skipped)
        }
        start = end
      }
    }
  }

  private static func sortFew(_ items: UnsafeMutableBufferPointer<Item>, _ skipped: Int) {
    for index in 1..<items.count {
      let item = items[index]
      var place = index
      while place > 0 && item.prefix < items[place &- 1].prefix {
        items[place] = items[place &- 1]
        place &-= 1
      }
      items[place] = item
    }
    var start = 0
    for index in 1...items.count
    where index == items.count || items[index].prefix != items[start].prefix {
      if index &- start > 1 {
        sortRest(UnsafeMutableBufferPointer(rebasing: items[start..<index]), skipped)
      }
      start = index
    }
  }

  /// Sorts words of the same prefix by what follows it.
  private static func sortRest(_ items: UnsafeMutableBufferPointer<Item>, _ skipped: Int) {
    guard skipped == 0 else {
      var items = items
      return items.sort { a, b in
        compareBytes(
          a.entry.text, Int(a.entry.pointee.byteCount), b.entry.text,
          Int(b.entry.pointee.byteCount)) < 0
      }
    }
    // For a while the next eight bytes are the prefix: entries lie all over the memory, and are
    // looked at once each.
    let prefix = items[0].prefix
    for index in items.indices { items[index].prefix = items[index].entry.secondPrefix }
    sort(items, byte: 0, skipped: 8)
    for index in items.indices { items[index].prefix = prefix }
  }

  // MARK: - Postings

  /// The postings of one word, in pieces.
  public struct Postings {
    private let entry: UnsafeMutablePointer<WordEntry>
    private var written: WrittenPostings
    private var isAtEnd = false

    init(_ entry: UnsafeMutablePointer<WordEntry>) {
      self.entry = entry
      written = WrittenPostings(entry)
    }

    /// Copies the next bytes, as `putPosting` wrote them; the first posting's difference is to 0.
    ///
    /// - Parameter out: At least 4096 bytes.
    /// - Returns: How many; 0 at the end.
    public mutating func read(into out: UnsafeMutablePointer<UInt8>) -> Int {
      if isAtEnd { return 0 }
      var count = 0
      while !written.isAtEnd {
        if count + WrittenPostings.mostByteCount + 16 > 4096 { return count }
        count += written.copyNext(to: out + count)
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
