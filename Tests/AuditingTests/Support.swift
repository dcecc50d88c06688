import Core
import Engines
import Project
import Testing

@testable import Auditing

/// An engine for audits that must not need one: every call is a recorded failure.
struct NoEngine: Engine {
  struct WasAsked: Error {}

  var name: String { "none" }

  private func refuse(_ what: String) -> WasAsked {
    Issue.record("the engine was asked to \(what)")
    return WasAsked()
  }

  func shape(of sql: String, label: String) throws -> QueryShape { throw refuse("parse \(sql)") }

  func carrying(
    _ columns: [String], of input: String, through sql: String, label: String
  ) throws -> String { throw refuse("carry through \(sql)") }

  func compute(
    _ query: Query, into output: Output, cancellation: Cancellation,
    progress: @escaping @Sendable (Double) -> Void
  ) throws -> [DataFile] { throw refuse("compute \(query.sql)") }

  func rows(_ query: Query, cancellation: Cancellation) throws -> RowSet {
    throw refuse("run \(query.sql)")
  }

  func stream(
    _ query: Query, cancellation: Cancellation, visit: (RowSet) throws -> Void
  ) throws { throw refuse("stream \(query.sql)") }

  func batches(
    _ query: Query, cancellation: Cancellation, visit: (ColumnBatch) throws -> Void
  ) throws { throw refuse("stream \(query.sql)") }

  func export(_ query: Query, to output: TextOutput, cancellation: Cancellation) throws -> Int64 {
    throw refuse("export \(query.sql)")
  }
}

/// An engine that answers every query with the rows given, whatever was asked.
struct FixedEngine: Engine {
  var answers: [[Value]]
  var name: String { "fixed" }

  func shape(of sql: String, label: String) throws -> QueryShape { throw NoEngine.WasAsked() }
  func carrying(
    _ columns: [String], of input: String, through sql: String, label: String
  ) throws -> String { throw NoEngine.WasAsked() }
  func compute(
    _ query: Query, into output: Output, cancellation: Cancellation,
    progress: @escaping @Sendable (Double) -> Void
  ) throws -> [DataFile] { throw NoEngine.WasAsked() }
  func rows(_ query: Query, cancellation: Cancellation) throws -> RowSet {
    RowSet(schema: Schema([]), rows: answers)
  }
  func stream(
    _ query: Query, cancellation: Cancellation, visit: (RowSet) throws -> Void
  ) throws { throw NoEngine.WasAsked() }
  func batches(
    _ query: Query, cancellation: Cancellation, visit: (ColumnBatch) throws -> Void
  ) throws { throw NoEngine.WasAsked() }
  func export(_ query: Query, to output: TextOutput, cancellation: Cancellation) throws -> Int64 {
    throw NoEngine.WasAsked()
  }
}

extension Check {
  static func notNull(_ column: String, _ severity: Severity = .error) -> Check {
    Check(name: "\(column)_not_null", kind: .notNull, column: column, severity: severity)
  }

  static func between(
    _ column: String, _ min: Value?, _ max: Value?, _ severity: Severity = .error
  ) -> Check {
    Check(
      name: "\(column)_between", kind: .between(min: min, max: max), column: column,
      severity: severity)
  }

  static func accepted(_ column: String, _ values: [Value], _ severity: Severity = .error) -> Check
  {
    Check(
      name: "\(column)_accepted_values", kind: .acceptedValues(values), column: column,
      severity: severity)
  }

  static func unique(_ columns: [String], _ severity: Severity = .error) -> Check {
    Check(
      name: columns.joined(separator: "_") + "_unique", kind: .unique(columns: columns),
      severity: severity)
  }

  static func rowCount(_ min: Int64?, _ max: Int64?) -> Check {
    Check(name: "row_count", kind: .rowCount(min: min, max: max))
  }
}

/// A file that exists only as its statistics.
func file(
  _ path: String = "/f", rows: Int64, partition: [Value] = [],
  _ columns: [Int: ColumnStatistics] = [:]
) -> DataFile {
  DataFile(path: path, rowCount: rows, byteCount: 100, partition: partition, columns: columns)
}

func stats(nulls: Int64? = nil, nan: Int64? = nil, _ lower: Value? = nil, _ upper: Value? = nil)
  -> ColumnStatistics
{
  ColumnStatistics(nullCount: nulls, nanCount: nan, lower: lower, upper: upper)
}
