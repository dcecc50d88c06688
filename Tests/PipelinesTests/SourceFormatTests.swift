import Core
import Engines
import Foundation
import Lake
import Project
import Testing

@testable import Pipelines

@Suite("sources of JSON lines and Parquet, and rankings of anything")
struct SourceFormatTests {
  /// May write anywhere, as a project's may not.
  private static let engine = DuckDBEngine(settings: DuckDBSettings(threads: 1))

  /// Writes rows, given as a SELECT, into a Parquet file of the project.
  private func parquet(_ project: TestProject, _ path: String, _ sql: String) throws {
    let url = project.folder.appending(path: path)
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    let engine = Self.engine
    let columns = try engine.rows(Query(sql: sql), cancellation: .never).schema.fields.map(\.name)
    _ = try engine.export(
      Query(sql: sql),
      to: TextOutput(format: .parquet, columns: columns, sort: [], path: url.path()),
      cancellation: .never)
  }

  /// `events` as JSON lines and `visits` as Parquet → `pages` (full, in SQL) → `large` (view), and a
  /// ranking of each.
  private func project() throws -> TestProject {
    let project = try TestProject()
    try project.write(
      "pipelines/web/pipeline.yaml",
      """
      sources:
        events:
          files: events/*.jsonl*
          format: json
          malformed: quarantine
          columns: {site: string, page: string, n: bigint, extra: string}
        visits:
          files: visits/*.parquet
          format: parquet
          columns: {site: string, page: string, n: bigint, tags: list<string>}
        blocked:
          files: blocked.csv
          format: csv
          columns: {site: string, page: string}
      """)
    try project.write("blocked.csv", "site,page\na,secret\nb,caf%C3%A9\n")
    let ranked =
      "columns: {site: string, page: string, n: bigint, rank: bigint}\nsort: [site, rank, page]\n"
    func rank(_ name: String, _ input: String, except: String = "blocked") throws {
      try project.write(
        "pipelines/web/models/\(name).yaml",
        """
        kind: full
        \(ranked)operator:
          rank:
            input: \(input)
            by: [site, page]
            within: [site]
            sum: n
            top: 2
            where: ["n > 0"]
            except: {input: \(except), on: [site, page], percent_decode: [page]}
        """)
    }
    try rank("top_events", "events")
    try rank("top_visits", "visits")
    try rank("top_pages", "pages")
    try rank("top_large", "large", except: "hidden")
    try project.write(
      "pipelines/web/models/pages.yaml",
      "kind: full\ncolumns: {site: string, page: string, n: bigint, total: bigint}\n")
    try project.write(
      "pipelines/web/models/pages.sql",
      "SELECT site, page, n, sum(n) OVER ()::bigint AS total FROM events "
        + "UNION ALL SELECT site, page, n, len(tags) FROM visits")
    try project.write(
      "pipelines/web/models/large.yaml",
      "kind: view\ncolumns: {site: string, page: string, n: bigint}\n")
    try project.write(
      "pipelines/web/models/large.sql", "SELECT site, page, n FROM pages WHERE n < 50")
    try project.write(
      "pipelines/web/models/hidden.yaml", "kind: full\ncolumns: {site: string, page: string}\n")
    try project.write("pipelines/web/models/hidden.sql", "SELECT * FROM blocked WHERE site = 'a'")
    try project.write(
      "events/1.jsonl",
      """
      {"site": "a", "page": "x", "n": 3, "extra": {"deep": [1]}}
      {"site": "a", "page": "secret", "n": 9}
      {"site": "a", "page": "y", "n": 1.5}
      {"site": "a", "page": "z", "n": -5}
      not json
      {"site": "b", "page": "caf\\u00e9", "n": 7}
      {"n": 4, "page": "q", "site": "b"}
      """)
    try project.write(
      "events/2.jsonl.gz", gzip(Array("{\"site\":\"a\",\"page\":\"y\",\"n\":3}\n".utf8)))
    try parquet(
      project, "visits/1.parquet",
      "SELECT 'a' AS site, 'w' AS page, 100 AS n, ['t', 'u'] AS tags "
        + "UNION ALL SELECT 'b', 'secret', 2, NULL")
    return project
  }

