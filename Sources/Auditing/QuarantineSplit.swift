import Core
import Engines

/// The staged rows shared out: those to publish and those to set aside.
///
/// Every staged row is in exactly one of the two queries; both ask the same two-valued question, so
/// no NULL can lose a row. The numbers are known from the audit and held against what is written.
public struct QuarantineSplit: Sendable {
  let rules: [Rule]
  let schema: Schema
  let label: String
  let input: Query.Input
  /// Rows to publish.
  public let kept: Int64
  /// Rows to set aside.
  public let rejected: Int64

  init(
    rules: [Rule], schema: Schema, label: String, input: Query.Input, kept: Int64, rejected: Int64
  ) {
    self.rules = rules
    self.schema = schema
    self.label = label
    self.input = input
    self.kept = kept
    self.rejected = rejected
  }

  /// The rows that pass all quarantine checks, with the table's columns.
  public var keptRows: Query {
    var builder = SQLBuilder()
    let failing = conditions(&builder)
    let columns = schema.fields.map { stagedColumn($0.name) }.joined(separator: ", ")
    return query(
      "SELECT \(columns) FROM \(stagedName) WHERE NOT (\(failing.joined(separator: " OR ")))",
      builder, "rows that pass")
  }

  /// The other rows as `rule, source_file, source_row, row`: `rule` is the first check in the
  /// table's order that the row fails, `row` its columns as JSON.
  ///
  /// - Parameter sourceFile: The file all rows come from, where there is just one. A table with
  ///   the column `_source_file` says it row by row.
  public func rejectedRows(sourceFile: String? = nil) -> Query {
    var builder = SQLBuilder()
    let failing = conditions(&builder)
    let cases = zip(rules, failing).map { "WHEN \($1) THEN \(builder.bind(.string($0.name)))" }
    let file: String
    if schema["_source_file"] != nil {
      file = stagedColumn("_source_file")
    } else {
      file = sourceFile.map { builder.bind(.string($0)) } ?? "NULL"
    }
    return query(
      "SELECT CASE \(cases.joined(separator: " ")) END AS rule, "
        + "CAST(\(file) AS STRING) AS source_file, CAST(NULL AS BIGINT) AS source_row, "
        + "\(RowText.expression(schema)) AS row "
        + "FROM \(stagedName) WHERE \(failing.joined(separator: " OR "))",
      builder, "rows that fail")
  }

  /// Writes the kept rows to fresh files, to be published in place of the staged ones.
  ///
  /// - Throws: `.unbalanced` when not exactly the kept rows were written.
  public func writeKept(
    into output: Output, engine: some Engine, cancellation: Cancellation = .never,
    progress: @escaping @Sendable (Double) -> Void = { _ in }
  ) throws -> [DataFile] {
    let files = try engine.compute(
      keptRows, into: output, cancellation: cancellation, progress: progress)
    try requireBalance(kept: files.reduce(0) { $0 + $1.rowCount }, rejected: rejected)
    return files
  }

  /// - Throws: `.unbalanced` unless the rows written are the rows that were counted.
  public func requireBalance(kept: Int64, rejected: Int64) throws(AuditError) {
    guard kept != self.kept || rejected != self.rejected else { return }
    throw AuditError(
      .unbalanced,
      "\(self.kept + self.rejected) rows were audited, but \(kept) were kept and \(rejected) set "
        + "aside instead of \(self.kept) and \(self.rejected)",
      at: Place(model: label), advice: "nothing was published; run again")
  }

  private func conditions(_ builder: inout SQLBuilder) -> [String] {
    var failing: [String] = []
    for rule in rules {
      if let condition = rule.condition { failing.append(condition.failing(&builder)) }
    }
    return failing
  }

  private func query(_ sql: String, _ builder: SQLBuilder, _ what: String) -> Query {
    Query(
      sql: sql, parameters: builder.parameters, inputs: [stagedName: input],
      label: "\(label): \(what)")
  }
}
