import Core

/// Iceberg's binary form of single values: bounds in manifests and in manifest lists.
///
/// Format: the Iceberg table spec, appendix D.
enum SingleValue {
  /// - Returns: The bytes; nil for null, for nested types and for a value that is not of the type.
  static func encode(_ value: Value, as type: FieldType) -> [UInt8]? {
    switch (type, value) {
    case (.boolean, .boolean(let flag)): return [flag ? 1 : 0]
    case (.int, .integer(let number)):
      return Int32(exactly: number).map { littleEndian($0) }
    case (.bigint, .integer(let number)): return littleEndian(number)
    case (.float, .float(let number)): return littleEndian(number.bitPattern)
    case (.float, .double(let number)): return littleEndian(Float(number).bitPattern)
    case (.double, .double(let number)): return littleEndian(number.bitPattern)
    case (.double, .float(let number)): return littleEndian(Double(number).bitPattern)
    case (.date, .date(let days)): return littleEndian(days)
    case (.time, .time(let microseconds)): return littleEndian(microseconds)
    case (.timestamp, .timestamp(let instant)), (.timestamp, .timestamptz(let instant)),
      (.timestamptz, .timestamptz(let instant)), (.timestamptz, .timestamp(let instant)):
      return littleEndian(instant.microseconds)
    case (.string, .string(let text)): return Array(text.utf8)
    case (.binary, .binary(let bytes)), (.fixed, .binary(let bytes)): return bytes
    case (.uuid, .uuid(let number)): return bigEndian(number)
    case (.decimal(_, let scale), .decimal(let unscaled, let valueScale)):
      return rescale(unscaled, from: valueScale, to: scale).map(minimalBigEndian)
    case (.decimal(_, let scale), .integer(let number)):
      return rescale(Int128(number), from: 0, to: scale).map(minimalBigEndian)
    default: return nil
    }
  }

  /// Reads a value written when the column had `type` or a type that widens to it.
  ///
  /// - Returns: nil where the bytes are no such value.
  static func decode(_ bytes: [UInt8], as type: FieldType) -> Value? {
    switch type {
    case .boolean: return bytes.count == 1 ? .boolean(bytes[0] != 0) : nil
    case .int: return int32(bytes).map { .integer(Int64($0)) }
    case .bigint: return (int64(bytes) ?? int32(bytes).map(Int64.init)).map(Value.integer)
    case .float: return int32(bytes).map { .float(Float(bitPattern: UInt32(bitPattern: $0))) }
    case .double:
      if let bits = int64(bytes) { return .double(Double(bitPattern: UInt64(bitPattern: bits))) }
      return int32(bytes).map { .double(Double(Float(bitPattern: UInt32(bitPattern: $0)))) }
    case .date: return int32(bytes).map(Value.date)
    case .time: return int64(bytes).map(Value.time)
    case .timestamp: return int64(bytes).map { .timestamp(Instant(microseconds: $0)) }
    case .timestamptz: return int64(bytes).map { .timestamptz(Instant(microseconds: $0)) }
    case .string: return String(validating: bytes, as: UTF8.self).map(Value.string)
    case .binary, .fixed: return .binary(bytes)
    case .uuid:
      guard bytes.count == 16 else { return nil }
      return .uuid(bytes.reduce(0) { $0 << 8 | UInt128($1) })
    case .decimal(_, let scale):
      return signedBigEndian(bytes).map { .decimal(unscaled: $0, scale: scale) }
    case .list, .map, .structure: return nil
    }
  }

  /// A two's-complement number, highest byte first, in as few bytes as hold it.
  static func minimalBigEndian(_ number: Int128) -> [UInt8] {
    var bytes = bigEndian(UInt128(truncatingIfNeeded: number))
    while bytes.count > 1,
      (bytes[0] == 0 && bytes[1] < 0x80) || (bytes[0] == 0xFF && bytes[1] >= 0x80)
    {
      bytes.removeFirst()
    }
    return bytes
  }

  static func signedBigEndian(_ bytes: [UInt8]) -> Int128? {
    guard (1...16).contains(bytes.count) else { return nil }
    let start: Int128 = bytes[0] >= 0x80 ? -1 : 0
    return bytes.reduce(start) { $0 << 8 | Int128($1) }
  }

