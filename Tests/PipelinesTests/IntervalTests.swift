import Core
import Foundation
import Project
import Testing

@testable import Pipelines

@Suite("interval models, end to end")
struct IntervalTests {
  static let lines = """
    aa A 3 0
    aa B 3 0
    aa C 1 0
    bb \u{00E9}t\u{00E9} 7 0
    bb "x 2 0

    """
  static let ranked = ["aa|A|3|1", "aa|B|3|1", "aa|C|1|3", "bb|\"x|2|2", "bb|été|7|1"]
  static let query = "SELECT domain, page, views, rank FROM pageviews.top_pages ORDER BY ALL"

  @Test("an hour is published once; the second run does nothing and changes no file")
  func twice() throws {
    let project = try TestProject.pageviews()
    try project.stage("2024-01-01T05", Self.lines)
    let selection = Selection(from: try hour("2024-01-01T05"))
    let plan = try project.workspace().plan(selection)
    #expect(plan.pipelines[0].units.map(\.action) == [.run(.new)])
    #expect(plan.pipelines[0].units[0].exports.map(\.name) == ["csv", "parquet"])
    #expect(try project.lakeListing() == [], "a plan changes nothing")
    let first = try project.run(selection)
    #expect(first.status == .done, "\(first.failures)")
    #expect(first.units.map(\.rowCount) == [5])
    #expect(try project.rows(Self.query) == Self.ranked)
    let before = try project.lakeListing()
    let second = try project.run(selection)
    #expect(second.status == .unchanged)
    #expect(try project.lakeListing() == before)
    #expect(try project.workspace().plan(selection).isEmpty)
  }

