internal import CCrypto

/// Base64 with padding (RFC 4648, section 4). Calls `EVP_EncodeBlock`.
public func base64(_ bytes: [UInt8]) -> String {
  var text = [UInt8](repeating: 0, count: (bytes.count + 2) / 3 * 4 + 1)
  let count = EVP_EncodeBlock(&text, bytes, Int32(bytes.count))
  return String(decoding: text[..<Int(count)], as: UTF8.self)
}

/// The alphabet for URLs, without padding (RFC 4648, section 5), as tokens are written.
func base64URL(_ bytes: [UInt8]) -> String {
  String(
    decoding: base64(bytes).utf8.compactMap { byte -> UInt8? in
      switch byte {
      case UInt8(ascii: "+"): UInt8(ascii: "-")
      case UInt8(ascii: "/"): UInt8(ascii: "_")
      case UInt8(ascii: "="): nil
      default: byte
      }
    }, as: UTF8.self)
}
