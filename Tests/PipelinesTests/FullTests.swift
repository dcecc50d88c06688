import Core
import Foundation
import Lake
import Project
import Testing

@testable import Pipelines

@Suite("full models and views, end to end")
struct FullTests {
  /// `orders` (CSV files) → `totals` (full) → `large` (view) → `count` (full, reads the view).
  static func project() throws -> TestProject {
    let project = try TestProject()
    try project.write(
      "pipelines/shop/pipeline.yaml",
      """
      params:
        limit: {type: bigint, default: 10}
      sources:
        orders:
          files: data/*.csv
          format: csv
          malformed: quarantine
          columns: {customer: string, amount: bigint}
      """)
    try project.write(
      "pipelines/shop/models/totals.yaml",
      """
      kind: full
      sort: [customer]
      columns:
        customer: {type: string, checks: [not_null]}
        total: {type: bigint, checks: [{between: {min: 0}}]}
      """)
    try project.write(
      "pipelines/shop/models/totals.sql",
      "SELECT customer, sum(amount)::bigint AS total FROM orders GROUP BY customer")
    try project.write(
      "pipelines/shop/models/large.yaml",
      "kind: view\ncolumns: {customer: {type: string}, total: {type: bigint}}")
    try project.write(
      "pipelines/shop/models/large.sql", "SELECT * FROM totals WHERE total >= $limit")
    try project.write(
      "pipelines/shop/models/counted.yaml", "kind: full\ncolumns: {n: {type: bigint}}")
    try project.write(
      "pipelines/shop/models/counted.sql", "SELECT count(*) AS n FROM large")
    try project.write("data/1.csv", "customer,amount\nann,7\nbob,20\n")
    return project
  }