  @Test("the CSV has a header, is ordered, is quoted where it must be, and is marked complete")
  func csv() throws {
    let project = try TestProject.pageviews()
    try project.stage("2024-01-01T05", Self.lines)
    try project.run(Selection(from: try hour("2024-01-01T05")))
    let folder = "lake/exports/pageviews/format=csv/year=2024/month=01/day=01/hour=05"
    let names = try FileManager.default.contentsOfDirectory(
      atPath: project.folder.appending(path: folder).path()
    ).sorted()
    #expect(names.count == 2)
    #expect(names.first == "_SUCCESS")
    let file = try #require(names.last)
    #expect(file.hasSuffix(".csv.gz"))
    #expect(
      try gunzip(project.read("\(folder)/\(file)")) == """
        domain,page,views,rank
        aa,A,3,1
        aa,B,3,1
        aa,C,1,3
        bb,été,7,1
        bb,\"""x",2,2

        """)
  }

  @Test("--force runs an interval again; a deleted export is written again without a run")
  func again() throws {
    let project = try TestProject.pageviews()
    try project.stage("2024-01-01T05", Self.lines)
    let selection = Selection(from: try hour("2024-01-01T05"))
    try project.run(selection)
    var forced = selection
    forced.force = true
    #expect(try project.run(forced).units.map(\.reason) == ["forced"])
    #expect(try project.rows(Self.query) == Self.ranked)

    try project.remove("lake/exports/pageviews/format=csv")
    let mended = try project.run(selection)
    #expect(mended.units.map(\.status) == [.exported])
    #expect(mended.units[0].exports.map(\.name) == ["csv"])
  }

  @Test("a file that is not there is waited for: not an error, and the others run")
  func waiting() throws {
    let project = try TestProject.pageviews()
    try project.stage("2024-01-01T05", Self.lines)
    let selection = Selection(from: try hour("2024-01-01T04"), to: try hour("2024-01-01T06"))
    let report = try project.run(selection)
    #expect(report.status == .done)
    #expect(report.units.map(\.status) == [.waiting, .published])
    #expect(report.units[0].reason.contains("pageviews-20240101-040000.gz"))
    try project.stage("2024-01-01T04", "cc D 1 0\n")
    let later = try project.run(selection)
    #expect(later.units.map(\.status) == [.published, .upToDate])
  }

  @Test("a file that comes while the run waits is taken; with on_timeout fail it is an error")
  func waitsForIt() throws {
    let project = try TestProject.pageviews()
    let text = String(
      decoding: try project.read("pipelines/pageviews/pipeline.yaml"), as: UTF8.self)
    let wait = try #require(text.firstRange(of: "{timeout: 0s, every: 60s, on_timeout: skip}"))
    func setWait(_ value: String) throws {
      try project.write(
        "pipelines/pageviews/pipeline.yaml", text.replacingCharacters(in: wait, with: value))
    }
    let selection = Selection(from: try hour("2024-01-01T05"))
    try setWait("{timeout: 1s, every: 1s, on_timeout: fail}")
    let late = try project.run(selection)
    #expect(late.status == .failed)
    #expect(late.units[0].failure?.qualifiedCode == "pipeline.timedOut")

    try setWait("{timeout: 1h, every: 1s, on_timeout: fail}")
    let workspace = try project.workspace()
    let packed = gzip(Array(Self.lines.utf8))
    // Sleeping is what makes the file come: the run looks, waits, and finds it.
    var context = workspace.context
    let dumps = project.folder.appending(path: "dumps/2024/2024-01")
    context.clock.sleep = { _, _ in
      try? FileManager.default.createDirectory(at: dumps, withIntermediateDirectories: true)
      try? Data(packed).write(to: dumps.appending(path: "pageviews-20240101-050000.gz"))
    }
    let report = try Workspace(project: project.load(), context: context).run(selection)
    #expect(report.units.map(\.status) == [.published])
  }

  @Test("rule 3: a day is ready when its 24 files are, and sums before it ranks")
  func day() throws {
    let project = try TestProject.pageviews()
    project.settings = [("interval", "day")]
    let selection = Selection(from: try hour("2024-01-01"))
    for number in 0..<23 {
      try project.stage(
        "2024-01-01T\(String(number).paddedLeft(to: 2, with: "0"))", "aa A 1 0\naa B \(number) 0\n")
    }
    #expect(try project.run(selection).units.map(\.status) == [.waiting])
    try project.stage("2024-01-01T23", "aa C 300 0\n")
    let report = try project.run(selection)
    #expect(report.units.map(\.status) == [.published], "\(report.failures)")
    #expect(try project.rows(Self.query) == ["aa|A|23|3", "aa|B|253|2", "aa|C|300|1"])

    // Rule 13: hours and days stand beside each other.
    project.settings = []
    try project.run(Selection(from: try hour("2024-01-01T05")))
    #expect(
      try project.rows(
        "SELECT interval_end - interval_start AS length, count(*)::bigint AS rows "
          + "FROM top_pages GROUP BY ALL ORDER BY ALL"
      ).count == 2)
    project.settings = [("interval", "day")]
    #expect(try project.run(selection).status == .unchanged)
  }

  @Test("rule 2: a re-published file is ignored, or makes its interval stale, as the source says")
  func republished() throws {
    let project = try TestProject.pageviews()
    try project.stage("2024-01-01T05", Self.lines)
    let selection = Selection(from: try hour("2024-01-01T05"))
    try project.run(selection)
    try project.stage("2024-01-01T05", "zz Z 9 0\n")
    #expect(try project.run(selection).status == .unchanged)

    let text = String(
      decoding: try project.read("pipelines/pageviews/pipeline.yaml"), as: UTF8.self)
    try project.write(
      "pipelines/pageviews/pipeline.yaml",
      text.replacing("on_republish: ignore", with: "on_republish: rerun"))
    // Found although another interval is asked for: it lies within `recheck`.
    let other = Selection(from: try hour("2024-01-01T09"))
    let report = try project.run(other)
    #expect(
      report.units.first { $0.status == .published }?.reason == "published again at the source")
    #expect(try project.rows(Self.query) == ["zz|Z|9|1"])
    #expect(try project.run(other).status == .waiting)
  }

  @Test("rule 2: a file that landed damaged is looked at again, once there is a better one")
  func republishedBeforeItWasRead() throws {
    let project = try TestProject.pageviews()
    let text = String(
      decoding: try project.read("pipelines/pageviews/pipeline.yaml"), as: UTF8.self)
    try project.write(
      "pipelines/pageviews/pipeline.yaml",
      text.replacing("on_republish: ignore", with: "on_republish: rerun\n    land: true"))
    let selection = Selection(from: try hour("2024-01-01T05"))
    let packed = gzip(Array(Self.lines.utf8))
    try project.stage("2024-01-01T05", Array(packed.dropLast(12)))
    #expect(try project.run(selection).status == .failed)
    try project.stage("2024-01-01T05", packed)
    let report = try project.run(selection)
    #expect(report.units.map(\.status) == [.published], "\(report.failures)")
    #expect(try project.run(selection).status == .unchanged)
  }

  @Test("rule 21: the hint of every table is mended, also that of the quarantine")
  func lostHints() throws {
    let project = try TestProject.pageviews()
    try project.stage("2024-01-01T05", Self.lines + "broken\n")
    let selection = Selection(from: try hour("2024-01-01T05"))
    #expect(try project.run(selection).status == .done)
    for model in ["top_pages", "quarantine"] {
      let hint = "lake/tables/pageviews/\(model)/metadata/version-hint.text"
      let before = try project.read(hint)
      try project.remove(hint)
      #expect(try project.run(selection).status == .unchanged)
      #expect(try project.read(hint) == before)
    }
  }

  @Test("rule 2: a file that changes between the look and the read is logged again and read")
  func changedMeanwhile() throws {
    let project = try TestProject.pageviews()
    try project.stage("2024-01-01T05", Self.lines)
    let selection = Selection(from: try hour("2024-01-01T05"))
    let workspace = try project.workspace()
    let survey = try workspace.planner.survey(selection)
    // The log names the old version; then the file changes; then the unit runs.
    for view in survey.sources.values { _ = try workspace.planner.sourcePlanner.append(view) }
    try project.stage("2024-01-01T05", "zz Z 9 0\n")
    let report = try project.run(selection)
    #expect(report.units.map(\.status) == [.published], "\(report.failures)")
    #expect(report.units[0].attempts == 2)
    #expect(try project.rows(Self.query) == ["zz|Z|9|1"])
  }

  @Test("several intervals at once; a broken one is reported and alone retried")
  func broken() throws {
    let project = try TestProject.pageviews()
    for number in 0..<4 { try project.stage("2024-01-01T0\(number)", "aa A \(number + 1) 0\n") }
    let packed = gzip(Array(Self.lines.utf8))
    try project.stage("2024-01-01T02", Array(packed.dropLast(12)))
    let selection = Selection(from: try hour("2024-01-01T00"), to: try hour("2024-01-01T04"))
    let report = try project.run(selection)
    #expect(report.status == .failed)
    #expect(report.units.map(\.status) == [.published, .published, .failed, .published])
    let failure = try #require(report.units[2].failure)
    #expect(failure.qualifiedCode == "format.damaged")
    #expect(failure.place.file?.hasSuffix("pageviews-20240101-020000.gz") == true)
    #expect(try project.rows("SELECT count(*)::bigint AS n FROM top_pages") == ["3"])

    try project.stage("2024-01-01T02", "aa A 3 0\n")
    let mended = try project.run(selection)
    #expect(mended.units.map(\.status) == [.upToDate, .upToDate, .published, .upToDate])
  }

  @Test("zero rows are stopped by the row count check, and nothing is published")
  func empty() throws {
    let project = try TestProject.pageviews()
    try project.stage("2024-01-01T05", "")
    let report = try project.run(Selection(from: try hour("2024-01-01T05")))
    #expect(report.status == .failed)
    #expect(report.units[0].failure?.qualifiedCode == "audit.checksFailed")
    #expect(try project.workspace().state(pipelines: []).models[0].version == nil)
  }

  @Test(
    "each policy for ties, and the block list compared after percent-decoding",
    arguments: [
      ("rank", ["aa|B|3|1", "aa|C|3|1"]), ("row_number", ["aa|B|3|1", "aa|C|3|2"]),
      ("dense_rank", ["aa|B|3|1", "aa|C|3|1", "aa|D|1|2"]),
    ])
  func ties(policy: String, expected: [String]) throws {
    let project = try TestProject.pageviews()
    try project.write("blocked.txt", "aa %C3%A9\naa %FF\n")
    project.environment["PAGEVIEWS_BLOCKED"] = project.folder.appending(path: "blocked.txt").path()
    project.settings = [("ties", policy), ("top", "2")]
    try project.stage("2024-01-01T05", "aa C 3 0\naa B 3 0\naa D 1 0\naa é 9 0\n")
    let report = try project.run(Selection(from: try hour("2024-01-01T05")))
    #expect(report.status == .done, "\(report.failures)")
    #expect(try project.rows(Self.query) == expected)
  }

  @Test("rule 14: another policy is another definition: the interval asked for is rebuilt")
  func definition() throws {
    let project = try TestProject.pageviews()
    try project.stage("2024-01-01T05", Self.lines)
    try project.stage("2024-01-01T06", Self.lines)
    try project.run(Selection(from: try hour("2024-01-01T05"), to: try hour("2024-01-01T07")))
    project.settings = [("ties", "dense_rank")]
    let selection = Selection(from: try hour("2024-01-01T05"))
    let plan = try project.workspace().plan(selection)
    #expect(plan.pipelines[0].units.map(\.action) == [.run(.definitionChanged)])
    #expect(plan.pipelines[0].notes.count == 1)
    #expect(try project.run(selection).units.map(\.reason) == ["definition changed"])
    #expect(try project.run(selection).status == .unchanged)
    // A comment and white space are not another definition.
    let path = "pipelines/pageviews/models/top_pages.sql"
    let sql = String(decoding: try project.read(path), as: UTF8.self)
    try project.write(path, "-- ranked pages\n\n" + sql.replacing("SELECT", with: "SELECT "))
    #expect(try project.run(selection).status == .unchanged)
  }

  @Test("two runs of the same range at once publish one set of rows")
  func race() async throws {
    let project = try TestProject.pageviews()
    for number in 0..<3 { try project.stage("2024-01-01T0\(number)", "aa A \(number + 1) 0\n") }
    let selection = Selection(from: try hour("2024-01-01T00"), to: try hour("2024-01-01T03"))
    let workspaces = [try project.workspace(), try project.workspace()]
    let reports = concurrently(workspaces, limit: 2) { try $0.run(selection) }
    for report in reports {
      let report = try report.get()
      #expect(report.status == .done || report.status == .unchanged, "\(report.failures)")
    }
    #expect(
      try project.rows("SELECT views FROM top_pages ORDER BY ALL") == ["1", "2", "3"])
    #expect(try project.workspace().state(pipelines: []).leftovers.map(\.explanation) == [])
    #expect(try project.run(selection).status == .unchanged)
  }
}

extension RunReport {
  var failures: [String] { units.compactMap { $0.failure?.description } }
}
