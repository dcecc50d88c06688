import Core
import Engines
import Project

/// One audit's reading: a single SELECT that counts the failing rows of every rule whose answer
/// the statistics do not hold, and small SELECTs for samples of what failed.
struct Scan: Sendable {
  let audit: Audit
  let rules: [Rule]
  /// By rule: the failing rows, where they are known without reading.
  let known: [Int64?]
  let subject: Subject
  let current: [DataFile]

  struct Counts {
    var rows: Int64
    /// The rows that no quarantine rule takes out.
    var kept: Int64
    /// By rule.
    var failing: [Int64]
  }

  /// Reads nothing where everything is known.
  func counts(_ engine: some Engine, _ cancellation: Cancellation) throws -> Counts {
    let rows = subject.files.map { files in files.reduce(0) { $0 + $1.rowCount } }
    let takenOut = rules.indices.filter { rules[$0].severity == .quarantine && known[$0] != 0 }
    if let rows, known.allSatisfy({ $0 != nil }), takenOut.count < 2 {
      let rejected = takenOut.reduce(0) { $0 + known[$1]! }
      return Counts(rows: rows, kept: rows - rejected, failing: known.map { $0! })
    }

    var builder = SQLBuilder()
    let kept = keptCondition(&builder)
    var expressions = [
      "count(*)", kept.map { "count(*) FILTER (WHERE \($0))" } ?? "count(*)",
    ]
    var keys: [String] = []
    for (index, rule) in rules.enumerated() {
      if let known = known[index] {
        expressions.append("CAST(\(known) AS BIGINT)")
        continue
      }
      switch rule.kind {
      case .rowCount: expressions.append(expressions[1])
      case .row(let condition):
        let failing = condition.failing(&builder)
        let isCounted = rule.severity == .quarantine ? nil : kept
        let filter = [failing, isCounted].compactMap { $0 }.joined(separator: " AND ")
        expressions.append("count(*) FILTER (WHERE \(filter))")
      case .unique(let columns):
        let name = "shared\(keys.count)"
        keys.append(sharedKeys(columns, name: name, kept: kept))
        expressions.append("(SELECT CAST(coalesce(sum(copies), 0) AS BIGINT) FROM \(name))")
      }
    }
    let columns = expressions.enumerated().map { "\($1) AS c\($0)" }.joined(separator: ", ")
    let with = keys.isEmpty ? "" : "WITH \(keys.joined(separator: ", ")) "
    let result = try engine.rows(
      query("\(with)SELECT \(columns) FROM \(stagedName)", builder, "checks"),
      cancellation: cancellation)
    let values = try integers(result, count: expressions.count)
    if let rows, rows != values[0] {
      throw AuditError(
        .unbalanced, "the staged files hold \(rows) rows but \(values[0]) were read",
        at: Place(model: audit.label), advice: "run again; the files are written anew")
    }
    return Counts(rows: values[0], kept: values[1], failing: Array(values[2...]))
  }

  /// Up to five failing rows as text, the columns that failed first.
  func samples(
    of index: Int, _ engine: some Engine, _ cancellation: Cancellation
  ) throws -> [AuditResult.Sample] {
    var builder = SQLBuilder()
    let kept = rules[index].severity == .quarantine ? nil : keptCondition(&builder)
    let columns: [Field]
    var with = ""
    var filter: String
    switch rules[index].kind {
    case .rowCount: return []
    case .row(let condition):
      columns = condition.columns
      filter = condition.failing(&builder)
    case .unique(let fields):
      columns = fields
      with = "WITH \(sharedKeys(fields, name: "shared", kept: kept)) "
      filter = "EXISTS (SELECT 1 FROM shared WHERE \(Scan.match("shared", fields)))"
    }
    if let kept { filter += " AND \(kept)" }
    let rest = audit.schema.fields.filter { !columns.contains($0) }
    let shown = columns + rest
    let list = shown.map { "\(stagedColumn($0.name)) AS \(quoted($0.name))" }
    let order = shown.filter { !$0.type.isNested }.map { stagedColumn($0.name) }
    let sql =
      "\(with)SELECT \(list.joined(separator: ", ")) FROM \(stagedName) WHERE \(filter)"
      + (order.isEmpty ? "" : " ORDER BY \(order.joined(separator: ", "))")
      + " LIMIT \(AuditResult.sampleLimit)"
    let result = try engine.rows(query(sql, builder, rules[index].name), cancellation: cancellation)
    return result.rows.map {
      AuditResult.Sample(names: shown.map(\.name), values: $0, checkedCount: columns.count)
    }
  }

