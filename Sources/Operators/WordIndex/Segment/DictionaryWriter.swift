import Core
import Kernels

/// Writes words with their postings: blocks of 128 words, each behind the long lists of its words; in
/// each first the words, then what belongs to them.
final class DictionaryWriter {
  private let file: SegmentFile
  private let encoder = PostingEncoder()
  @exclusivity(unchecked) private var words = StoredWords.Writer()
  /// Of each word: how many documents it has, and what leads to them.
  @exclusivity(unchecked) private var heads: [UInt8] = []
  @exclusivity(unchecked) private var lists: [UInt8] = []
  @exclusivity(unchecked) private var word: [UInt8] = []
  @exclusivity(unchecked) private var firstWord: [UInt8] = []
  @exclusivity(unchecked) private var lastFirstWord: [UInt8] = []
  @exclusivity(unchecked) private var blockStart: Int64
  @exclusivity(unchecked) private(set) var wordCount = 0
  @exclusivity(unchecked) private(set) var postingCount: Int64 = 0
  /// Of each block: the bytes of its long lists, those of its words and their checksum, those of what
  /// belongs to them and their checksum, its first word.
  @exclusivity(unchecked) private(set) var index: [UInt8] = []

  private let format: Int64

  /// - Parameter format: The segment's.
  init(_ file: SegmentFile, format: Int64 = SegmentFrame.format) {
    self.file = file
    self.format = format
    blockStart = file.offset
  }

  /// Ends a word, whose postings the encoder was given before.
  ///
  /// - Parameter text: Greater than any before.
  func end(_ text: UnsafeBufferPointer<UInt8>) throws {
    let encoded = try encoder.finish(file)
    try append(text, encoded, shortList: encoder.shortList)
  }

  /// A posting of the word that comes next.
  @inline(__always)
  func add(_ document: UInt32, _ occurrences: UInt32) throws {
    try encoder.add(document, occurrences, to: file)
  }

  /// Appends words that were encoded elsewhere.
  func append(_ words: EncodedWords) throws {
    try words.texts.withUnsafeBufferPointer { texts in
      try words.lists.withUnsafeBufferPointer { lists in
        var (text, list) = (0, 0)
        for item in words.items {
          let bytes = UnsafeBufferPointer(rebasing: lists[list..<list + item.encoded.byteCount])
          if item.encoded.isLong { try file.write(UnsafeRawBufferPointer(bytes)) }
          try append(
            UnsafeBufferPointer(rebasing: texts[text..<text + item.textByteCount]), item.encoded,
            shortList: bytes)
          text += item.textByteCount
          list += item.encoded.byteCount
        }
      }
    }
  }

  /// - Parameter list: Of a word with a short list; a long list is in the file already.
  private func append(
    _ text: UnsafeBufferPointer<UInt8>, _ encoded: PostingEncoder.Encoded,
    shortList list: UnsafeBufferPointer<UInt8>
  ) throws {
    let common =
      words.count == 0
      ? 0
      : word.withUnsafeBufferPointer {
        commonPrefix($0.start, $0.count, text.start, text.count)
      }
    word.removeAll(keepingCapacity: true)
    word.append(contentsOf: text)
    if words.count == 0 { firstWord = word }
    words.append(UnsafeBufferPointer(rebasing: text[common...]), sharing: common)
    switch encoded.documentCount {
    case 0: heads.append(0)
    case 1:
      heads.append(1)
      heads.append(contentsOf: list)
    case let count:
      appendVarint(UInt64(count), to: &heads)
      appendVarint(UInt64(encoded.byteCount), to: &heads)
      if encoded.isLong {
        withUnsafeBytes(of: encoded.checksum.littleEndian) { heads += $0 }
      } else {
        lists.append(contentsOf: list)
      }
    }
    wordCount += 1
    postingCount += Int64(encoded.documentCount)
    if words.count == SegmentFrame.wordsInBlock { try endBlock() }
  }

  /// Ends the dictionary.
  func finish() throws {
    if words.count > 0 { try endBlock() }
  }

  private func endBlock() throws {
    var block: [UInt8] = []
    block.reserveCapacity(heads.count + lists.count + 3)
    appendVarint(UInt64(heads.count), to: &block)
    block += heads
    block += lists
    let parts =
      format >= 3
      ? [words.bytes, block] : [OldWords.block(words, heads, lists: lists)]
    appendVarint(UInt64(file.offset - blockStart), to: &index)
    for part in parts {
      var checksum = CRC32C()
      part.withUnsafeBytes { checksum.update($0) }
      appendVarint(UInt64(part.count), to: &index)
      withUnsafeBytes(of: checksum.value.littleEndian) { index += $0 }
      try file.write(part)
    }
    appendSharing(firstWord, with: lastFirstWord, to: &index)
    swap(&lastFirstWord, &firstWord)
    words.removeAll()
    heads.removeAll(keepingCapacity: true)
    lists.removeAll(keepingCapacity: true)
    blockStart = file.offset
  }
}

/// Appends bytes as what they share with others at their start, how many more they are, and those.
func appendSharing(_ bytes: [UInt8], with others: [UInt8], to out: inout [UInt8]) {
  let common = bytes.withUnsafeBufferPointer { a in
    others.withUnsafeBufferPointer { b in commonPrefix(a.start, a.count, b.start, b.count) }
  }
  appendVarint(UInt64(common), to: &out)
  appendVarint(UInt64(bytes.count - common), to: &out)
  out += bytes[common...]
}
