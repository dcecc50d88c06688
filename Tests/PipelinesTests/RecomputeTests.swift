import Core
import Foundation
import Lake
import Project
import TestSupport
import Testing

@testable import Pipelines

@Suite("rule 10: recompute")
struct RecomputeTests {
  private static let yaml = """
    kind: full
    incremental: {on: bronze}
    recompute: [customer]
    columns: {customer: string, total: bigint, largest: bigint}
    """
  private static let sql = """
    SELECT customer, sum(amount)::bigint AS total, max(amount) AS largest
    FROM bronze GROUP BY customer
    """

  private func project(_ yaml: String = yaml, _ sql: String = sql) throws -> TestProject {
    let project = try Chain.project(kinds: ["bronze"])
    try project.write("pipelines/shop/models/sums.yaml", yaml)
    try project.write("pipelines/shop/models/sums.sql", sql)
    return project
  }

  @Test(
    "random files that come, change and go: the groups are those of a naive sum",
    arguments: 0...2 as ClosedRange<UInt64>)
  func twin(seed: UInt64) throws {
    var random = Seeded(seed)
    let project = try project()
    var files: [String: [(String, Int)]] = [:]
    var recomputed = 0
    for step in 0..<8 {
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let name = "f\(Int.random(in: 0..<6, using: &random))"
        if files[name] != nil, Bool.random(using: &random) {
          files[name] = nil
          try project.remove("data/\(name).csv")
        } else {
          let rows = (0..<Int.random(in: 1...4, using: &random)).map { _ in
            ("c\(Int.random(in: 0..<12, using: &random))", Int.random(in: 0..<100, using: &random))
          }
          files[name] = rows
          try project.write(
            "data/\(name).csv",
            "id,customer,amount,ts\n" + rows.map { "1,\($0.0),\($0.1),1\n" }.joined())
        }
      }
      let report = try project.run(Selection(allowRemovals: true))
      #expect(report.status != .failed, "seed \(seed), step \(step): \(report.failures)")
      var groups: [String: [Int]] = [:]
      for (customer, amount) in files.values.joined() {
        groups[customer, default: []].append(amount)
      }
      let expected = groups.map { "\($0.key)|\($0.value.reduce(0, +))|\($0.value.max()!)" }.sorted()
      // A table is not made before there is something to read.
      let made = try project.workspace().lake.catalog.load(TableID("shop", "sums"))
      let rows = made == nil ? [] : try project.rows("FROM shop.sums").sorted()
      #expect(rows == expected, "seed \(seed), step \(step)")
      if let unit = report.units.last, unit.status == .published, unit.rowCount < rows.count {
        recomputed += 1
      }
      let again = try project.run().status
      #expect(again == .unchanged || made == nil && again == .waiting)
    }
    #expect(recomputed > 0)
  }

  @Test(
    "SQL whose groups depend on each other is refused",
    arguments: [
      "SELECT customer, sum(amount)::bigint AS total, 1 AS largest FROM bronze GROUP BY ALL LIMIT 3",
      "SELECT upper(customer) AS customer, sum(amount)::bigint AS total, 1 AS largest FROM bronze GROUP BY 1",
      "SELECT customer, sum(sum(amount)) OVER ()::bigint AS total, 1 AS largest FROM bronze GROUP BY customer",
      "SELECT customer, count(*)::bigint AS total, (SELECT max(amount) FROM bronze) AS largest FROM bronze GROUP BY customer",
      "SELECT max(customer) AS customer, 1 AS total, amount AS largest FROM bronze GROUP BY amount",
      "WITH b AS (FROM bronze) SELECT customer, 1 AS total, 1 AS largest FROM b GROUP BY customer",
    ])
  func refused(sql: String) throws {
    let project = try project(Self.yaml, sql)
    #expect(throws: PipelineError.self) { try project.workspace().validate(pipelines: []) }
    try project.put("a", "1,ann,5,1")
    #expect(try project.run().units.last?.status == .failed)
  }

  @Test(
    "projects that cannot recompute are told so",
    arguments: [
      ("kind: append", "belongs to 'kind: full'"), ("incremental: {on: orders}", "keeps no record"),
      ("recompute: [amounts]", "amounts"), ("recompute: [total]", "has no column"),
    ])
  func mistakes(line: String, message: String) throws {
    let key = line.prefix { $0 != ":" }
    let yaml = Self.yaml.split(separator: "\n").map {
      $0.hasPrefix(key + ":") ? line : String($0)
    }.joined(separator: "\n")
    let sql =
      line.contains("orders")
      ? Self.sql.replacingOccurrences(of: "bronze", with: "orders") : Self.sql
    let project = try project(yaml, sql)
    do {
      try project.workspace().validate(pipelines: [])
      Issue.record("nothing was found")
    } catch {
      let parts = (error as? ProjectError)?.parts.map(\.description) ?? []
      #expect(parts.contains { $0.contains(message) }, "\(parts)")
    }
  }
}
