#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Reads a floating-point number: an optional sign, digits with an optional point, an optional
/// exponent; or `inf`, `infinity`, `nan` in any case.
///
/// - Returns: The nearest double. Nil for anything else and for finite text beyond the largest
///   double; text below the smallest becomes zero or a subnormal number.
public func parseDouble(_ text: UnsafePointer<UInt8>, count: Int) -> Double? {
  guard let number = DecimalText(text, count: count) else { return special(text, count) }
  // Both factors are exact, so one rounding gives the nearest (Clinger's fast path).
  if number.isExact && number.mantissa <= 1 << 53 && abs(number.exponent) <= 22 {
    let mantissa = Double(number.mantissa)
    let value =
      number.exponent < 0
      ? mantissa / powersOfTen[-number.exponent] : mantissa * powersOfTen[number.exponent]
    return number.isNegative ? -value : value
  }
  let value = withTerminated(text, count) { strtod($0, nil) }
  return value.isFinite ? value : nil
}

/// Reads a floating-point number as `parseDouble` does, rounded once, to the nearest float.
public func parseFloat(_ text: UnsafePointer<UInt8>, count: Int) -> Float? {
  guard let number = DecimalText(text, count: count) else {
    return special(text, count).map { Float($0) }
  }
  if number.isExact && number.mantissa <= 1 << 24 && abs(number.exponent) <= 10 {
    let mantissa = Float(number.mantissa)
    let power = Float(powersOfTen[abs(number.exponent)])
    let value = number.exponent < 0 ? mantissa / power : mantissa * power
    return number.isNegative ? -value : value
  }
  let value = withTerminated(text, count) { strtof($0, nil) }
  return value.isFinite ? value : nil
}

/// A number's text taken apart: `±mantissa × 10^exponent`.
private struct DecimalText {
  var isNegative = false
  var mantissa: UInt64 = 0
  var exponent = 0
  /// Whether all digits went into the mantissa.
  var isExact = true

  /// - Returns: Nil where the text is not a number's.
  init?(_ text: UnsafePointer<UInt8>, count: Int) {
    var index = 0
    if count > 0 && (text[0] == 0x2D || text[0] == 0x2B) {
      isNegative = text[0] == 0x2D
      index = 1
    }
    var digits = 0
    var isPastPoint = false
    while index < count {
      let digit = text[index] &- 0x30
      if digit < 10 {
        digits += 1
        if mantissa < 1_000_000_000_000_000_000 {
          mantissa = mantissa * 10 + UInt64(digit)
          if isPastPoint { exponent -= 1 }
        } else {
          isExact = false
        }
      } else if text[index] == 0x2E && !isPastPoint {
        isPastPoint = true
      } else {
        break
      }
      index += 1
    }
    guard digits > 0 else { return nil }
    if index < count {
      guard text[index] | 0x20 == 0x65, index + 1 < count else { return nil }
      guard let power = parseInteger(text + index + 1, count: count - index - 1) else {
        // Too many digits for 64 bits: let the C library say whether it is 0 or infinity.
        guard isExponent(text + index + 1, count - index - 1) else { return nil }
        isExact = false
        return
      }
      if power < -100_000 || power > 100_000 { isExact = false } else { exponent += Int(power) }
    }
  }
}

private func isExponent(_ text: UnsafePointer<UInt8>, _ count: Int) -> Bool {
  let start = text[0] == 0x2D || text[0] == 0x2B ? 1 : 0
  return start < count && (start..<count).allSatisfy { text[$0] &- 0x30 < 10 }
}

private func special(_ text: UnsafePointer<UInt8>, _ count: Int) -> Double? {
  guard count >= 3 && count <= 9 else { return nil }
  let isNegative = text[0] == 0x2D
  let start = isNegative || text[0] == 0x2B ? 1 : 0
  let word = (start..<count).map { text[$0] | 0x20 }
  if word == Array("inf".utf8) || word == Array("infinity".utf8) {
    return isNegative ? -.infinity : .infinity
  }
  return word == Array("nan".utf8) ? .nan : nil
}

/// Runs a C function on a copy that ends in NUL. The process never sets a locale, so the point is
/// a point.
private func withTerminated<T>(
  _ text: UnsafePointer<UInt8>, _ count: Int, _ body: (UnsafePointer<CChar>) -> T
) -> T {
  withUnsafeTemporaryAllocation(of: CChar.self, capacity: count + 1) { copy in
    for index in 0..<count { copy[index] = CChar(bitPattern: text[index]) }
    copy[count] = 0
    return body(UnsafePointer(copy.baseAddress!))
  }
}

/// 10^0 to 10^22, all exact.
private let powersOfTen: [Double] = [
  1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
  1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
]
