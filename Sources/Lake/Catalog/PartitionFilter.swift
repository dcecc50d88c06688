import Core

/// Which partitions a reader wants: all of the terms must hold. Only identity partition fields are
/// looked at, so a filter may let through more than asked, never less.
public struct PartitionFilter: Sendable, Hashable {
  /// A condition on one column.
  public struct Term: Sendable, Hashable {
    public var column: String
    public var condition: Condition

    public enum Condition: Sendable, Hashable {
      /// Both ends inclusive; nil is open. Null is not within.
      case within(from: Value?, to: Value?)
      case oneOf([Value])
    }
  }

  public var terms: [Term]

  public init(_ terms: [Term]) { self.terms = terms }

  public static let all = PartitionFilter([])

  public static func equal(_ column: String, _ value: Value) -> PartitionFilter {
    PartitionFilter([Term(column: column, condition: .oneOf([value]))])
  }

  public static func within(_ column: String, from: Value?, to: Value?) -> PartitionFilter {
    PartitionFilter([Term(column: column, condition: .within(from: from, to: to))])
  }

  /// The rows of the intervals that touch `interval`, in a table with rule 13's two columns.
  public static func touching(_ interval: Interval) -> PartitionFilter {
    within(
      "interval_start", from: nil,
      to: .timestamp(Instant(microseconds: interval.end.microseconds - 1)))
      && within(
        "interval_end", from: .timestamp(Instant(microseconds: interval.start.microseconds + 1)),
        to: nil)
  }

  /// Exactly one interval.
  public static func exactly(_ interval: Interval) -> PartitionFilter {
    equal("interval_start", .timestamp(interval.start))
      && equal("interval_end", .timestamp(interval.end))
  }

  public static func && (a: PartitionFilter, b: PartitionFilter) -> PartitionFilter {
    PartitionFilter(a.terms + b.terms)
  }

  func matcher(
    spec: PartitionSpec, schema: Schema, types: [Int: FieldType]
  ) -> Matcher {
    var conditions: [(index: Int, type: FieldType, condition: Term.Condition)] = []
    for term in terms {
      guard let column = schema[term.column] else { continue }
      for (index, field) in spec.fields.enumerated()
      where field.sourceID == column.id && field.transform == .identity {
        conditions.append((index, types[column.id] ?? column.type, term.condition))
      }
    }
    return Matcher(conditions: conditions)
  }

  /// A filter in terms of one partition spec.
  struct Matcher {
    let conditions: [(index: Int, type: FieldType, condition: Term.Condition)]

    func matches(_ partition: [Value]) -> Bool {
      conditions.allSatisfy { index, type, condition in
        guard index < partition.count else { return true }
        let value = partition[index]
        switch condition {
        case .within(let from, let to):
          return !value.isNull && !isBelow(value, from) && !isBelow(to, value)
        case .oneOf(let wanted):
          let stored = SingleValue.encode(value, as: type)
          return wanted.contains { SingleValue.encode($0, as: type) == stored }
        }
      }
    }

    /// Whether a manifest with these summaries may hold a matching file.
    func mayMatch(_ summaries: [PartitionSummary]?) -> Bool {
      guard let summaries else { return true }
      return conditions.allSatisfy { index, type, condition in
        guard index < summaries.count else { return true }
        let summary = summaries[index]
        let lower = summary.lower.flatMap { SingleValue.decode($0, as: type) }
        let upper = summary.upper.flatMap { SingleValue.decode($0, as: type) }
        switch condition {
        case .within(let from, let to):
          if lower == nil && upper == nil { return summary.containsNaN ?? true }
          return !isBelow(upper, from) && !isBelow(to, lower)
        case .oneOf(let wanted):
          return wanted.contains { value in
            if value.isNull { return summary.containsNull }
            if lower == nil && upper == nil { return summary.containsNaN ?? true }
            return summary.containsNaN == true
              || (!isBelow(value, lower) && !isBelow(upper, value))
          }
        }
      }
    }

    /// False where either is open or the two do not compare.
    private func isBelow(_ a: Value?, _ b: Value?) -> Bool {
      guard let a, let b else { return false }
      return ValueOrder.isLess(a, b) ?? false
    }
  }
}
