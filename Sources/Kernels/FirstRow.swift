/// The fields of a text's first row, however many there are: its header.
public struct FirstRow: Sendable {
  public var fields: [FieldSpan]
  /// Bytes up to the next row.
  public var consumedByteCount: Int
  public var lineCount: Int
}

/// Splits the first row of a text.
///
/// - Returns: Nil where the row is not complete, or its quotes are wrong.
public func splitFirstRow(
  _ text: UnsafeBufferPointer<UInt8>, _ dialect: TextDialect, ending: TextEnding
) -> FirstRow? {
  guard let base = text.baseAddress else { return nil }
  // Every field but the last ends in a delimiter.
  let bound = countOfByte(dialect.delimiter, in: base, count: text.count) + 1
  if let quote = dialect.quote {
    var scanner = QuotedScanner(
      base: base, end: text.count, delimiter: dialect.delimiter, quote: quote,
      isLast: ending == .end)
    return withUnsafeTemporaryAllocation(of: FieldSpan.self, capacity: bound) { spans in
      guard
        case .complete(_, let count) = scanner.readRow(
          into: spans.baseAddress!, fieldCount: bound)
      else { return nil }
      return FirstRow(
        fields: Array(spans[..<count]), consumedByteCount: scanner.place, lineCount: scanner.line)
    }
  }
  let lineEnd = indexOfByte(0x0A, in: base, from: 0, to: text.count)
  if lineEnd == text.count && ending != .end { return nil }
  let rowEnd = lineEnd > 0 && base[lineEnd - 1] == 0x0D ? lineEnd - 1 : lineEnd
  var fields: [FieldSpan] = []
  var start = 0
  while true {
    let end = indexOfByte(dialect.delimiter, in: base, from: start, to: rowEnd)
    fields.append(FieldSpan(start, end))
    if end == rowEnd { break }
    start = end + 1
  }
  let hasLineEnd = lineEnd < text.count
  return FirstRow(
    fields: fields, consumedByteCount: hasLineEnd ? lineEnd + 1 : lineEnd,
    lineCount: hasLineEnd ? 1 : 0)
}
