import Kernels

/// Where the words of a part of the documents come from: in the order of their bytes, each with its
/// postings. One thread's.
protocol WordRun: AnyObject {
  /// The word at hand; nil at the end. Valid until `advance`.
  var word: UnsafeBufferPointer<UInt8>? { get }
  /// Goes on to the next word.
  func advance() throws
  /// Copies the next bytes of the word's postings, as `putPosting` writes them; they may end inside
  /// of a posting.
  ///
  /// - Parameter out: 4096 bytes.
  /// - Returns: How many; 0 at their end.
  func readPostings(into out: UnsafeMutablePointer<UInt8>) throws -> Int
}

/// Words of a table in memory.
final class TableRun: WordRun {
  private let words: SortedWords
  private var index: Int
  private let end: Int
  private var postings: SortedWords.Postings?

  init(_ words: SortedWords, _ range: Range<Int>) {
    self.words = words
    index = range.lowerBound
    end = range.upperBound
    if index < end { postings = words.postings(index) }
  }

  var word: UnsafeBufferPointer<UInt8>? { index < end ? words.text(index) : nil }

  func advance() throws {
    index += 1
    postings = index < end ? words.postings(index) : nil
  }

  func readPostings(into out: UnsafeMutablePointer<UInt8>) throws -> Int {
    postings?.read(into: out) ?? 0
  }
}

/// Words that were written aside.
///
/// Each word: what it shares with the one before, how many more bytes, those; then pieces of
/// postings, each behind its length in two bytes, and an empty one.
final class SpilledRun: WordRun {
  /// Where a run lies in the file, which others write to meanwhile.
  typealias Place = [(offset: Int64, byteCount: Int)]

  /// Writes all words of a table.
  static func write(_ words: SortedWords, to file: SpillFile) throws -> Place {
    var place: Place = []
    var buffer: [UInt8] = []
    var last: [UInt8] = []
    func flush() throws {
      let offset = try buffer.withUnsafeBytes {
        try file.write($0.baseAddress!, byteCount: $0.count)
      }
      place.append((offset, buffer.count))
      buffer.removeAll(keepingCapacity: true)
    }
    try withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 4096) { piece in
      for index in 0..<words.count {
        let word = Array(words.text(index))
        appendSharing(word, with: last, to: &buffer)
        last = word
        var postings = words.postings(index)
        while true {
          let count = postings.read(into: piece.baseAddress!)
          buffer.append(UInt8(truncatingIfNeeded: count))
          buffer.append(UInt8(truncatingIfNeeded: count >> 8))
          if count == 0 { break }
          buffer.append(contentsOf: piece[..<count])
        }
        if buffer.count > 1 << 20 { try flush() }
      }
    }
    if !buffer.isEmpty { try flush() }
    return place
  }

  private let file: SpillFile
  private var rest: ArraySlice<(offset: Int64, byteCount: Int)>
  private let buffer: UnsafeMutableRawBufferPointer
  private var start = 0
  private var filled = 0
  private let text: UnsafeMutablePointer<UInt8>
  private var textByteCount = 0
  private var isAtEnd = false
  private var hasReadPostings = true

  /// - Parameter bufferByteCount: At least 8 KiB.
  init(_ file: SpillFile, _ place: Place, bufferByteCount: Int) throws {
    self.file = file
    rest = place[...]
    buffer = .allocate(byteCount: max(8 << 10, bufferByteCount), alignment: 16)
    text = .allocate(capacity: StoredWords.greatestByteCount)
    try advance()
  }

  deinit {
    buffer.deallocate()
    text.deallocate()
  }

  var word: UnsafeBufferPointer<UInt8>? {
    isAtEnd ? nil : UnsafeBufferPointer(start: text, count: textByteCount)
  }

  func advance() throws {
    if !hasReadPostings {
      try withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 4096) { piece in
        while try readPostings(into: piece.baseAddress!) > 0 {}
      }
    }
    try need(2 * maximumVarintByteCount)
    guard start < filled else {
      isAtEnd = true
      return
    }
    let base = UnsafePointer(buffer.baseAddress!.assumingMemoryBound(to: UInt8.self))
    var place = base + start
    textByteCount = Int(readVarint(unchecked: &place))
    var missing = Int(readVarint(unchecked: &place))
    start = place - base
    while missing > 0 {
      try need(1)
      let count = min(missing, filled - start)
      UnsafeMutableRawPointer(text + textByteCount).copyMemory(
        from: buffer.baseAddress! + start, byteCount: count)
      textByteCount += count
      start += count
      missing -= count
    }
    hasReadPostings = false
  }

  func readPostings(into out: UnsafeMutablePointer<UInt8>) throws -> Int {
    if hasReadPostings { return 0 }
    try need(2 + 4096)
    let count = Int(buffer[start]) | Int(buffer[start + 1]) << 8
    start += 2
    if count == 0 { hasReadPostings = true }
    UnsafeMutableRawPointer(out).copyMemory(
      from: buffer.baseAddress! + start, byteCount: count)
    start += count
    return count
  }

  /// Has that many bytes in the buffer, unless the run ends.
  private func need(_ count: Int) throws {
    guard filled - start < count && !rest.isEmpty else { return }
    buffer.baseAddress!.copyMemory(from: buffer.baseAddress! + start, byteCount: filled - start)
    filled -= start
    start = 0
    while filled < buffer.count, let (offset, byteCount) = rest.first {
      let room = min(buffer.count - filled, byteCount)
      try file.read(
        at: offset, into: UnsafeMutableRawBufferPointer(rebasing: buffer[filled..<filled + room]))
      filled += room
      if room == byteCount {
        rest.removeFirst()
      } else {
        rest[rest.startIndex] = (offset + Int64(room), byteCount - room)
      }
    }
  }
}
