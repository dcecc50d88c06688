/// Splits text of one JSON object a line (RFC 8259) into rows and the values of some members.
///
/// A string's span is its text without the quotes, `isQuoted`; with escapes in it, the span's
/// `hasDoubledQuotes` is set and `appendUnescapedJSON` says what it stands for. Any other value's
/// span is its text; that of `null` and of an absent member is empty. Of members that come twice the
/// last counts. A line that is not one object is a misfit, `.json`; its strings may hold bytes that
/// are not UTF-8.
///
/// - Parameters:
///   - text: Less than 1 GiB, whole lines; the last needs no line end. Lines end in LF or CRLF.
///   - names: Of the wanted members; at least one.
/// - Complexity: O(*n*), and for members out of the order of `names` their number beside.
public func splitJSONLines(_ text: UnsafeBufferPointer<UInt8>, names: [[UInt8]]) -> RowTable {
  precondition(text.count < 1 << 30 && !names.isEmpty)
  let table = RowTable(fieldCount: names.count, expectedByteCount: text.count)
  guard let base = text.baseAddress else { return table }
  var line = 0
  var start = 0
  while start < text.count {
    let lineEnd = indexOfByte(0x0A, in: base, from: start, to: text.count)
    var end = lineEnd
    if end > start && base[end - 1] == 0x0D { end -= 1 }
    var scanner = JSONScanner(base: base, end: end, place: start)
    scanner.passSpace()
    if scanner.place == end {
      table.blankLineCount += 1
    } else if scanner.readObject(names, into: table.roomForRow()) {
      table.append(RowSpan(start, end, line: line))
    } else {
      table.appendMisfit(RowSpan(start, end, line: line), .json)
    }
    line += lineEnd < text.count ? 1 : 0
    start = lineEnd + 1
  }
  table.consumedByteCount = text.count
  table.lineCount = line
  return table
}

/// Reads JSON values from the left. After a false answer `place` means nothing.
private struct JSONScanner {
  let base: UnsafePointer<UInt8>
  let end: Int
  var place: Int

  /// Deeper ones are refused, so that no line can use up the stack.
  private static let greatestDepth = 200

  @inline(__always)
  mutating func passSpace() {
    while place < end {
      let byte = base[place]
      guard byte == 0x20 || byte == 0x09 || byte == 0x0D || byte == 0x0A else { return }
      place &+= 1
    }
  }

  @inline(__always)
  private mutating func take(_ byte: UInt8) -> Bool {
    guard place < end && base[place] == byte else { return false }
    place &+= 1
    return true
  }

  /// The object that is all there is.
  mutating func readObject(
    _ names: [[UInt8]], into spans: UnsafeMutablePointer<FieldSpan>
  ) -> Bool {
    for field in names.indices { spans[field] = FieldSpan(0, 0) }
    guard take(UInt8(ascii: "{")) else { return false }
    passSpace()
    var next = 0
    if !take(UInt8(ascii: "}")) {
      while true {
        passSpace()
        guard let name = readString() else { return false }
        passSpace()
        guard take(UInt8(ascii: ":")) else { return false }
        passSpace()
        guard let value = readValue(depth: 1) else { return false }
        if let field = index(of: name, among: names, next) {
          spans[field] = value
          next = field &+ 1
        }
        passSpace()
        if take(UInt8(ascii: ",")) { continue }
        guard take(UInt8(ascii: "}")) else { return false }
        break
      }
    }
    passSpace()
    return place == end
  }

  /// - Parameter next: Where it is looked for first, as members mostly come in one order.
  private func index(of name: FieldSpan, among names: [[UInt8]], _ next: Int) -> Int? {
    let text = UnsafeBufferPointer(start: base + Int(name.offset), count: name.count)
    if name.hasDoubledQuotes {
      var plain: [UInt8] = []
      return appendUnescapedJSON(text, to: &plain) ? names.firstIndex(of: plain) : nil
    }
    func isNamed(_ field: Int) -> Bool {
      names[field].withUnsafeBufferPointer { wanted in
        wanted.count == text.count
          && (wanted.isEmpty
            || equalBytes(wanted.baseAddress!, text.baseAddress!, count: wanted.count))
      }
    }
    if next < names.count && isNamed(next) { return next }
    return names.indices.first(where: isNamed)
  }

  private mutating func readValue(depth: Int) -> FieldSpan? {
    guard place < end, depth < JSONScanner.greatestDepth else { return nil }
    let start = place
    switch base[place] {
    case UInt8(ascii: "\""): return readString()
    case UInt8(ascii: "n"): return readWord("null") ? FieldSpan(0, 0) : nil
    case UInt8(ascii: "t"): return readWord("true") ? FieldSpan(start, place) : nil
    case UInt8(ascii: "f"): return readWord("false") ? FieldSpan(start, place) : nil
    case UInt8(ascii: "{"): return passMembers(depth: depth) ? FieldSpan(start, place) : nil
    case UInt8(ascii: "["): return passElements(depth: depth) ? FieldSpan(start, place) : nil
    default: return passNumber() ? FieldSpan(start, place) : nil
    }
  }

