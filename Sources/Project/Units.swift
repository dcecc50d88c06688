/// Durations and sizes as people write them.
enum Units {
  private static let durations: [(suffix: String, milliseconds: Int64)] = [
    ("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000),
  ]

  /// Parses `0s`, `500ms`, `5m`, `24h`, `3d`, `1h30m`.
  ///
  /// - Returns: Milliseconds; nil where the text is something else or too large.
  static func milliseconds(_ text: String) -> Int64? {
    var rest = text[...]
    var total: Int64 = 0
    var parts = 0
    while !rest.isEmpty {
      let digits = rest.prefix { $0.isASCII && $0.isNumber }
      rest = rest.dropFirst(digits.count)
      let suffix = rest.prefix { $0.isLetter }
      rest = rest.dropFirst(suffix.count)
      guard let count = Int64(digits), let unit = durations.first(where: { $0.suffix == suffix })
      else { return nil }
      let (product, overflow) = count.multipliedReportingOverflow(by: unit.milliseconds)
      let (sum, carry) = total.addingReportingOverflow(product)
      guard !overflow, !carry, sum <= longest else { return nil }
      total = sum
      parts += 1
    }
    return parts > 0 ? total : nil
  }

  /// A hundred years: longer is a slip, and would overflow when added to a date.
  private static let longest: Int64 = 100 * 366 * 86_400_000

  private static let sizes: [String: Int64] = [
    "": 1, "B": 1, "KB": 1000, "MB": 1_000_000, "GB": 1_000_000_000, "TB": 1_000_000_000_000,
    "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40,
  ]

  /// Parses `4GB` (10^9), `512MiB` (2^20), `1.5 GB`, `1048576`; letters in any case.
  ///
  /// - Returns: Bytes; nil where the text is something else or too large.
  static func bytes(_ text: String) -> Int64? {
    let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    let unit = text.dropFirst(number.count).drop { $0 == " " }.uppercased()
    guard let factor = sizes[unit] else { return nil }
    if let whole = Int64(number) {
      let (bytes, overflow) = whole.multipliedReportingOverflow(by: factor)
      return overflow ? nil : bytes
    }
    guard number.first != ".", number.last != ".", let value = Double(number) else { return nil }
    return Int64(exactly: (value * Double(factor)).rounded())
  }

  /// Parses `20%` or `12.5%`, 0 to 100.
  static func percent(_ text: String) -> Double? {
    guard text.last == "%" else { return nil }
    let number = text.dropLast()
    guard number.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == ".") }),
      let value = Double(number), value <= 100
    else { return nil }
    return value
  }
}
