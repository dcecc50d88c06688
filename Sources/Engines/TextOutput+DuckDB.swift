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
    let expressions = try selected(try scope.columns(), label)
    let order = try Output.orderBy(sort, columns, label: label)
    try scope.materializeIfNeeded()
    return try MutationCounter.shared.around("export", path) {
      do {
        let sent = scope.statement(
          prefix: "COPY (SELECT \(expressions.joined(separator: ", ")) FROM (",
          suffix: ")\(order)) TO \(path.quotedLiteral) (\(options), USE_TMP_FILE false)")
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
    // An empty field is NULL and "" is an empty string; fields are quoted where they must be.
    case .csv(let header): "FORMAT csv, HEADER \(header), DELIMITER ',', QUOTE '\"', NULLSTR ''"
    case .parquet: "FORMAT parquet, COMPRESSION zstd"
    }
  }

  private func selected(
    _ given: [(name: String, type: VectorType)], _ label: String
  ) throws(EngineError) -> [String] {
    var result: [String] = []
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
      result.append("\(column.name.quotedName) AS \(name.quotedName)")
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
