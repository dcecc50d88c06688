/// Percent-encodes as AWS specifies for signatures: everything but `A-Z a-z 0-9 - . _ ~`, with
/// upper-case digits, a space as `%20`.
///
/// Source: "Create a signed AWS API request", the function UriEncode.
///
/// - Parameter keepsSlashes: For the path of an object, whose slashes separate.
public func uriEncoded(_ text: String, keepsSlashes: Bool = false) -> String {
  // Most names need nothing.
  if text.utf8.allSatisfy({ isUnreserved($0) || keepsSlashes && $0 == UInt8(ascii: "/") }) {
    return text
  }
  return uriEncoded(text.utf8, keepsSlashes: keepsSlashes)
}

func uriEncoded(_ bytes: some Sequence<UInt8>, keepsSlashes: Bool = false) -> String {
  func digit(_ value: UInt8) -> UInt8 { value + UInt8(ascii: value < 10 ? "0" : "7") }
  var encoded: [UInt8] = []
  for byte in bytes {
    if isUnreserved(byte) || keepsSlashes && byte == UInt8(ascii: "/") {
      encoded.append(byte)
    } else {
      encoded += [UInt8(ascii: "%"), digit(byte >> 4), digit(byte & 15)]
    }
  }
  return String(decoding: encoded, as: UTF8.self)
}

private func isUnreserved(_ byte: UInt8) -> Bool {
  switch byte {
  case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
    UInt8(ascii: "_"), UInt8(ascii: "~"):
    true
  default: false
  }
}

/// Undoes percent-encoding; a `%` that encodes nothing stands for itself.
///
/// - Parameter plusIsSpace: As in the forms of browsers, and in the keys of S3's listings.
public func uriDecoded(_ text: some StringProtocol, plusIsSpace: Bool = false) -> [UInt8] {
  var decoded: [UInt8] = []
  decoded.reserveCapacity(text.utf8.count)
  var rest = Array(text.utf8)[...]
  while let byte = rest.popFirst() {
    if byte == UInt8(ascii: "%"), rest.count >= 2,
      let high = hexDigit(rest[rest.startIndex]), let low = hexDigit(rest[rest.startIndex + 1])
    {
      decoded.append(high << 4 | low)
      rest = rest.dropFirst(2)
    } else {
      decoded.append(plusIsSpace && byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
    }
  }
  return decoded
}

private func hexDigit(_ byte: UInt8) -> UInt8? {
  switch byte {
  case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
  case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
  case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
  default: nil
  }
}
