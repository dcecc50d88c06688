import Core
import Kernels

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Writes batches of rows as one Parquet file: pages as the batches come, zstd, Iceberg's field IDs.
/// One thread's.
///
/// This is for rows that an operator has made, of the few types that operators make. Handing them to
/// an engine to be written took ten times as long as making them.
///
/// Format: https://github.com/apache/parquet-format (README.md, parquet.thrift)
final class ParquetWriter {
  let path: String
  private let schema: Schema
  private var columns: [ParquetColumn]
  private let room = PageRoom()
  private let descriptor: Int32
  private var offset: Int64 = 0
  private var groupRowCount = 0
  private var rowCount: Int64 = 0
  private var groups: [Group] = []

  /// A row group that is in the file.
  private struct Group {
    var columns: [ThriftWriter]
    var offset: Int64
    var plainByteCount: Int64
    var byteCount: Int64
    var rowCount: Int
  }

  /// As many rows as DuckDB puts into one: readers share out the work by row groups.
  private static let mostRows = 122_880
  private static let mostBytes = 16 << 20
  private static let rowsInPage = 16_384
  private static let magic = Array("PAR1".utf8)

  /// Whether rows of this schema can be written: of columns of `bigint`, `string` and `list<bigint>`.
  static func canWrite(_ schema: Schema) -> Bool {
    schema.fields.allSatisfy { field in
      if case .list(let element) = field.type, element.id <= 0 { return false }
      return field.id > 0 && ParquetColumn(field) != nil
    }
  }

  /// Makes the file.
  ///
  /// - Parameter schema: One that can be written.
  /// - Throws: `EngineError` `.failed`, `.exhausted`.
  init(path: String, _ schema: Schema) throws(EngineError) {
    self.path = path
    self.schema = schema
    columns = schema.fields.map { ParquetColumn($0)! }
    descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw ParquetWriter.failure("cannot be made", path) }
  }

  deinit { close(descriptor) }

  /// Bytes in the file so far.
  var byteCount: Int64 { offset }

  /// Adds rows.
  ///
  /// - Parameter order: Of each column of the schema, the batch's column.
  /// - Throws: `EngineError`; `.wrongColumns` for values that are not of the column's type, or null.
  func append(_ batch: ColumnBatch, _ order: [Int]) throws(EngineError) {
    for (column, place) in zip(columns, order) where !column.holds(batch.columns[place]) {
      throw EngineError(
        .wrongColumns, "the column \(column.field.name) is not stored as \(column.field.type) is")
    }
    var first = 0
    while first < batch.rowCount {
      let rows = first..<min(batch.rowCount, first + ParquetWriter.rowsInPage)
      for index in columns.indices {
        try columns[index].append(batch, column: order[index], rows, room)
      }
      groupRowCount += rows.count
      first = rows.upperBound
      let byteCount = columns.reduce(0) { $0 + $1.pages.count }
      if groupRowCount >= ParquetWriter.mostRows || byteCount >= ParquetWriter.mostBytes {
        try endGroup()
      }
    }
  }

  private func endGroup() throws(EngineError) {
    if offset == 0 { try write(ParquetWriter.magic) }
    guard groupRowCount > 0 else { return }
    var group = Group(
      columns: [], offset: offset, plainByteCount: 0, byteCount: 0, rowCount: groupRowCount)
    for index in columns.indices {
      var description = ThriftWriter()
      description.structure { columns[index].describe(&$0, at: offset) }
      group.columns.append(description)
      group.plainByteCount += columns[index].plainByteCount
      group.byteCount += Int64(columns[index].pages.count)
      try write(columns[index].pages)
      columns[index].endGroup()
    }
    groups.append(group)
    rowCount += Int64(groupRowCount)
    groupRowCount = 0
  }

  /// Writes the footer, and waits for the disk.
  func finish() throws(EngineError) -> DataFile {
    try endGroup()
    let footer = footer()
    try write(footer)
    try write(withUnsafeBytes(of: UInt32(footer.count).littleEndian) { Array($0) })
    try write(ParquetWriter.magic)
    guard fsync(descriptor) == 0 else { throw ParquetWriter.failure("cannot be made safe", path) }
    return DataFile(
      path: path, rowCount: rowCount, byteCount: offset,
      columns: Dictionary(uniqueKeysWithValues: columns.map(\.statistics)))
  }

  private func footer() -> [UInt8] {
    var elements: [@Sendable (inout ThriftWriter) -> Void] = []
    let count = columns.count
    elements.append {
      $0.binary(4, Array("schema".utf8))
      $0.int32(5, count)
    }
    for column in columns { column.describe(&elements) }
    var footer = ThriftWriter()
    footer.structure {
      $0.int32(1, 1)
      $0.structures(2, elements) { writer, describe in describe(&writer) }
      $0.int64(3, rowCount)
      $0.structures(4, groups) { writer, group in
        writer.elements(1, group.columns)
        writer.int64(2, group.plainByteCount)
        writer.int64(3, Int64(group.rowCount))
        writer.int64(5, group.offset)
        writer.int64(6, group.byteCount)
      }
      $0.binary(6, Array("sluice".utf8))
      // The order of every column is its type's.
      $0.structures(7, columns) { writer, _ in writer.structure(1) { _ in } }
    }
    return footer.bytes
  }

  private func write(_ bytes: [UInt8]) throws(EngineError) {
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes {
        #if canImport(Glibc)
          Glibc.write(descriptor, $0.baseAddress! + done, bytes.count - done)
        #else
          Darwin.write(descriptor, $0.baseAddress! + done, bytes.count - done)
        #endif
      }
      if count < 0 {
        if errno == EINTR { continue }
        throw ParquetWriter.failure("cannot be written", path)
      }
      done += count
    }
    offset += Int64(bytes.count)
  }

  static func failure(_ what: String, _ path: String) -> EngineError {
    EngineError(
      errno == ENOSPC || errno == EDQUOT ? .exhausted : .failed,
      "the file \(what): \(String(cString: strerror(errno)))", at: Place(file: path))
  }
}
