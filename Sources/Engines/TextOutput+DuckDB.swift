import Core
import Stores

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

extension TextOutput {
  /// Writes the rows of a query as one file.
  ///
  /// - Returns: Their number.
  func write(_ scope: QueryScope) throws -> Int64 {
    let label = scope.query.label
    let given = try selected(try scope.columns(), label)
    // Of the query's own columns, not of the text that stands for them.
    let order = try Output.orderBy(
      sort, given.map { ($0.name, "q.\($0.column.quotedName)") }, label: label)
    let expressions = given.map { name, column, type in
      switch format {
      case .csv:
        "\(TextOutput.field("q.\(column.quotedName)", type)) AS \(TextOutput.quoted(name).quotedName)"
      case .parquet: "q.\(column.quotedName) AS \(name.quotedName)"
      }
    }
    try scope.materializeIfNeeded()
    return try MutationCounter.shared.around("export", path) {
      do {
        let sent = scope.statement(
          prefix: "COPY (SELECT \(expressions.joined(separator: ", ")) FROM (",
          suffix: ") AS q\(order)) TO \(path.quotedLiteral) (\(options), USE_TMP_FILE false)")
        let rows = try scope.execute(sent) { try $0.rows() }
        try scope.drain()
        guard case .integer(let count)? = rows.first?.first else {
          throw EngineError(.failed, "DuckDB did not count the rows it wrote")
        }
        try sync()
        return count
      } catch {
        unlink(path)
        throw error
      }
    }
  }

  private var options: String {
    switch format {
    // The fields are quoted already: DuckDB would put quotes around more than it must.
    case .csv(let header):
      "FORMAT csv, HEADER \(header), DELIMITER ',', QUOTE '', ESCAPE '', NULLSTR ''"
    case .parquet: "FORMAT parquet, COMPRESSION zstd"
    }
  }

  /// The SQL of a column's CSV field (RFC 4180): in quotes only where a comma, a quote or a line
  /// break is inside, or nothing, which tells an empty string from NULL.
  private static func field(_ column: String, _ type: VectorType) -> String {
    switch type {
    case .boolean, .integer, .hugeint, .float, .double, .decimal, .date, .time, .timestamp,
      .timestamptz, .uuid, .null:
      return column
    default:
      let text = "CAST(\(column) AS VARCHAR)"
      return "CASE WHEN \(text) = '' OR regexp_matches(\(text), '[\",\\r\\n]') "
        + "THEN '\"' || replace(\(text), '\"', '\"\"') || '\"' ELSE \(text) END"
    }
  }

  /// The same for a name in the header.
  private static func quoted(_ name: String) -> String {
    name.unicodeScalars.contains { "\",\r\n".unicodeScalars.contains($0) } ? name.quotedName : name
  }

  /// The wanted columns: name in the export, name and type in the query.
  private func selected(
    _ given: [(name: String, type: VectorType)], _ label: String
  ) throws(EngineError) -> [(name: String, column: String, type: VectorType)] {
    var result: [(name: String, column: String, type: VectorType)] = []
    for name in columns {
      guard let column = given.first(where: { $0.name.lowercased() == name.lowercased() }) else {
        throw EngineError(
          .wrongColumns, "the column \(name) to be exported is not in the result",
          at: Place(model: label),
          advice: nearest(to: name, among: given.map(\.name)).map { "did you mean \($0)?" },
          exitCode: 2)
      }
      if format == .parquet,
        case .refused(let type) = Conversion(from: column.type, to: column.type.fieldType)
      {
        throw EngineError(
          .wrongColumns, "column \(name) is \(type), which Parquet would not keep",
          at: Place(model: label), advice: "cast it, for example to bigint", exitCode: 2)
      }
      result.append((name, column.name, column.type))
    }
    return result
  }

  private func sync() throws {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    defer { close(file) }
    guard file >= 0, fsync(file) == 0 else {
      throw EngineError(
        errno == ENOSPC ? .exhausted : .failed,
        "the export cannot be made safe: \(String(cString: strerror(errno)))",
        at: Place(file: path))
    }
  }
}
