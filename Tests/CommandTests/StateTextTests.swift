import Core
import Testing

@testable import Pipelines
@testable import sluice

@Suite("state and check, as people read them") struct StateTextTests {
  static let report = StateReport(
    sources: [
      SourceState(
        pipeline: "pageviews", source: "blocked", batch: 1, fileCount: 1, byteCount: 812),
      SourceState(
        pipeline: "pageviews", source: "pageviews", batch: 0, fileCount: 0, byteCount: 0),
    ],
    models: [
      ModelState(
        pipeline: "pageviews", model: "top_pages", kind: "interval", version: 5, snapshot: 81,
        rowCount: 99_360, fileCount: 4, byteCount: 1_200_000,
        intervals: (hours(instant(2024, 1, 1), 3) + hours(instant(2024, 1, 1, 7), 1)).map {
          IntervalState(
            interval: $0, rowCount: 24_840, run: "r1", published: instant(2024, 1, 2),
            objects: [("https://h/x.gz", "etag")])
        }, inputs: [("blocked", "batch 1")], problem: "snapshot 82 is not Sluice's"),
      ModelState(
        pipeline: "sales", model: "revenue", kind: "full", version: nil, snapshot: nil,
        rowCount: 0, fileCount: 0, byteCount: 0, intervals: [], inputs: [], problem: nil),
    ],
    leftovers: [
      Leftover(
        key: "tables/pageviews/top_pages/data/r0/f.parquet", byteCount: 5_000,
        explanation: "staged by run r0, which did not finish")
    ])

  @Test("sources, tables, what they consumed, leftovers")
  func text() {
    #expect(
      StateText(style: .plain).text(Self.report) == """
        Sources
          source               newest batch  files  bytes
          pageviews.blocked               1      1  812 B
          pageviews.pageviews          none      0    0 B

        Tables
          model                kind      version    rows  files    bytes
          pageviews.top_pages  interval       v5  99,360      4  1.20 MB
          sales.revenue        full         none

          pageviews.top_pages
            consumed 2024-01-01T00 … T02 (3 intervals), 2024-01-01T07
            blocked up to batch 1
            problem: snapshot 82 is not Sluice's

        Leftovers: 1 file, 5.00 kB, which no table refers to; they do no harm
          file                                            bytes  why it is there
          tables/pageviews/top_pages/data/r0/f.parquet  5.00 kB  staged by run r0, which did not finish

        """)
    #expect(
      StateText(style: .plain).text(StateReport(sources: [], models: [], leftovers: []))
        == "nothing yet\n")
  }

  @Test("JSON: a line a source, a table, a leftover")
  func json() {
    let lines = Self.report.jsonLines
    #expect(lines.map { $0["type"] } == ["source", "source", "table", "table", "leftover"])
    #expect(lines[2]["intervals"]?.array?.count == 4)
    #expect(lines[2]["intervals"]?.array?[0]["objects"]?.array?[0]["version"] == "etag")
    #expect(lines[3]["version"] == .null)
  }

  static func outcome(_ name: String, _ severity: String, passed: Bool) -> CheckOutcome {
    CheckOutcome(
      name: name, severity: severity, isPassed: passed, failingRows: passed ? 0 : 3,
      message: passed ? "" : "3 rows fail")
  }

  static func table(_ checks: [CheckOutcome]?, _ failure: (any AnyFailure)? = nil) -> TableCheck {
    TableCheck(pipeline: "p", model: "m", checks: checks, failure: failure)
  }

  @Test("checks, and which of them fail a run of check")
  func checks() {
    let tables = [
      Self.table([
        Self.outcome("a", "error", passed: true), Self.outcome("b", "warn", passed: false),
        Self.outcome("c", "error", passed: false),
      ]), Self.table(nil), Self.table([]),
      Self.table(nil, CommandError(.unwritable, "no such file", at: Place(file: "/x"))),
    ]
    let text = CheckText(style: .plain)
    #expect(
      text.text(tables) == """
        table  check  result
        p.m    a      passed
        p.m    b      warning       3 rows fail
        p.m    c      failed        3 rows fail
        p.m           no table yet
        p.m           no checks
        p.m           unreadable

        failed: p.m
          /x: no such file

        """)
    #expect(
      text.summary(tables)
        == "1 check passed, 1 failed, 1 warning, 1 table could not be read\n")
    #expect(tables[0].isFailed)
    #expect(!Self.table([Self.outcome("b", "warn", passed: false)]).isFailed)
    #expect(Self.table([Self.outcome("c", "error", passed: false)]).isFailed)
    #expect(!Self.table(nil).isFailed)
    #expect(tables[3].isFailed)
  }
}
