import Core
import Stores

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Writes a query's rows as Parquet files of a table: declared types, Iceberg's field IDs, zstd,
/// and the statistics that a manifest holds.
struct ParquetOutput {
  private let output: Output
  private let location: String
  private let fileBytes: Int64
  private let rowGroupBytes: Int64

  init(_ output: Output, _ settings: DuckDBSettings) {
    self.output = output
    location = ParquetInput.localPath(output.location)
    fileBytes = max(settings.fileBytes, 1)
    rowGroupBytes = settings.rowGroupBytes
  }

  private var isLocal: Bool { !location.contains("://") }

  func write(_ scope: QueryScope) throws -> [DataFile] {
    let label = scope.query.label
    for field in output.schema.fields where field.id <= 0 {
      throw EngineError(
        .wrongColumns, "column \(field.name) has no field ID", at: Place(model: label))
    }
    let columns = try OutputColumns(
      declared: output.schema, given: try scope.columns(for: output.schema), label: label)
    let order = try output.orderBy(label: label)
    let keys = try PartitionKeys(output, label: label)
    try scope.materializeIfNeeded()
    let before = isLocal ? Set(entries(location)) : []
    if isLocal && !makeFolders(location) {
      throw EngineError(
        .failed, "the folder cannot be made: \(String(cString: strerror(errno)))",
        at: Place(file: location, model: label))
    }
    return try MutationCounter.shared.around("compute", location) {
      do {
        var files =
          try output.partition.isEmpty
          ? copy(scope, columns, order) : copy(scope, columns, by: keys)
        try scope.drain()
        files = try discardEmpty(files)
        if !output.partition.isEmpty { files = try settle(files, order, scope) }
        files = try split(files, scope)
        try countNaNs(&files, scope)
        if let columns = FixedLengthColumns(output.schema), isLocal {
          for index in files.indices {
            files[index].byteCount = try columns.rewrite(files[index].path)
          }
        }
        if isLocal { try sync(files) }
        return files
      } catch {
        // Nothing refers to what was written; what cannot be removed is left to maintenance.
        if isLocal {
          for name in entries(location) where !before.contains(name) {
            removeAll("\(location)/\(name)")
          }
        }
        throw error
      }
    }
  }

  // MARK: Steps

  private func copy(
    _ scope: QueryScope, _ columns: OutputColumns, _ order: String
  ) throws -> [DataFile] {
    let prefix = "COPY (SELECT \(columns.expressions.joined(separator: ", ")) FROM ("
    // DuckDB begins a new file by itself only where the order of rows does not matter.
    let target =
      order.isEmpty
      ? (
        location,
        "FILE_SIZE_BYTES \(fileBytes), FILENAME_PATTERN 'part-{uuid}', "
          + "OVERWRITE_OR_IGNORE true"
      )
      : (freshPath(), "USE_TMP_FILE false")
    let sent = scope.statement(
      prefix: prefix, suffix: ")\(order)) TO \(target.0.quotedLiteral) (\(options), \(target.1))")
    return try scope.execute(sent) { try files(in: $0) }
  }

  /// Writes files below folders named by the partitions' values.
  private func copy(
    _ scope: QueryScope, _ columns: OutputColumns, by keys: PartitionKeys
  ) throws -> [DataFile] {
    guard isLocal else {
      throw EngineError(
        .failed, "partitioned output goes to a local folder first",
        at: Place(file: location, model: scope.query.label))
    }
    let sent = scope.statement(
      prefix: "COPY (SELECT *\(keys.columns) FROM "
        + "(SELECT \(columns.expressions.joined(separator: ", ")) FROM (",
      suffix: "))) TO \(location.quotedLiteral) (\(options), \(keys.options), "
        + "FILENAME_PATTERN 'part-{uuid}', OVERWRITE_OR_IGNORE true)")
    return try scope.execute(sent) { result in
      try result.rows().map { row in
        var file = try file(in: row)
        guard row.count >= 6 else {
          throw EngineError(.failed, "DuckDB gave no partition of the file it wrote")
        }
        file.partition = try keys.values(row[5])
        return file
      }
    }
  }

