import Core
import Testing

@testable import Pipelines
@testable import sluice

@Suite("run and history, as people read them") struct RunTextTests {
  static let day = hours(instant(2024, 1, 1), 24)

  static func unit(
    _ hour: Int, _ status: UnitResult.Status, rows: Int64 = 0, reason: String = "",
    _ change: (inout UnitResult) -> Void = { _ in }
  ) -> UnitResult {
    var unit = UnitResult(
      pipeline: "pageviews", model: "top_pages", interval: day[hour], status: status,
      reason: reason)
    unit.rowCount = rows
    if rows > 0 { unit.seconds = [("fetch", 1.5), ("compute", 1.6)] }
    change(&unit)
    return unit
  }

  static let report = RunReport(
    run: "20240102T051203-ab12", started: instant(2024, 1, 2, 5, 12),
    finished: instant(2024, 1, 2, 5, 13),
    units: [
      unit(0, .upToDate), unit(1, .upToDate),
      unit(2, .published, rows: 33_120, reason: "new") { unit in
        unit.quarantined = 12
        unit.dropped = 3
        unit.exports = [
          ExportResult(name: "csv", file: "/out/a.csv.gz", rowCount: 33_120, byteCount: 612_000)
        ]
        unit.checks = [
          CheckOutcome(
            name: "views_between", severity: "warn", isPassed: false, failingRows: 3,
            message: "3 rows have views below 0")
        ]
      },
      unit(3, .failed, reason: "new") { unit in
        unit.attempts = 3
        unit.failure = CommandError(
          .unwritable, "truncated gzip", at: Place(file: "/in/x.gz"), advice: "fetch it again")
      },
      unit(4, .waiting, reason: "not there yet: a"), unit(5, .waiting, reason: "not there yet: b"),
    ],
    notes: ["model old_pages is gone"], status: .failed)

  @Test("each unit, warnings, notes; failures apart")
  func text() {
    let record = RunRecord(Self.report)
    let text = RunText(style: .plain)
    #expect(
      text.text(record) == """
        pageviews
          model      interval                           result        rows  set aside   time  why
          top_pages  2024-01-01T00 … T01 (2 intervals)  up to date
          top_pages  2024-01-01T02                      published   33,120         15  3.1 s  new
          top_pages  2024-01-01T03                      failed                                new (3 attempts)
          top_pages  2024-01-01T04 … T05 (2 intervals)  waiting                               not there yet: a
          → csv  /out/a.csv.gz  33,120 rows, 612 kB
        warning: pageviews.top_pages 2024-01-01T02: views_between: 3 rows have views below 0
        note: model old_pages is gone

        """)
    #expect(
      text.failures(record) == """
        failed: pageviews.top_pages 2024-01-01T03
          /in/x.gz: truncated gzip; fetch it again

        """)
    #expect(
      text.summary(record)
        == "1 published, 2 waiting, 1 failed in 1 min 00 s  (run 20240102T051203-ab12)\n")
  }

  @Test("a record read back from JSON looks the same")
  func roundTrip() throws {
    let back = RunRecord(try JSON(parsing: Self.report.json.description))
    let text = RunText(style: .plain, isDetailed: true)
    #expect(text.text(back) == text.text(RunRecord(Self.report)))
    #expect(text.failures(back) == text.failures(RunRecord(Self.report)))
    #expect(text.summary(back) == text.summary(RunRecord(Self.report)))
    #expect(text.text(back).contains("top_pages 2024-01-01T02: fetch 1.5 s, compute 1.6 s;"))
  }

  @Test("a record of another shape is shown as far as it goes")
  func strangeRecord() {
    let record = RunRecord(["run": "x", "units": [["status": "new-status"], 3]])
    #expect(RunText(style: .plain).text(record).contains("new-status"))
    #expect(RunText(style: .plain).summary(record) == "nothing to do\n")
  }

  @Test("many exports become one line")
  func manyExports() {
    let units = (0..<7).map { hour in
      Self.unit(hour, .published, rows: 1) {
        $0.exports = [
          ExportResult(name: "csv", file: "/out/hour=0\(hour)/f", rowCount: 1, byteCount: 1000)
        ]
      }
    }
    let report = RunReport(
      run: "r", started: instant(2024, 1, 1), finished: instant(2024, 1, 1), units: units,
      notes: [], status: .done)
    #expect(
      RunText(style: .plain).text(RunRecord(report)).hasSuffix(
        "  → 7 files, 7.00 kB: /out/…\n"))
  }

  @Test("JSON: a line a unit, then the totals")
  func json() {
    let lines = jsonLines(Self.report)
    #expect(lines.count == 7)
    #expect(lines.allSatisfy { !$0.description.contains("\n") })
    #expect(lines[2]["type"] == "unit" && lines[2]["rows"] == 33_120)
    let last = lines[6]
    #expect(last["type"] == "summary" && last["status"] == "failed" && last["units"] == nil)
    #expect(last["published"] == 1 && last["failed"] == 1 && last["waiting"] == 2)
    #expect(last["rows"] == 33_120 && last["quarantined"] == 12)
  }

  @Test("history, newest first")
  func history() {
    #expect(HistoryText(style: .plain).text([]) == "no runs yet\n")
    let text = HistoryText(style: .plain).text([RunRecord(Self.report)])
    #expect(
      text == """
        run                   started (UTC)              took  result    rows  what
        20240102T051203-ab12  2024-01-02 05:12:00  1 min 00 s  failed  33,120  \
        pageviews: 1 published, 2 waiting, 1 failed

        """)
  }
}

