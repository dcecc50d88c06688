import Core

/// Turns the rows of a query into text, piece by piece, in memory that does not grow with them.
struct RowWriter {
  let format: RowFormat
  var style = Style.plain
  /// The terminal's width, to which a table's lines are cut; nil leaves them whole.
  var columns: Int?
  /// How many rows decide how wide a table's columns are.
  var sampleSize = 1000

  private(set) var rowCount = 0
  private var schema: Schema?
  /// Rows of a table that wait until the widths are known.
  private var waiting: [[String]] = []
  private var widths: [Int]?

  init(format: RowFormat, style: Style = .plain, columns: Int? = nil) {
    self.format = format
    self.style = style
    self.columns = columns
  }

  /// - Returns: What is to be written now; may be empty.
  mutating func text(of rows: RowSet) -> String {
    var out = ""
    let isFirst = schema == nil
    schema = rows.schema
    rowCount += rows.rows.count
    switch format {
    case .csv:
      if isFirst { out += CSV.line(rows.schema.fields.map { .string($0.name) }) }
      for row in rows.rows { out += CSV.line(row) }
    case .json:
      let names = RowJSON.distinct(rows.schema.fields.map(\.name))
      for row in rows.rows { out += RowJSON.object(names, row).description + "\n" }
    case .table:
      waiting += rows.rows.map { $0.map { printable($0.description) } }
      if widths != nil || waiting.count >= sampleSize { out += tableLines() }
    }
    return out
  }

  /// - Returns: What is left to write when all rows have been seen.
  mutating func end() -> String { format == .table && schema != nil ? tableLines() : "" }

  private mutating func tableLines() -> String {
    guard let schema else { return "" }
    var out = ""
    if widths == nil {
      let titles = schema.fields.map { printable($0.name) }
      let found = titles.indices.map { column in
        waiting.reduce(displayWidth(titles[column])) { max($0, displayWidth($1[column])) }
      }
      let fitted = columns.map { fit(found, into: $0) } ?? found
      widths = fitted
      out += tableLine(titles, fitted, schema, paint: style.bold)
      out += tableLine(
        fitted.map { String(repeating: "-", count: $0) }, fitted, schema, paint: style.dim)
    }
    for row in waiting { out += tableLine(row, widths ?? [], schema, paint: { $0 }) }
    waiting = []
    return out
  }

  private func tableLine(
    _ texts: [String], _ widths: [Int], _ schema: Schema, paint: (String) -> String
  ) -> String {
    var line = ""
    for (column, whole) in texts.enumerated() {
      if column > 0 { line += "  " }
      let text = columns == nil ? whole : truncated(whole, to: widths[column])
      let onLeft = schema.fields[column].type.isNumeric
      let isLast = column == texts.count - 1
      line += isLast && !onLeft ? text : padded(text, to: widths[column], onLeft: onLeft)
    }
    while line.utf8.last == UInt8(ascii: " ") { line.removeLast() }
    if let columns { line = truncated(line, to: columns) }
    return paint(line) + "\n"
  }
}

/// Narrows the widest columns, all to one width, until the table fits a terminal; but not below 8,
/// where a table with very many columns is cut at its right instead.
func fit(_ widths: [Int], into columns: Int) -> [Int] {
  let room = columns - 2 * (widths.count - 1)
  guard widths.reduce(0, +) > room else { return widths }
  // Narrow columns give what they do not use to the wide ones.
  var left = room
  var limit = 0
  for (index, width) in widths.sorted().enumerated() {
    limit = max(8, left / (widths.count - index))
    if width > limit { break }
    left -= width
  }
  return widths.map { min($0, limit) }
}

extension FieldType {
  /// Whether people line its values up at their ends.
  var isNumeric: Bool {
    switch self {
    case .int, .bigint, .float, .double, .decimal: true
    default: false
    }
  }
}

/// RFC 4180 with LF line ends.
enum CSV {
  /// NULL is an empty field, the empty string `""`, so that both survive.
  static func line(_ values: [Value]) -> String {
    values.map(field).joined(separator: ",") + "\n"
  }

  private static func field(_ value: Value) -> String {
    guard !value.isNull else { return "" }
    let text = value.description
    let isPlain =
      !text.isEmpty
      && !text.utf8.contains { byte in
        byte == UInt8(ascii: ",") || byte == UInt8(ascii: "\"") || byte == 0x0A || byte == 0x0D
      }
    if isPlain { return text }
    return "\""
      + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"")
      + "\""
  }
}