  static func bigEndian(_ number: UInt128) -> [UInt8] {
    (0..<16).map { UInt8(truncatingIfNeeded: number >> UInt128(8 * (15 - $0))) }
  }

  private static func rescale(_ unscaled: Int128, from: Int, to: Int) -> Int128? {
    guard from <= to else { return nil }
    var number = unscaled
    for _ in from..<to {
      let (product, overflow) = number.multipliedReportingOverflow(by: 10)
      if overflow { return nil }
      number = product
    }
    return number
  }

  private static func littleEndian(_ number: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: number.littleEndian) { Array($0) }
  }

  private static func int32(_ bytes: [UInt8]) -> Int32? {
    guard bytes.count == 4 else { return nil }
    return Int32(bitPattern: (0..<4).reduce(0) { $0 | UInt32(bytes[$1]) << (8 * $1) })
  }

  private static func int64(_ bytes: [UInt8]) -> Int64? {
    guard bytes.count == 8 else { return nil }
    return Int64(bitPattern: (0..<8).reduce(0) { $0 | UInt64(bytes[$1]) << (8 * $1) })
  }
}

/// Shortening of long bounds, so that one long value does not fill a manifest.
enum BoundLength {
  /// Longer than Iceberg's usual 16: addresses of source files share long beginnings.
  static let limit = 128

  static func lower(_ value: Value) -> Value {
    switch value {
    case .string(let text) where text.unicodeScalars.count > limit:
      return .string(String(String.UnicodeScalarView(text.unicodeScalars.prefix(limit))))
    case .binary(let bytes) where bytes.count > limit: return .binary(Array(bytes.prefix(limit)))
    default: return value
    }
  }

  /// - Returns: The least short value that no value with this beginning exceeds; nil when none is.
  static func upper(_ value: Value) -> Value? {
    switch value {
    case .string(let text) where text.unicodeScalars.count > limit:
      var scalars = Array(text.unicodeScalars.prefix(limit))
      while let last = scalars.popLast() {
        if let next = successor(last) {
          var view = String.UnicodeScalarView()
          view.append(contentsOf: scalars)
          view.append(next)
          return .string(String(view))
        }
      }
      return nil
    case .binary(let bytes) where bytes.count > limit:
      var kept = Array(bytes.prefix(limit))
      while let last = kept.popLast() {
        if last < 0xFF { return .binary(kept + [last + 1]) }
      }
      return nil
    default: return value
    }
  }

  private static func successor(_ scalar: Unicode.Scalar) -> Unicode.Scalar? {
    // Surrogates are no scalars: D7FF is followed by E000.
    scalar.value == 0xD7FF ? Unicode.Scalar(0xE000) : Unicode.Scalar(scalar.value + 1)
  }
}

/// The order of values of one type, as bounds and partition summaries use it.
public enum ValueOrder {
  /// Strings and binary by bytes; -0.0 before +0.0; NaN after all.
  ///
  /// - Returns: nil where the two are not of one comparable type.
  public static func isLess(_ a: Value, _ b: Value) -> Bool? {
    switch (a, b) {
    case (.boolean(let x), .boolean(let y)): return !x && y
    case (.integer(let x), .integer(let y)): return x < y
    case (.float(let x), .float(let y)):
      return x.isTotallyOrdered(belowOrEqualTo: y) && x.bitPattern != y.bitPattern
    case (.double(let x), .double(let y)):
      return x.isTotallyOrdered(belowOrEqualTo: y) && x.bitPattern != y.bitPattern
    case (.float(let x), .double): return isLess(.double(Double(x)), b)
    case (.double, .float(let y)): return isLess(a, .double(Double(y)))
    case (.decimal(let x, let xScale), .decimal(let y, let yScale)) where xScale == yScale:
      return x < y
    case (.date(let x), .date(let y)): return x < y
    case (.time(let x), .time(let y)): return x < y
    case (.timestamp(let x), .timestamp(let y)), (.timestamptz(let x), .timestamptz(let y)),
      (.timestamp(let x), .timestamptz(let y)), (.timestamptz(let x), .timestamp(let y)):
      return x < y
    case (.string(let x), .string(let y)): return x.utf8.lexicographicallyPrecedes(y.utf8)
    case (.binary(let x), .binary(let y)): return x.lexicographicallyPrecedes(y)
    case (.uuid(let x), .uuid(let y)): return x < y
    default: return nil
    }
  }
}
