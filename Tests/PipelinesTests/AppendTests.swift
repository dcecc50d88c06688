import Core
import Foundation
import Lake
import Project
import Testing

@testable import Pipelines

/// `orders` (CSV files) → `bronze` (append) → `silver` (merge) → `totals` (full) → `large` (view);
/// `direct` (merge) reads the files, `copy` (append) follows `silver`.
enum Chain {
  static func project(kinds: [String] = all) throws -> TestProject {
    let project = try TestProject()
    try project.write(
      "pipelines/shop/pipeline.yaml",
      """
      sources:
        orders:
          files: data/*.csv
          format: csv
          malformed: quarantine
          max_removed: 100%
          columns: {id: bigint, customer: string, amount: bigint, ts: bigint}
      """)
    for kind in kinds {
      let (yaml, sql) = models[kind]!
      try project.write("pipelines/shop/models/\(kind).yaml", yaml)
      try project.write("pipelines/shop/models/\(kind).sql", sql)
    }
    return project
  }

  static let all = ["bronze", "silver", "direct", "copy", "totals", "large"]

  static let columns =
    "columns: {id: {type: bigint}, customer: {type: string}, amount: {type: bigint}, ts: {type: bigint}}"

  static let models: [String: (yaml: String, sql: String)] = [
    "bronze": (
      "kind: append\nincremental: {on: orders}\n\(columns)", "SELECT * FROM orders"
    ),
    "silver": (
      "kind: merge\nincremental: {on: bronze}\nunique_key: [id]\norder_by: [ts]\n\(columns)",
      "SELECT id, customer, amount, ts FROM bronze"
    ),
    "direct": (
      "kind: merge\nincremental: {on: orders}\nunique_key: [id]\norder_by: [ts]\n\(columns)",
      "WITH o AS (SELECT * FROM orders) SELECT id, customer, amount, ts FROM o WHERE id IS NOT NULL"
    ),
    "copy": (
      "kind: append\nincremental: {on: silver}\n\(columns)",
      "SELECT s.id, s.customer, s.amount, s.ts FROM silver s"
    ),
    "totals": (
      "kind: full\ncolumns: {customer: {type: string}, total: {type: bigint}}",
      "SELECT customer, sum(amount)::bigint AS total FROM silver GROUP BY customer"
    ),
    "large": (
      "kind: view\ncolumns: {customer: {type: string}, total: {type: bigint}}",
      "SELECT * FROM totals WHERE total >= 10"
    ),
  ]
}

extension TestProject {
  func put(_ file: String, _ rows: String...) throws {
    try write("data/\(file).csv", (["id,customer,amount,ts"] + rows).joined(separator: "\n") + "\n")
  }
}

@Suite("append models, end to end")
struct AppendTests {
  static let query = "SELECT id, amount, _source_file, _source_row FROM shop.bronze ORDER BY ALL"

