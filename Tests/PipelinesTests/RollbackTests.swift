import Core
import Foundation
import Lake
import Project
import Testing

@testable import Pipelines

@Suite("rule 15: rollback")
struct RollbackTests {
  private func rows(_ project: TestProject, _ table: String) throws -> [String] {
    try project.rows("SELECT id, amount, _source_file FROM shop.\(table) ORDER BY ALL")
  }

  private func snapshot(_ project: TestProject, _ id: TableID) throws -> AsOf {
    let table = try #require(try project.workspace().lake.catalog.load(id))
    return .snapshot(try #require(table.currentSnapshot?.id))
  }

  private func snapshot(_ project: TestProject, _ table: String) throws -> AsOf {
    try snapshot(project, TableID("shop", table))
  }

  /// Two files, then a changed, a new and a removed one.
  private func shop(_ kinds: [String]) throws -> TestProject {
    let project = try Chain.project(kinds: kinds)
    try project.put("a", "1,ann,5,1")
    try project.put("b", "1,ann,6,2", "2,bob,7,1")
    try project.put("c", "3,cid,8,1")
    try project.run()
    return project
  }

  private func change(_ project: TestProject) throws {
    try project.put("a", "1,ann,9,9")
    try project.put("d", "4,dan,1,1", "3,cid,2,0")
    try project.remove("data/c.csv")
    try project.run()
  }

  /// A commit to `bronze` that says nothing of Sluice.
  private func commitForeign(_ project: TestProject) throws {
    let lake = try project.workspace().lake
    let id = TableID("shop", "bronze")
    let table = try #require(try lake.catalog.load(id))
    _ = try lake.catalog.commit(.keepingRows(of: table, time: project.now), to: id, base: table)
    try project.strip("lake/tables/shop/bronze/metadata")
  }

  /// What a lake that has seen nothing else makes of the same files.
  private func fresh(_ project: TestProject, _ kinds: [String]) throws -> TestProject {
    let other = try Chain.project(kinds: kinds)
    try FileManager.default.copyItem(
      at: project.folder.appending(path: "data"), to: other.folder.appending(path: "data"))
    try other.run()
    return other
  }

  @Test("append: what came since is held back, what reads it follows, and comes back when let in")
  func append() throws {
    let kinds = ["bronze", "silver"]
    let project = try shop(kinds)
    let past = try snapshot(project, "bronze")
    let before = try (rows(project, "bronze"), rows(project, "silver"))
    try change(project)
    let after = try (rows(project, "bronze"), rows(project, "silver"))

    let change = try project.workspace().rollback("shop.bronze", to: past)
    #expect(change.isDone)
    #expect(change.text.contains("3 files"), "\(change.text)")
    #expect(try rows(project, "bronze") == before.0)
    #expect(try rows(project, "silver") == after.1, "its own next run")
    #expect(try !project.workspace().rollback("shop.bronze", to: past).isDone)

    let plan = try project.workspace().plan(Selection())
    #expect(plan.pipelines[0].units.map(\.action) == [.upToDate, .run(.historyExpired)])
    #expect(plan.pipelines[0].notes.contains { $0.contains("held back") }, "\(plan)")
    let report = try project.run()
    #expect(report.units.map(\.status) == [.upToDate, .published], "\(report.failures)")
    #expect(try rows(project, "bronze") == before.0)
    #expect(try rows(project, "silver") == before.1)
    #expect(try project.run().status == .unchanged)

    // What comes now is consumed, what is held is not.
    try project.put("e", "5,eve,50,1")
    try project.run()
    #expect(try rows(project, "bronze") == before.0 + ["5|50|data/e.csv"])
    #expect(try rows(project, "silver") == before.1 + ["5|50|data/e.csv"])

    #expect(try project.workspace().forget("shop.bronze", held: true).isDone)
    #expect(try !project.workspace().forget("shop.bronze", held: true).isDone)
    #expect(try project.run().status == .done)
    #expect(try rows(project, "bronze") == after.0 + ["5|50|data/e.csv"])
    #expect(try rows(project, "silver") == after.1 + ["5|50|data/e.csv"])
    #expect(try project.run().status == .unchanged)
    let undone = try fresh(project, kinds)
    for kind in kinds { #expect(try rows(project, kind) == rows(undone, kind)) }
  }

  @Test("append: another version of a held file is consumed, and its removal too")
  func newVersion() throws {
    let project = try shop(["bronze"])
    let past = try snapshot(project, "bronze")
    try change(project)
    _ = try project.workspace().rollback("shop.bronze", to: past)
    try project.put("d", "4,dan,3,3")
    try project.remove("data/a.csv")
    try project.run()
    #expect(
      try rows(project, "bronze")
        == ["1|6|data/b.csv", "2|7|data/b.csv", "3|8|data/c.csv", "4|3|data/d.csv"])
    #expect(try project.workspace().state(pipelines: []).models[0].held == "1 file")
    let report = try project.run(Selection(fullRefresh: true))
    #expect(report.status == .done, "\(report.failures)")
    #expect(try rows(project, "bronze") == rows(fresh(project, ["bronze"]), "bronze"))
    #expect(try project.workspace().state(pipelines: []).models[0].held == nil)
  }

  @Test(
    "merge: held contributions take no part in later elections, until they are let in",
    arguments: ["silver", "direct"])
  func merge(table: String) throws {
    let kinds = table == "silver" ? ["bronze", "silver"] : ["direct"]
    let project = try shop(kinds)
    let past = try snapshot(project, table)
    let before = try rows(project, table)
    try change(project)
    let change = try project.workspace().rollback("shop.\(table)", to: past)
    #expect(change.isDone)
    #expect(try rows(project, table) == before)
    #expect(try project.run().units.allSatisfy { $0.status == .upToDate })
    // The winners go: neither what is held of a nor of d is asked, and of c there is what there was.
    try project.put("b", "3,cid,-1,-9")
    let report = try project.run()
    #expect(report.status == .done, "\(report.failures)")
    let elected = try rows(project, table)
    #expect(elected == ["3|8|data/c.csv"])
    #expect(try project.workspace().forget("shop.\(table)", held: true).isDone)
    try project.run()
    #expect(try rows(project, table) == rows(fresh(project, kinds), table))
    #expect(try project.run().status == .unchanged)
  }

  @Test(
    "a held file that changes, or goes and comes again, leaves nothing of what was there",
    arguments: [["bronze"], ["bronze", "silver"], ["direct"]])
  func laterVersion(kinds: [String]) throws {
    let table = kinds.last!
    let project = try Chain.project(kinds: kinds)
    try project.put("a", "1,ann,5,5")
    try project.put("b", "1,bob,6,2")
    try project.put("c", "3,cid,8,9")
    try project.run()
    let past = try snapshot(project, table)
    let before = try rows(project, table)
    try project.put("a", "1,ann,7,7")
    try project.remove("data/c.csv")
    try project.run()
    _ = try project.workspace().rollback("shop.\(table)", to: past)
    #expect(try rows(project, table) == before)
    try project.put("a", "2,ann,1,1")
    try project.put("c", "4,cid,1,1")
    let report = try project.run()
    #expect(report.status == .done, "\(report.failures)")
    #expect(try rows(project, table) == rows(fresh(project, kinds), table))
    #expect(try project.workspace().state(pipelines: []).models.last?.held == nil)
  }

  @Test(
    "back to where something was held: it is held again", arguments: ["bronze", "silver", "direct"])
  func backToHeld(table: String) throws {
    let kinds = table == "silver" ? ["bronze", "silver"] : [table]
    let project = try shop(kinds)
    let past = try snapshot(project, table)
    let before = try rows(project, table)
    try change(project)
    let after = try rows(project, table)
    _ = try project.workspace().rollback("shop.\(table)", to: past)
    let held = try snapshot(project, table)
    _ = try project.workspace().forget("shop.\(table)", held: true)
    try project.run()
    #expect(try rows(project, table) == after)

    let change = try project.workspace().rollback("shop.\(table)", to: held)
    #expect(change.text.contains("3 files"), "\(change.text)")
    try project.run()
    #expect(try rows(project, table) == before)
    _ = try project.workspace().forget("shop.\(table)", held: true)
    try project.run()
    #expect(try rows(project, table) == after)
    #expect(try project.run().status == .unchanged)
  }

  @Test("back to the same snapshot once another program committed: what is held stays held")
  func backAgain() throws {
    let project = try shop(["bronze"])
    let past = try snapshot(project, "bronze")
    let before = try rows(project, "bronze")
    try change(project)
    _ = try project.workspace().rollback("shop.bronze", to: past)
    try commitForeign(project)
    #expect(try project.workspace().rollback("shop.bronze", to: past).isDone)
    #expect(try project.workspace().state(pipelines: []).models[0].held == "3 files")
    #expect(try project.run().status == .unchanged)
    #expect(try rows(project, "bronze") == before)
  }

  @Test("what comes again in a later batch than the next replaces what was there")
  func laterBatch() throws {
    let kinds = ["bronze", "direct"]
    let project = try Chain.project(kinds: kinds)
    project.limits = BatchLimits(fileCount: 1, byteCount: 1 << 30)
    try project.put("a", "1,ann,5,5")
    try project.run()
    let past = try snapshot(project, "bronze")
    try project.remove("data/a.csv")
    try project.put("b", "3,bob,6,2")
    try project.run()
    _ = try project.workspace().rollback("shop.bronze", to: past)
    _ = try project.workspace().forget("shop.bronze", held: true)
    // One batch more than `bronze` consumes: it may not run while it is another one.
    let sql = "pipelines/shop/models/bronze.sql"
    let before = String(decoding: try project.read(sql), as: UTF8.self)
    try project.write(sql, before + " WHERE id > -1")
    try project.put("c", "4,cid,1,1")
    #expect(try project.run().units.map(\.status) == [.failed, .published])
    try project.write(sql, before)
    try project.put("a", "2,ann,1,1")
    try project.run()
    #expect(try rows(project, "bronze") == rows(fresh(project, kinds), "bronze"))
  }

  @Test("what would build a table again does not, while it holds something back")
  func rebuild() throws {
    let project = try shop(["bronze", "silver"])
    let past = try snapshot(project, "silver")
    let below = try snapshot(project, "bronze")
    try change(project)
    _ = try project.workspace().rollback("shop.silver", to: past)
    let kept = try rows(project, "silver")
    _ = try project.workspace().rollback("shop.bronze", to: below)
    let report = try project.run()
    #expect(report.units.map(\.status) == [.upToDate, .held], "\(report)")
    #expect(try rows(project, "silver") == kept)
    _ = try project.workspace().forget("shop.silver", held: true)
    let next = try project.run()
    #expect(next.units.map(\.status) == [.upToDate, .published], "\(next.failures)")
    #expect(try project.run().status == .unchanged)
  }

  @Test("full: held as a whole until it is let in; its columns are those of then")
  func full() throws {
    let project = try shop(["bronze", "silver", "totals"])
    func totals() throws -> [String] { try project.rows("FROM shop.totals ORDER BY ALL") }
    let past = try snapshot(project, "totals")
    let before = try totals()
    try change(project)
    // Another type is another column; what the old one held comes back.
    try project.write(
      "pipelines/shop/models/totals.yaml",
      "kind: full\non_definition: rebuild\ncolumns: {customer: string, total: string}")
    try project.write(
      "pipelines/shop/models/totals.sql",
      "SELECT customer, sum(amount)::varchar AS total FROM silver GROUP BY customer")
    try project.run()
    let after = try totals()
    #expect(after != before)
    _ = try project.workspace().rollback("shop.totals", to: past)
    #expect(try totals() == before)
    try project.put("e", "5,eve,50,1")
    for selection in [Selection(), Selection(force: true)] {
      let report = try project.run(selection)
      #expect(report.units.last?.status == .held, "\(report)")
      #expect(try totals() == before)
    }
    #expect(try project.workspace().forget("shop.totals", held: true).isDone)
    let report = try project.run()
    #expect(report.units.last?.status == .published, "\(report.failures)")
    #expect(try totals() == (after + ["eve|50"]).sorted())
    #expect(try project.run().status == .unchanged)
  }

  @Test(
    "intervals: those published since are held, others run; a new version is not what was undone")
  func intervals() throws {
    let project = try TestProject.pageviews()
    let yaml = String(
      decoding: try project.read("pipelines/pageviews/pipeline.yaml"), as: UTF8.self)
    try project.write(
      "pipelines/pageviews/pipeline.yaml",
      yaml.replacingOccurrences(of: "on_republish: ignore", with: "on_republish: rerun"))
    func pages() throws -> [String] {
      try project.rows("SELECT page, views FROM pageviews.top_pages ORDER BY ALL")
    }
    let all = Selection(from: try hour("2024-01-01T05"), to: try hour("2024-01-01T08"))
    try project.stage("2024-01-01T05", "aa A 1 0\n")
    try project.run(Selection(from: try hour("2024-01-01T05")))
    let id = TableID("pageviews", "top_pages")
    let past = try snapshot(project, id)
    try project.stage("2024-01-01T05", "aa A 22 0\n")
    try project.stage("2024-01-01T06", "aa B 2 0\n")
    try project.run(all)
    #expect(try pages() == ["A|22", "B|2"])
    let change = try project.workspace().rollback("pageviews.top_pages", to: past)
    #expect(change.text.contains("2 intervals"), "\(change.text)")
    #expect(try pages() == ["A|1"])
    try project.stage("2024-01-01T07", "aa C 3 0\n")
    let report = try project.run(all)
    #expect(report.units.map(\.status) == [.exported, .held, .published], "\(report)")
    #expect(try pages() == ["A|1", "C|3"])
    #expect(try project.run(all).status == .unchanged)
    try project.stage("2024-01-01T06", "aa B 33 0\n")
    try project.run(all)
    #expect(try pages() == ["A|1", "B|33", "C|3"])
    #expect(try project.workspace().forget("pageviews.top_pages", held: true).isDone)
    try project.run(all)
    #expect(try pages() == ["A|22", "B|33", "C|3"])
  }

  @Test("what another program committed is undone; nothing is held back for that")
  func foreign() throws {
    let project = try shop(["bronze"])
    let past = try snapshot(project, "bronze")
    try commitForeign(project)
    #expect(try project.run().status == .failed)
    let change = try project.workspace().rollback("shop.bronze", to: past)
    #expect(change.isDone && !change.text.contains("held"), "\(change.text)")
    #expect(try project.run().status == .unchanged)
  }

  @Test("a rollback goes back along the table's own line only")
  func refusals() throws {
    let project = try shop(["bronze"])
    let past = try snapshot(project, "bronze")
    try change(project)
    let undone = try snapshot(project, "bronze")
    let workspace = try project.workspace()
    _ = try workspace.rollback("shop.bronze", to: past)
    #expect(throws: LakeError.self) { try workspace.rollback("shop.bronze", to: undone) }
    #expect(throws: LakeError.self) { try workspace.rollback("shop.bronze", to: .snapshot(1)) }
    #expect(throws: PipelineError.self) {
      try workspace.rollback("shop.bronze", to: .reference("nothing"))
    }
    #expect(throws: PipelineError.self) { try workspace.rollback("shop.brnze", to: past) }
    #expect(throws: PipelineError.self) {
      try workspace.forget("shop.bronze", files: ["data/a.csv"], held: true)
    }
  }
}