  @Test("a full model runs when an input changed, and not otherwise; views follow")
  func inputs() throws {
    let project = try Self.project()
    let first = try project.run()
    #expect(first.status == .done, "\(first.failures)")
    #expect(first.units.map(\.model) == ["totals", "counted"])
    #expect(try project.rows("SELECT n FROM shop.counted") == ["1"])
    #expect(try project.rows("SELECT customer, total FROM large") == ["bob|20"])
    let before = try project.lakeListing()
    #expect(try project.run().status == .unchanged)
    #expect(try project.lakeListing() == before)

    try project.write("data/2.csv", "customer,amount\nann,5\n")
    let plan = try project.workspace().plan(Selection())
    #expect(plan.pipelines[0].batches.map(\.added) == [1])
    #expect(
      plan.pipelines[0].units.map(\.action) == [
        .run(.inputChanged(["orders"])), .run(.inputChanged(["large"])),
      ])
    let second = try project.run()
    #expect(second.units.map(\.status) == [.published, .published])
    #expect(try project.rows("SELECT n FROM shop.counted") == ["2"])
  }

  @Test(
    "rule 5: files that vanish in numbers need --allow-removals, and nothing changes until then")
  func removals() throws {
    let project = try Self.project()
    try project.write("data/2.csv", "customer,amount\nann,5\n")
    try project.run()
    try project.remove("data/1.csv")
    let refused = try project.run()
    #expect(refused.status == .failed)
    #expect(refused.units[0].failure?.qualifiedCode == "lake.tooManyRemovals")
    #expect(refused.units[0].failure?.advice?.contains("--allow-removals") == true)
    #expect(refused.units[1].status == .skipped)
    #expect(try project.rows("SELECT count(*)::bigint AS n FROM totals") == ["2"])
    let allowed = try project.run(Selection(allowRemovals: true))
    #expect(allowed.units[0].status == .published, "\(allowed.failures)")
    #expect(try project.rows("SELECT * FROM totals") == ["ann|5"])
  }

  @Test("a failed error check publishes nothing and holds back what reads the table")
  func checks() throws {
    let project = try Self.project()
    try project.run()
    try project.write("data/2.csv", "customer,amount\nann,-100\n")
    let report = try project.run()
    #expect(report.units.map(\.status) == [.failed, .skipped])
    #expect(report.units[0].checks.first { !$0.isPassed }?.name == "total_between")
    #expect(try project.rows("SELECT n FROM counted") == ["1"])
    #expect(try project.workspace().state(pipelines: []).leftovers.isEmpty)
    #expect(try project.workspace().check(pipelines: []).allSatisfy { !$0.isFailed })
  }

  @Test("rule 14: a changed model fails unless it says rebuild; its children wait, others run")
  func definition() throws {
    let project = try Self.project()
    try project.run()
    try project.write(
      "pipelines/shop/models/totals.sql",
      "SELECT customer, 2 * sum(amount)::bigint AS total FROM orders GROUP BY customer")
    let report = try project.run()
    #expect(report.units.map(\.status) == [.failed, .skipped])
    #expect(report.units[0].failure?.qualifiedCode == "pipeline.definitionChanged")
    let rebuilt = try project.run(Selection(fullRefresh: true))
    #expect(rebuilt.units.map(\.reason) == ["full refresh", "full refresh"])
    #expect(try project.rows("SELECT total FROM totals ORDER BY ALL") == ["14", "40"])
    #expect(try project.run().status == .unchanged)
  }

  @Test("rule 14: a param that a view uses is part of the definitions that read the view")
  func viewParams() throws {
    let project = try Self.project()
    try project.run()
    project.settings = [("limit", "5")]
    let report = try project.run()
    #expect(report.units.map(\.status) == [.upToDate, .failed])
    #expect(try project.run(Selection(fullRefresh: true)).status == .done)
    #expect(try project.rows("SELECT n FROM counted") == ["2"])
  }

  @Test("unchanged text needs no parser: planning works without an engine")
  func noEngine() throws {
    let project = try Self.project()
    try project.run()
    let workspace = try Workspace(
      project: project.load(), context: project.workspace().context, opener: .shared,
      engine: NoEngine(),
      cache: project.workspace().cache)
    #expect(try workspace.run(Selection()).status == .unchanged)
  }

  @Test("rule 7: rows changed by another program stop the model, and say so")
  func foreign() throws {
    let project = try Self.project()
    try project.run()
    // A commit such as another Iceberg writer makes: none of Sluice's summary keys.
    let metadata = "lake/tables/shop/totals/metadata"
    let text = String(decoding: try project.read("\(metadata)/v1.metadata.json"), as: UTF8.self)
    var json = try JSON(parsing: text)
    guard case .object(var members) = json else { return }
    for index in members.indices where members[index].name == "snapshots" {
      var snapshots = members[index].value.array ?? []
      guard case .object(var snapshot) = snapshots[0] else { return }
      for part in snapshot.indices where snapshot[part].name == "summary" {
        snapshot[part].value = ["operation": "append"]
      }
      snapshots[0] = .object(snapshot)
      members[index].value = .array(snapshots)
    }
    json = .object(members)
    try project.write("\(metadata)/v2.metadata.json", json.description)
    let report = try project.run()
    #expect(report.units.map(\.status) == [.failed, .skipped])
    #expect(report.units[0].failure?.qualifiedCode == "lake.foreignCommit")
    #expect(try project.workspace().state(pipelines: []).models.contains { $0.problem != nil })
  }

  @Test("a mistyped literal file is an error; a glob without files yet is waited for")
  func nothingThere() throws {
    let project = try Self.project()
    try project.remove("data/1.csv")
    #expect(try project.run().units.map(\.status) == [.waiting, .waiting])
    let path = "pipelines/shop/pipeline.yaml"
    let text = String(decoding: try project.read(path), as: UTF8.self)
    try project.write(path, text.replacing("data/*.csv", with: "data/1.cvs"))
    let report = try project.run()
    #expect(report.units[0].failure?.qualifiedCode == "store.notFound")
  }

  @Test("a project that is copied elsewhere goes on with the same lake, and doubles nothing")
  func moved() throws {
    let project = try Self.project()
    let lake = project.folder.appending(path: "shared-lake").path()
    project.environment["SLUICE_LAKE"] = lake
    try project.write("sluice.yaml", "lake: ${SLUICE_LAKE}\nengine: {use: duckdb, threads: 2}")
    try project.run()
    let copy = try TestProject()
    copy.environment = project.environment
    for part in ["sluice.yaml", "pipelines", "data"] {
      let target = copy.folder.appending(path: part)
      try? FileManager.default.removeItem(at: target)
      try FileManager.default.copyItem(at: project.folder.appending(path: part), to: target)
    }
    try copy.write("data/2.csv", "customer,amount\nann,5\n")
    let report = try copy.run()
    #expect(report.status == .done, "\(report.failures)")
    #expect(try copy.rows("SELECT total FROM totals ORDER BY ALL") == ["12", "20"])
  }

  @Test("rule 5: a narrowed pattern does not retract rows without being told to")
  func narrowed() throws {
    let project = try Self.project()
    try project.write("data/2.csv", "customer,amount\nann,5\n")
    try project.run()
    let path = "pipelines/shop/pipeline.yaml"
    let text = String(decoding: try project.read(path), as: UTF8.self)
    try project.write(path, text.replacing("data/*.csv", with: "data/1.csv"))
    let report = try project.run()
    #expect(report.units[0].failure?.qualifiedCode == "lake.tooManyRemovals")
    #expect(report.units[0].failure?.message.contains("definition") == true)
    #expect(try project.run(Selection(allowRemovals: true)).status == .done)
    #expect(try project.rows("SELECT total FROM totals ORDER BY ALL") == ["7", "20"])
  }
}
