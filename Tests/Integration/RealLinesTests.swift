import Core
import Foundation
import Testing

@testable import sluice_sample

/// Tables and exports against an independent computation, byte for byte.
@Suite(
  "Page views against the oracle", .serialized,
  .enabled(if: Repository.canRun, Comment(rawValue: Repository.whyNot)),
  .enabled(if: Python.hasVenv, Comment(rawValue: Python.whyNoVenv)))
struct RealLinesTests {
  static let policies = ["rank", "dense_rank", "row_number"]

  struct Case: Sendable, CustomTestStringConvertible {
    var ties: String
    /// A file of ../shared/data/pageviews.
    var blocked: String?
    /// Rows published, counted by others (../shared/data/README.md); nil where nobody did.
    var rowCount: Int?
    var testDescription: String { "\(ties), \(blocked ?? "no block list")" }
  }

  static let short = "blacklist-domain-and-pages.txt"
  static let long = "blacklist_domains_and_pages"

  @Test(
    "The real lines, served over HTTP",
    .enabled(if: Repository.hasSharedData, Comment(rawValue: Repository.whyNoSharedData)),
    arguments: [
      Case(ties: "rank", rowCount: 1297), Case(ties: "dense_rank", rowCount: 3665),
      Case(ties: "row_number", rowCount: 651), Case(ties: "rank", blocked: short),
      Case(ties: "dense_rank", blocked: short, rowCount: 3659),
      Case(ties: "row_number", blocked: short), Case(ties: "rank", blocked: long),
      Case(ties: "dense_rank", blocked: long, rowCount: 3660),
      Case(ties: "row_number", blocked: long),
    ])
  func realLines(example: Case) throws {
    let project = try PageviewsProject()
    let data = Repository.sharedData.appending(path: "pageviews")
    let lines = try Data(contentsOf: data.appending(path: "pageviews-sample.txt"))
    let hour = "2024-01-01T05"
    try project.stage(hour, file: Gzip.compress([UInt8](lines)))
    let server = try DumpsServer(project.input)
    let blocked = example.blocked.map { data.appending(path: $0) }
    var variables = ["PAGEVIEWS_URL": server.url]
    if let blocked { variables["PAGEVIEWS_BLOCKED"] = blocked.path }
    // The default interval is the hour 24 hours ago.
    let outcome = try project.sluice(
      "run", "pageviews", "--set", "ties=\(example.ties)", variables: variables)
    try #require(outcome.exitCode == 0, "\(outcome)")

    let expected = try Oracle.csv([project.staged(hour)], blocked: blocked, ties: example.ties)
    if let count = example.rowCount {
      #expect(expected.utf8.count { $0 == 0x0A } == count + 1)
    }
    try expect(project, hour, "2024-01-01T06", expected)
    #expect(try quarantined(project) == 0)
    try expectIceberg(project, [(hour, "2024-01-01T06", expected)])
  }

  @Test(
    "Three generated hours, in one run", .enabled(if: Repository.canRun), arguments: policies)
  func threeHours(ties: String) throws {
    let project = try PageviewsProject()
    try generate(project, from: "2024-01-01T04", hours: 3, lines: 5283)
    let blocked = try project.block(
      "en Main_Page\nde.m Caf%C3%A9\nmalformed\nen.m Special:Search\n")
    let outcome = try project.sluice(
      "run", "pageviews", "--from", "2024-01-01T04", "--to", "2024-01-01T07",
      "--set", "ties=\(ties)", "--set", "top=7")
    try #require(outcome.exitCode == 0, "\(outcome)")
    var expected: [(String, String, String)] = []
    var malformed: Int64 = 0
    for hour in 4..<7 {
      let (start, end) = ("2024-01-01T0\(hour)", "2024-01-01T0\(hour + 1)")
      let dump = project.staged(start)
      expected.append((start, end, try Oracle.csv([dump], blocked: blocked, ties: ties, top: 7)))
      malformed += try Oracle.summary([dump])["malformed"]?.integer ?? 0
      try expect(project, start, end, expected.last!.2)
    }
    #expect(malformed > 0)
    #expect(try quarantined(project) == malformed)
    try expectIceberg(project, expected)
  }

