import Core
import Foundation
import Testing

@Suite(
  "The command, end to end", .enabled(if: Repository.canRun, Comment(rawValue: Repository.whyNot)))
struct SmokeTests {
  @Test("One hour goes in, and what the oracle expects comes out")
  func oneHour() throws {
    let project = try PageviewsProject()
    try project.stage(
      "2024-01-01T05", "aa B 3 0\naa A 3 0\naa C 1 0\nen.m Main_Page 7 0\nde \"Z 2 0\n")
    let outcome = try project.sluice("run", "pageviews", "--from", "2024-01-01T05")
    #expect(outcome.exitCode == 0, "\(outcome)")
    #expect(
      try project.exported("2024-01-01T05")
        == Oracle.csv([project.staged("2024-01-01T05")]), "\(outcome)")
    let lake = try project.listing("lake")
    let again = try project.sluice("run", "pageviews", "--from", "2024-01-01T05")
    #expect(again.exitCode == 0, "\(again)")
    let changed = try project.listing("lake").filter { lake[$0] != $1 }.map(\.key)
    #expect(changed.allSatisfy { $0.hasPrefix("runs/") }, "\(changed)")
  }

  @Test(
    "Other readers see the table, and quarantine holds the malformed line",
    .enabled(if: Python.hasVenv, Comment(rawValue: Python.whyNoVenv)))
  func tables() throws {
    let project = try PageviewsProject()
    try project.stage("2024-01-01T05", "aa B 3 0\nnot a line\naa \"A 1 0\n")
    let outcome = try project.sluice("run", "pageviews", "--from", "2024-01-01T05")
    #expect(outcome.exitCode == 0, "\(outcome)")

    let pages = try IcebergView(project.table("top_pages"))
    for view in [pages.pyiceberg, pages.duckdb] {
      let rows = IcebergView.rows(view)
      #expect(rows.map { $0["page"] } == ["\"A", "B"] || rows.map { $0["page"] } == ["B", "\"A"])
      #expect(rows.allSatisfy { $0["interval_start"] == "2024-01-01T05:00:00.000000" })
    }
    let rejected = IcebergView.rows(try IcebergView(project.table("quarantine")).duckdb)
    #expect(rejected.count == 1)
    #expect(rejected.first?["row"] == "not a line")
    #expect(rejected.first?["source_row"] == 2)
    #expect(rejected.first?["batch"] == "2024-01-01T05")
    #expect(rejected.first?["rule"]?.string?.hasPrefix("malformed:") == true)
  }

  @Test("rule 37: a run is killed at the very call that was named")
  func kill() throws {
    let whole = try PageviewsProject()
    try whole.stage("2024-01-01T05", "aa B 3 0\n")
    let (outcome, mutations) = try whole.traced(["run", "pageviews", "--from", "2024-01-01T05"])
    #expect(outcome.exitCode == 0, "\(outcome)")
    #expect(mutations.count > 5)
    #expect(mutations.map(\.number) == Array(1...mutations.count))

    let project = try PageviewsProject()
    try project.stage("2024-01-01T05", "aa B 3 0\n")
    let killed = try project.killed(
      ["run", "pageviews", "--from", "2024-01-01T05"], at: "before:1")
    #expect(killed.end == .killed(signal: SIGKILL))
    #expect(try project.listing("lake").isEmpty)
    let again = try project.sluice("run", "pageviews", "--from", "2024-01-01T05")
    #expect(again.exitCode == 0, "\(again)")
    #expect(
      try project.exported("2024-01-01T05") == "domain,page,views,rank\naa,B,3,1\n", "\(again)")
  }
}
