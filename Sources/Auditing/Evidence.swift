import Core

/// What the statistics of all files together say of one column's values.
///
/// Only types whose bounds are never cut short: strings and binary may be truncated, floating
/// point needs NaNs counted, so those answer nil.
struct Bounds {
  var lower: Value
  var upper: Value

  /// - Returns: Nil when a file that may hold a value keeps no bounds, or no file holds one.
  init?(of field: Field, in files: [DataFile]) {
    var all: Bounds?
    for file in files where file.rowCount > 0 {
      guard let statistics = file.columns[field.id], field.id != 0 else { return nil }
      if statistics.nullCount == file.rowCount { continue }
      guard let lower = statistics.lower, let upper = statistics.upper,
        Bounds.areExact(field.type, statistics),
        let isOrdered = lower.isAtMost(upper), isOrdered
      else { return nil }
      guard var union = all else {
        all = Bounds(lower: lower, upper: upper)
        continue
      }
      guard let isLower = lower.isAtMost(union.lower), let isUpper = union.upper.isAtMost(upper)
      else { return nil }
      if isLower { union.lower = lower }
      if isUpper { union.upper = upper }
      all = union
    }
    guard let all else { return nil }
    self = all
  }

  private init(lower: Value, upper: Value) {
    self.lower = lower
    self.upper = upper
  }

  func isApart(from other: Bounds) -> Bool {
    upper.isAtMost(other.lower) == true && other.lower.isAtMost(upper) == false
      || other.upper.isAtMost(lower) == true && lower.isAtMost(other.upper) == false
  }

  private static func areExact(_ type: FieldType, _ statistics: ColumnStatistics) -> Bool {
    switch type {
    case .boolean, .int, .bigint, .decimal, .date, .time, .timestamp, .timestamptz: true
    case .float, .double: statistics.nanCount == 0
    default: false
    }
  }
}

extension Value {
  /// `self <= other`, or nil where the two do not compare exactly.
  func isAtMost(_ other: Value) -> Bool? {
    switch (self, other) {
    case (.boolean(let a), .boolean(let b)): return !a || b
    case (.integer(let a), .integer(let b)): return a <= b
    case (.float(let a), .float(let b)): return a.isNaN || b.isNaN ? nil : a <= b
    case (.double(let a), .double(let b)): return a.isNaN || b.isNaN ? nil : a <= b
    case (.decimal(let a, let scaleA), .decimal(let b, let scaleB)):
      return scaleA == scaleB ? a <= b : nil
    case (.date(let a), .date(let b)): return a <= b
    case (.time(let a), .time(let b)): return a <= b
    case (.timestamp(let a), .timestamp(let b)): return a <= b
    case (.timestamptz(let a), .timestamptz(let b)): return a <= b
    default: return nil
    }
  }
}

extension Audit {
  /// The number of failing rows of each rule as far as statistics prove it; nil asks for a scan.
  ///
  /// Row counts and null counts are exact; bounds prove that all rows pass, never how many fail.
  func evidence(for rules: [Rule], in files: [DataFile], current: [DataFile]) -> [Int64?] {
    let rows = files.reduce(0) { $0 + $1.rowCount }
    if rows == 0 { return rules.map { _ in 0 } }
    let raw = rules.map { rule -> Int64? in
      switch rule.kind {
      case .rowCount: return rows
      case .row(let condition): return condition.failingRows(provenBy: files)
      case .unique(let columns):
        return rows == 1 && candidates(current, staged: files, columns: columns).isEmpty ? 0 : nil
      }
    }
    let isWhole = zip(rules, raw).allSatisfy { $0.severity != .quarantine || $1 == 0 }
    if isWhole { return raw }
    // Rows are going to be taken out. What holds for all rows holds for the rest; what fails, and
    // how many rows there are, has to be counted among the rest.
    return zip(rules, raw).map { rule, known in
      guard rule.severity != .quarantine, known != 0 else { return known }
      return nil
    }
  }
}

extension Condition {
  /// The exact number of failing rows, where the statistics of all files prove it.
  func failingRows(provenBy files: [DataFile]) -> Int64? {
    switch test {
    case .notNull(let column): return Condition.nulls(of: column, in: files)
    case .between(let column, let min, let max):
      if Condition.isAllNull(column, files) { return 0 }
      guard let bounds = Bounds(of: column, in: files) else { return nil }
      let isAbove = min.map { $0.isAtMost(bounds.lower) == true } ?? true
      let isBelow = max.map { bounds.upper.isAtMost($0) == true } ?? true
      return isAbove && isBelow ? 0 : nil
    case .acceptedValues(let column, let values):
      if Condition.isAllNull(column, files) { return 0 }
      guard let bounds = Bounds(of: column, in: files), bounds.lower == bounds.upper else {
        return nil
      }
      return values.contains(bounds.lower) ? 0 : nil
    case .isInterval(let start, let end, let interval):
      for (column, instant) in [(start, interval.start), (end, interval.end)] {
        guard Condition.nulls(of: column, in: files) == 0,
          let bounds = Bounds(of: column, in: files),
          bounds.lower == column.type.instant(instant), bounds.upper == bounds.lower
        else { return nil }
      }
      return 0
    }
  }

  private static func nulls(of column: Field, in files: [DataFile]) -> Int64? {
    // Null counts of nested columns are those of their leaves.
    if column.id == 0 || column.type.isNested { return nil }
    var nulls: Int64 = 0
    for file in files where file.rowCount > 0 {
      guard let count = file.columns[column.id]?.nullCount else { return nil }
      nulls += count
    }
    return nulls
  }

  private static func isAllNull(_ column: Field, _ files: [DataFile]) -> Bool {
    nulls(of: column, in: files) == files.reduce(0) { $0 + $1.rowCount }
  }
}
