import Core
import Project

/// A check bound to the columns of its table.
struct Rule: Sendable {
  enum Kind: Sendable {
    /// Each row passes or fails alone.
    case row(Condition)
    /// No two rows share these columns' values; rows with a NULL among them are not compared.
    case unique([Field])
    case rowCount(min: Int64?, max: Int64?)
  }

  var name: String
  var kind: Kind
  var severity: Check.Severity

  /// - Throws: `.badCheck` where the table cannot be checked so.
  init(_ check: Check, schema: Schema, label: String) throws(AuditError) {
    name = check.name
    severity = check.severity
    switch check.kind {
    case .notNull:
      kind = .row(Condition(test: .notNull(column: try Rule.column(check, schema, label))))
    case .between(let min, let max):
      let column = try Rule.column(check, schema, label)
      kind = .row(Condition(test: .between(column: column, min: min, max: max)))
    case .acceptedValues(let values):
      let column = try Rule.column(check, schema, label)
      kind = .row(Condition(test: .acceptedValues(column: column, values)))
    case .unique(let columns):
      let names = columns.isEmpty ? [check.column].compactMap { $0 } : columns
      var fields: [Field] = []
      for name in names { fields.append(try Rule.field(name, check, schema, label)) }
      guard !fields.isEmpty else {
        throw Rule.bad("\(check.name) names no column", check, label)
      }
      kind = .unique(fields)
    case .rowCount(let min, let max): kind = .rowCount(min: min, max: max)
    }
    if severity == .quarantine, condition == nil {
      throw Rule.bad(
        "\(check.name) looks at many rows together, so it cannot set single rows aside", check,
        label, advice: "give it severity error or warn")
    }
  }

  init(name: String, kind: Kind, severity: Check.Severity) {
    self.name = name
    self.kind = kind
    self.severity = severity
  }

  /// The test of single rows, where this is one.
  var condition: Condition? {
    if case .row(let condition) = kind { condition } else { nil }
  }

  private static func column(
    _ check: Check, _ schema: Schema, _ label: String
  ) throws(AuditError) -> Field {
    guard let name = check.column else {
      throw bad("\(check.name) names no column", check, label)
    }
    return try field(name, check, schema, label)
  }

  private static func field(
    _ name: String, _ check: Check, _ schema: Schema, _ label: String
  ) throws(AuditError) -> Field {
    if let field = schema[name] { return field }
    let near = nearest(to: name, among: schema.fields.map(\.name))
    throw bad(
      "\(check.name) names the column \(name), which the table has not", check, label,
      advice: near.map { "did you mean \($0)?" })
  }

  private static func bad(
    _ message: String, _ check: Check, _ label: String, advice: String? = nil
  ) -> AuditError {
    var place = check.place
    if place.model == nil { place.model = label }
    return AuditError(.badCheck, message, at: place, advice: advice, exitCode: 2)
  }
}

extension Rule {
  /// The implicit check of interval tables: every row lies in the interval it is published for.
  init(_ interval: Interval, schema: Schema, label: String) throws(AuditError) {
    var bounds: [Field] = []
    for name in ["interval_start", "interval_end"] {
      guard let field = schema[name], field.type == .timestamp || field.type == .timestamptz else {
        throw AuditError(
          .badCheck, "an interval table needs the column \(name) of type timestamp",
          at: Place(model: label), exitCode: 2)
      }
      bounds.append(field)
    }
    let test = Condition.Test.isInterval(start: bounds[0], end: bounds[1], interval)
    self.init(name: "interval", kind: .row(Condition(test: test)), severity: .error)
  }

  /// - Parameter failing: The rows that fail; for `row_count` the rows there are.
  func isPassed(failing: Int64) -> Bool {
    if case .rowCount(let min, let max) = kind {
      return failing >= min ?? 0 && failing <= max ?? .max
    }
    return failing == 0
  }
}