  @Test("A day of 24 files, beside one of its hours", arguments: policies)
  func day(ties: String) throws {
    let project = try PageviewsProject()
    try generate(project, from: "2024-01-01T00", hours: 24, lines: 300)
    let hour = try project.sluice(
      "run", "pageviews", "--from", "2024-01-01T00", "--set", "ties=\(ties)")
    try #require(hour.exitCode == 0, "\(hour)")
    let outcome = try project.sluice(
      "run", "pageviews", "--from", "2024-01-01", "--set", "interval=day", "--set", "ties=\(ties)",
      "--set", "top=5")
    try #require(outcome.exitCode == 0, "\(outcome)")
    let dumps = (0..<24).map { project.staged("2024-01-01T" + ($0 < 10 ? "0\($0)" : "\($0)")) }
    let ofDay = try Oracle.csv(dumps, ties: ties, top: 5)
    let ofHour = try Oracle.csv([dumps[0]], ties: ties)
    try expect(project, "2024-01-01", "2024-01-02", ofDay)
    try expect(project, "2024-01-01T00", "2024-01-01T01", ofHour)
    try expectIceberg(
      project,
      [("2024-01-01T00", "2024-01-01T01", ofHour), ("2024-01-01", "2024-01-02", ofDay)])
  }

  // MARK: - Comparing

  /// The CSV export, the Parquet export and the command's own query give exactly these rows.
  private func expect(
    _ project: PageviewsProject, _ start: String, _ end: String, _ expected: String
  ) throws {
    #expect(try project.exported(start) == expected, "the CSV export of \(start)")

    let folder = project.exportFolder(start, format: "parquet")
    let names = project.exportNames(start, format: "parquet").filter { $0 != "_SUCCESS" }
    #expect(names.count == 1)
    let parquet = try JSON(
      parsing: try Python.run(
        "read_parquet.py", [folder.appending(path: names[0]).path], interpreter: Python.venv))
    let columns = (parquet["columns"]?.array ?? []).map {
      "\($0["name"]?.string ?? "") \($0["type"]?.string ?? "")"
    }
    #expect(columns.prefix(4) == ["domain string", "page string", "views int64", "rank int32"])
    // Columns that the export does not name, it writes all: the interval's are last.
    let rows = (parquet["rows"]?.array ?? []).map { row in
      JSON.object(
        zip(["domain", "page", "views", "rank"], row.array ?? []).map { .init($0, $1) })
    }
    #expect(PageRows.csv(rows) == expected, "the Parquet export of \(start)")

    let query = try project.sluice(
      "query", "--format", "csv",
      """
      SELECT domain, page, views, rank FROM pageviews.top_pages
      WHERE interval_start = '\(time(start))' AND interval_end = '\(time(end))'
      ORDER BY domain, rank, page
      """)
    #expect(query.exitCode == 0, "\(query)")
    #expect(query.standardOutput == expected, "the query of \(start)")
  }