  @Test("each can be ranked, with what another lists left out; malformed lines are set aside")
  func ranked() throws {
    let project = try project()
    let report = try project.run()
    #expect(report.status == .done, "\(report.failures)")
    func top(_ name: String) throws -> [String] {
      try project.rows("SELECT * FROM web.\(name) ORDER BY site, rank, page")
    }
    #expect(try top("top_events") == ["a|x|3|1", "a|y|3|1", "b|q|4|1"])
    #expect(try top("top_visits") == ["a|w|100|1", "b|secret|2|1"])
    #expect(try top("top_pages") == ["a|w|100|1", "a|x|3|2", "a|y|3|2", "b|q|4|1", "b|secret|2|2"])
    #expect(
      try top("top_large") == ["a|x|3|1", "a|y|3|1", "b|café|7|1", "b|q|4|2"])
    #expect(
      try project.rows(
        "SELECT model, rule, source_row, row FROM web.quarantine WHERE model = 'top_events' "
          + "ORDER BY source_row") == [
          #"top_events|malformed:not_bigint(n)|3|{"site": "a", "page": "y", "n": 1.5}"#,
          "top_events|malformed:json|5|not json",
        ])
    #expect(try project.run().status == .unchanged)
    // A changed input is noticed through the table and the view.
    try project.write(
      "events/2.jsonl.gz", gzip(Array("{\"site\":\"a\",\"page\":\"y\",\"n\":4}\n".utf8)))
    let again = try project.run()
    #expect(again.status == .done, "\(again.failures)")
    #expect(
      Set(again.units.filter { $0.status == .published }.map(\.model))
        == ["pages", "top_events", "top_pages", "top_large"])
    #expect(try top("top_large").prefix(2) == ["a|y|4|1", "a|x|3|2"])
  }

  @Test("append over JSON lines and Parquet: rows follow their files, with file and line")
  func appended() throws {
    let project = try project()
    for (name, source) in [("all_events", "events"), ("all_visits", "visits")] {
      try project.write(
        "pipelines/web/models/\(name).yaml",
        "kind: append\nincremental: {on: \(source)}\ncolumns: {site: string, page: string, n: bigint}\n"
      )
      try project.write(
        "pipelines/web/models/\(name).sql", "SELECT site, page, n FROM \(source)")
    }
    #expect(try project.run().status == .done)
    func all(_ name: String) throws -> [String] {
      try project.rows(
        "SELECT page, n, parse_filename(_source_file), _source_row FROM web.\(name) ORDER BY ALL")
    }
    #expect(try all("all_visits") == ["secret|2|1.parquet|2", "w|100|1.parquet|1"])
    #expect(try all("all_events").contains("q|4|1.jsonl|7"))
    try parquet(
      project, "visits/2.parquet", "SELECT 5 AS n, 'v' AS page, 'c' AS site, NULL::text[] AS tags")
    try parquet(
      project, "visits/1.parquet", "SELECT 'a' AS site, 'w' AS page, 101 AS n, ['t'] AS tags")
    let second = try project.run()
    #expect(second.status == .done, "\(second.failures)")
    #expect(try all("all_visits") == ["v|5|2.parquet|1", "w|101|1.parquet|1"])
    try project.remove("visits/1.parquet")
    #expect(try project.run(Selection(allowRemovals: true)).status == .done)
    #expect(try all("all_visits") == ["v|5|2.parquet|1"])
  }

  @Test("a Parquet file that does not fit names itself, and nothing is published")
  func misfits() throws {
    let project = try project()
    try parquet(project, "visits/3.parquet", "SELECT 'a' AS site, 'w' AS pag, 1 AS n")
    let report = try project.run()
    #expect(report.status == .failed)
    let failure = try #require(report.units.first { $0.model == "top_visits" }?.failure)
    #expect(failure.exitCode == 1)
    #expect(
      "\(failure)".contains("visits/3.parquet: the declared column page is missing; "), "\(failure)"
    )
    #expect(try !project.lakeListing().contains { $0.contains("top_visits/metadata") })
  }
}
