import Core
import Pipelines

/// Command lines that are worth typing next.
enum NextSteps {
  /// After a run: retry what failed, look at what was set aside.
  ///
  /// - Returns: Lines such as `try again: sluice run pageviews --from 2024-01-01T05`.
  static func after(_ record: RunRecord, _ options: Options) -> [String] {
    var lines: [String] = []
    let lead = record.isInterrupted ? "go on: " : "try again: "
    let failed = record.units.filter { $0.isFailed || $0.status == "skipped" }
    for pipeline in unique(failed.map(\.pipeline)) {
      let units = failed.filter { $0.pipeline == pipeline }
      lines += retries(units, pipeline, options).map { lead + $0 }
    }
    for pipeline in unique(record.units.filter { $0.quarantined > 0 }.map(\.pipeline)) {
      let sql = "SELECT rule, count(*) AS rows FROM \(pipeline).quarantine GROUP BY rule"
      let command = line(.query, options, only: isOfProject, operands: [sql])
      lines.append("see what was set aside: \(command)")
    }
    return lines
  }

  /// After a plan that is not empty: carry it out.
  static func run(_ options: Options, pipelines: [String]) -> String {
    line(.run, options, only: { !isOfOutput($0) }, operands: pipelines)
  }

  /// One command for each stretch of failed intervals, or one over all where there are many.
  private static func retries(
    _ units: [UnitRecord], _ pipeline: String, _ options: Options
  ) -> [String] {
    let start = line(
      .run, options, only: { !isOfOutput($0) && !isOfSelection($0) }, operands: [pipeline])
    let intervals = Array(Set(units.compactMap(\.interval))).sorted()
    guard let first = intervals.first, let last = intervals.last else {
      // What events named is in the log by now, or is found by a look at everything.
      return [
        line(.run, options, only: { !isOfOutput($0) && $0 != "event" }, operands: [pipeline])
      ]
    }
    var stretches = runs(of: intervals, together: isNext).map { ($0[0], $0[$0.count - 1]) }
    // What is done is not done again, so one long stretch costs no more than many short ones,
    // unless the run was told to do everything.
    if stretches.count > 3, !options.force, !options.fullRefresh { stretches = [(first, last)] }
    return stretches.map { from, to in
      let begin = "\(start) --from \(bound(from.start))"
      return from == to ? begin : "\(begin) --to \(bound(to.end))"
    }
  }

  /// `2024-01-01T05`, shorter where it is midnight, longer where it is no full hour.
  private static func bound(_ instant: Instant) -> String {
    let time = CivilTime(instant)
    guard time.minute == 0, time.second == 0, time.microsecond == 0 else {
      return instant.description
    }
    let hour = String(time.hour).paddedLeft(to: 2, with: "0")
    return time.hour == 0 ? time.dateText : "\(time.dateText)T\(hour)"
  }

  private static func isOfProject(_ name: String) -> Bool {
    ["project", "profile", "lake", "set"].contains(name)
  }

  private static func isOfSelection(_ name: String) -> Bool {
    ["from", "to", "event"].contains(name)
  }

  private static func isOfOutput(_ name: String) -> Bool {
    ["json", "quiet", "no-color"].contains(name)
  }

  private static func line(
    _ verb: Verb, _ options: Options, only isKept: (String) -> Bool, operands: [String]
  ) -> String {
    var words = ["sluice", verb.name] + operands.map(shellWord)
    for flag in options.given where isKept(flag.name) {
      words.append("--\(flag.name)")
      if let value = flag.value { words.append(shellWord(value)) }
    }
    return words.joined(separator: " ")
  }

  private static func unique(_ names: [String]) -> [String] {
    var seen: Set<String> = []
    return names.filter { seen.insert($0).inserted }
  }
}
