/// Splits text without quotes into rows and fields.
///
/// - Parameters:
///   - text: Less than 1 GiB.
///   - fieldCount: How many fields a row has; at least 1.
///   - rowLimit: Stop after this many rows.
/// - Returns: The complete rows. Spans are offsets into `text`.
/// - Complexity: O(*n*).
public func splitUnquoted(
  _ text: UnsafeBufferPointer<UInt8>, delimiter: UInt8, fieldCount: Int, ending: TextEnding,
  rowLimit: Int = .max
) -> RowTable {
  precondition(text.count < 1 << 30 && fieldCount >= 1)
  let table = RowTable(fieldCount: fieldCount, expectedByteCount: text.count)
  guard let base = text.baseAddress else { return table }
  let end = text.count
  let delimiters = repeated(delimiter)
  let newlines = repeated(0x0A)
  var scanner = RowScanner(table, base)

  var index = 0
  scan: while index &+ 8 <= end {
    let word = loadWord(base, index)
    var found = marks(word, equalTo: delimiters) | marks(word, equalTo: newlines)
    while found != 0 {
      let place = index &+ found.trailingZeroBitCount &>> 3
      found &= found &- 1
      if base[place] == delimiter {
        scanner.endField(at: place)
      } else {
        scanner.endRow(at: place)
        if table.rows.count >= rowLimit { break scan }
      }
    }
    index &+= 8
  }
  while index < end && table.rows.count < rowLimit {
    if base[index] == delimiter {
      scanner.endField(at: index)
    } else if base[index] == 0x0A {
      scanner.endRow(at: index)
    }
    index &+= 1
  }
  scanner.finish(end: end, isComplete: ending == .end && table.rows.count < rowLimit)
  return table
}

/// The place of an unquoted scan: the open row and the open field.
private struct RowScanner {
  let table: RowTable
  let base: UnsafePointer<UInt8>
  var spans: UnsafeMutablePointer<FieldSpan>
  var rowStart = 0
  var fieldStart = 0
  var fields = 0
  var line = 0

  init(_ table: RowTable, _ base: UnsafePointer<UInt8>) {
    self.table = table
    self.base = base
    spans = table.roomForRow()
  }

  @inline(__always)
  mutating func endField(at place: Int) {
    if fields < table.fieldCount { spans[fields] = FieldSpan(fieldStart, place) }
    fields &+= 1
    fieldStart = place &+ 1
  }

  @inline(__always)
  mutating func endRow(at place: Int) {
    closeRow(at: place)
    line &+= 1
    rowStart = place &+ 1
    fieldStart = rowStart
  }

  @inline(__always)
  private mutating func closeRow(at place: Int) {
    let isCRLF = place > rowStart && base[place &- 1] == 0x0D
    let rowEnd = isCRLF ? place &- 1 : place
    endField(at: rowEnd)
    let row = RowSpan(rowStart, rowEnd, line: line)
    if fields == table.fieldCount {
      table.append(row)
      spans = table.roomForRow()
    } else if rowEnd == rowStart {
      table.blankLineCount += 1
    } else {
      table.appendMisfit(row, .fieldCount)
    }
    fields = 0
  }

  mutating func finish(end: Int, isComplete: Bool) {
    if isComplete && rowStart < end {
      closeRow(at: end)
      rowStart = end
    }
    table.consumedByteCount = rowStart
    table.lineCount = line
  }
}
