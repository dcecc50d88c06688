import Core

private func exchange<T>(_ place: inout T, with value: T) -> T {
  let old = place
  place = value
  return old
}

/// Reads lines that are flat JSON objects of texts and integers, as source logs hold a million of:
/// no tree is built.
///
/// `next` calls `visit` with each member's name and value. Names and texts are bytes of a buffer
/// that is used again: copy what is kept.
struct FlatJSONLines {
  enum Value {
    case text(UnsafeRawBufferPointer)
    case integer(Int64)
  }

  private let bytes: UnsafeRawBufferPointer
  private let file: String
  private var offset = 0
  private(set) var line: Int
  private var name: [UInt8] = []
  private var text: [UInt8] = []

  /// - Parameter firstLine: The number of the first line, for messages.
  init(_ bytes: UnsafeRawBufferPointer, file: String, firstLine: Int = 1) {
    self.bytes = bytes
    self.file = file
    line = firstLine - 1
  }

  func damaged(_ what: String) -> LakeError {
    LakeError(
      .damaged, what, at: Place(file: file, line: line),
      advice: "restore the file from a copy")
  }

  /// - Returns: False when there are no more lines.
  mutating func next(_ visit: (UnsafeRawBufferPointer, Value) throws -> Void) throws -> Bool {
    guard offset < bytes.count else { return false }
    line += 1
    // Taken out of self while they are written, and given back with their capacity.
    var name = exchange(&self.name, with: [])
    var text = exchange(&self.text, with: [])
    defer { (self.name, self.text) = (name, text) }
    try expect(UInt8(ascii: "{"))
    if peek == UInt8(ascii: "}") {
      offset += 1
    } else {
      while true {
        try string(into: &name)
        try expect(UInt8(ascii: ":"))
        if peek == UInt8(ascii: "\"") {
          try string(into: &text)
          try name.withUnsafeBytes { name in
            try text.withUnsafeBytes { try visit(name, .text($0)) }
          }
        } else {
          let number = try integer()
          try name.withUnsafeBytes { try visit($0, .integer(number)) }
        }
        if peek == UInt8(ascii: ",") {
          offset += 1
          continue
        }
        try expect(UInt8(ascii: "}"))
        break
      }
    }
    try expect(UInt8(ascii: "\n"))
    return true
  }

  private var peek: UInt8 { offset < bytes.count ? bytes[offset] : 0 }

  private mutating func expect(_ byte: UInt8) throws {
    guard peek == byte, offset < bytes.count else {
      throw damaged("the line is not what Sluice writes")
    }
    offset += 1
  }

  private mutating func integer() throws -> Int64 {
    var isNegative = false
    if peek == UInt8(ascii: "-") {
      isNegative = true
      offset += 1
    }
    var number: Int64 = 0
    let start = offset
    while offset < bytes.count, (48...57).contains(bytes[offset]) {
      let (tens, tensOverflow) = number.multipliedReportingOverflow(by: 10)
      let (sum, overflow) = tens.subtractingReportingOverflow(Int64(bytes[offset]) - 48)
      if tensOverflow || overflow { throw damaged("a number is too large") }
      number = sum
      offset += 1
    }
    // Counted downwards, so that the least number fits.
    guard offset > start, isNegative || number != .min else { throw damaged("a number is missing") }
    return isNegative ? number : -number
  }

  private mutating func string(into out: inout [UInt8]) throws {
    try expect(UInt8(ascii: "\""))
    out.removeAll(keepingCapacity: true)
    while true {
      let start = offset
      while offset < bytes.count, bytes[offset] != UInt8(ascii: "\""),
        bytes[offset] != UInt8(ascii: "\\"), bytes[offset] >= 0x20
      {
        offset += 1
      }
      out += bytes[start..<offset]
      switch peek {
      case UInt8(ascii: "\""):
        offset += 1
        return
      case UInt8(ascii: "\\"):
        offset += 1
        try escape(into: &out)
      default: throw damaged("a text does not end")
      }
    }
  }

  private mutating func escape(into out: inout [UInt8]) throws {
    let kind = peek
    offset += 1
    switch kind {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): out.append(kind)
    case UInt8(ascii: "n"): out.append(10)
    case UInt8(ascii: "r"): out.append(13)
    case UInt8(ascii: "t"): out.append(9)
    case UInt8(ascii: "b"): out.append(8)
    case UInt8(ascii: "f"): out.append(12)
    case UInt8(ascii: "u"):
      // Only control characters are written this way.
      guard offset + 4 <= bytes.count,
        let code = UInt32(
          String(decoding: bytes[offset..<offset + 4], as: UTF8.self), radix: 16),
        let scalar = Unicode.Scalar(code)
      else { throw damaged("an escape is not one that Sluice writes") }
      offset += 4
      out += UTF8.encode(scalar)!
    default: throw damaged("an escape is not one that Sluice writes")
    }
  }
}
