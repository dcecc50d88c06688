/// Words with their encoded postings, in memory: what one thread makes of a range of words.
final class EncodedWords: WordSink {
  struct Item {
    var textByteCount: Int
    var encoded: PostingEncoder.Encoded
  }

  /// All lists, one behind the other.
  final class Lists: ByteSink {
    @exclusivity(unchecked) fileprivate(set) var bytes: [UInt8] = []
    func write(_ bytes: [UInt8]) { self.bytes += bytes }
  }

  @exclusivity(unchecked) private(set) var items: [Item] = []
  /// All words, one behind the other.
  @exclusivity(unchecked) private(set) var texts: [UInt8] = []
  let lists = Lists()
  private let encoder = PostingEncoder()

  @inline(__always)
  func add(_ document: UInt32, _ occurrences: UInt32) throws {
    try encoder.add(document, occurrences, to: lists)
  }

  func end(_ text: UnsafeBufferPointer<UInt8>) throws {
    let encoded = try encoder.finish(lists)
    if !encoded.isLong { lists.write(encoder.bytes) }
    texts.append(contentsOf: text)
    items.append(Item(textByteCount: text.count, encoded: encoded))
  }
}

/// What takes words in the order of their bytes, each behind its postings.
protocol WordSink: AnyObject {
  /// - Parameter document: Greater than any before in this word.
  func add(_ document: UInt32, _ occurrences: UInt32) throws
  /// Ends a word.
  func end(_ text: UnsafeBufferPointer<UInt8>) throws
}

extension DictionaryWriter: WordSink {}
