import Core
import Kernels

/// Writes a segment: first words with their postings, then documents, then what leads to them.
final class SegmentWriter {
  private let file: SegmentFile
  let dictionary: DictionaryWriter
  private let sequence: Int64
  private let tokenizer: String
  private let format: Int64

  /// - Parameter format: An older one, for what has to read such.
  /// - Throws: `OperatorError` `.unusable`, also where the file exists.
  init(
    path: String, sequence: Int64, tokenizer: String, format: Int64 = SegmentFrame.format
  ) throws {
    self.format = format
    file = try SegmentFile(path: path)
    try file.write(SegmentFrame.magic)
    dictionary = DictionaryWriter(file, format: format)
    self.sequence = sequence
    self.tokenizer = tokenizer
  }

  /// Begins the documents, which are written as they come. No words come any more.
  ///
  /// - Parameter count: How many there will be.
  func documents(count: Int) throws -> DocumentWriter {
    try dictionary.finish()
    return DocumentWriter(count: count, file: file, format: format)
  }

  /// Ends the segment.
  ///
  /// - Parameters:
  ///   - ids: Of the documents, ascending, each less its place.
  ///   - tokens: In the order of IDs.
  ///   - spill: For what does not fit in memory.
  func finish(
    _ documents: DocumentWriter, ids: NumberSpool, tokens: NumberSpool, spill: SpillFile
  ) throws -> SegmentSummary {
    try dictionary.finish()
    var documents = documents
    let columns = try documents.write(to: file, ids: ids, tokens: tokens, spill: spill)
    let sections = [
      JSON.Member("dictionary_index", try write(dictionary.index).json),
      JSON.Member("document_index", try write(documents.index).json),
      JSON.Member("page_checksums", try write(documents.pageChecksums).json),
    ]
    let footer = JSON.object(
      [
        .init("format", .integer(format)),
        .init("tokenizer", .string(tokenizer)),
        .init("sequence", .integer(sequence)),
        .init("document_count", .integer(Int64(ids.count))),
        .init("word_count", .integer(Int64(dictionary.wordCount))),
        .init("posting_count", .integer(dictionary.postingCount)),
        .init("token_count", .integer(tokens.sum)),
      ] + columns + sections)
    let text = Array(footer.description.utf8)
    var checksum = CRC32C()
    text.withUnsafeBytes { checksum.update($0) }
    try file.write(text)
    var trailer: [UInt8] = []
    withUnsafeBytes(of: checksum.value.littleEndian) { trailer += $0 }
    withUnsafeBytes(of: UInt32(text.count).littleEndian) { trailer += $0 }
    try file.write(trailer + SegmentFrame.magic)
    try file.finish()
    return SegmentSummary(
      sequence: sequence, documentCount: ids.count, wordCount: dictionary.wordCount,
      postingCount: dictionary.postingCount, tokenCount: tokens.sum, byteCount: file.offset,
      checksum: checksum.value, tokenizer: tokenizer)
  }

  private func write(_ index: [UInt8]) throws -> SegmentSection {
    var checksum = CRC32C()
    index.withUnsafeBytes { checksum.update($0) }
    let offset = file.offset
    try file.write(index)
    return SegmentSection(
      offset: offset, byteCount: Int64(index.count), checksum: checksum.value)
  }
}