  /// Puts the files of partitions right below the location; where an order is wanted, one sorted
  /// file for each partition.
  private func settle(
    _ files: [DataFile], _ order: String, _ scope: QueryScope
  ) throws -> [DataFile] {
    var settled: [DataFile] = []
    if order.isEmpty {
      for var file in files {
        let path = freshPath()
        guard rename(file.path, path) == 0 else { throw failure("cannot be moved", file.path) }
        file.path = path
        settled.append(file)
      }
    } else {
      for (partition, members) in Dictionary(grouping: files, by: \.partition) {
        let from = ParquetInput.sql(members, output.schema)
        let sent = SentSQL(
          scope.query.label, SQLText(""),
          prefix: "COPY (SELECT * FROM (\(from))\(order)) TO \(freshPath().quotedLiteral) "
            + "(\(options), USE_TMP_FILE false)", suffix: "")
        for var file in try scope.connection.execute(sent, [:], { try self.files(in: $0) }) {
          file.partition = partition
          settled.append(file)
        }
        for file in members { unlink(file.path) }
      }
    }
    for name in entries(location) where !name.hasSuffix(".parquet") {
      removeAll("\(location)/\(name)")
    }
    return settled.sorted { $0.path < $1.path }
  }

  private var options: String {
    let ids = "{\(output.schema.fields.map(ParquetOutput.fieldID).joined(separator: ", "))}"
    // Rows of a group are buffered, once a thread: a limit in bytes keeps wide rows from taking
    // all memory.
    // DuckDB 1.5.5 looks bytes up in its Bloom filters wrongly, and finds no rows.
    let hasBytes = output.schema.fields.contains { $0.type.holdsBytes }
    return "FORMAT parquet, COMPRESSION zstd, FIELD_IDS \(ids), RETURN_STATS true, "
      + "ROW_GROUP_SIZE_BYTES \(rowGroupBytes)\(hasBytes ? ", WRITE_BLOOM_FILTER false" : "")"
  }

  private static func fieldID(_ field: Field) -> String {
    "\(field.name.quotedLiteral): \(fieldID(field.id, field.type))"
  }

  private static func fieldID(_ id: Int, _ type: FieldType) -> String {
    let children: [Field]
    switch type {
    case .list(let element): children = [named("element", element)]
    case .map(let key, let value): children = [named("key", key), named("value", value)]
    case .structure(let fields): children = fields
    default: return "\(id)"
    }
    let inner = children.map(fieldID).joined(separator: ", ")
    return "{'__duckdb_field_id': \(id), \(inner)}"
  }

  private static func named(_ name: String, _ field: Field) -> Field {
    var field = field
    field.name = name
    return field
  }

  private func freshPath() -> String {
    let random = String(UInt128.random(in: .min ... .max), radix: 16).paddedLeft(to: 32, with: "0")
    return "\(location)/part-\(random).parquet"
  }

  /// Reads what RETURN_STATS gives: a row a file with name, rows, bytes, footer, statistics.
  private func files(in result: DuckDBResult) throws -> [DataFile] {
    try result.rows().map { try file(in: $0) }
  }

  private func file(in row: [Value]) throws -> DataFile {
    guard row.count >= 5, case .string(let path) = row[0],
      case .decimal(let count, _) = row[1], case .decimal(let bytes, _) = row[2]
    else { throw EngineError(.failed, "DuckDB gave no statistics of the file it wrote") }
    return DataFile(
      path: joined(path), rowCount: Int64(count), byteCount: Int64(bytes),
      columns: ParquetStatistics(output.schema).columns(row[4]))
  }

