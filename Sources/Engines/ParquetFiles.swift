import Core

/// Parquet files that are no table's: of a source, written by whomever, their columns found by name.
///
/// Each file must have the declared columns, of types whose values the declared ones hold; what may
/// lose is compared row by row, as in a model's result (rule 27). Other columns are passed over.
public struct ParquetFiles: Sendable {
  public struct File: Sendable {
    /// On this machine.
    public var path: String
    /// As messages name it.
    public var name: String
    /// What the columns of `Provenance` say of its rows.
    public var contribution: String
    public var batch: Int64

    public init(path: String, name: String, contribution: String, batch: Int64) {
      self.path = path
      self.name = name
      self.contribution = contribution
      self.batch = batch
    }
  }

  public var files: [File]
  /// The declared columns.
  public var schema: Schema
  /// Whether the columns of `Provenance` follow them.
  public var carriesProvenance: Bool

  public init(_ files: [File], schema: Schema, carriesProvenance: Bool = false) {
    self.files = files
    self.schema = schema
    self.carriesProvenance = carriesProvenance
  }

  /// A SELECT of the columns; files of one layout are read together.
  ///
  /// - Throws: `EngineError` `.wrongColumns` with the file, `.failed` for one that is no Parquet.
  func sql(_ connection: DuckDBConnection) throws -> String {
    if files.isEmpty { return ParquetInput.sql([], all) }
    var groups: [[String]: [File]] = [:]
    for file in files { groups[try expressions(of: file, connection), default: []].append(file) }
    return groups.sorted { $0.value[0].path < $1.value[0].path }.map(sql)
      .joined(separator: " UNION ALL ")
  }

  private var all: Schema {
    Schema(schema.fields + (carriesProvenance ? Provenance.fields : []))
  }

  private static let path = "sluice path"

  private func sql(_ expressions: [String], _ files: [File]) -> String {
    let list = ParquetInput.list(files.map(\.path))
    guard carriesProvenance else {
      return "SELECT \(expressions.joined(separator: ", ")) "
        + "FROM read_parquet([\(list)], hive_partitioning = false)"
    }
    let rows = files.map {
      "(\(ParquetInput.localPath($0.path).quotedLiteral), \($0.contribution.quotedLiteral), \($0.batch))"
    }
    let columns = Provenance.names.map(\.quotedName)
    let selected =
      expressions + ["f.\(columns[0])", "f.\(columns[1])", "file_row_number + 1 AS \(columns[2])"]
    return "SELECT \(selected.joined(separator: ", ")) "
      + "FROM read_parquet([\(list)], hive_partitioning = false, file_row_number = true, "
      + "filename = \(ParquetFiles.path.quotedLiteral)) JOIN (SELECT path, \(columns[0]), "
      + "\(columns[1])::BIGINT AS \(columns[1]) FROM (VALUES \(rows.joined(separator: ", "))) "
      + "AS v(path, \(columns[0]), \(columns[1]))) AS f ON f.path = \(ParquetFiles.path.quotedName)"
  }

  /// How the declared columns are made of a file's.
  private func expressions(of file: File, _ connection: DuckDBConnection) throws -> [String] {
    do {
      let found = try connection.columns(
        of: SentSQL(
          file.name, SQLText(""),
          prefix: "SELECT * FROM read_parquet([\(ParquetInput.list([file.path]))], "
            + "hive_partitioning = false)", suffix: ""))
      let wanted = found.filter { column in
        schema.fields.contains { $0.name.lowercased() == column.name.lowercased() }
      }
      return try OutputColumns(declared: schema, given: wanted, label: "").expressions
    } catch let error as EngineError {
      let isWrong = error.code == .wrongColumns
      throw EngineError(
        isWrong ? .wrongColumns : .failed, error.message, at: Place(file: file.name),
        advice: isWrong
          ? "correct the source's columns, or replace the file"
          : "fetch the file again, or have it replaced at its source")
    }
  }
}
