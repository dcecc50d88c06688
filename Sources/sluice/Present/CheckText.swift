import Core
import Pipelines

/// The audit of published tables, a line a check.
struct CheckText {
  var style: Style
  var columns: Int?

  func text(_ tables: [TableCheck]) -> String {
    var table = TextTable(header: ["table", "check", "result", ""])
    for audited in tables { table.rows += rows(audited) }
    var out = table.rows.isEmpty ? "" : table.text(style: style, columns: columns)
    for audited in tables {
      guard let failure = audited.failure else { continue }
      out += "\n\(style.red("failed:")) \(style.bold("\(audited.pipeline).\(audited.model)"))\n"
      for part in FailureText.flattened(failure) { out += "  \(printable(part.description))\n" }
    }
    return out
  }

  /// `12 checks passed, 1 failed, 2 warnings`.
  func summary(_ tables: [TableCheck]) -> String {
    let outcomes = tables.flatMap { $0.checks ?? [] }
    let passed = outcomes.count(where: \.isPassed)
    let failed = outcomes.count { !$0.isPassed && $0.severity == "error" }
    let warned = outcomes.count - passed - failed
    let broken = tables.count { $0.failure != nil }
    var parts = ["\(counted(passed, "check")) passed"]
    if failed > 0 { parts.append("\(grouped(failed)) failed") }
    if warned > 0 { parts.append(counted(warned, "warning")) }
    if broken > 0 { parts.append("\(counted(broken, "table")) could not be read") }
    return parts.joined(separator: ", ") + "\n"
  }

  private func rows(_ table: TableCheck) -> [[TextTable.Cell]] {
    let name = "\(table.pipeline).\(table.model)"
    if table.failure != nil { return [[.init(name), .init(""), .init("unreadable", .bad)]] }
    guard let checks = table.checks else {
      return [[.init(name), .init(""), .init("no table yet", .dim)]]
    }
    if checks.isEmpty { return [[.init(name), .init(""), .init("no checks", .dim)]] }
    return checks.map { check in
      let (result, paint): (String, TextTable.Paint) =
        check.isPassed
        ? ("passed", .good)
        : check.severity == "error" ? ("failed", .bad) : ("warning", .warning)
      return [
        .init(name), .init(check.name), .init(result, paint),
        .sentence(check.isPassed ? "" : check.message),
      ]
    }
  }
}