  @Test("rule 9: rows say which file, batch and line they came from")
  func provenance() throws {
    let project = try Chain.project(kinds: ["bronze"])
    try project.put("a", "1,ann,5,1", "", "2,bob,6,1")
    try project.put("b", "3,cid,7,1")
    let report = try project.run()
    #expect(report.status == .done, "\(report.failures)")
    #expect(
      try project.rows(Self.query) == ["1|5|data/a.csv|2", "2|6|data/a.csv|4", "3|7|data/b.csv|2"])
    #expect(try project.rows("SELECT DISTINCT _source_batch FROM shop.bronze") == ["1"])
    #expect(try project.run().status == .unchanged)
  }

  @Test(
    "new files are added, and only they are read; changed and removed ones take back their rows")
  func changes() throws {
    let project = try Chain.project(kinds: ["bronze"])
    try project.put("a", "1,ann,5,1")
    try project.put("b", "2,bob,6,1")
    try project.run()
    try project.put("c", "3,cid,7,1")
    let added = try project.run()
    #expect(added.units.map(\.reason) == ["input changed: orders"])
    #expect(added.units.map(\.rowsRead) == [1])
    #expect(try project.rows(Self.query).count == 3)

    try project.put("b", "2,bob,60,1", "4,dan,8,1")
    try project.remove("data/a.csv")
    let changed = try project.run()
    #expect(changed.units.map(\.rowsRead) == [2], "\(changed.failures)")
    #expect(
      try project.rows(Self.query)
        == ["2|60|data/b.csv|2", "3|7|data/c.csv|2", "4|8|data/b.csv|3"])
    #expect(try project.run().status == .unchanged)
    #expect(try project.workspace().state(pipelines: []).leftovers.isEmpty)
  }

  @Test("on_change: keep leaves the rows of changed and removed files where they are")
  func keep() throws {
    let project = try Chain.project(kinds: ["bronze"])
    try project.write(
      "pipelines/shop/models/bronze.yaml", Chain.models["bronze"]!.yaml + "\non_change: keep")
    try project.put("a", "1,ann,5,1")
    try project.put("b", "2,bob,6,1")
    try project.run()
    try project.remove("data/a.csv")
    try project.put("b", "2,bob,60,1")
    try project.run()
    #expect(
      try project.rows(Self.query)
        == ["1|5|data/a.csv|2", "2|6|data/b.csv|2", "2|60|data/b.csv|2"])
    #expect(try project.run().status == .unchanged)
  }

  @Test("what was set aside goes with its file")
  func quarantine() throws {
    let project = try Chain.project(kinds: ["bronze"])
    try project.write(
      "pipelines/shop/models/bronze.yaml",
      Chain.models["bronze"]!.yaml.replacingOccurrences(
        of: "amount: {type: bigint}",
        with: "amount: {type: bigint, checks: [{between: {min: 0, severity: quarantine}}]}"))
    let query = "SELECT rule, source_file FROM shop.quarantine ORDER BY ALL"
    try project.put("a", "1,ann,5,1", "x,ann,5,1")
    try project.put("b", "2,bob,-6,1", "3,bob,6,1")
    let report = try project.run()
    #expect(report.units.map(\.quarantined) == [2], "\(report.failures)")
    #expect(
      try project.rows(query)
        == ["amount_between|data/b.csv", "malformed:not_bigint(id)|data/a.csv"])
    #expect(try project.rows(Self.query) == ["1|5|data/a.csv|2", "3|6|data/b.csv|3"])
    try project.put("b", "2,bob,6,1", "y,bob,6,1")
    try project.run()
    #expect(
      try project.rows(query)
        == ["malformed:not_bigint(id)|data/a.csv", "malformed:not_bigint(id)|data/b.csv"])
    try project.remove("data/a.csv")
    try project.run()
    #expect(try project.rows(query) == ["malformed:not_bigint(id)|data/b.csv"])
    try project.remove("data/b.csv")
    try project.run()
    #expect(try project.rows(query) == [])
    #expect(try project.rows(Self.query) == [])
  }

  @Test("rule 4: more than one commit holds is published in several, and no file twice")
  func pieces() throws {
    // Batches of one or two files each, before the table is made.
    let project = try Chain.project(kinds: ["direct"])
    for batch in 0..<4 {
      try project.put("a\(batch)", "\(batch),ann,1,1")
      if batch > 1 { try project.put("b\(batch)", "\(batch + 10),ann,1,1") }
      if batch == 3 { try project.put("a0", "100,ann,1,1") }
      try project.run()
    }
    let (yaml, sql) = Chain.models["bronze"]!
    try project.write("pipelines/shop/models/bronze.yaml", yaml)
    try project.write("pipelines/shop/models/bronze.sql", sql)
    project.limits = BatchLimits(fileCount: 2, byteCount: 1 << 30)
    let report = try project.run()
    #expect(report.units.first?.rowCount == 6, "\(report.failures)")
    let table = try #require(
      try project.workspace().lake.catalog.load(TableID("shop", "bronze")))
    #expect(table.history().count == 3)
    let ids = ["1", "2", "3", "12", "13", "100"]
    #expect(try project.rows("SELECT id FROM shop.bronze ORDER BY id") == ids)
    #expect(try project.run().status == .unchanged)
    // Built again, it is one commit: nobody sees a part.
    try project.run(Selection(fullRefresh: true))
    #expect(try project.rows("SELECT id FROM shop.bronze ORDER BY id") == ids)
  }

  @Test("rule 14: a changed model is built again where it says so, and the plan says what and why")
  func definition() throws {
    let project = try Chain.project(kinds: ["bronze"])
    try project.put("a", "1,ann,5,1")
    try project.put("b", "2,bob,6,1")
    try project.run()
    try project.write(
      "pipelines/shop/models/bronze.sql",
      "SELECT id, customer, amount * 2 AS amount, ts FROM orders o")
    let failed = try project.run()
    #expect(failed.units[0].failure?.qualifiedCode == "pipeline.definitionChanged")
    let selection = Selection(fullRefresh: true)
    let plan = try project.workspace().plan(selection)
    #expect(plan.pipelines[0].units.map(\.action) == [.run(.fullRefresh)])
    #expect(plan.pipelines[0].units.map(\.fileCount) == [2])
    try project.run(selection)
    #expect(try project.rows(Self.query) == ["1|10|data/a.csv|2", "2|12|data/b.csv|2"])
  }

  @Test("rule 12: a whole input that changed rebuilds the table, or is let be")
  func wholeInput() throws {
    for policy in ["rebuild", "ignore"] {
      let project = try Chain.project(kinds: ["bronze"])
      try project.write(
        "pipelines/shop/pipeline.yaml",
        String(decoding: try project.read("pipelines/shop/pipeline.yaml"), as: UTF8.self)
          + "\n  rates: {files: rates.csv, format: csv, columns: {rate: bigint}}")
      try project.write(
        "pipelines/shop/models/bronze.yaml",
        Chain.models["bronze"]!.yaml + "\ninputs: {rates: {on_input_change: \(policy)}}")
      try project.write(
        "pipelines/shop/models/bronze.sql",
        "SELECT id, customer, amount * r.rate AS amount, ts FROM orders o CROSS JOIN rates AS r")
      try project.write("rates.csv", "rate\n10\n")
      try project.put("a", "1,ann,5,1")
      #expect(try project.run().status == .done)
      try project.write("rates.csv", "rate\n20\n")
      try project.put("b", "2,bob,5,1")
      let report = try project.run()
      #expect(report.status == .done, "\(report.failures)")
      #expect(
        try project.rows(Self.query)
          == (policy == "rebuild"
            ? ["1|100|data/a.csv|2", "2|100|data/b.csv|2"]
            : ["1|50|data/a.csv|2", "2|100|data/b.csv|2"]))
    }
  }

  @Test(
    "rule 10: SQL that looks at more than one row of the input is refused, and the plan says so",
    arguments: [
      "SELECT customer, sum(amount)::bigint AS amount FROM orders GROUP BY customer",
      "SELECT DISTINCT id, customer, amount, ts FROM orders",
      "SELECT id, customer, amount, row_number() OVER () AS ts FROM orders",
      "SELECT id, customer, amount, ts FROM orders LIMIT 10",
    ])
  func rowwise(sql: String) throws {
    let project = try Chain.project(kinds: ["bronze"])
    try project.write("pipelines/shop/models/bronze.sql", sql)
    try project.put("a", "1,ann,5,1")
    let plan = try project.workspace().plan(Selection())
    guard case .blocked(let why) = plan.pipelines[0].units[0].action else {
      Issue.record("not refused")
      return
    }
    #expect(why.contains("orders"))
    #expect(try project.run().units[0].failure?.qualifiedCode == "engine.badQuery")
    #expect(throws: (any Error).self) { try project.workspace().validate(pipelines: []) }
  }

  @Test("append on an interval table follows its intervals; on a full table, all of it")
  func tables() throws {
    let project = try TestProject()
    try project.write(
      "pipelines/p/pipeline.yaml",
      """
      interval: {every: hour, default: now - 24h}
      sources:
        hours:
          uri: in/{yyyyMMdd}-{HH}.csv
          on_republish: rerun
          recheck: 3d
          format: csv
          columns: {n: bigint}
      """)
    let models = [
      "hourly": (
        "kind: interval\ncolumns: {n: {type: bigint}, interval_start: {type: timestamp}, interval_end: {type: timestamp}}",
        "SELECT n, $interval_start AS interval_start, $interval_end AS interval_end FROM hours"
      ),
      "all": ("kind: full\ncolumns: {n: {type: bigint}}", "SELECT sum(n)::bigint AS n FROM hourly"),
      "follow": (
        "kind: append\nincremental: {on: hourly}\ncolumns: {n: {type: bigint}}",
        "SELECT n FROM hourly"
      ),
      "mirror": (
        "kind: append\nincremental: {on: all}\ncolumns: {n: {type: bigint}}",
        "SELECT n FROM \"all\""
      ),
    ]
    for (name, model) in models {
      try project.write("pipelines/p/models/\(name).yaml", model.0)
      try project.write("pipelines/p/models/\(name).sql", model.1)
    }
    for time in ["2024-01-01T05", "2024-01-01T03", "2024-01-01T04"] {
      try project.write("in/20240101-\(time.suffix(2)).csv", "n\n\(time.suffix(2))\n")
      let report = try project.run(Selection(from: try hour(time)))
      #expect(report.status == .done, "\(report.failures)")
    }
    let query = "SELECT n, _source_file FROM p.follow ORDER BY ALL"
    let names = (3...6).map { "2024-01-01T0\($0):00:00Z" }
    #expect(
      try project.rows(query)
        == ["3|\(names[0])/\(names[1])", "4|\(names[1])/\(names[2])", "5|\(names[2])/\(names[3])"])
    #expect(try project.rows("SELECT n, _source_file FROM p.mirror") == ["12|p.all"])
    try project.write("in/20240101-04.csv", "n\n40\n")
    let again = try project.run(Selection(from: try hour("2024-01-01T04")))
    #expect(
      again.units.map(\.status) == [.published, .published, .published, .published], "\(again)")
    #expect(try project.rows("SELECT n FROM p.follow ORDER BY ALL") == ["3", "5", "40"])
    #expect(try project.rows("SELECT n, _source_file FROM p.mirror") == ["48|p.all"])
  }
}

