import Core
import Kernels

/// Writes words with their postings: blocks of 128 words, each behind the long lists of its words.
final class DictionaryWriter {
  private let file: SegmentFile
  private let encoder = PostingEncoder()
  @exclusivity(unchecked) private var entries: [UInt8] = []
  @exclusivity(unchecked) private var lists: [UInt8] = []
  @exclusivity(unchecked) private var wordsInBlock = 0
  @exclusivity(unchecked) private var word: [UInt8] = []
  @exclusivity(unchecked) private var firstWord: [UInt8] = []
  @exclusivity(unchecked) private var lastFirstWord: [UInt8] = []
  @exclusivity(unchecked) private var blockStart: Int64
  @exclusivity(unchecked) private(set) var wordCount = 0
  @exclusivity(unchecked) private(set) var postingCount: Int64 = 0
  /// Of each block: the bytes of its long lists, its own, its checksum, its first word.
  @exclusivity(unchecked) private(set) var index: [UInt8] = []

  init(_ file: SegmentFile) {
    self.file = file
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
      wordsInBlock == 0
      ? 0
      : word.withUnsafeBufferPointer {
        commonPrefix($0.start, $0.count, text.start, text.count)
      }
    word.removeAll(keepingCapacity: true)
    word.append(contentsOf: text)
    if wordsInBlock == 0 { firstWord = word }
    appendVarint(UInt64(common), to: &entries)
    appendVarint(UInt64(text.count - common), to: &entries)
    entries.append(contentsOf: text[common...])
    switch encoded.documentCount {
    case 0: entries.append(0)
    case 1:
      entries.append(1)
      entries.append(contentsOf: list)
    case let count:
      appendVarint(UInt64(count), to: &entries)
      appendVarint(UInt64(encoded.byteCount), to: &entries)
      if encoded.isLong {
        withUnsafeBytes(of: encoded.checksum.littleEndian) { entries += $0 }
      } else {
        lists.append(contentsOf: list)
      }
    }
    wordCount += 1
    postingCount += Int64(encoded.documentCount)
    wordsInBlock += 1
    if wordsInBlock == SegmentFrame.wordsInBlock { try endBlock() }
  }

  /// Ends the dictionary.
  func finish() throws {
    if wordsInBlock > 0 { try endBlock() }
  }

  private func endBlock() throws {
    var block: [UInt8] = []
    block.reserveCapacity(entries.count + lists.count + 3)
    appendVarint(UInt64(entries.count), to: &block)
    block += entries
    block += lists
    var checksum = CRC32C()
    block.withUnsafeBytes { checksum.update($0) }
    appendVarint(UInt64(file.offset - blockStart), to: &index)
    appendVarint(UInt64(block.count), to: &index)
    withUnsafeBytes(of: checksum.value.littleEndian) { index += $0 }
    appendSharing(firstWord, with: lastFirstWord, to: &index)
    swap(&lastFirstWord, &firstWord)
    try file.write(block)
    entries.removeAll(keepingCapacity: true)
    lists.removeAll(keepingCapacity: true)
    wordsInBlock = 0
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
