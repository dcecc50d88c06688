/// How a text file's bytes stand for characters.
public enum TextEncoding: String, Sendable, Hashable, CaseIterable {
  case utf8 = "utf-8"
  /// ISO 8859-1: each byte is the code point of that number.
  case latin1 = "latin-1"
  /// As browsers read it (the Encoding Standard): the five bytes that Microsoft left undefined are
  /// the control characters of the same number, so that every byte string has a reading.
  case windows1252 = "windows-1252"
}

/// The UTF-8 form of text in a single-byte encoding.
///
/// - Parameter encoding: Not `.utf8`, which would be copied as it is.
public func appendUTF8(
  of text: UnsafeBufferPointer<UInt8>, in encoding: TextEncoding, to out: inout [UInt8]
) {
  if encoding == .utf8 {
    out.append(contentsOf: text)
    return
  }
  for byte in text {
    var codePoint = UInt32(byte)
    if encoding == .windows1252 && byte & 0xE0 == 0x80 {
      codePoint = UInt32(windows1252[Int(byte) - 0x80])
    }
    switch codePoint {
    case ..<0x80: out.append(UInt8(codePoint))
    case ..<0x800:
      out.append(0xC0 | UInt8(codePoint >> 6))
      out.append(0x80 | UInt8(codePoint & 0x3F))
    default:
      out.append(0xE0 | UInt8(codePoint >> 12))
      out.append(0x80 | UInt8(codePoint >> 6 & 0x3F))
      out.append(0x80 | UInt8(codePoint & 0x3F))
    }
  }
}

/// The code points of bytes 80 to 9F (https://encoding.spec.whatwg.org/index-windows-1252.txt).
private let windows1252: [UInt16] = [
  0x20AC, 0x0081, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,
  0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x008D, 0x017D, 0x008F,
  0x0090, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
  0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x009D, 0x017E, 0x0178,
]
