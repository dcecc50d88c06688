import Core
import Kernels
import Synchronization

/// The documents of a segment as rows of a table, in the order of their files' keys.
final class DocumentRows: Sendable {
  private let reader: SegmentReader
  /// Of each document in the order of IDs; empty where none is.
  private let isDead: [Bool]
  /// Of some of the dead, by their places in the order of IDs, the keys that they must have.
  private let names: [Int: String]
  private let ids: VerifiedColumn
  private let tokens: VerifiedColumn

  init(_ reader: SegmentReader, _ dead: DeadDocuments, _ names: [UInt32: String]) throws {
    self.reader = reader
    var isDead = [Bool](repeating: false, count: dead.count > 0 ? reader.summary.documentCount : 0)
    var named: [Int: String] = [:]
    named.reserveCapacity(names.count)
    for case (let id, let ordinal?) in zip(dead.ids, try reader.ordinals(ofIDs: dead.ids)) {
      isDead[ordinal] = true
      if let name = names[id] { named[ordinal] = name }
    }
    self.isDead = isDead
    self.names = named
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
    let left = Mutex((blocks: range, rows: Rows?.none))
    let total = range.count * SegmentFrame.documentsInBlock
    return RowStream(schema, total: Int64(total)) { [self] limit in
      try left.withLock { left in
        let rows = left.rows ?? Rows(capacity: limit + SegmentFrame.documentsInBlock)
        left.rows = rows
        rows.removeAll()
        while rows.count < limit, let block = left.blocks.popFirst() {
          try reader.forEachDocument(inBlock: block) { entry in
            guard isDead.isEmpty || !isDead[entry.ordinal] else { return try expect(entry) }
            rows.append(
              entry, id: ids[entry.ordinal] + Int64(entry.ordinal), tokens: tokens[entry.ordinal])
          }
        }
        return rows.batch(segment: reader.summary.sequence)
      }
    }
  }

  private func expect(_ entry: SegmentReader.DocumentView) throws {
    guard var name = names[entry.ordinal] else { return }
    guard !name.withUTF8({ $0.elementsEqual(entry.key) }) else { return }
    throw OperatorError(
      .otherName,
      "a document's file is '\(String(decoding: entry.key, as: UTF8.self))', not '\(name)'",
      at: Place(file: reader.bytes.name))
  }

  /// The rows of a batch while it is made, column by column; those of the next are made in the same
  /// memory.
  private final class Rows {
    private let ids: UnsafeMutablePointer<Int64>
    private let sizes: UnsafeMutablePointer<Int64>
    private let tokens: UnsafeMutablePointer<Int64>
    private let files: UnsafeMutablePointer<ColumnBatch.Slice>
    private let versions: UnsafeMutablePointer<ColumnBatch.Slice>
    private(set) var count = 0
    private var bytes: UnsafeMutablePointer<UInt8>
    private var byteCount = 0
    private var byteCapacity: Int

    /// - Parameter capacity: The most rows.
    init(capacity: Int) {
      ids = .allocate(capacity: capacity)
      sizes = .allocate(capacity: capacity)
      tokens = .allocate(capacity: capacity)
      files = .allocate(capacity: capacity)
      versions = .allocate(capacity: capacity)
      // Of a path and a version of this machine; others make it grow.
      byteCapacity = 96 * capacity
      bytes = .allocate(capacity: byteCapacity)
    }

    deinit {
      for column in [ids, sizes, tokens] { column.deallocate() }
      for column in [files, versions] { column.deallocate() }
      bytes.deallocate()
    }

    func removeAll() { (count, byteCount) = (0, 0) }

    @inline(__always)
    func append(_ entry: SegmentReader.DocumentView, id: Int64, tokens: Int64) {
      reserve(entry.key.count + entry.version.count)
      (ids + count).initialize(to: id)
      (sizes + count).initialize(to: entry.size)
      (self.tokens + count).initialize(to: tokens)
      (files + count).initialize(to: slice(entry.key))
      (versions + count).initialize(to: slice(entry.version))
      count &+= 1
    }

    @inline(__always)
    private func slice(_ text: UnsafeBufferPointer<UInt8>) -> ColumnBatch.Slice {
      (bytes + byteCount).update(from: text.start, count: text.count)
      defer { byteCount &+= text.count }
      return .init(offset: UInt32(byteCount), count: UInt32(text.count))
    }

    @inline(__always)
    private func reserve(_ more: Int) {
      if byteCount &+ more > byteCapacity { grow(more) }
    }

    private func grow(_ more: Int) {
      byteCapacity = max(2 * byteCapacity, byteCount + more)
      let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: byteCapacity)
      larger.update(from: bytes, count: byteCount)
      bytes.deallocate()
      bytes = larger
    }

    func batch(segment: Int64) -> ColumnBatch {
      ColumnBatch(
        rowCount: count,
        columns: [
          .init(values: .int64(column(ids))), .init(values: .bytes(column(files))),
          .init(values: .int64(column(sizes))), .init(values: .bytes(column(versions))),
          .init(values: .int64(column(tokens))),
          .init(values: .int64([Int64](repeating: segment, count: count))),
        ], bytes: Array(UnsafeBufferPointer(start: bytes, count: byteCount)))
    }

    private func column<Value>(_ values: UnsafeMutablePointer<Value>) -> [Value] {
      Array(UnsafeBufferPointer(start: values, count: count))
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
