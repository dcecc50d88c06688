import Core

/// A check of single rows as SQL that is true for the rows that fail it and false for all others.
///
/// It is never NULL, so `failing` and `NOT failing` share out all rows: three-valued logic can
/// lose none.
///
/// A NULL passes `between` and `accepted_values`, as it does a CHECK constraint in SQL; wanting a
/// value is `not_null`'s own business. NaN lies between no bounds.
struct Condition: Sendable {
  enum Test: Sendable {
    case notNull(column: Field)
    case between(column: Field, min: Value?, max: Value?)
    case acceptedValues(column: Field, [Value])
    /// The implicit check of interval tables.
    case isInterval(start: Field, end: Field, Interval)
  }

  let test: Test

  /// The columns looked at, in the order in which messages show them.
  var columns: [Field] {
    switch test {
    case .notNull(let column), .between(let column, _, _), .acceptedValues(let column, _):
      [column]
    case .isInterval(let start, let end, _): [start, end]
    }
  }

  func failing(_ builder: inout SQLBuilder) -> String {
    switch test {
    case .notNull(let column): return "\(stagedColumn(column.name)) IS NULL"
    case .between(let column, let min, let max):
      let value = stagedColumn(column.name)
      var misses: [String] = []
      if let min { misses.append("\(value) < \(builder.bind(min))") }
      if let max { misses.append("\(value) > \(builder.bind(max))") }
      if column.type == .float || column.type == .double { misses.append("isnan(\(value))") }
      if misses.isEmpty { return "false" }
      return "coalesce(\(misses.joined(separator: " OR ")), false)"
    case .acceptedValues(let column, let values):
      let value = stagedColumn(column.name)
      // A NULL in the list would make every miss NULL, so that nothing fails.
      let accepted = values.filter { !$0.isNull }.map { builder.bind($0) }
      if accepted.isEmpty { return "\(value) IS NOT NULL" }
      return "coalesce(\(value) NOT IN (\(accepted.joined(separator: ", "))), false)"
    case .isInterval(let start, let end, let interval):
      let first = builder.bind(start.type.instant(interval.start))
      let last = builder.bind(end.type.instant(interval.end))
      return "coalesce(\(stagedColumn(start.name)) <> \(first)"
        + " OR \(stagedColumn(end.name)) <> \(last), true)"
    }
  }
}

extension FieldType {
  /// An instant as a value of this type, which is `timestamp` or `timestamptz`.
  func instant(_ instant: Instant) -> Value {
    self == .timestamptz ? .timestamptz(instant) : .timestamp(instant)
  }
}
