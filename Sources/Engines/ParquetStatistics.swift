import Core

/// Turns what DuckDB's RETURN_STATS says of a file's columns, all of it text, into typed bounds.
///
/// A text that is not certainly the value is left out: an absent bound is unknown, never wrong.
struct ParquetStatistics {
  /// The leaf columns by DuckDB's name of them: `"a"`, `"s"."x"`, `"l"."element"`.
  private var leaves: [String: (field: Field, isRepeated: Bool)] = [:]

  init(_ schema: Schema) {
    for field in schema.fields { add(field, path: field.name.quotedName, isRepeated: false) }
  }

  private mutating func add(_ field: Field, path: String, isRepeated: Bool) {
    switch field.type {
    case .list(let element): add(element, path: "\(path).\"element\"", isRepeated: true)
    case .map(let key, let value):
      add(key, path: "\(path).\"key\"", isRepeated: true)
      add(value, path: "\(path).\"value\"", isRepeated: true)
    case .structure(let children):
      for child in children {
        add(child, path: "\(path).\(child.name.quotedName)", isRepeated: isRepeated)
      }
    default: leaves[path] = (field, isRepeated)
    }
  }

  /// - Parameter value: A map from column names to maps from `min`, `max`, … to text.
  func columns(_ value: Value) -> [Int: ColumnStatistics] {
    guard case .map(let names, let entries) = value else { return [:] }
    var result: [Int: ColumnStatistics] = [:]
    for (name, entry) in zip(names, entries) {
      guard case .string(let name) = name, let (field, isRepeated) = leaves[name],
        case .map(let keys, let values) = entry
      else { continue }
      var texts: [String: String] = [:]
      for case (.string(let key), .string(let text)) in zip(keys, values) { texts[key] = text }
      result[field.id] = statistics(texts, field.type, isRepeated: isRepeated)
    }
    return result
  }

  private func statistics(
    _ texts: [String: String], _ type: FieldType, isRepeated: Bool
  ) -> ColumnStatistics {
    var result = ColumnStatistics(
      byteCount: texts["column_size_bytes"].flatMap { Int64($0) },
      valueCount: texts["num_values"].flatMap { Int64($0) },
      nullCount: texts["null_count"].flatMap { Int64($0) })
    // Elements of lists and maps: Iceberg keeps no bounds, and DuckDB counts an empty list as null.
    if isRepeated {
      result.nullCount = nil
      return result
    }
    result.lower = texts["min"].flatMap { ParquetStatistics.bound($0, type) }
    result.upper = texts["max"].flatMap { ParquetStatistics.bound($0, type) }
    // Parquet's order has one zero; Iceberg's puts -0 before +0.
    switch (result.lower, result.upper) {
    case (.double(0), _): result.lower = .double(-0.0)
    case (.float(0), _): result.lower = .float(-0.0)
    default: break
    }
    switch result.upper {
    case .double(0): result.upper = .double(0.0)
    case .float(0): result.upper = .float(0.0)
    default: break
    }
    return result
  }

  /// Reads DuckDB's text of a value; nil where it is not the whole text of one.
  static func bound(_ text: String, _ type: FieldType) -> Value? {
    switch type {
    case .boolean:
      return ["0": false, "false": false, "1": true, "true": true][text].map { .boolean($0) }
    case .int: return Int32(text).map { .integer(Int64($0)) }
    case .bigint: return Int64(text).map { .integer($0) }
    case .float: return Float(text).flatMap { $0.isNaN ? nil : .float($0) }
    case .double: return Double(text).flatMap { $0.isNaN ? nil : .double($0) }
    case .decimal(_, let scale): return decimal(text, scale)
    case .date: return days(text[...]).map { .date(Int32($0)) }
    case .time: return clock(text[...]).map { .time($0) }
    case .timestamp: return instant(text[...]).map { .timestamp($0) }
    case .timestamptz:
      return text.hasSuffix("+00") ? instant(text.dropLast(3)).map { .timestamptz($0) } : nil
    // DuckDB cuts long strings at 256 bytes, rounding upper bounds up, and never inside a
    // character; U+FFFD may stand for bytes that were no UTF-8.
    case .string: return text.unicodeScalars.contains("\u{FFFD}") ? nil : .string(text)
    case .binary, .fixed: return bytes(text).map { .binary($0) }
    case .uuid:
      let digits = text.filter { $0 != "-" }
      return digits.count == 32 ? UInt128(digits, radix: 16).map { .uuid($0) } : nil
    case .list, .map, .structure: return nil
    }
  }

  /// `-12.50` for scale 2.
  private static func decimal(_ text: String, _ scale: Int) -> Value? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    let fraction = parts.count == 2 ? parts[1] : ""
    guard parts.count <= 2, fraction.count == scale, fraction.allSatisfy(\.isNumber) else {
      return nil
    }
    return Int128("\(parts[0])\(fraction)").map { .decimal(unscaled: $0, scale: scale) }
  }

  /// `2024-01-31`; years before 1 and infinities have other texts.
  private static func days(_ text: Substring) -> Int? {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0].count >= 4, let year = number(parts[0]),
      let month = number(parts[1]), let day = number(parts[2])
    else { return nil }
    let time = CivilTime(year: year, month: month, day: day)
    return time.isValid ? time.daysSinceEpoch : nil
  }

  /// `01:02:03[.ffffff]` in microseconds.
  private static func clock(_ text: Substring) -> Int64? {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 3, let hour = number(parts[0]), let minute = number(parts[1]) else {
      return nil
    }
    let seconds = parts[2].split(separator: ".", omittingEmptySubsequences: false)
    guard seconds.count <= 2, let second = number(seconds[0]) else { return nil }
    var microsecond = 0
    if seconds.count == 2 {
      guard (1...6).contains(seconds[1].count), let fraction = number(seconds[1]) else {
        return nil
      }
      microsecond = (seconds[1].count..<6).reduce(fraction) { value, _ in value * 10 }
    }
    guard hour <= 24, minute < 60, second < 60 else { return nil }
    return Int64(hour * 3600 + minute * 60 + second) * 1_000_000 + Int64(microsecond)
  }

  private static func instant(_ text: Substring) -> Instant? {
    let parts = text.split(separator: " ", omittingEmptySubsequences: false)
    guard parts.count == 2, let days = days(parts[0]), let clock = clock(parts[1]) else {
      return nil
    }
    let (start, overflow) = Int64(days).multipliedReportingOverflow(by: 86_400_000_000)
    let (sum, carried) = start.addingReportingOverflow(clock)
    return overflow || carried ? nil : Instant(microseconds: sum)
  }

  /// Digits only.
  private static func number(_ text: Substring) -> Int? {
    text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ? Int(text) : nil
  }

  /// `00FF`.
  private static func bytes(_ text: String) -> [UInt8]? {
    let digits = Array(text.utf8)
    guard digits.count.isMultiple(of: 2) else { return nil }
    var result: [UInt8] = []
    for index in stride(from: 0, to: digits.count, by: 2) {
      let pair = String(decoding: digits[index..<index + 2], as: UTF8.self)
      guard let byte = UInt8(pair, radix: 16) else { return nil }
      result.append(byte)
    }
    return result
  }
}