  /// pyiceberg and DuckDB's extension see these intervals and nothing else, and statistics that are
  /// those of the rows.
  private func expectIceberg(
    _ project: PageviewsProject, _ intervals: [(start: String, end: String, csv: String)]
  ) throws {
    let view = try IcebergView(project.table("top_pages"))
    func columns(_ reader: JSON) -> [String] {
      (reader["columns"]?.array ?? []).map {
        "\($0["name"]?.string ?? "") \($0["type"]?.string ?? "")"
      }
    }
    #expect(
      columns(view.pyiceberg) == [
        "domain string", "page string", "views long", "rank int", "interval_start timestamp",
        "interval_end timestamp",
      ])
    #expect(
      columns(view.duckdb) == [
        "domain VARCHAR", "page VARCHAR", "views BIGINT", "rank INTEGER",
        "interval_start TIMESTAMP", "interval_end TIMESTAMP",
      ])
    #expect(
      view.pyiceberg["partition_by"] == [
        ["interval_start", "identity"], ["interval_end", "identity"],
      ])
    for reader in [view.pyiceberg, view.duckdb] {
      let rows = IcebergView.rows(reader)
      var count = 0
      for (start, end, csv) in intervals {
        let found = PageRows.of(rows, from: stamp(start), to: stamp(end))
        #expect(PageRows.csv(found) == csv, "\(start)")
        count += found.count
      }
      #expect(count == rows.count, "rows of other intervals")
    }

    let files = view.pyiceberg["files"]?.array ?? []
    #expect(!files.isEmpty)
    for (start, end, _) in intervals {
      let own = files.filter { $0["partition"]?["interval_start"]?.string == stamp(start) }
        .filter { $0["partition"]?["interval_end"]?.string == stamp(end) }
      let rows = PageRows.of(IcebergView.rows(view.duckdb), from: stamp(start), to: stamp(end))
      expectStatistics(own, of: rows, in: start)
    }
  }

  private func expectStatistics(_ files: [JSON], of rows: [JSON], in interval: String) {
    #expect(files.reduce(0) { $0 + ($1["records"]?.integer ?? 0) } == Int64(rows.count))
    for name in ["domain", "page", "views", "rank", "interval_start", "interval_end"] {
      let place = "\(interval) \(name)"
      let values = files.reduce(0) { $0 + ($1["values"]?[name]?.integer ?? -1) }
      let nulls = files.reduce(0) { $0 + ($1["nulls"]?[name]?.integer ?? -1) }
      #expect(values == Int64(rows.count), "\(place)")
      #expect(nulls == 0, "\(place)")
    }
    for name in ["views", "rank"] {
      let numbers = rows.compactMap { $0[name]?.integer }
      #expect(files.compactMap { $0["lower"]?[name]?.integer }.min() == numbers.min())
      #expect(files.compactMap { $0["upper"]?[name]?.integer }.max() == numbers.max())
    }
    for name in ["domain", "page"] {
      // Readers compare bytes; Swift's own order of texts is another.
      let bytes = rows.compactMap { $0[name]?.string }.map { Array($0.utf8) }
        .sorted { $0.lexicographicallyPrecedes($1) }
      let lower = files.compactMap { $0["lower"]?[name]?.string }.map { Array($0.utf8) }
        .min { $0.lexicographicallyPrecedes($1) }
      let upper = files.compactMap { $0["upper"]?[name]?.string }.map { Array($0.utf8) }
        .max { $0.lexicographicallyPrecedes($1) }
      // Bounds of long texts are cut; they still hold every value.
      #expect(
        lower == bytes.first.map { Array(String(decoding: $0, as: UTF8.self).prefix(128).utf8) })
      #expect(upper.map { !$0.lexicographicallyPrecedes(bytes.last ?? []) } == true)
      if let last = bytes.last, last.count <= 100 { #expect(upper == last) }
    }
  }

  // MARK: - Preparing

  private func generate(
    _ project: PageviewsProject, from: String, hours: Int, lines: Int
  ) throws {
    let code = SampleCommand.run([
      "pageviews", "--out", project.input.path, "--from", from, "--hours", "\(hours)",
      "--lines", "\(lines)", "--malformed", "2", "--json",
    ])
    try #require(code == 0)
  }

  private func quarantined(_ project: PageviewsProject) throws -> Int64 {
    let listed = try project.listing("lake").keys.contains {
      $0.hasPrefix("tables/pageviews/quarantine/")
    }
    guard listed else { return 0 }
    return try project.query("SELECT count(*) AS n FROM pageviews.quarantine")[0]["n"]?.integer
      ?? -1
  }

  /// `2024-01-01 05:00:00` for `2024-01-01T05`, midnight for `2024-01-01`.
  private func time(_ text: String) -> String {
    text.count > 10 ? text.replacingOccurrences(of: "T", with: " ") + ":00:00" : text
  }

  private func stamp(_ text: String) -> String {
    (text.count > 10 ? text + ":00:00" : text + "T00:00:00") + ".000000"
  }
}
