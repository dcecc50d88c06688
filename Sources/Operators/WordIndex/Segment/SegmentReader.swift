import Core
import Kernels
import Synchronization

/// A segment that is open for reading. Holds the indexes of its blocks in memory, nothing else; any
/// number of threads use it.
public final class SegmentReader: Sendable {
  public let summary: SegmentSummary
  let bytes: any SegmentBytes
  let dictionary: DictionaryIndex
  let documentBlocks: BlockIndex
  /// Of each document in the order of IDs: its ID less its place.
  let ids: PackedColumn
  let tokens: PackedColumn
  /// Of each document in the order of IDs: its place in the order of keys.
  let places: PackedColumn
  /// In format 1 blocks of documents are packed, and nothing is expected of a version. Before format
  /// 3 words and what belongs to them lie in turn.
  let format: Int64
  /// Offsets of what was verified, where it is enough to do that once.
  private let verified = Mutex<Set<Int64>>([])

  /// Reads the footer and the indexes of blocks.
  ///
  /// - Throws: `OperatorError` `.damaged`, `.unusable` for a format of a newer version; what the
  ///   bytes throw.
  public init(_ bytes: any SegmentBytes) throws {
    self.bytes = bytes
    let footer = try Footer(bytes)
    summary = footer.summary
    format = footer.format
    dictionary = try DictionaryIndex(footer.section("dictionary_index", bytes), bytes, footer)
    let start = try footer.integer("documents_offset", bytes)
    documentBlocks = try BlockIndex(
      footer.section("document_index", bytes), bytes, start: start, hasLists: false)
    var columns = try ["ids", "tokens", "places"].map { try footer.column($0, bytes) }
    if footer.members["page_checksums"] != nil {
      try footer.section("page_checksums", bytes).check(&columns, bytes)
    }
    (ids, tokens, places) = (columns[0], columns[1], columns[2])
    let blocks = (summary.documentCount + SegmentFrame.documentsInBlock - 1)
    guard documentBlocks.count == blocks / SegmentFrame.documentsInBlock else {
      throw bytes.damaged("its documents are not those it counts")
    }
  }

  /// A part of the segment, verified.
  func read(_ offset: Int64, _ count: Int64, checksum: UInt32) throws -> SegmentPart {
    let part = try bytes.checkedRead(offset, count)
    if bytes.isStable && verified.withLock({ $0.contains(offset) }) { return part }
    try bytes.expect(checksum, of: part.bytes, at: offset)
    if bytes.isStable { verified.withLock { _ = $0.insert(offset) } }
    return part
  }

  /// The words of a block of the dictionary, verified.
  func words(inBlock index: Int) throws -> StoredWords {
    guard format >= 3 else { return try dictionaryBlock(index).words }
    let block = dictionary.blocks.blocks[index]
    let part = try read(block.offset, block.byteCount, checksum: block.checksum)
    guard let words = StoredWords(part, count: dictionary.wordCount(ofBlock: index)) else {
      throw damagedWords
    }
    return words
  }

  /// A block's words and what belongs to them, verified: how many bytes of heads there are, these, and
  /// the short lists.
  func dictionaryBlock(_ index: Int) throws -> (words: StoredWords, lists: SegmentPart) {
    let block = dictionary.blocks.blocks[index]
    if format >= 3 {
      let lists = try read(
        block.offset + block.byteCount, block.moreByteCount, checksum: block.moreChecksum)
      return (try words(inBlock: index), lists)
    }
    let part = try read(block.offset, block.byteCount, checksum: block.checksum)
    guard let found = OldWords.converted(part, count: dictionary.wordCount(ofBlock: index))
    else { throw damagedWords }
    return found
  }

  var damagedWords: OperatorError { bytes.damaged("a block of words makes no sense") }

  /// Reads all of the segment.
  ///
  /// - Throws: `OperatorError` `.damaged` where a byte is not what was written.
  public func verify(cancellation: Cancellation = .never) throws {
    let magic = try bytes.checkedRead(0, Int64(SegmentFrame.magic.count))
    guard magic.bytes.elementsEqual(SegmentFrame.magic) else {
      throw bytes.damaged("it does not begin as a segment")
    }
    for block in 0..<dictionary.blocks.count {
      try cancellation.check()
      var words = try DictionaryBlock(self, block)
      while try words.next() {
        if words.isLong { _ = try words.list() }
      }
    }
    for block in 0..<documentBlocks.count { _ = try documentBlock(block) }
    for column in [ids, tokens, places] {
      try column.forEach(in: 0..<column.form.count) { _ in }
    }
  }
}

