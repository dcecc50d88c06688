/// One value of any column type: a parameter, a bound, a row's field. Not for scans.
public enum Value: Sendable, Hashable {
  case null
  case boolean(Bool)
  /// `int` and `bigint`.
  case integer(Int64)
  case float(Float)
  case double(Double)
  /// `unscaled × 10^-scale`.
  case decimal(unscaled: Int128, scale: Int)
  /// Days since 1970-01-01.
  case date(Int32)
  /// Microseconds since midnight.
  case time(Int64)
  case timestamp(Instant)
  case timestamptz(Instant)
  case string(String)
  case binary([UInt8])
  case uuid(UInt128)
  case list([Value])
  case map([Value], [Value])
  case structure([String], [Value])

  public var isNull: Bool { self == .null }
}

extension Value: CustomStringConvertible {
  /// The text people read: `2024-01-01 05:00:00`, `12.50`, `[1, 2]`. NULL is `NULL`.
  public var description: String {
    switch self {
    case .null: return "NULL"
    case .boolean(let value): return value ? "true" : "false"
    case .integer(let value): return String(value)
    case .float(let value): return value.description
    case .double(let value): return value.description
    case .decimal(let unscaled, let scale): return Value.decimalText(unscaled, scale)
    case .date(let days):
      let date = CivilTime.date(daysSinceEpoch: Int(days))
      return CivilTime(year: date.year, month: date.month, day: date.day).dateText
    case .time(let microseconds):
      return String(Instant(microseconds: microseconds).sqlText.dropFirst(11))
    case .timestamp(let instant): return instant.sqlText
    case .timestamptz(let instant): return instant.sqlText + "+00"
    case .string(let text): return text
    case .binary(let bytes):
      return bytes.map { "\\x" + String($0, radix: 16).paddedLeft(to: 2, with: "0") }.joined()
    case .uuid(let number):
      let hex = String(number, radix: 16).paddedLeft(to: 32, with: "0")
      let cuts = [0, 8, 12, 16, 20, 32]
      return zip(cuts, cuts.dropFirst()).map { from, to in
        String(hex.dropFirst(from).prefix(to - from))
      }.joined(separator: "-")
    case .list(let items):
      return "[" + items.map(\.description).joined(separator: ", ") + "]"
    case .map(let keys, let values):
      return "{" + zip(keys, values).map { "\($0)=\($1)" }.joined(separator: ", ") + "}"
    case .structure(let names, let values):
      return "{" + zip(names, values).map { "\($0): \($1)" }.joined(separator: ", ") + "}"
    }
  }

  private static func decimalText(_ unscaled: Int128, _ scale: Int) -> String {
    guard scale > 0 else { return String(unscaled) }
    let digits = String(unscaled.magnitude).paddedLeft(to: scale + 1, with: "0")
    return (unscaled < 0 ? "-" : "") + digits.dropLast(scale) + "." + digits.suffix(scale)
  }
}

/// Rows that fit in memory: results of checks, queries and unit tests.
public struct RowSet: Sendable, Equatable {
  public var schema: Schema
  /// Each row holds one value per field of `schema`.
  public var rows: [[Value]]

  public init(schema: Schema, rows: [[Value]]) {
    self.schema = schema
    self.rows = rows
  }
}
