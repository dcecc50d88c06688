/// How the rows and fields of a text are told apart.
///
/// Rows end in LF or CRLF, mixed as they come; the last may lack it. A CR anywhere else is data.
public struct TextDialect: Sendable, Hashable {
  /// ASCII, and neither CR, LF nor the quote.
  public var delimiter: UInt8
  /// ASCII. Nil: no byte but the delimiter and the row's end means anything (rule for dumps whose
  /// titles hold unbalanced quotes).
  public var quote: UInt8?

  public init(delimiter: UInt8, quote: UInt8?) {
    self.delimiter = delimiter
    self.quote = quote
  }
}

/// Where one field is in its text, the quotes around it left off.
public struct FieldSpan: Sendable, Hashable {
  public var offset: UInt32
  @usableFromInline var countAndFlags: UInt32

  @inlinable
  init(_ start: Int, _ end: Int) {
    offset = UInt32(truncatingIfNeeded: start)
    countAndFlags = UInt32(truncatingIfNeeded: end &- start)
  }

  @inlinable
  init(quoted start: Int, _ end: Int, hasDoubledQuotes: Bool) {
    self.init(start, end)
    countAndFlags |= hasDoubledQuotes ? 0xC000_0000 : 0x8000_0000
  }

  /// In bytes, at most 2^30 − 1.
  @inlinable public var count: Int { Int(countAndFlags & 0x3FFF_FFFF) }
  @inlinable public var isQuoted: Bool { countAndFlags & 0x8000_0000 != 0 }
  /// Whether two quotes in a row stand for one somewhere inside; in JSON, whether there are escapes.
  @inlinable public var hasDoubledQuotes: Bool { countAndFlags & 0x4000_0000 != 0 }
}

/// Where one row is in its text, without its line end.
public struct RowSpan: Sendable, Hashable {
  public var offset: UInt32
  public var count: UInt32
  /// Line ends in the text before the row: 0 for the first line.
  public var line: UInt32

  @inlinable
  init(_ start: Int, _ end: Int, line: Int) {
    offset = UInt32(truncatingIfNeeded: start)
    count = UInt32(truncatingIfNeeded: end &- start)
    self.line = UInt32(truncatingIfNeeded: line)
  }
}

/// Why a row has no fields.
public enum RowDefect: Sendable, Hashable {
  /// Too many or too few fields.
  case fieldCount
  /// A quote that never closes, stands inside an unquoted field, or is followed by text.
  case quote
  /// Not one JSON object.
  case json
}

/// The rows and fields of a piece of text: what the splitters find.
public final class RowTable: @unchecked Sendable {
  // Unchecked: written by one splitter, then only read.

  /// Fields in each row.
  public let fieldCount: Int
  public private(set) var rows: [RowSpan] = []
  /// Rows that are not in `rows`, in order.
  public private(set) var misfits: [(row: RowSpan, defect: RowDefect)] = []
  /// Empty lines, which are no rows unless rows have one field.
  public internal(set) var blankLineCount = 0
  /// Bytes of complete rows: the next piece starts here.
  public internal(set) var consumedByteCount = 0
  /// Line ends within those bytes.
  public internal(set) var lineCount = 0

  private var spans: UnsafeMutablePointer<FieldSpan>
  private var capacity: Int

  init(fieldCount: Int, expectedByteCount: Int) {
    self.fieldCount = fieldCount
    capacity = max(64, expectedByteCount / 8, fieldCount)
    spans = .allocate(capacity: capacity)
    rows.reserveCapacity(expectedByteCount / 16 / max(1, fieldCount))
  }

  deinit { spans.deallocate() }

  /// - Parameter row: In `0..<rows.count`.
  @inline(__always)
  public func span(row: Int, field: Int) -> FieldSpan { spans[row &* fieldCount &+ field] }

  /// Every field of every row, row by row; valid while the table lives.
  public var allSpans: UnsafeBufferPointer<FieldSpan> {
    UnsafeBufferPointer(start: spans, count: rows.count * fieldCount)
  }

  /// Room for the fields of the next row; valid until the next call.
  @inline(__always)
  func roomForRow() -> UnsafeMutablePointer<FieldSpan> {
    let used = rows.count &* fieldCount
    if used &+ fieldCount > capacity { grow(used) }
    return spans + used
  }

  @inline(__always)
  func append(_ row: RowSpan) { rows.append(row) }

  func appendMisfit(_ row: RowSpan, _ defect: RowDefect) { misfits.append((row, defect)) }

  private func grow(_ used: Int) {
    let larger = UnsafeMutablePointer<FieldSpan>.allocate(capacity: capacity * 2 + fieldCount)
    larger.moveInitialize(from: spans, count: used)
    spans.deallocate()
    spans = larger
    capacity = capacity * 2 + fieldCount
  }
}

/// What follows a piece of text.
public enum TextEnding: Sendable, Hashable {
  /// More text: a row that is not complete is left for the next piece.
  case more
  /// More text, but no room to see more of the first row; if an open quote is the reason, the quote
  /// is taken for a defect of its line.
  case full
  /// Nothing: the last row needs no line end.
  case end
}
