import Core
import Pipelines
import Project

/// What became of one unit, as shown by `run` from memory and by `history` from a run's record.
struct UnitRecord {
  var pipeline: String
  var model: String
  var interval: Interval?
  var status: String
  var reason: String
  var rowCount: Int64
  var quarantined: Int64
  var dropped: Int64
  var bytesRead: Int64
  var bytesWritten: Int64
  var attempts: Int64
  /// Seconds by step, in order.
  var seconds: [(step: String, seconds: Double)]
  /// Checks that rows failed, as sentences; `error` stops publication.
  var failedChecks: [(severity: String, message: String)]
  var exports: [(name: String, file: String, rowCount: Int64, byteCount: Int64)]
  /// `place: message; advice`, one a failure.
  var failures: [String]

  /// - Parameter json: An element of a run record's `units`; members it lacks are zero or empty.
  init(_ json: JSON) {
    func text(_ name: String) -> String { json[name]?.string ?? "" }
    func number(_ name: String) -> Int64 { json[name]?.integer ?? 0 }
    pipeline = text("pipeline")
    model = text("model")
    interval = json["interval"].flatMap(Interval.init)
    status = text("status")
    reason = text("reason")
    rowCount = number("rows")
    quarantined = number("quarantined")
    dropped = number("dropped")
    bytesRead = number("bytes_read")
    bytesWritten = number("bytes_written")
    attempts = number("attempts")
    seconds = (json["seconds"]?.members ?? []).map { ($0.name, $0.value.number ?? 0) }
    failedChecks = (json["checks"]?.array ?? []).filter { $0["passed"]?.boolean == false }.map {
      ($0["severity"]?.string ?? "", "\($0["name"]?.string ?? ""): \($0["message"]?.string ?? "")")
    }
    exports = (json["exports"]?.array ?? []).map {
      (
        $0["name"]?.string ?? "", $0["file"]?.string ?? "", $0["rows"]?.integer ?? 0,
        $0["bytes"]?.integer ?? 0
      )
    }
    failures = json["error"].map(UnitRecord.failures) ?? []
  }

  init(_ result: UnitResult) { self.init(result.json) }

  var totalSeconds: Double { seconds.reduce(0) { $0 + $1.seconds } }
  var isFailed: Bool { status == UnitResult.Status.failed.rawValue }
  var qualifiedName: String { "\(pipeline).\(model)" }

  private static func failures(_ error: JSON) -> [String] {
    if error.isNull { return [] }
    if let parts = error["parts"]?.array, !parts.isEmpty { return parts.flatMap(failures) }
    let place = error["place"]?.string.map { "\($0): " } ?? ""
    let advice = error["advice"]?.string.map { "; \($0)" } ?? ""
    return [place + (error["message"]?.string ?? "") + advice]
  }
}

extension Interval {
  /// Reads `{"start": …, "end": …}`.
  init?(_ json: JSON) {
    func instant(_ name: String) -> Instant? {
      json[name]?.string.flatMap { try? CommandLineTime.parse($0, option: name) }
    }
    guard let start = instant("start"), let end = instant("end"), start < end else { return nil }
    self.init(start: start, end: end)
  }
}
