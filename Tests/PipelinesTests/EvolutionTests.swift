import Core
import Engines
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

  @Test("rule 28: files without IDs are written again before a name stands for something else")
  func unnumbered() throws {
    let project = try project(Self.old.model, Self.old.sql)
    for time in ["2024-01-01T00", "2024-01-01T01", "2024-01-01T02"] {
      try project.stage(time, "aa Main 3 0\nab Main 4 0\n")
    }
    try project.run(Selection(from: try hour("2024-01-01T00")))
    let id = TableID("pageviews", "hits")
    let workspace = try project.workspace()
    let table = try #require(try workspace.lake.catalog.load(id))
    // As Spark, and pyiceberg's `add_files`, leave them.
    let own = try #require(try table.dataFiles().first)
    let path = project.folder.appending(path: "lake/tables/pageviews/hits/data/theirs.parquet")
    let count = try workspace.engine.export(
      Query(sql: "FROM t", inputs: ["t": .files([own], schema: table.schema)], label: "theirs"),
      to: TextOutput(
        format: .parquet, columns: table.schema.fields.map(\.name), sort: [], path: path.path()),
      cancellation: Cancellation())
    let size = try #require(
      try FileManager.default.attributesOfItem(atPath: path.path())[.size] as? Int64)
    var theirs = own
    theirs.path = path.path()
    (theirs.rowCount, theirs.byteCount, theirs.columns) = (count, size, [:])
    _ = try workspace.lake.catalog.commit(
      TableUpdate(
        operation: .replace, schema: table.schema, partitionBy: table.partitionColumns,
        sort: table.sortColumns, added: [theirs], removal: .all, time: project.now),
      to: id, base: table)
    #expect(try workspace.lake.catalog.load(id)?.filesWithoutIDs().count == 1)

    #expect(
      try project.rows("SELECT domain, hits FROM pageviews.hits ORDER BY ALL") == ["aa|3", "ab|4"])

    func change(_ model: [(String, String)], _ sql: [(String, String)], hour: Instant) throws {
      var (yaml, query) = (Self.old.model, Self.old.sql)
      for (old, new) in model { yaml = yaml.replacingOccurrences(of: old, with: new) }
      for (old, new) in sql { query = query.replacingOccurrences(of: old, with: new) }
      try project.write("pipelines/pageviews/models/hits.yaml", yaml)
      try project.write("pipelines/pageviews/models/hits.sql", query)
      let report = try project.run(Selection(from: hour))
      #expect(report.status == .done, "\(report.failures)")
    }
    // No name stands for anything else yet.
    try change([("hits: ", "n: ")], [("AS hits", "AS n")], hour: try hour("2024-01-01T01"))
    #expect(try workspace.lake.catalog.load(id)?.filesWithoutIDs().count == 1)
    // `hits` is another column now; `domain` has another name.
    try change(
      [("domain: {type: string}", "site: {type: string, renamed_from: [domain]}")],
      [("SELECT domain,", "SELECT domain AS site,")], hour: try hour("2024-01-01T02"))
    let rows = try project.rows("SELECT site, hits FROM pageviews.hits ORDER BY ALL NULLS FIRST")
    #expect(rows == ["aa|NULL", "aa|NULL", "aa|3", "ab|NULL", "ab|NULL", "ab|4"])
    #expect(try workspace.lake.catalog.load(id)?.filesWithoutIDs() == [])
  }

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