@Suite("What to type next") struct NextStepsTests {
  func options(_ line: String) throws -> Options {
    guard
      case .verb(_, let options, _) = try parseArguments(
        line.split(separator: " ").map(String.init))
    else { return Options() }
    return options
  }

  func record(failed: [Int], quarantined: Int64 = 0) -> RunRecord {
    var units = failed.map { RunTextTests.unit($0, .failed) }
    units.append(RunTextTests.unit(23, .published, rows: 5) { $0.quarantined = quarantined })
    return RunRecord(
      RunReport(
        run: "r", started: instant(2024, 1, 1), finished: instant(2024, 1, 1), units: units,
        notes: [], status: .failed))
  }

  @Test(
    "retries name the failed intervals, and keep what else was asked for",
    arguments: [
      ("run", [5], ["sluice run pageviews --from 2024-01-01T05"]),
      ("run", [5, 6], ["sluice run pageviews --from 2024-01-01T05 --to 2024-01-01T07"]),
      (
        "run", [0, 5],
        ["sluice run pageviews --from 2024-01-01", "sluice run pageviews --from 2024-01-01T05"]
      ),
      ("run", [0, 2, 4, 6], ["sluice run pageviews --from 2024-01-01 --to 2024-01-01T07"]),
      (
        "run --force", [0, 2, 4, 6],
        [0, 2, 4, 6].map {
          "sluice run pageviews --force --from " + ($0 == 0 ? "2024-01-01" : "2024-01-01T0\($0)")
        }
      ),
      (
        "run --from 2024-01-01 --to 2024-01-02 --set a=$b --lake /l --json --quiet", [5],
        ["sluice run pageviews --set 'a=$b' --lake /l --from 2024-01-01T05"]
      ),
    ])
  func retries(line: String, failed: [Int], commands: [String]) throws {
    let lines = NextSteps.after(record(failed: failed), try options(line))
    #expect(lines == commands.map { "try again: \($0)" })
    // What is suggested can be typed.
    for command in commands {
      let words = try #require(try shellWords(command))
      _ = try parseArguments(Array(words.dropFirst()))
    }
  }

  @Test("nothing after a good run; the quarantine where rows were set aside")
  func quarantine() throws {
    #expect(NextSteps.after(record(failed: []), Options()) == [])
    #expect(
      NextSteps.after(record(failed: [], quarantined: 2), try options("run --profile p --force"))
        == [
          "see what was set aside: sluice query "
            + "'SELECT rule, count(*) AS rows FROM pageviews.quarantine GROUP BY rule' --profile p"
        ])
  }

  @Test("models without intervals are retried as they were asked for")
  func whole() throws {
    var unit = UnitResult(
      pipeline: "sales", model: "revenue", interval: nil, status: .failed, reason: "new")
    unit.failure = CommandError(.unwritable, "x")
    let report = RunReport(
      run: "r", started: instant(2024, 1, 1), finished: instant(2024, 1, 1), units: [unit],
      notes: [], status: .failed)
    #expect(
      NextSteps.after(RunRecord(report), try options("run --from 2024-01-01 --json"))
        == ["try again: sluice run sales --from 2024-01-01"])
  }

  @Test("a plan is carried out with the flags it was made with")
  func plan() throws {
    let line = "plan a b --from 2024-01-01 --force --json --no-color"
    #expect(
      NextSteps.run(try options(line), pipelines: ["a", "b"])
        == "sluice run a b --from 2024-01-01 --force")
  }
}
