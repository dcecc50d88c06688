import Core
import Pipelines
import Project

/// A whole run, as shown by `run` from memory and by `history` from its record.
struct RunRecord {
  var run: String
  var status: String
  var started: Instant?
  var finished: Instant?
  var units: [UnitRecord]
  var notes: [String]
  var transfers: RunReport.Transfers
  var landed: RunReport.Landed

  /// - Parameter json: A run's record; what it lacks is empty.
  init(_ json: JSON) {
    func instant(_ name: String) -> Instant? {
      json[name]?.string.flatMap { try? CommandLineTime.parse($0, option: name) }
    }
    run = json["run"]?.string ?? ""
    status = json["status"]?.string ?? ""
    started = instant("started")
    finished = instant("finished")
    units = (json["units"]?.array ?? []).map { UnitRecord($0) }
    notes = (json["notes"]?.array ?? []).compactMap(\.string)
    func moved(_ name: String) -> Int64 { json["transfers"]?[name]?.integer ?? 0 }
    transfers = .init(
      requests: Int(moved("requests")), retries: Int(moved("retries")),
      bytesReceived: moved("bytes_received"), bytesSent: moved("bytes_sent"))
    landed = .init(
      fileCount: Int(json["landed"]?["files"]?.integer ?? 0),
      byteCount: json["landed"]?["bytes"]?.integer ?? 0)
  }

  init(_ report: RunReport) { self.init(report.json) }

  var seconds: Double? {
    guard let started, let finished else { return nil }
    return Double(finished.microseconds - started.microseconds) / 1e6
  }

  func count(_ status: UnitResult.Status) -> Int {
    units.count { $0.status == status.rawValue }
  }

  /// `23 published, 1 failed`; `nothing to do` where every unit was up to date.
  var outcome: String {
    let words: [(UnitResult.Status, String)] = [
      (.published, "published"), (.exported, "exported"),
      (.alreadyPublished, "published by another run"), (.waiting, "waiting"), (.held, "held"),
      (.failed, "failed"), (.skipped, "skipped"),
    ]
    let parts = words.filter { count($0.0) > 0 }.map { "\(grouped(count($0.0))) \($0.1)" }
    return parts.isEmpty ? "nothing to do" : parts.joined(separator: ", ")
  }

  var isInterrupted: Bool { status == RunReport.Status.interrupted.rawValue }
}

/// The lines that `run --json` writes: one a unit, then one for the run with its totals.
func jsonLines(_ report: RunReport) -> [JSON] {
  let record = RunRecord(report)
  let totals: [JSON.Member] = [
    .init("published", .integer(Int64(record.count(.published)))),
    .init("waiting", .integer(Int64(record.count(.waiting)))),
    .init("failed", .integer(Int64(record.count(.failed)))),
    .init("rows", .integer(report.units.reduce(0) { $0 + $1.rowCount })),
    .init("quarantined", .integer(report.units.reduce(0) { $0 + $1.quarantined })),
  ]
  let rest = (report.json.members ?? []).filter { $0.name != "units" && $0.name != "format" }
  return report.units.map(\.json) + [.object([.init("type", "summary")] + rest + totals)]
}
