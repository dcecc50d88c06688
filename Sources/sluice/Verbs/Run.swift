import Core
import Pipelines

/// Thrown by a run that was interrupted and has said so.
struct InterruptedRun: Error {}

extension Session {
  /// `sluice run`: plans, then does it. Failures of units are in the report.
  func run(on backend: some Backend) throws -> Int32 {
    let report = try backend.run(selection())
    console.close()
    let record = RunRecord(report)
    let text = RunText(style: style, columns: columns, paths: paths)
    do {
      if options.json || !options.quiet {
        try write(
          json: jsonLines(report), text: text.text(record) + text.summary(record))
      }
    } catch is BrokenPipe {
      // Nobody reads the report, but the run's exit code still counts.
    }
    let failures = RunText(style: console.settings.style, paths: paths).failures(record)
    console.fail(failures.split(separator: "\n").map(String.init))
    for step in NextSteps.after(record, options) { console.note(step) }
    if report.status == .interrupted { throw InterruptedRun() }
    return report.status == .failed ? 1 : 0
  }
}