  /// DuckDB puts two slashes between a folder and the file it makes there.
  private func joined(_ path: String) -> String {
    path.hasPrefix("\(location)//")
      ? "\(location)/\(path.dropFirst(location.utf8.count + 2))" : path
  }

  private func discardEmpty(_ files: [DataFile]) throws -> [DataFile] {
    for file in files where file.rowCount == 0 && isLocal { unlink(file.path) }
    return files.filter { $0.rowCount > 0 }
  }

  /// Cuts a sorted file of more than twice the wanted size into pieces, in order.
  private func split(_ files: [DataFile], _ scope: QueryScope) throws -> [DataFile] {
    try files.flatMap { file -> [DataFile] in
      guard isLocal, !output.sort.isEmpty, file.byteCount > 2 * fileBytes,
        output.schema["file_row_number"] == nil
      else { return [file] }
      let pieces = (file.byteCount + fileBytes - 1) / fileBytes
      let rows = (file.rowCount + pieces - 1) / pieces
      let from =
        "read_parquet(\(file.path.quotedLiteral), file_row_number = true, "
        + "hive_partitioning = false)"
      var result: [DataFile] = []
      for first in stride(from: 0, to: file.rowCount, by: Int(rows)) {
        let sql =
          "COPY (SELECT * EXCLUDE (file_row_number) FROM \(from) "
          + "WHERE file_row_number BETWEEN \(first) AND \(first + rows - 1) "
          + "ORDER BY file_row_number) TO \(freshPath().quotedLiteral) "
          + "(\(options), USE_TMP_FILE false)"
        let sent = SentSQL(scope.query.label, SQLText(""), prefix: sql, suffix: "")
        for var piece in try scope.connection.execute(sent, [:], { try self.files(in: $0) }) {
          piece.partition = file.partition
          result.append(piece)
        }
      }
      unlink(file.path)
      return result
    }
  }

  /// DuckDB says whether the last row group has NaNs, and Iceberg wants to know how many the file
  /// has: they are counted in the file.
  private func countNaNs(_ files: inout [DataFile], _ scope: QueryScope) throws {
    let floats = FloatingColumn.all(in: output.schema)
    guard !floats.isEmpty else { return }
    for index in files.indices {
      let counts = floats.map { "count(*) FILTER (isnan(\($0.expression)))" }
      let sql =
        "SELECT \(counts.joined(separator: ", ")) "
        + "FROM (\(ParquetInput.sql([files[index]], output.schema)))"
      let sent = SentSQL(scope.query.label, SQLText(""), prefix: sql, suffix: "")
      let row = try scope.connection.execute(sent, [:]) { try $0.rows() }[0]
      for (column, count) in zip(floats, row) {
        guard case .integer(let count) = count else { continue }
        files[index].columns[column.id, default: ColumnStatistics()].nanCount = count
      }
    }
  }

  private func sync(_ files: [DataFile]) throws {
    for path in files.map(\.path) + [location] {
      let file = open(path, O_RDONLY | O_CLOEXEC)
      guard file >= 0 else { throw failure("cannot be read again", path) }
      defer { close(file) }
      // Some file systems refuse to sync a folder; the files matter.
      guard fsync(file) == 0 || path == location else { throw failure("cannot be made safe", path) }
    }
  }

  private func failure(_ what: String, _ path: String) -> EngineError {
    EngineError(
      errno == ENOSPC ? .exhausted : .failed,
      "the file just written \(what): \(String(cString: strerror(errno)))", at: Place(file: path))
  }
}

extension FieldType {
  /// Whether values are, or have in them, bytes without a meaning.
  fileprivate var holdsBytes: Bool {
    switch self {
    case .binary, .fixed: true
    case .list(let element): element.type.holdsBytes
    case .map(let key, let value): key.type.holdsBytes || value.type.holdsBytes
    case .structure(let children): children.contains { $0.type.holdsBytes }
    default: false
    }
  }
}
