import Core

extension Value {
  /// Reads a scalar's text as a value of `type`; nil where it is none, or out of range.
  ///
  /// Dates are `2024-01-01`, timestamps as `CommandLineTime` reads them, decimals may have fewer
  /// digits after the point than the type but not more. `binary` and nested types have no text.
  init?(parsing text: String, as type: FieldType) {
    switch type {
    case .string: self = .string(text)
    case .boolean:
      guard let value = Value.booleans[text] else { return nil }
      self = .boolean(value)
    case .int:
      guard let value = Int32(text) else { return nil }
      self = .integer(Int64(value))
    case .bigint:
      guard let value = Int64(text) else { return nil }
      self = .integer(value)
    case .float:
      guard Value.isNumber(text), let value = Float(text), value.isFinite else { return nil }
      self = .float(value)
    case .double:
      guard Value.isNumber(text), let value = Double(text), value.isFinite else { return nil }
      self = .double(value)
    case .decimal(let precision, let scale):
      guard let value = Value.decimal(text, precision: precision, scale: scale) else { return nil }
      self = value
    case .date:
      guard text.count == 10, case .success(let instant) = CommandLineTime.read(text) else {
        return nil
      }
      self = .date(Int32(instant.microseconds / 86_400_000_000))
    case .time:
      guard text.count >= 5, text.dropFirst(2).first == ":",
        !text.contains(where: { "Z+-".contains($0) }),
        case .success(let instant) = CommandLineTime.read("1970-01-01T" + text)
      else { return nil }
      self = .time(instant.microseconds)
    case .timestamp, .timestamptz:
      guard case .success(let instant) = CommandLineTime.read(text) else { return nil }
      self = type == .timestamp ? .timestamp(instant) : .timestamptz(instant)
    case .uuid:
      let groups = text.split(separator: "-", omittingEmptySubsequences: false).map(\.count)
      guard groups == [8, 4, 4, 4, 12], text.allSatisfy({ $0.isHexDigit || $0 == "-" }),
        let number = UInt128(text.filter { $0 != "-" }, radix: 16)
      else { return nil }
      self = .uuid(number)
    case .binary, .fixed, .list, .map, .structure: return nil
    }
  }

  static let booleans = [
    "true": true, "True": true, "TRUE": true, "false": false, "False": false, "FALSE": false,
  ]

  /// Digits with an optional sign, point and exponent: not `nan`, `inf`, `0x1p3`.
  static func isNumber(_ text: String) -> Bool {
    text.contains { $0.isASCII && $0.isNumber }
      && text.allSatisfy { $0.isASCII && ($0.isNumber || "+-.eE".contains($0)) }
  }

  private static func decimal(_ text: String, precision: Int, scale: Int) -> Value? {
    let isNegative = text.first == "-"
    let parts = text.drop { $0 == "-" || $0 == "+" }
      .split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    guard text.count - text.drop(while: { $0 == "-" || $0 == "+" }).count <= 1,
      let whole = parts.first, !whole.isEmpty
    else { return nil }
    let fraction = parts.count > 1 ? parts[1] : ""
    guard fraction.count <= scale, parts.count == 1 || !fraction.isEmpty else { return nil }
    let digits = whole.drop { $0 == "0" } + fraction
    guard (whole + fraction).allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
    let padded = digits + String(repeating: "0", count: scale - fraction.count)
    let significant = padded.drop { $0 == "0" }
    guard significant.count <= precision, let number = Int128("0" + significant) else { return nil }
    return .decimal(unscaled: isNegative ? -number : number, scale: scale)
  }

  /// Whether `self` comes before `other`, both of the same type; nil where the type has no order.
  func precedes(_ other: Value) -> Bool? {
    switch (self, other) {
    case (.integer(let a), .integer(let b)): a < b
    case (.float(let a), .float(let b)): a < b
    case (.double(let a), .double(let b)): a < b
    case (.decimal(let a, _), .decimal(let b, _)): a < b
    case (.date(let a), .date(let b)): a < b
    case (.time(let a), .time(let b)): a < b
    case (.timestamp(let a), .timestamp(let b)): a < b
    case (.timestamptz(let a), .timestamptz(let b)): a < b
    case (.string(let a), .string(let b)): a.utf8.lexicographicallyPrecedes(b.utf8)
    default: nil
    }
  }
}

extension FieldType {
  /// Whether `between`, `min` and `max` mean something.
  var isOrdered: Bool {
    switch self {
    case .boolean, .binary, .uuid, .list, .map, .structure: false
    default: true
    }
  }

  /// Whether a value of it can be written in a project file.
  var hasText: Bool { !isNested && self != .binary }

  /// `an int`, `a date`: for messages.
  var withArticle: String {
    let text = description
    return ("aeiou".contains(text.first ?? " ") ? "an " : "a ") + text
  }
}
