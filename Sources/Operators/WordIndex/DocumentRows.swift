import Core
import Kernels
import Synchronization

/// The documents of a segment as rows of a table, in the order of their files' keys.
final class DocumentRows: Sendable {
  private let reader: SegmentReader
  private let dead: DeadDocuments
  private let ids: VerifiedColumn
  private let tokens: VerifiedColumn

  init(_ reader: SegmentReader, _ dead: DeadDocuments) throws {
    self.reader = reader
    self.dead = dead
    // Documents are asked for in another order than these lie in.
    ids = try VerifiedColumn(reader.ids)
    tokens = try VerifiedColumn(reader.tokens)
  }

  /// Ranges of blocks, each of about as many documents as the others.
  func ranges(_ parts: Int) -> [Range<Int>] {
    let count = reader.documentBlocks.count
    let parts = max(1, min(parts, count))
    return (0..<parts).map { count * $0 / parts..<count * ($0 + 1) / parts }
  }

  func stream(_ range: Range<Int>) -> any BatchSource {
    let schema = Schema([
      SegmentRows.bigint("doc_id"), SegmentRows.string("file"), SegmentRows.bigint("size"),
      SegmentRows.string("version"), SegmentRows.bigint("tokens"), SegmentRows.bigint("segment"),
    ])
    let left = Mutex(range)
    let total = range.count * SegmentFrame.documentsInBlock
    return RowStream(schema, total: Int64(total)) { [self] limit in
      var rows = Rows(capacity: limit + SegmentFrame.documentsInBlock)
      while rows.count < limit, let block = left.withLock({ $0.popFirst() }) {
        try reader.forEachDocument(inBlock: block) { entry in
          let id = UInt32(truncatingIfNeeded: ids[entry.ordinal] + Int64(entry.ordinal))
          guard !dead.contains(id) else { return }
          rows.append(entry, id: id, tokens: tokens[entry.ordinal])
        }
      }
      return rows.batch(segment: reader.summary.sequence)
    }
  }

  /// The rows of a batch while it is made.
  private struct Rows {
    private var ids: [Int64] = []
    private var sizes: [Int64] = []
    private var tokens: [Int64] = []
    private var files: [ColumnBatch.Slice] = []
    private var versions: [ColumnBatch.Slice] = []
    private var bytes: [UInt8] = []

    init(capacity: Int) {
      ids.reserveCapacity(capacity)
      sizes.reserveCapacity(capacity)
      tokens.reserveCapacity(capacity)
      files.reserveCapacity(capacity)
      versions.reserveCapacity(capacity)
      // Of a path and a version of this machine; others make it grow.
      bytes.reserveCapacity(96 * capacity)
    }

    var count: Int { ids.count }

    mutating func append(_ entry: SegmentReader.DocumentView, id: UInt32, tokens count: Int64) {
      ids.append(Int64(id))
      sizes.append(entry.size)
      tokens.append(count)
      files.append(slice(entry.key))
      versions.append(slice(entry.version))
    }

    private mutating func slice(_ text: UnsafeBufferPointer<UInt8>) -> ColumnBatch.Slice {
      defer { bytes.append(contentsOf: text) }
      return .init(offset: UInt32(bytes.count), count: UInt32(text.count))
    }

    func batch(segment: Int64) -> ColumnBatch {
      ColumnBatch(
        rowCount: ids.count,
        columns: [
          .init(values: .int64(ids)), .init(values: .bytes(files)), .init(values: .int64(sizes)),
          .init(values: .bytes(versions)), .init(values: .int64(tokens)),
          .init(values: .int64([Int64](repeating: segment, count: ids.count))),
        ], bytes: bytes)
    }
  }
}

/// A column of which every page has been read and verified, to be asked for numbers in any order.
struct VerifiedColumn: @unchecked Sendable {
  // Unchecked: the bytes are only read.
  private let form: PackedNumbers
  private let pages: [UnsafeRawBufferPointer]
  /// Who keep the pages where they are.
  private let owners: [SegmentPart]

  init(_ column: PackedColumn) throws {
    form = column.form
    owners = try (0..<column.form.pages).map { try column.page($0) }
    pages = owners.map(\.bytes)
  }

  subscript(index: Int) -> Int64 {
    precondition(index >= 0 && index < form.count, "a number of the column")
    guard form.width > 0 else { return form.base }
    return form.number(
      index % PackedNumbers.pageCount, of: pages[index / PackedNumbers.pageCount])
  }
}
