import Core

/// Rows as JSON objects.
enum RowJSON {
  static func object(_ names: [String], _ row: [Value]) -> JSON {
    .object(zip(names, row).map { JSON.Member($0, json($1)) })
  }

  /// The names with `_2`, `_3`, … after those that came before: an object's names are distinct.
  static func distinct(_ names: [String]) -> [String] {
    var used = Set(names)
    var seen: Set<String> = []
    return names.map { name in
      if seen.insert(name).inserted { return name }
      var number = 2
      while used.contains("\(name)_\(number)") { number += 1 }
      used.insert("\(name)_\(number)")
      return "\(name)_\(number)"
    }
  }

  /// Numbers that JSON readers keep are numbers; decimals are strings, times are ISO 8601, bytes
  /// are hexadecimal, a map is a list of `{"key": …, "value": …}`.
  static func json(_ value: Value) -> JSON {
    switch value {
    case .null: return .null
    case .boolean(let value): return .boolean(value)
    case .integer(let value): return .integer(value)
    case .float(let value): return Double("\(value)").map { .number($0) } ?? .string("\(value)")
    case .double(let value): return .number(value)
    case .decimal, .date, .time, .uuid: return .string(value.description)
    case .timestamp(let instant): return .string(String(instant.description.dropLast()))
    case .timestamptz(let instant): return .string(instant.description)
    case .string(let text): return .string(text)
    case .binary(let bytes):
      return .string(bytes.map { String($0, radix: 16).paddedLeft(to: 2, with: "0") }.joined())
    case .list(let items): return .array(items.map(json))
    case .map(let keys, let values):
      return .array(zip(keys, values).map { ["key": json($0), "value": json($1)] })
    case .structure(let names, let values): return object(distinct(names), values)
    }
  }
}
