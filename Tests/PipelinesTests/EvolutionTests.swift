import Core
import Foundation
import Lake
import Testing

@testable import Pipelines

@Suite("columns and partitions that move on, end to end")
struct EvolutionTests {
  /// `hits`, by hour, from files of page views.
  private func project(_ model: String, _ sql: String) throws -> TestProject {
    let project = try TestProject.pageviews()
    try project.write("pipelines/pageviews/models/hits.yaml", model)
    try project.write("pipelines/pageviews/models/hits.sql", sql)
    try FileManager.default.removeItem(
      at: project.folder.appending(path: "pipelines/pageviews/models/top_pages.yaml"))
    for name in ["models/top_pages.sql", "tests/top_pages.yaml"] {
      try? project.remove("pipelines/pageviews/" + name)
    }
    // The exports are of the table that is gone.
    let path = "pipelines/pageviews/pipeline.yaml"
    let text = String(decoding: try project.read(path), as: UTF8.self)
    try project.write(path, String(text[..<(text.range(of: "exports:")!.lowerBound)]))
    return project
  }

  private static let old = (
    model: """
    kind: interval
    on_definition: rebuild
    columns:
      domain: {type: string}
      hits: {type: int}
      interval_start: {type: timestamp}
      interval_end: {type: timestamp}
    """,
    sql: """
    SELECT domain, sum(views)::int AS hits, $interval_start AS interval_start,
      $interval_end AS interval_end FROM pageviews GROUP BY domain
    """
  )

  private static let new = (
    model: """
    kind: interval
    on_definition: rebuild
    partition_by: ["truncate(1, site)", "bucket(2, views)"]
    columns:
      site: {type: string, renamed_from: [domain]}
      views: {type: bigint, renamed_from: [hits]}
      first: {type: string}
      interval_start: {type: timestamp}
      interval_end: {type: timestamp}
    """,
    sql: """
    SELECT domain AS site, sum(views)::bigint AS views, min(page) AS first,
      $interval_start AS interval_start, $interval_end AS interval_end
    FROM pageviews GROUP BY domain
    """
  )

  @Test(
    "a table follows its model's columns without a rebuild; the plan says so; --as-of looks back")
  func columns() throws {
    let project = try project(Self.old.model, Self.old.sql)
    for time in ["2024-01-01T00", "2024-01-01T01"] {
      try project.stage(time, "aa Main 3 0\nab Main 4 0\nbb Top 5 0\n")
    }
    let first = try project.run(
      Selection(from: try hour("2024-01-01T00"), to: try hour("2024-01-01T02")))
    #expect(first.status == .done, "\(first.failures)")
    let before = try #require(
      try project.workspace().lake.catalog.load(TableID("pageviews", "hits"))?.currentSnapshot)

    try project.write("pipelines/pageviews/models/hits.yaml", Self.new.model)
    try project.write("pipelines/pageviews/models/hits.sql", Self.new.sql)
    let again = Selection(from: try hour("2024-01-01T01"))
    let notes = try project.workspace().plan(again).pipelines[0].notes
    #expect(
      notes.contains(
        "hits: the table's columns will change: rename domain to site, rename hits to views, "
          + "widen views from int to bigint, add first string"))
    let second = try project.run(again)
    #expect(second.status == .done, "\(second.failures)")
    #expect(
      try project.rows("SELECT site, views, first FROM hits ORDER BY interval_start, site") == [
        "aa|3|NULL", "ab|4|NULL", "bb|5|NULL", "aa|3|Main", "ab|4|Main", "bb|5|Top",
      ])
    #expect(
      !(try project.workspace().plan(again).pipelines[0].notes)
        .contains { $0.contains("columns will change") })

    // What WHERE asks for is looked for in few of the files.
    let table = try #require(
      try project.workspace().lake.catalog.load(TableID("pageviews", "hits")))
    #expect(try table.scan().files.count > 2)
    #expect(try project.rows("SELECT views FROM hits h WHERE h.site = 'bb'") == ["5", "5"])
    #expect(
      try project.rows(
        "SELECT first FROM hits WHERE interval_start >= '2024-01-01 01:00:00' AND 'ab' <= site "
          + "ORDER BY 1") == ["Main", "Top"])

    // The table as it was has the columns that it had.
    var old: [String] = []
    for asOf in [AsOf.snapshot(before.id), .time(before.committed), .reference("main")] {
      let isNow = asOf == .reference("main")
      try project.workspace().query(
        "SELECT * FROM hits ORDER BY ALL LIMIT 1", asOf: asOf
      ) { set in
        #expect(set.schema.fields.map(\.name).contains("hits") == !isNow)
        old += set.rows.map { $0.prefix(2).map(\.description).joined(separator: "|") }
      }
    }
    #expect(old == ["aa|3", "aa|3", "aa|3"])
    #expect(throws: LakeError.self) {
      try project.workspace().query(
        "SELECT * FROM hits", asOf: .time(Instant(seconds: 0))
      ) { _ in }
    }
    #expect(throws: PipelineError.self) {
      try project.workspace().query("SELECT * FROM hits", asOf: .reference("none")) { _ in }
    }
  }

  @Test("a change of type that cannot be blocks the unit, and says why")
  func incompatible() throws {
    let project = try project(Self.old.model, Self.old.sql)
    try project.stage("2024-01-01T00", "aa Main 3 0\n")
    let asked = Selection(from: try hour("2024-01-01T00"))
    try project.run(asked)
    func replaced(_ text: String) -> String {
      text.replacingOccurrences(of: "hits: {type: int}", with: "hits: {type: date}")
    }
    try project.write("pipelines/pageviews/models/hits.yaml", replaced(Self.old.model))
    let plan = try project.workspace().plan(asked)
    guard case .blocked(let reason)? = plan.pipelines[0].units.first?.action else {
      Issue.record("not blocked: \(plan)")
      return
    }
    #expect(reason.contains("column 'hits' is int and cannot become date"))
    #expect(try project.run(asked).status == .failed)
    #expect(try project.rows("SELECT hits FROM hits") == ["3"])
  }
}
