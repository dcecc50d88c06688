import Kernels

/// Words with their encoded postings, in memory: what one thread makes of a range of words.
final class EncodedWords {
  struct Item {
    var textByteCount: Int
    var encoded: PostingEncoder.Encoded
  }

  /// All lists, one behind the other.
  private final class Lists: ByteSink {
    @exclusivity(unchecked) var bytes: [UInt8] = []
    func write(_ bytes: [UInt8]) { self.bytes += bytes }
  }

  let items: [Item]
  /// All words, one behind the other.
  let texts: [UInt8]
  private let sink: Lists

  /// All lists, one behind the other.
  var lists: [UInt8] { sink.bytes }

  /// Encodes words of several tables.
  ///
  /// - Parameters:
  ///   - ordinals: What a number of a document becomes; nil: itself.
  ///   - check: Throws where the work is to stop.
  init(
    _ parts: [MergedWords.Part], ordinals: [UInt32]?, check: () throws -> Void
  ) throws {
    var words = MergedWords(parts)
    let encoder = PostingEncoder()
    let sink = Lists()
    let count = parts.lazy.map(\.range.count).max() ?? 0
    var items: [Item] = []
    var texts: [UInt8] = []
    items.reserveCapacity(count)
    texts.reserveCapacity(8 * count)
    try ordinals.withPointer { ordinals in
      while words.next() {
        while true {
          let postings = words.postings()
          if postings.isEmpty { break }
          try encoder.add(postings, ordinals: ordinals, to: sink)
        }
        let encoded = try encoder.finish(sink)
        if !encoded.isLong { sink.bytes.append(contentsOf: encoder.shortList) }
        texts.append(contentsOf: words.text)
        items.append(Item(textByteCount: words.text.count, encoded: encoded))
        if items.count & 0xFFF == 0 { try check() }
      }
    }
    (self.items, self.texts, self.sink) = (items, texts, sink)
  }
}

extension [UInt32]? {
  /// Where the numbers are, as long as `body` runs; nil where there are none.
  fileprivate func withPointer(_ body: (UnsafePointer<UInt32>?) throws -> Void) rethrows {
    if let self {
      try self.withUnsafeBufferPointer { try body($0.baseAddress) }
    } else {
      try body(nil)
    }
  }
}
