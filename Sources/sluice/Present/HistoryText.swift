import Core
import Pipelines

/// Past runs as a table, newest first.
struct HistoryText {
  var style: Style
  var columns: Int?

  func text(_ records: [RunRecord]) -> String {
    guard !records.isEmpty else { return "no runs yet\n" }
    var table = TextTable(header: ["run", "started (UTC)", "took", "result", "rows", "what"])
    table.rows = records.map(row)
    return table.text(style: style, columns: columns)
  }

  private func row(_ record: RunRecord) -> [TextTable.Cell] {
    var pipelines: [String] = []
    for unit in record.units where !pipelines.contains(unit.pipeline) {
      pipelines.append(unit.pipeline)
    }
    let what =
      pipelines.isEmpty ? record.outcome : "\(pipelines.joined(separator: ", ")): \(record.outcome)"
    let rows = record.units.reduce(0) { $0 + $1.rowCount }
    return [
      .init(record.run), .init(record.started.map(timeText) ?? "", .dim),
      .number(record.seconds.map(durationText) ?? ""), .init(record.status, paint(record.status)),
      .number(rows > 0 ? grouped(rows) : ""), .sentence(what),
    ]
  }

  private func paint(_ status: String) -> TextTable.Paint {
    switch RunReport.Status(rawValue: status) {
    case .done: .good
    case .unchanged: .dim
    case .waiting, .interrupted: .warning
    case .failed: .bad
    case nil: .plain
    }
  }
}
