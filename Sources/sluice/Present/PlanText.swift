import Core
import Pipelines

/// A plan as people read it: what, why, and how much it reads.
struct PlanText {
  var style: Style
  /// The terminal's width; nil for pipes and files, where nothing is cut.
  var columns: Int?
  var paths = ShortPaths.none

  func text(_ plan: Plan) -> String {
    plan.pipelines.map(text).joined(separator: "\n")
  }

  /// One sentence, e.g. `23 units to run, 46 exports to write, 1 waiting`.
  func summary(_ plan: Plan) -> String {
    let units = plan.pipelines.flatMap(\.units)
    func count(_ name: String) -> Int { units.count { $0.action.name == name } }
    let exports = units.reduce(0) { $0 + $1.exports.count }
    let batches = plan.pipelines.reduce(0) { $0 + $1.batches.count }
    var parts: [String] = []
    if batches > 0 { parts.append("\(counted(batches, "batch", plural: "batches")) to append") }
    if count("run") > 0 { parts.append("\(counted(count("run"), "unit")) to run") }
    if exports > 0 { parts.append("\(counted(exports, "export")) to write") }
    if count("waiting") > 0 { parts.append("\(grouped(count("waiting"))) waiting") }
    if count("blocked") > 0 { parts.append("\(grouped(count("blocked"))) blocked") }
    return parts.isEmpty ? "nothing to do" : parts.joined(separator: ", ")
  }

  private func text(_ plan: PipelinePlan) -> String {
    var title = style.bold(printable(plan.pipeline))
    if !plan.intervals.isEmpty { title += ": \(rangesText(plan.intervals))" }
    var table = TextTable(
      header: ["model", "interval", "action", "why", "reads"], indent: 2)
    for group in runs(of: plan.units, together: areAlike) { table.rows += rows(group) }
    var out = title + "\n"
    for batch in plan.batches { out += "  " + text(batch) + "\n" }
    if !table.rows.isEmpty { out += table.text(style: style, columns: columns) }
    for note in plan.notes { out += "  \(style.yellow("note:")) \(printable(note))\n" }
    return out
  }

  private func text(_ batch: PlannedBatch) -> String {
    let changes = [(batch.added, "added"), (batch.changed, "changed"), (batch.removed, "removed")]
    let said = changes.filter { $0.0 > 0 }.enumerated().map { index, change in
      "\(index == 0 ? counted(change.0, "file") : grouped(change.0)) \(change.1)"
    }
    return "batch \(batch.number) of source \(printable(batch.source)): "
      + (said + [byteText(batch.byteCount)]).joined(separator: ", ")
      + (batch.isLanded && batch.added + batch.changed > 0 ? ", to land first" : "")
  }

  /// Whether two units, one after the other, differ in their intervals only.
  private func areAlike(_ a: PlannedUnit, _ b: PlannedUnit) -> Bool {
    guard let first = a.interval, let second = b.interval, isNext(first, second) else {
      return false
    }
    let sameExports =
      a.exports.map { [$0.name, $0.reason] } == b.exports.map { [$0.name, $0.reason] }
    guard a.model == b.model, sameExports else { return false }
    if case .waiting = a.action, case .waiting = b.action { return true }
    return a.action == b.action
  }

  /// The lines of units that are alike: the model's, then one for each export.
  private func rows(_ units: [PlannedUnit]) -> [[TextTable.Cell]] {
    let unit = units[0]
    let range = TextTable.Cell(
      units.allSatisfy { $0.interval != nil }
        ? rangeText(units.compactMap(\.interval)) : "")
    let (action, paint, why) = describe(units)
    let reads = TextTable.Cell(isRunning(unit.action) ? readText(units) : "")
    let paintOfName: TextTable.Paint = unit.action == .upToDate ? .dim : .plain
    let main: [TextTable.Cell] = [
      .init(unit.model, paintOfName), range, .init(action, paint),
      reads.text.isEmpty ? .sentence(why) : .init(why), reads,
    ]
    let exports = unit.exports.enumerated().map { index, export -> [TextTable.Cell] in
      let destinations = units.map { $0.exports[index].destination }
      return [
        .init("  → \(export.name)"), .init(""), .init("export"), .init(export.reason),
        .sentence(commonText(destinations.map { paths($0) })),
      ]
    }
    return [main] + exports
  }

  private func describe(_ units: [PlannedUnit]) -> (String, TextTable.Paint, why: String) {
    switch units[0].action {
    case .run(let reason): return ("run", .good, reason.description)
    case .upToDate: return ("up to date", .dim, "")
    case .waiting(let missing):
      let all = units.flatMap { unit -> [String] in
        if case .waiting(let missing) = unit.action { missing } else { [] }
      }
      let more = all.count > 1 ? " and \(grouped(all.count - 1)) more" : ""
      return ("waiting", .warning, "not there yet: \(paths(missing.first ?? "its files"))\(more)")
    case .held(let why): return ("held", .warning, why)
    case .blocked(let advice): return ("blocked", .bad, paths(advice))
    }
  }

  private func isRunning(_ action: PlannedUnit.Action) -> Bool {
    if case .run = action { true } else { false }
  }

  private func readText(_ units: [PlannedUnit]) -> String {
    let files = units.reduce(0) { $0 + $1.fileCount }
    return "\(counted(files, "file")), \(byteText(units.reduce(0) { $0 + $1.byteCount }))"
  }
}

/// The one text, or what several begin with, up to a slash if there is one, and `…`.
func commonText(_ texts: [String]) -> String {
  guard var common = texts.first.map({ Substring($0) }) else { return "" }
  guard texts.contains(where: { $0 != common }) else { return String(common) }
  for text in texts {
    common = common.prefix(zip(common, text).prefix { $0 == $1 }.count)
  }
  if let slash = common.lastIndex(of: "/") { common = common[...slash] }
  return common + "…"
}
