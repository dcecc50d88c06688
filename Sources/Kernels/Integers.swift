/// Reads a decimal integer: an optional sign, then digits, nothing else.
///
/// - Parameter text: `count` readable bytes.
/// - Returns: Nil for anything else, also outside of 64 bits.
@inlinable
public func parseInteger(_ text: UnsafePointer<UInt8>, count: Int) -> Int64? {
  guard count > 0 else { return nil }
  let sign = text[0]
  let start = sign == 0x2D || sign == 0x2B ? 1 : 0
  guard start < count else { return nil }
  var index = start
  var value: UInt64 = 0
  // Eighteen digits cannot overflow; the rest is checked.
  let safeEnd = min(count, start &+ 18)
  while index < safeEnd {
    let digit = text[index] &- 0x30
    guard digit < 10 else { return nil }
    value = value &* 10 &+ UInt64(digit)
    index &+= 1
  }
  while index < count {
    let digit = text[index] &- 0x30
    guard digit < 10 else { return nil }
    let (product, overflow) = value.multipliedReportingOverflow(by: 10)
    let (sum, carry) = product.addingReportingOverflow(UInt64(digit))
    if overflow || carry { return nil }
    value = sum
    index &+= 1
  }
  if sign == 0x2D {
    return value <= UInt64(Int64.max) + 1 ? Int64(truncatingIfNeeded: 0 &- value) : nil
  }
  return value <= UInt64(Int64.max) ? Int64(value) : nil
}

/// Reads a decimal number exactly: an optional sign, digits, an optional point with digits; at
/// least one digit in all.
///
/// - Parameters:
///   - precision: Digits in all, 1 to 38.
///   - scale: Digits after the point, 0 to `precision`.
/// - Returns: The number times 10^scale. Nil for anything else, for more digits before the point
///   than fit, and for digits other than zeros past the scale: nothing is rounded.
public func parseDecimal(
  _ text: UnsafePointer<UInt8>, count: Int, precision: Int, scale: Int
) -> Int128? {
  guard count > 0 else { return nil }
  let sign = text[0]
  var index = sign == 0x2D || sign == 0x2B ? 1 : 0
  var value: Int128 = 0
  var significant = 0
  var fraction = -1
  var digits = 0
  while index < count {
    let byte = text[index]
    index += 1
    if byte == 0x2E && fraction < 0 {
      fraction = 0
      continue
    }
    let digit = byte &- 0x30
    guard digit < 10 else { return nil }
    digits += 1
    if fraction >= 0 {
      fraction += 1
      if fraction > scale {
        guard digit == 0 else { return nil }
        continue
      }
    }
    if value != 0 || digit != 0 { significant += 1 }
    guard significant <= precision else { return nil }
    value = value * 10 + Int128(digit)
  }
  guard digits > 0 else { return nil }
  var missing = scale - max(0, min(fraction, scale))
  if value != 0 && significant + missing > precision { return nil }
  while missing > 0 && value != 0 {
    value *= 10
    missing -= 1
  }
  return sign == 0x2D ? -value : value
}