  private mutating func readWord(_ word: StaticString) -> Bool {
    guard place &+ word.utf8CodeUnitCount <= end,
      equalBytes(base + place, word.utf8Start, count: word.utf8CodeUnitCount)
    else { return false }
    place &+= word.utf8CodeUnitCount
    return true
  }

  private mutating func passMembers(depth: Int) -> Bool {
    place &+= 1
    passSpace()
    if take(UInt8(ascii: "}")) { return true }
    while true {
      passSpace()
      guard readString() != nil else { return false }
      passSpace()
      guard take(UInt8(ascii: ":")) else { return false }
      passSpace()
      guard readValue(depth: depth &+ 1) != nil else { return false }
      passSpace()
      if !take(UInt8(ascii: ",")) { return take(UInt8(ascii: "}")) }
    }
  }

  private mutating func passElements(depth: Int) -> Bool {
    place &+= 1
    passSpace()
    if take(UInt8(ascii: "]")) { return true }
    while true {
      passSpace()
      guard readValue(depth: depth &+ 1) != nil else { return false }
      passSpace()
      if !take(UInt8(ascii: ",")) { return take(UInt8(ascii: "]")) }
    }
  }

  private mutating func passNumber() -> Bool {
    _ = take(UInt8(ascii: "-"))
    if !take(UInt8(ascii: "0")) {
      guard passDigits() else { return false }
    }
    if take(UInt8(ascii: ".")) {
      guard passDigits() else { return false }
    }
    if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
      if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
      guard passDigits() else { return false }
    }
    return true
  }

  private mutating func passDigits() -> Bool {
    let start = place
    while place < end && base[place] &- 0x30 < 10 { place &+= 1 }
    return place > start
  }

  private mutating func readString() -> FieldSpan? {
    guard take(UInt8(ascii: "\"")) else { return nil }
    let start = place
    var hasEscapes = false
    let quotes = repeated(UInt8(ascii: "\""))
    let escapes = repeated(UInt8(ascii: "\\"))
    while true {
      // Eight bytes that are neither quote, escape nor control character at a time.
      while place &+ 8 <= end {
        let word = loadWord(base, place)
        let special =
          marks(word, equalTo: quotes) | marks(word, equalTo: escapes)
          | marks(word & 0xE0E0_E0E0_E0E0_E0E0, equalTo: 0)
        if special != 0 {
          place &+= special.trailingZeroBitCount &>> 3
          break
        }
        place &+= 8
      }
      guard place < end else { return nil }
      let byte = base[place]
      place &+= 1
      if byte == UInt8(ascii: "\"") {
        return FieldSpan(quoted: start, place &- 1, hasDoubledQuotes: hasEscapes)
      }
      if byte < 0x20 { return nil }
      if byte == UInt8(ascii: "\\") {
        hasEscapes = true
        guard passEscape() else { return nil }
      }
    }
  }

  private mutating func passEscape() -> Bool {
    guard place < end else { return false }
    let byte = base[place]
    place &+= 1
    if byte != UInt8(ascii: "u") { return simpleEscape(byte) != nil }
    guard place &+ 4 <= end else { return false }
    place &+= 4
    return (place &- 4..<place).allSatisfy { hexDigit(base[$0]) != nil }
  }
}

/// What a JSON string's text stands for.
///
/// - Parameter text: Between the quotes, with escapes as the grammar has them.
/// - Returns: False where a half of a surrogate pair stands alone, which no UTF-8 can say; what was
///   appended is then of no use.
public func appendUnescapedJSON(
  _ text: UnsafeBufferPointer<UInt8>, to out: inout [UInt8]
) -> Bool {
  guard let base = text.baseAddress else { return true }
  var start = 0
  while start < text.count {
    let found = indexOfByte(UInt8(ascii: "\\"), in: base, from: start, to: text.count)
    out.append(contentsOf: text[start..<found])
    guard found < text.count else { return true }
    start = found + 2
    if let simple = simpleEscape(base[found + 1]) {
      out.append(simple)
      continue
    }
    var scalar = codeUnit(base + start)
    start += 4
    if scalar & 0xFC00 == 0xD800, start + 6 <= text.count, base[start] == UInt8(ascii: "\\"),
      base[start + 1] == UInt8(ascii: "u")
    {
      let low = codeUnit(base + start + 2)
      if low & 0xFC00 == 0xDC00 {
        scalar = 0x10000 + (scalar & 0x3FF) << 10 + (low & 0x3FF)
        start += 6
      }
    }
    guard let unicode = Unicode.Scalar(scalar) else { return false }
    out.append(contentsOf: UTF8.encode(unicode)!)
  }
  return true
}

/// The four hexadecimal digits of a `\u` escape.
private func codeUnit(_ digits: UnsafePointer<UInt8>) -> UInt32 {
  (0..<4).reduce(0) { $0 << 4 | UInt32(hexDigit(digits[$1])!) }
}

private func simpleEscape(_ byte: UInt8) -> UInt8? {
  switch byte {
  case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): byte
  case UInt8(ascii: "b"): 0x08
  case UInt8(ascii: "f"): 0x0C
  case UInt8(ascii: "n"): 0x0A
  case UInt8(ascii: "r"): 0x0D
  case UInt8(ascii: "t"): 0x09
  default: nil
  }
}
