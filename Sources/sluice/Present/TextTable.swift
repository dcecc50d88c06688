/// Lines of aligned columns, two spaces apart; no line ends in spaces.
struct TextTable {
  /// One cell: what it says and how that is painted. Widths are those of the bare text.
  struct Cell {
    var text: String
    var paint: Paint
    /// Digits line up at their ends.
    var isNumber = false
    /// A sentence at the end of its line, which may be longer than its column is wide; it is
    /// never cut, for what it says is nowhere else.
    var isSentence = false

    init(_ text: String, _ paint: Paint = .plain) {
      self.text = printable(text)
      self.paint = paint
    }

    static func number(_ text: String, _ paint: Paint = .plain) -> Cell {
      var cell = Cell(text, paint)
      cell.isNumber = true
      return cell
    }

    static func sentence(_ text: String, _ paint: Paint = .plain) -> Cell {
      var cell = Cell(text, paint)
      cell.isSentence = true
      return cell
    }
  }

  enum Paint {
    case plain, bold, dim, good, bad, warning
  }

  /// Column titles; none where nil.
  var header: [String]?
  var rows: [[Cell]] = []
  /// Spaces before every line.
  var indent = 0

  /// Columns without any text below their title are left out.
  ///
  /// - Parameter columns: The terminal's width, to which lines are cut; nil leaves them whole.
  func text(style: Style, columns: Int?) -> String {
    let used = (0..<(rows.map(\.count).max() ?? 0)).filter { column in
      rows.contains { column < $0.count && !$0[column].text.isEmpty }
    }
    var compact = self
    compact.header = header.map { header in used.filter { $0 < header.count }.map { header[$0] } }
    compact.rows = rows.map { row in used.filter { $0 < row.count }.map { row[$0] } }
    return compact.wholeText(style: style, columns: columns)
  }

  private func wholeText(style: Style, columns: Int?) -> String {
    let count = max(header?.count ?? 0, rows.map(\.count).max() ?? 0)
    var all = rows
    if let header {
      // A title stands over digits as they stand: at the end of its column.
      let titles = header.enumerated().map { column, title -> Cell in
        let isNumeric = rows.contains { column < $0.count && $0[column].isNumber }
        return isNumeric ? .number(title, .dim) : Cell(title, .dim)
      }
      all.insert(titles, at: 0)
    }
    var widths = Array(repeating: 0, count: count)
    for row in all {
      for (column, cell) in row.enumerated() where !cell.isSentence {
        widths[column] = max(widths[column], displayWidth(cell.text))
      }
    }
    return all.map { line($0, widths, style, columns) + "\n" }.joined()
  }

  private func line(_ row: [Cell], _ widths: [Int], _ style: Style, _ columns: Int?) -> String {
    let last = row.lastIndex { !$0.text.isEmpty } ?? -1
    var line = String(repeating: " ", count: indent)
    var used = indent
    for (column, cell) in row.enumerated() where column <= last {
      if column > 0 {
        if let columns, used + 2 >= columns { break }
        line += "  "
        used += 2
      }
      var text = cell.text
      if column < last || cell.isNumber {
        text = padded(text, to: widths[column], onLeft: cell.isNumber)
      }
      if let columns, !cell.isSentence { text = truncated(text, to: max(columns - used, 0)) }
      used += displayWidth(text)
      line += paint(text, cell.paint, style)
    }
    return line
  }

  private func paint(_ text: String, _ paint: Paint, _ style: Style) -> String {
    switch paint {
    case .plain: text
    case .bold: style.bold(text)
    case .dim: style.dim(text)
    case .good: style.green(text)
    case .bad: style.red(text)
    case .warning: style.yellow(text)
    }
  }
}
