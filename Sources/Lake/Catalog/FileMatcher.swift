import Core

/// A row filter in terms of one partition spec and of columns' statistics: whether a manifest, or a
/// file, may hold rows that the filter wants.
struct FileMatcher {
  /// A condition on one partition value, or on one column's bounds.
  struct Condition {
    /// The place in the partition tuple, or the field ID.
    var key: Int
    /// Of the values compared.
    var type: FieldType
    var isFloat: Bool
    var wanted: RowFilter.Condition
  }

  private(set) var partition: [Condition] = []
  private(set) var columns: [Condition] = []

  /// - Parameter types: Of every field that any of the table's schemas has had.
  init(_ filter: RowFilter, spec: PartitionSpec, schema: Schema, types: [Int: FieldType]) {
    for term in filter.terms {
      guard let column = schema[term.column], let type = types[column.id],
        let wanted = term.condition.converted(to: type)
      else { continue }
      let isFloat = type == .float || type == .double
      columns.append(Condition(key: column.id, type: type, isFloat: isFloat, wanted: wanted))
      for (index, field) in spec.fields.enumerated() where field.sourceID == column.id {
        guard let projected = wanted.projected(by: field.transform, of: type) else { continue }
        partition.append(
          Condition(
            key: index, type: field.transform.resultType(of: type), isFloat: isFloat,
            wanted: projected))
      }
    }
  }

  /// - Parameter partition: Conditions on partition values alone.
  init(partition: [Condition]) { self.partition = partition }

  var isEmpty: Bool { partition.isEmpty && columns.isEmpty }

  /// Whether a manifest with these summaries may hold a matching file.
  func mayMatch(_ summaries: [PartitionSummary]?) -> Bool {
    guard let summaries else { return true }
    return partition.allSatisfy { condition in
      guard condition.key < summaries.count else { return true }
      let summary = summaries[condition.key]
      let mayBeNaN = condition.isFloat && summary.containsNaN != false
      return condition.wanted.mayHold(
        lower: summary.lower.flatMap { SingleValue.decode($0, as: condition.type) },
        upper: summary.upper.flatMap { SingleValue.decode($0, as: condition.type) },
        mayBeNull: summary.containsNull, mayBeNaN: mayBeNaN,
        mayBeBounded: summary.lower != nil || summary.upper != nil)
    }
  }

  /// Whether a file may hold wanted rows.
  func mayMatch(_ entry: ManifestEntry) -> Bool {
    for condition in partition where condition.key < entry.partition.count {
      let value = entry.partition[condition.key]
      let holds = condition.wanted.mayHold(
        lower: value, upper: value, mayBeNull: value.isNull, mayBeNaN: value.isNaN,
        mayBeBounded: !value.isNull && !value.isNaN)
      if !holds { return false }
    }
    return columns.allSatisfy { condition in
      func count(_ counts: [ManifestEntry.Count]?) -> Int64? {
        counts?.first { $0.field == condition.key }?.count
      }
      func bound(_ bounds: [ManifestEntry.Bound]?) -> Value? {
        bounds?.first { $0.field == condition.key }.flatMap {
          SingleValue.decode($0.bytes, as: condition.type)
        }
      }
      let (values, nulls) = (count(entry.valueCounts), count(entry.nullCounts))
      let isAllNull = values != nil && values == nulls
      return condition.wanted.mayHold(
        lower: bound(entry.lowerBounds), upper: bound(entry.upperBounds),
        mayBeNull: nulls != 0, mayBeNaN: condition.isFloat && count(entry.nanCounts) != 0,
        mayBeBounded: !isAllNull)
    }
  }
}

extension RowFilter.Condition {
  /// Whether values between the bounds, or null, or NaN, may meet the condition.
  ///
  /// - Parameters:
  ///   - lower: Nil is unknown.
  ///   - mayBeBounded: Whether there may be values that are neither null nor NaN.
  func mayHold(
    lower: Value?, upper: Value?, mayBeNull: Bool, mayBeNaN: Bool, mayBeBounded: Bool
  ) -> Bool {
    switch self {
    case .within(let from, let to):
      if mayBeNaN && to == nil { return true }
      return mayBeBounded && !isBelow(upper, from) && !isBelow(to, lower)
    case .oneOf(let wanted):
      return wanted.contains { value in
        if value.isNull { return mayBeNull }
        if value.isNaN { return mayBeNaN }
        return mayBeBounded && !isBelow(value, lower) && !isBelow(upper, value)
      }
    }
  }

  /// False where either is open or the two do not compare.
  private func isBelow(_ a: Value?, _ b: Value?) -> Bool {
    guard let a, let b else { return false }
    return ValueOrder.isLess(a.plainZero, b.plainZero) ?? false
  }

  /// The condition on values of `type`; nil where it cannot be put exactly.
  func converted(to type: FieldType) -> RowFilter.Condition? {
    switch self {
    case .within(let from, let to):
      // An end that cannot be put is open.
      let ends = (from?.converted(to: type), to?.converted(to: type))
      return ends.0 == nil && ends.1 == nil ? nil : .within(from: ends.0, to: ends.1)
    case .oneOf(let values):
      let converted = values.compactMap { $0.converted(to: type) }
      return converted.count == values.count ? .oneOf(converted) : nil
    }
  }

  /// What the condition on a column means for its partition values; nil where it means nothing.
  func projected(by transform: Transform, of type: FieldType) -> RowFilter.Condition? {
    switch self {
    case .oneOf(let values):
      switch transform {
      case .void, .unknown: return nil
      default: return .oneOf(values.map { transform.apply($0, of: type) })
      }
    case .within(let from, let to):
      guard transform.keepsOrder else { return nil }
      return .within(
        from: from.map { transform.apply($0, of: type) },
        to: to.map { transform.apply($0, of: type) })
    }
  }
}

extension Value {
  var isNaN: Bool {
    switch self {
    case .float(let number): number.isNaN
    case .double(let number): number.isNaN
    default: false
    }
  }

  /// The value with one zero only: SQL does not tell -0 from 0, bounds do.
  fileprivate var plainZero: Value {
    switch self {
    case .float(0): .float(0)
    case .double(0): .double(0)
    default: self
    }
  }

  /// The same value as one of a column's type; nil where there is none.
  func converted(to type: FieldType) -> Value? {
    switch (self, type) {
    case (.null, _): return .null
    case (.integer(let number), .double): return Double(exactly: number).map(Value.double)
    case (.integer(let number), .float): return Float(exactly: number).map(Value.float)
    case (.double, .double), (.float, .float): return self
    case (.date(let days), .timestamp):
      return .timestamp(Instant(microseconds: Int64(days) * 86_400_000_000))
    case (.timestamp(let instant), .timestamptz): return .timestamptz(instant)
    case (.timestamptz(let instant), .timestamp): return .timestamp(instant)
    case (.float, .double), (.double, .float): return nil
    // Out of the column's range.
    case (.integer(let number), .int): return Int32(exactly: number) == nil ? nil : self
    default:
      // Through the stored form: decimals get the column's scale.
      return SingleValue.encode(self, as: type).flatMap { SingleValue.decode($0, as: type) }
    }
  }
}
