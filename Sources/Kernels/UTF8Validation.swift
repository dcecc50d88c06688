internal import CKernels

/// Whether all bytes are ASCII.
@inlinable
public func isASCII(_ text: UnsafePointer<UInt8>, count: Int) -> Bool {
  var index = 0
  var seen: UInt64 = 0
  while index &+ 8 <= count {
    seen |= loadWord(text, index)
    index &+= 8
  }
  while index < count {
    seen |= UInt64(text[index])
    index &+= 1
  }
  return seen & 0x8080_8080_8080_8080 == 0
}

/// Whether all bytes are well-formed UTF-8: quicker than finding where they are not.
///
/// - Parameter text: `count` readable bytes.
public func isUTF8(_ text: UnsafePointer<UInt8>, count: Int) -> Bool {
  ckernels_is_utf8(text, count) != 0
}

/// Where UTF-8 first goes wrong (Unicode 15, table 3-7: no overlong forms, no surrogates, nothing
/// above U+10FFFF).
///
/// - Parameter text: `count` readable bytes.
/// - Returns: The index of the first byte that starts no well-formed sequence; `count` where all is
///   well.
public func indexOfInvalidUTF8(_ text: UnsafePointer<UInt8>, count: Int) -> Int {
  var index = 0
  while index < count {
    // ASCII, which most text mostly is, sixteen bytes a step.
    while index &+ 16 <= count
      && (loadWord(text, index) | loadWord(text, index &+ 8)) & 0x8080_8080_8080_8080 == 0
    {
      index &+= 16
    }
    if index >= count { return count }
    let length = lengthOfSequence(text + index, count: count &- index)
    if length == 0 { return index }
    index &+= length
  }
  return count
}

/// The bytes of the well-formed sequence at the start of `text`; 0 where there is none.
///
/// - Parameter count: At least 1.
@inlinable
func lengthOfSequence(_ text: UnsafePointer<UInt8>, count: Int) -> Int {
  let first = text[0]
  if first < 0x80 { return 1 }
  guard count >= 2 else { return 0 }
  let second = text[1]
  switch first {
  case 0xC2...0xDF: return second & 0xC0 == 0x80 ? 2 : 0
  case 0xE0...0xEF:
    let low: UInt8 = first == 0xE0 ? 0xA0 : 0x80
    let high: UInt8 = first == 0xED ? 0x9F : 0xBF
    guard count >= 3, second >= low && second <= high, text[2] & 0xC0 == 0x80 else { return 0 }
    return 3
  case 0xF0...0xF4:
    let low: UInt8 = first == 0xF0 ? 0x90 : 0x80
    let high: UInt8 = first == 0xF4 ? 0x8F : 0xBF
    guard
      count >= 4, second >= low && second <= high, text[2] & 0xC0 == 0x80, text[3] & 0xC0 == 0x80
    else { return 0 }
    return 4
  default: return 0
  }
}

/// Text as people can read it in a report: well-formed UTF-8 as it is, every other byte as `\xNN`.
public func appendReadable(_ text: UnsafeBufferPointer<UInt8>, to out: inout [UInt8]) {
  guard let base = text.baseAddress else { return }
  let digits = Array("0123456789ABCDEF".utf8)
  var start = 0
  while start < text.count {
    let valid = indexOfInvalidUTF8(base + start, count: text.count - start)
    out.append(contentsOf: text[start..<start + valid])
    start += valid
    guard start < text.count else { return }
    out += [UInt8(ascii: "\\"), UInt8(ascii: "x")]
    out.append(digits[Int(text[start] >> 4)])
    out.append(digits[Int(text[start] & 15)])
    start += 1
  }
}

/// The bytes of a byte order mark (`EF BB BF`) at the start of a text: 3 or 0.
public func countOfByteOrderMark(_ text: UnsafeBufferPointer<UInt8>) -> Int {
  text.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
}
