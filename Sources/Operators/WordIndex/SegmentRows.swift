import Core
import Kernels
import Synchronization

/// The rows that a segment adds to an index's tables: streams for one thread each, in order.
public enum SegmentRows {
  /// `word_id`, `word` of the words with IDs from `firstNew` on, ascending.
  public static func words(
    _ reader: SegmentReader, _ ids: WordIDs, from firstNew: Int64
  ) -> any BatchSource {
    let schema = Schema([bigint("word_id"), string("word")])
    let scan = Mutex(DictionaryScan(reader))
    return RowStream(schema, total: Int64(reader.summary.wordCount)) { limit in
      var numbers: [Int64] = []
      var texts = TextColumn()
      // Among themselves, new words have IDs in the order of their bytes.
      try scan.withLock { scan in
        while numbers.count < limit, try scan.next() {
          let id = ids[scan.local]
          guard id >= firstNew else { continue }
          numbers.append(id)
          texts.append(scan.word)
        }
      }
      return ColumnBatch(
        rowCount: numbers.count,
        columns: [.init(values: .int64(numbers)), .init(values: .bytes(texts.slices))],
        bytes: texts.bytes)
    }
  }

  /// `doc_id`, `file`, `size`, `version`, `tokens`, `segment` of the documents that are not dead, by
  /// their files' keys.
  ///
  /// - Parameters:
  ///   - names: Of some of the dead, by their IDs, the keys of their files. A stream throws
  ///     `OperatorError` `.otherName` where a document has another one.
  ///   - parts: How many streams, each with a range of keys and about as many documents as the
  ///     others; fewer where there are few documents.
  public static func documents(
    _ reader: SegmentReader, except dead: DeadDocuments = DeadDocuments(),
    named names: [UInt32: String] = [:], parts: Int = 1
  ) throws -> [any BatchSource] {
    let rows = try DocumentRows(reader, dead, names)
    return rows.ranges(parts).map { range in rows.stream(range) }
  }

  /// `word_id`, `doc_ids`, `segment` of the words that have postings, by word ID.
  ///
  /// - Parameters:
  ///   - dead: Documents that are left out.
  ///   - parts: How many streams, each with a range of IDs and about as many bytes as the others;
  ///     fewer where there are few words.
  public static func postings(
    _ reader: SegmentReader, _ ids: WordIDs, except dead: DeadDocuments = DeadDocuments(),
    parts: Int = 1
  ) throws -> [any BatchSource] {
    let rows = try PostingRows(reader, ids, dead)
    return rows.ranges(parts).map { range in rows.stream(range) }
  }

  static func bigint(_ name: String) -> Field { Field(name: name, type: .bigint) }

  static func string(_ name: String) -> Field { Field(name: name, type: .string) }
}

/// Texts of a batch.
private struct TextColumn {
  var bytes: [UInt8] = []
  var slices: [ColumnBatch.Slice] = []

  mutating func append(_ text: [UInt8]) {
    slices.append(.init(offset: UInt32(bytes.count), count: UInt32(text.count)))
    bytes += text
  }
}

/// Batches as a closure makes them.
final class RowStream: BatchSource {
  let schema: Schema
  let readerLimit = 1
  private let total: Int64
  private let done = Atomic<Int64>(0)
  private let isAtEnd = Atomic<Bool>(false)
  private let make: @Sendable (_ limit: Int) throws -> ColumnBatch

  /// - Parameter make: A batch of about `limit` rows; an empty one at the end.
  init(_ schema: Schema, total: Int64, _ make: @escaping @Sendable (Int) throws -> ColumnBatch) {
    self.schema = schema
    self.total = total
    self.make = make
  }

  var progress: (done: Int64, total: Int64) { (done.load(ordering: .relaxed), total) }

  func next() throws -> ColumnBatch? {
    if isAtEnd.load(ordering: .relaxed) { return nil }
    do {
      let batch = try make(4096)
      if batch.rowCount > 0 {
        done.add(Int64(batch.rowCount), ordering: .relaxed)
        return batch
      }
    } catch {
      isAtEnd.store(true, ordering: .relaxed)
      throw error
    }
    isAtEnd.store(true, ordering: .relaxed)
    return nil
  }
}
