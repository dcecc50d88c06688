/// Undoes percent-encoding (RFC 3986, 2.1): `%C3%A9` becomes `é`. What does not follow the form, and
/// `+`, stays as it is.
///
/// - Returns: False, with nothing appended, where what comes out is not UTF-8.
public func appendPercentDecoded(
  _ text: UnsafeBufferPointer<UInt8>, to out: inout [UInt8]
) -> Bool {
  let start = out.count
  var index = 0
  while index < text.count {
    if text[index] == UInt8(ascii: "%") && index + 2 < text.count,
      let high = hexDigit(text[index + 1]), let low = hexDigit(text[index + 2])
    {
      out.append(high << 4 | low)
      index += 3
    } else {
      out.append(text[index])
      index += 1
    }
  }
  let isUTF8 = out[start...].withUnsafeBufferPointer { decoded in
    guard let base = decoded.baseAddress else { return true }
    return indexOfInvalidUTF8(base, count: decoded.count) == decoded.count
  }
  if !isUTF8 { out.removeSubrange(start...) }
  return isUTF8
}

func hexDigit(_ byte: UInt8) -> UInt8? {
  switch byte {
  case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
  case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
  case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
  default: nil
  }
}