@Suite("append models on sources of intervals")
struct IntervalSourceTests {
  @Test("what has come is appended; what has not is waited for")
  func waiting() throws {
    let project = try Chain.project(kinds: [])
    try project.write(
      "pipelines/shop/pipeline.yaml",
      """
      interval: {every: hour}
      sources:
        hits:
          uri: dumps/{yyyy}{MM}{dd}{HH}.csv
          format: csv
          columns: {page: string, views: bigint}
      """)
    try project.write(
      "pipelines/shop/models/log.yaml",
      "kind: append\nincremental: {on: hits}\ncolumns: {page: string, views: bigint}")
    try project.write("pipelines/shop/models/log.sql", "SELECT * FROM hits")
    func put(_ hour: String) throws {
      try project.write("dumps/20240101\(hour).csv", "page,views\na,1\n")
    }
    let two = Selection(from: try hour("2024-01-01T00"), to: try hour("2024-01-01T02"))
    #expect(try project.run(two).units.map(\.status) == [.waiting])
    try put("00")
    let first = try project.run(two)
    #expect(first.units.map(\.status) == [.published], "\(first.failures)")
    let plan = try project.workspace().plan(two)
    guard case .waiting(let missing) = plan.pipelines[0].units[0].action else {
      Issue.record("\(plan)")
      return
    }
    #expect(missing.count == 1 && missing[0].hasSuffix("2024010101.csv"))
    #expect(try project.run(two).status == .waiting)
    try put("01")
    #expect(try project.run(two).units.map(\.status) == [.published])
    #expect(try project.run(two).status == .unchanged)
    #expect(try project.rows("SELECT sum(views)::bigint FROM shop.log") == ["2"])
  }
}
