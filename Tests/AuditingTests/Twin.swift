import Core
import Project

/// The checks again, row by row in plain Swift, with nothing shared with the audit: the oracle.
struct Twin {
  var schema: Schema
  var checks: [Check]

  /// A value as SQL compares it: strings by bytes, not by Unicode equivalence.
  static func key(_ value: Value) -> String {
    if case .string(let text) = value {
      return "s" + text.utf8.map(String.init).joined(separator: ".")
    }
    return "\(value)"
  }

  private func value(_ row: [Value], _ column: String) -> Value {
    row[schema.fields.firstIndex { $0.name == column }!]
  }

  /// Whether a row fails a check of single rows.
  func fails(_ row: [Value], _ check: Check) -> Bool {
    switch check.kind {
    case .notNull: return value(row, check.column!).isNull
    case .acceptedValues(let accepted):
      let value = value(row, check.column!)
      if value.isNull { return false }
      return !accepted.contains { !$0.isNull && Twin.key($0) == Twin.key(value) }
    case .between(let min, let max):
      let value = value(row, check.column!)
      if value.isNull { return false }
      if case .double(let number) = value, number.isNaN { return true }
      if let min, Twin.isLess(value, min) { return true }
      if let max, Twin.isLess(max, value) { return true }
      return false
    case .unique, .rowCount: return false
    }
  }

  static func isLess(_ a: Value, _ b: Value) -> Bool {
    switch (a, b) {
    case (.integer(let a), .integer(let b)): a < b
    case (.double(let a), .double(let b)): a < b
    case (.date(let a), .date(let b)): a < b
    case (.string(let a), .string(let b)): a.utf8.lexicographicallyPrecedes(b.utf8)
    default: preconditionFailure("not compared in these tests: \(a), \(b)")
    }
  }

  /// The first quarantine check in order that a row fails.
  func rule(_ row: [Value]) -> String? {
    checks.first { $0.severity == .quarantine && fails(row, $0) }?.name
  }

  func kept(_ rows: [[Value]]) -> [[Value]] { rows.filter { rule($0) == nil } }

  /// The failing rows of each check, and for `row_count` the rows there are.
  func failing(staged: [[Value]], current: [[Value]]) -> [Int64] {
    let kept = kept(staged)
    return checks.map { check in
      switch check.kind {
      case .rowCount: return Int64(kept.count)
      case .unique(let columns):
        func key(_ row: [Value]) -> [String]? {
          let values = columns.map { value(row, $0) }
          return values.contains(.null) ? nil : values.map(Twin.key)
        }
        var copies: [[String]: Int] = [:]
        for row in kept + current {
          if let key = key(row) { copies[key, default: 0] += 1 }
        }
        return Int64(kept.count { key($0).map { copies[$0]! > 1 } ?? false })
      default:
        let judged = check.severity == .quarantine ? staged : kept
        return Int64(judged.count { fails($0, check) })
      }
    }
  }
}
