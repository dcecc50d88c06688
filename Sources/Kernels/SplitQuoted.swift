/// Splits text with quotes into rows and fields, as RFC 4180 has it: a field that starts with a
/// quote ends at the next single quote, may hold delimiters and line ends, and two quotes in it
/// stand for one.
///
/// A quote that stands elsewhere is a defect of its row, which then ends at the next line end. A
/// quote that never closes is a defect of the line it stands on; reading goes on with the next
/// line. (That happens once at most: were there a single quote behind it, it would have closed.)
///
/// - Parameters:
///   - text: Less than 1 GiB.
///   - fieldCount: How many fields a row has; at least 1.
///   - rowLimit: Stop after this many rows.
/// - Returns: The complete rows. Spans are offsets into `text`.
/// - Complexity: O(*n*).
public func splitQuoted(
  _ text: UnsafeBufferPointer<UInt8>, delimiter: UInt8, quote: UInt8, fieldCount: Int,
  ending: TextEnding, rowLimit: Int = .max
) -> RowTable {
  precondition(text.count < 1 << 30 && fieldCount >= 1)
  let table = RowTable(fieldCount: fieldCount, expectedByteCount: text.count)
  guard let base = text.baseAddress else { return table }
  var scanner = QuotedScanner(
    base: base, end: text.count, delimiter: delimiter, quote: quote, isLast: ending == .end)
  while scanner.place < text.count && table.rows.count < rowLimit {
    let start = scanner.place
    let line = scanner.line
    switch scanner.readRow(into: table.roomForRow(), fieldCount: fieldCount) {
    case .complete(let rowEnd, let fields):
      let row = RowSpan(start, rowEnd, line: line)
      if fields == fieldCount {
        table.append(row)
      } else if rowEnd == start {
        table.blankLineCount += 1
      } else {
        table.appendMisfit(row, .fieldCount)
      }
    case .stray(let rowEnd): table.appendMisfit(RowSpan(start, rowEnd, line: line), .quote)
    case .incomplete(let isInsideQuotes):
      let lineEnd = indexOfByte(0x0A, in: base, from: start, to: text.count)
      let isGivenUp =
        ending == .end || (ending == .full && start == 0 && lineEnd < text.count)
      guard isInsideQuotes && isGivenUp else {
        table.consumedByteCount = start
        table.lineCount = line
        return table
      }
      let hasReturn = lineEnd > start && base[lineEnd - 1] == 0x0D
      let rowEnd = hasReturn ? lineEnd - 1 : lineEnd
      table.appendMisfit(RowSpan(start, rowEnd, line: line), .quote)
      scanner.place = min(lineEnd + 1, text.count)
      scanner.line = line + (lineEnd < text.count ? 1 : 0)
    }
  }
  table.consumedByteCount = scanner.place
  table.lineCount = scanner.line
  return table
}

struct QuotedScanner {
  enum Outcome {
    case complete(rowEnd: Int, fields: Int)
    case stray(rowEnd: Int)
    case incomplete(isInsideQuotes: Bool)
  }

  let base: UnsafePointer<UInt8>
  let end: Int
  let delimiter: UInt8
  let quote: UInt8
  let isLast: Bool
  var place = 0
  var line = 0

  /// Reads the row at `place` and moves behind its line end. Where the row is incomplete, `place`
  /// and `line` mean nothing.
  mutating func readRow(
    into spans: UnsafeMutablePointer<FieldSpan>, fieldCount: Int
  ) -> Outcome {
    var fields = 0
    while true {
      let span: FieldSpan
      let fieldStart = place
      if place < end && base[place] == quote {
        guard let closing = findClosingQuote() else { return .incomplete(isInsideQuotes: true) }
        span = FieldSpan(
          quoted: fieldStart &+ 1, closing.place, hasDoubledQuotes: closing.hasDoubledQuotes)
        place = closing.place &+ 1
        let isReturn = place < end && base[place] == 0x0D
        let next = isReturn ? place &+ 1 : place
        if next == end {
          if !isLast { return .incomplete(isInsideQuotes: false) }
        } else if base[next] != 0x0A && (isReturn || base[next] != delimiter) {
          return endStray()
        }
      } else {
        place = indexOfSpecial(from: place)
        if place == end && !isLast { return .incomplete(isInsideQuotes: false) }
        if place < end && base[place] == quote { return endStray() }
        let isRowEnd = place == end || base[place] == 0x0A
        let hasReturn = isRowEnd && place > fieldStart && base[place &- 1] == 0x0D
        if hasReturn { place &-= 1 }
        span = FieldSpan(fieldStart, place)
      }
      if fields < fieldCount { spans[fields] = span }
      fields &+= 1
      if place < end && base[place] == delimiter {
        place &+= 1
      } else {
        let rowEnd = place
        passLineEnd()
        return .complete(rowEnd: rowEnd, fields: fields)
      }
    }
  }

  /// The quote that closes the field at `place`; counts the lines on the way.
  private mutating func findClosingQuote() -> (place: Int, hasDoubledQuotes: Bool)? {
    let start = place &+ 1
    var from = start
    var hasDoubledQuotes = false
    while true {
      let found = indexOfByte(quote, in: base, from: from, to: end)
      if found == end || (found &+ 1 == end && !isLast) { return nil }
      if found &+ 1 < end && base[found &+ 1] == quote {
        hasDoubledQuotes = true
        from = found &+ 2
        continue
      }
      line &+= countOfByte(0x0A, in: base + start, count: found &- start)
      return (found, hasDoubledQuotes)
    }
  }

  /// The next delimiter, quote or LF.
  private func indexOfSpecial(from start: Int) -> Int {
    let delimiters = repeated(delimiter)
    let quotes = repeated(quote)
    let newlines = repeated(0x0A)
    var index = start
    while index &+ 8 <= end {
      let word = loadWord(base, index)
      let found =
        marks(word, equalTo: delimiters) | marks(word, equalTo: newlines)
        | marks(word, equalTo: quotes)
      if found != 0 { return index &+ found.trailingZeroBitCount &>> 3 }
      index &+= 8
    }
    while index < end {
      let byte = base[index]
      if byte == delimiter || byte == 0x0A || byte == quote { return index }
      index &+= 1
    }
    return end
  }

  /// The row ends at the next line end, whatever stands before it.
  private mutating func endStray() -> Outcome {
    place = indexOfByte(0x0A, in: base, from: place, to: end)
    if place == end && !isLast { return .incomplete(isInsideQuotes: false) }
    if place > 0 && base[place &- 1] == 0x0D { place &-= 1 }
    let rowEnd = place
    passLineEnd()
    return .stray(rowEnd: rowEnd)
  }

  private mutating func passLineEnd() {
    if place < end && base[place] == 0x0D { place &+= 1 }
    if place < end && base[place] == 0x0A {
      place &+= 1
      line &+= 1
    }
  }
}

/// What a quoted field stands for: each two quotes become one.
///
/// - Parameter text: Between the quotes; all quotes in it come in twos.
public func appendUndoubled(
  _ text: UnsafeBufferPointer<UInt8>, quote: UInt8, to out: inout [UInt8]
) {
  guard let base = text.baseAddress else { return }
  var start = 0
  while start < text.count {
    let found = indexOfByte(quote, in: base, from: start, to: text.count)
    let end = min(found + 1, text.count)
    out.append(contentsOf: text[start..<end])
    start = found + 2
  }
}
