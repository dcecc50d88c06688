import Core
import Pipelines

/// A run as people read it: what became of each unit; apart from that, what failed and why.
struct RunText {
  var style: Style
  /// The terminal's width; nil for pipes and files, where nothing is cut.
  var columns: Int?
  /// Whether steps and bytes are shown as well.
  var isDetailed = false
  var paths = ShortPaths.none

  /// Each unit's line, warnings and notes.
  func text(_ record: RunRecord) -> String {
    var out = ""
    for units in runs(of: record.units, together: { $0.pipeline == $1.pipeline }) {
      out += style.bold(printable(units[0].pipeline)) + "\n" + table(units)
    }
    for unit in record.units { out += warnings(unit) }
    for note in record.notes { out += "\(style.yellow("note:")) \(printable(note))\n" }
    if record.landed.fileCount > 0 {
      out += "landed: \(counted(record.landed.fileCount, "file")), "
      out += byteText(record.landed.byteCount) + "\n"
    }
    if isDetailed { out += transfers(record.transfers) }
    return out
  }

  /// What went over the network; empty where nothing did.
  private func transfers(_ moved: RunReport.Transfers) -> String {
    guard moved.requests > 0 else { return "" }
    let retries =
      moved.retries > 0 ? " (\(counted(moved.retries, "retry", plural: "retries")))" : ""
    return "network: \(counted(moved.requests, "request"))\(retries), "
      + "\(byteText(moved.bytesReceived)) received, \(byteText(moved.bytesSent)) sent\n"
  }

  /// Each failure with its place and what to do; empty where nothing failed.
  func failures(_ record: RunRecord) -> String { record.units.map(failures).joined() }

  /// `23 published, 1 failed in 6.2 s  (run 20240102T051203-ab12)`.
  func summary(_ record: RunRecord) -> String {
    var out = record.isInterrupted ? style.yellow("interrupted") + ": " : ""
    out += record.outcome
    if let seconds = record.seconds { out += " in \(durationText(seconds))" }
    // A run that changed nothing leaves no record that `history` could show.
    let done: [UnitResult.Status] = [.published, .exported, .alreadyPublished, .failed]
    let leftRecord = done.contains { record.count($0) > 0 }
    if leftRecord || isDetailed, !record.run.isEmpty {
      out += style.dim("  (run \(printable(record.run)))")
    }
    return out + "\n"
  }

  private func table(_ units: [UnitRecord]) -> String {
    var table = TextTable(
      header: ["model", "interval", "result", "rows", "set aside", "time", "why"], indent: 2)
    for group in runs(of: units, together: areAlike) { table.rows.append(row(group)) }
    var out = table.text(style: style, columns: columns)
    let exports = units.flatMap(\.exports)
    if exports.count <= 6 {
      for export in exports { out += line(export) }
    } else {
      let bytes = byteText(exports.reduce(0) { $0 + $1.byteCount })
      out += "  → \(counted(exports.count, "file")), \(bytes): "
      out += printable(commonText(exports.map { paths($0.file) })) + "\n"
    }
    if isDetailed {
      for unit in units where !unit.seconds.isEmpty { out += steps(unit) }
    }
    return out
  }

  private func row(_ units: [UnitRecord]) -> [TextTable.Cell] {
    let unit = units[0]
    let (status, paint) = describe(unit.status)
    let rows = units.reduce(0) { $0 + $1.rowCount }
    let aside = units.reduce(0) { $0 + $1.quarantined + $1.dropped }
    let seconds = units.reduce(0) { $0 + $1.totalSeconds }
    let wrote = ["published", "exported"].contains(unit.status)
    // What the result says already is not said twice.
    let reason = unit.reason == status ? "" : paths(unit.reason)
    return [
      .init(unit.model, status == "up to date" ? .dim : .plain),
      .init(rangeText(units.compactMap(\.interval))), .init(status, paint),
      .number(wrote ? grouped(rows) : ""),
      .number(aside > 0 ? grouped(aside) : "", .warning),
      .number(seconds > 0 || wrote ? durationText(seconds) : ""),
      .sentence(unit.attempts > 1 ? "\(reason) (\(unit.attempts) attempts)" : reason),
    ]
  }

  private func describe(_ status: String) -> (String, TextTable.Paint) {
    switch UnitResult.Status(rawValue: status) {
    case .published: ("published", .good)
    case .exported: ("exported", .good)
    case .upToDate: ("up to date", .dim)
    case .alreadyPublished: ("published by another run", .good)
    case .waiting: ("waiting", .warning)
    case .held: ("held", .warning)
    case .failed: ("failed", .bad)
    case .skipped: ("skipped", .warning)
    case nil: (status, .plain)
    }
  }

  /// Whether two units, one after the other, can share a line: nothing of their own to tell.
  private func areAlike(_ a: UnitRecord, _ b: UnitRecord) -> Bool {
    guard let first = a.interval, let second = b.interval, isNext(first, second) else {
      return false
    }
    let quiet: [UnitResult.Status] = [.upToDate, .waiting, .held, .skipped]
    guard let status = UnitResult.Status(rawValue: a.status), quiet.contains(status) else {
      return false
    }
    return a.status == b.status && a.model == b.model
      && (a.reason == b.reason || status == .waiting)
  }

  private func line(
    _ export: (name: String, file: String, rowCount: Int64, byteCount: Int64)
  ) -> String {
    "  → \(printable(export.name))  \(printable(paths(export.file)))  "
      + style.dim("\(counted(export.rowCount, "row")), \(byteText(export.byteCount))") + "\n"
  }

  private func steps(_ unit: UnitRecord) -> String {
    let steps = unit.seconds.map { "\($0.step) \(durationText($0.seconds))" }
    let name = unit.interval.map { "\(unit.model) \($0)" } ?? unit.model
    return style.dim(
      "  \(printable(name)): \(steps.joined(separator: ", ")); read \(byteText(unit.bytesRead)), "
        + "wrote \(byteText(unit.bytesWritten))") + "\n"
  }

  private func warnings(_ unit: UnitRecord) -> String {
    var out = ""
    // A failed unit names the check that stopped it among its failures.
    for check in unit.failedChecks where check.severity != "error" || !unit.isFailed {
      out += "\(style.yellow("warning:")) \(name(unit)): \(printable(check.message))\n"
    }
    return out
  }

  private func failures(_ unit: UnitRecord) -> String {
    guard !unit.failures.isEmpty else { return "" }
    let label = unit.isFailed ? "failed" : unit.status
    var out = "\(style.red("\(label):")) \(style.bold(name(unit)))\n"
    for failure in unit.failures { out += "  \(printable(paths(failure)))\n" }
    return out
  }

  private func name(_ unit: UnitRecord) -> String {
    printable(unit.interval.map { "\(unit.qualifiedName) \($0)" } ?? unit.qualifiedName)
  }
}