extension SegmentPart {
  /// Holds the pages of columns to the checksums that these bytes are, one behind the other.
  fileprivate func check(_ columns: inout [PackedColumn], _ file: any SegmentBytes) throws {
    var start = 0
    for index in columns.indices {
      let end = start + 4 * columns[index].form.pages
      guard end <= bytes.count else { throw file.damaged("it has not a checksum for each page") }
      columns[index].checksums = part(start..<end)
      start = end
    }
    guard start == bytes.count else { throw file.damaged("it has not a checksum for each page") }
  }
}

/// What a segment ends with.
struct Footer {
  let members: JSON
  let format: Int64
  var summary: SegmentSummary

  init(_ bytes: any SegmentBytes) throws {
    let frame = Int64(SegmentFrame.magic.count + SegmentFrame.trailerByteCount)
    guard bytes.byteCount >= frame else { throw bytes.damaged("it is cut off") }
    // The footer is short: one read mostly has it all.
    let tailByteCount = min(bytes.byteCount, 4096)
    var tail = try bytes.checkedRead(bytes.byteCount - tailByteCount, tailByteCount)
    let trailer = tail.bytes.suffix(SegmentFrame.trailerByteCount)
    guard trailer.suffix(8).elementsEqual(SegmentFrame.magic) else {
      throw bytes.damaged("it is cut off, or no segment")
    }
    let raw = UnsafeRawBufferPointer(rebasing: trailer)
    let checksum = UInt32(littleEndian: raw.loadUnaligned(as: UInt32.self))
    let length = Int64(
      UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: 4, as: UInt32.self)))
    let start = bytes.byteCount - Int64(SegmentFrame.trailerByteCount) - length
    if length > tailByteCount - Int64(SegmentFrame.trailerByteCount) {
      tail = try bytes.checkedRead(start, length)
    } else {
      let end = tail.bytes.count - SegmentFrame.trailerByteCount
      tail = tail.part(end - Int(length)..<end)
    }
    try bytes.expect(checksum, of: tail.bytes, at: start)
    guard let members = try? JSON(parsing: tail.bytes), let format = members["format"]?.integer
    else { throw bytes.damaged("its footer makes no sense") }
    guard format <= SegmentFrame.format else {
      throw OperatorError(
        .unusable,
        "this segment is of format \(format); this version reads up to \(SegmentFrame.format)",
        at: Place(file: bytes.name), advice: "use a newer version of sluice")
    }
    (self.members, self.format) = (members, format)
    summary = SegmentSummary(
      sequence: 0, documentCount: 0, wordCount: 0, postingCount: 0, tokenCount: 0,
      byteCount: bytes.byteCount, checksum: checksum, tokenizer: "")
    summary.sequence = try integer("sequence", bytes)
    summary.documentCount = Int(try integer("document_count", bytes))
    summary.wordCount = Int(try integer("word_count", bytes))
    summary.postingCount = try integer("posting_count", bytes)
    summary.tokenCount = try integer("token_count", bytes)
    guard let tokenizer = members["tokenizer"]?.string else {
      throw bytes.damaged("its footer has no tokenizer")
    }
    summary.tokenizer = tokenizer
  }

  func integer(_ name: String, _ bytes: any SegmentBytes) throws -> Int64 {
    guard let number = members[name]?.integer, number >= 0 else {
      throw bytes.damaged("its footer has no \(name)")
    }
    return number
  }

  /// A section's bytes, verified.
  func section(_ name: String, _ bytes: any SegmentBytes) throws -> SegmentPart {
    guard let section = SegmentSection(members[name]) else {
      throw bytes.damaged("its footer has no \(name)")
    }
    let part = try bytes.checkedRead(section.offset, section.byteCount)
    try bytes.expect(section.checksum, of: part.bytes, at: section.offset)
    return part
  }

  func column(_ name: String, _ bytes: any SegmentBytes) throws -> PackedColumn {
    guard let json = members[name], let form = PackedNumbers(json),
      let offset = json["offset"]?.integer, offset >= 0,
      offset <= bytes.byteCount - Int64(form.byteCount), form.count == summary.documentCount
    else { throw bytes.damaged("its footer has no \(name)") }
    return PackedColumn(form: form, offset: offset, bytes: bytes)
  }
}
