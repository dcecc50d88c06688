/// Which rows a reader wants: all of the terms must hold. What cannot hold such rows need not be
/// read; what is read may hold others too.
public struct RowFilter: Sendable, Hashable {
  /// A condition on one column.
  public struct Term: Sendable, Hashable {
    public var column: String
    public var condition: Condition

    public init(_ column: String, _ condition: Condition) {
      self.column = column
      self.condition = condition
    }
  }

  public enum Condition: Sendable, Hashable {
    /// Both ends inclusive; nil is open. Null is not within, NaN is above all.
    case within(from: Value?, to: Value?)
    case oneOf([Value])
  }

  public var terms: [Term]

  public init(_ terms: [Term]) { self.terms = terms }

  public static let all = RowFilter([])

  public static func equal(_ column: String, _ value: Value) -> RowFilter {
    RowFilter([Term(column, .oneOf([value]))])
  }

  public static func oneOf(_ column: String, _ values: [Value]) -> RowFilter {
    RowFilter([Term(column, .oneOf(values))])
  }

  public static func within(_ column: String, from: Value?, to: Value?) -> RowFilter {
    RowFilter([Term(column, .within(from: from, to: to))])
  }

  /// The rows of the intervals that touch `interval`, in a table with rule 13's two columns.
  public static func touching(_ interval: Interval) -> RowFilter {
    within(
      "interval_start", from: nil,
      to: .timestamp(Instant(microseconds: interval.end.microseconds - 1)))
      && within(
        "interval_end", from: .timestamp(Instant(microseconds: interval.start.microseconds + 1)),
        to: nil)
  }

  /// Exactly one interval.
  public static func exactly(_ interval: Interval) -> RowFilter {
    equal("interval_start", .timestamp(interval.start))
      && equal("interval_end", .timestamp(interval.end))
  }

  public static func && (a: RowFilter, b: RowFilter) -> RowFilter {
    RowFilter(a.terms + b.terms)
  }
}
