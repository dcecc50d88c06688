import Core
import Pipelines

/// What maintenance did, a line a table.
struct MaintenanceText {
  var style: Style
  var columns: Int?

  func text(_ report: MaintenanceReport) -> String {
    var table = TextTable(
      header: ["table", "compacted", "into", "snapshots expired", "files removed", "bytes"])
    for item in report.tables where !item.isUnchanged {
      table.rows.append([
        .init("\(item.pipeline).\(item.model)"), number(item.compactedFiles),
        number(item.writtenFiles), number(item.expiredSnapshots), number(item.removedFiles),
        .number(item.removedBytes == 0 ? "" : byteText(item.removedBytes)),
      ])
    }
    var out = table.rows.isEmpty ? "" : table.text(style: style, columns: columns) + "\n"
    for item in report.tables {
      guard let failure = item.failure else { continue }
      out += "\(style.red("failed:")) \(style.bold("\(item.pipeline).\(item.model)"))\n"
      for part in FailureText.flattened(failure) { out += "  \(printable(part.description))\n" }
    }
    return out + summary(report)
  }

  private func summary(_ report: MaintenanceReport) -> String {
    let shaped = report.tables.count { $0.isUnchanged }
    var parts: [String] = []
    if shaped > 0 { parts.append("\(counted(shaped, "table")) in shape") }
    let changed = report.tables.count - shaped
    if changed > 0 { parts.append("\(counted(changed, "table")) maintained") }
    if report.removedFiles > 0 {
      parts.append("\(counted(report.removedFiles, "other file")) of killed runs removed")
    }
    return (parts.isEmpty ? "no tables yet" : parts.joined(separator: ", ")) + "\n"
  }

  private func number(_ count: Int) -> TextTable.Cell {
    .number(count == 0 ? "" : grouped(count))
  }
}