  /// Holds for the rows that are going to be published; nil when that is all of them.
  private func keptCondition(_ builder: inout SQLBuilder) -> String? {
    var failing: [String] = []
    for (index, rule) in rules.enumerated() where rule.severity == .quarantine {
      guard known[index] != 0, let condition = rule.condition else { continue }
      failing.append(condition.failing(&builder))
    }
    return failing.isEmpty ? nil : "NOT (\(failing.joined(separator: " OR ")))"
  }

  /// A CTE of the staged keys that another row has too, staged or current, each with the number of
  /// staged rows that have it (`copies`). Keys with a NULL are left out.
  ///
  /// Only the key columns are read, and of the current rows only those in `staged`'s keys are kept.
  private func sharedKeys(_ columns: [Field], name: String, kept: String?) -> String {
    let keys = columns.indices.map { "k\($0)" }
    let list = columns.enumerated().map { "\(stagedColumn($1.name)) AS k\($0)" }
    var filters = columns.map { "\(stagedColumn($0.name)) IS NOT NULL" }
    if let kept { filters.append(kept) }
    let ordinals = columns.indices.map { String($0 + 1) }.joined(separator: ", ")
    let grouped =
      "SELECT \(list.joined(separator: ", ")), count(*) AS copies FROM \(stagedName) "
      + "WHERE \(filters.joined(separator: " AND ")) GROUP BY \(ordinals)"
    guard !candidates(columns).isEmpty else {
      return "\(name) AS (\(grouped) HAVING count(*) > 1)"
    }
    let match = zip(columns, keys).map { "\(currentName).\(quoted($0.name)) = g.\($1)" }
    let found = zip(columns, keys).map { "\(currentName).\(quoted($0.name)) AS \($1)" }
    let same = keys.map { "f.\($0) = g.\($0)" }
    return "\(name)_grouped AS (\(grouped)), "
      + "\(name)_found AS (SELECT DISTINCT \(found.joined(separator: ", ")) FROM \(currentName) "
      + "SEMI JOIN \(name)_grouped g ON \(match.joined(separator: " AND "))), "
      + "\(name) AS (SELECT g.* FROM \(name)_grouped g "
      + "LEFT JOIN \(name)_found f ON \(same.joined(separator: " AND ")) "
      + "WHERE g.copies > 1 OR f.k0 IS NOT NULL)"
  }

  private static func match(_ name: String, _ columns: [Field]) -> String {
    columns.enumerated().map { "\(name).k\($0) = \(stagedColumn($1.name))" }
      .joined(separator: " AND ")
  }

  private func candidates(_ columns: [Field]) -> [DataFile] {
    guard let files = subject.files else { return [] }
    return audit.candidates(current, staged: files, columns: columns)
  }

  /// The current files that any unique rule asks for. Two rules share one input: reading a file
  /// that one of them could do without changes no answer.
  private var currentFiles: [DataFile] {
    var wanted: [DataFile] = []
    for (index, rule) in rules.enumerated() where known[index] == nil {
      if case .unique(let columns) = rule.kind {
        wanted += candidates(columns).filter { !wanted.contains($0) }
      }
    }
    return wanted
  }

  private func query(_ sql: String, _ builder: SQLBuilder, _ what: String) -> Query {
    var inputs = [stagedName: subject.input]
    let files = currentFiles
    if !files.isEmpty { inputs[currentName] = .files(files, schema: audit.schema) }
    return Query(
      sql: sql, parameters: builder.parameters, inputs: inputs, label: "\(audit.label): \(what)")
  }

  private func integers(_ result: RowSet, count: Int) throws -> [Int64] {
    let row = result.rows.first ?? []
    let values = row.compactMap { value -> Int64? in
      if case .integer(let number) = value { number } else { nil }
    }
    guard result.rows.count == 1, row.count == count, values.count == count else {
      throw AuditError(
        .unbalanced, "the checks' scan did not answer one count a check",
        at: Place(model: audit.label))
    }
    return values
  }
}
