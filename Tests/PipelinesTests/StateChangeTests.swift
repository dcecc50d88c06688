import Core
import Foundation
import Lake
import Project
import Testing

@testable import Pipelines

@Suite("state: forget, repair, accept, drop")
struct StateChangeTests {
  static func rows(_ project: TestProject, _ table: String = "bronze") throws -> [String] {
    try project.rows("SELECT id, amount, _source_file FROM shop.\(table) ORDER BY ALL")
  }

  static func shop(_ kinds: [String] = ["bronze", "silver"]) throws -> TestProject {
    let project = try Chain.project(kinds: kinds)
    try project.put("a", "1,ann,5,1")
    try project.put("b", "1,ann,6,2", "2,bob,7,1")
    try project.run()
    return project
  }

  @Test("rule 15: what an append table forgets goes from it, and the next run brings it back once")
  func forgetFile() throws {
    let project = try Self.shop()
    let all = try Self.rows(project)
    let change = try project.workspace().forget("shop.bronze", files: ["data/b.csv"])
    #expect(change.isDone)
    #expect(try Self.rows(project) == ["1|5|data/a.csv"])
    let plan = try project.workspace().plan(Selection())
    #expect(plan.pipelines[0].units.map(\.fileCount) == [1, 0])
    #expect(try project.run().units.map(\.rowsRead) == [2, 0])
    #expect(try Self.rows(project) == all)
    #expect(try Self.rows(project, "silver") == ["1|6|data/b.csv", "2|7|data/b.csv"])
    #expect(try project.run().status == .unchanged)
    #expect(try !project.workspace().forget("shop.bronze", files: ["data/x.csv"]).isDone)

    _ = try project.workspace().forget("shop.bronze")
    #expect(try Self.rows(project) == [])
    try project.run()
    #expect(try Self.rows(project) == all)
  }

  @Test("a merge elects again what it forgets; its rows stay meanwhile")
  func forgetMerge() throws {
    let project = try Self.shop()
    let silver = try Self.rows(project, "silver")
    for files in [["data/b.csv"], []] {
      #expect(try project.workspace().forget("shop.silver", files: files).isDone)
      #expect(try Self.rows(project, "silver") == silver)
      let report = try project.run()
      #expect(report.units.map(\.status) == [.upToDate, .published], "\(report.failures)")
      #expect(try Self.rows(project, "silver") == silver)
      #expect(try project.run().status == .unchanged)
    }
  }

  @Test("rule 15: a table that keeps its rows refuses to forget")
  func keep() throws {
    let project = try Self.shop(["bronze"])
    try project.write(
      "pipelines/shop/models/bronze.yaml", Chain.models["bronze"]!.yaml + "\non_change: keep")
    #expect(throws: PipelineError.self) { try project.workspace().forget("shop.bronze") }
    #expect(throws: PipelineError.self) { try project.workspace().forget("shop.brnze") }
    #expect(throws: PipelineError.self) {
      try project.workspace().forget("shop.bronze", from: project.now)
    }
  }

  @Test("intervals that are forgotten run again, and no others")
  func forgetIntervals() throws {
    let project = try TestProject.pageviews()
    for time in ["2024-01-01T05", "2024-01-01T06"] { try project.stage(time, "aa A 1 0\n") }
    let both = Selection(from: try hour("2024-01-01T05"), to: try hour("2024-01-01T07"))
    try project.run(both)
    #expect(
      try project.workspace().forget("pageviews.top_pages", from: try hour("2024-01-01T06")).isDone)
    #expect(try project.run(both).units.map(\.status) == [.upToDate, .published])
  }

  @Test("rule 7: what is remembered is mended from the lake alone, and nothing is doubled")
  func repair() throws {
    let project = try Self.shop()
    try project.put("c", "3,cid,8,1")
    try project.run()
    let (bronze, silver) = (try Self.rows(project), try Self.rows(project, "silver"))
    for isAll in [false, true] {
      for table in ["bronze", "silver"] {
        let found = try #require(
          try project.workspace().lake.catalog.load(TableID("shop", table)))
        let hash = try #require(try found.consumptionHash())
        let folder = "lake/state/shop/\(table)"
        for file in try FileManager.default.contentsOfDirectory(
          atPath: project.folder.appending(path: folder).path())
        where isAll && !file.contains("changes") || file.hasPrefix(hash) {
          try project.write("\(folder)/\(file)", "junk")
        }
      }
      let broken = try project.run()
      #expect(broken.units[0].failure?.qualifiedCode == "lake.damaged")
      let changes = try project.workspace().repair(pipelines: [])
      #expect(changes.map(\.isDone) == [true, true], "\(changes)")
      let mended = try project.run()
      #expect(mended.status != .failed, "\(mended.failures)")
      #expect(try Self.rows(project) == bronze)
      #expect(try Self.rows(project, "silver") == silver)
      #expect(try project.run().status == .unchanged)
      #expect(try project.workspace().repair(pipelines: []).map(\.text) == ["sound", "sound"])
    }
    try project.remove("data/b.csv")
    try project.run()
    #expect(try Self.rows(project, "silver") == ["1|5|data/a.csv", "3|8|data/c.csv"])
  }

  @Test("rule 14: a table that no model makes is told of, and goes only when it is dropped")
  func drop() throws {
    let project = try Self.shop()
    #expect(throws: PipelineError.self) { try project.workspace().drop("shop.silver") }
    try project.remove("pipelines/shop/models/silver.yaml")
    try project.remove("pipelines/shop/models/silver.sql")
    #expect(try project.workspace().plan(Selection()).pipelines[0].notes.count == 1)
    #expect(try project.workspace().drop("shop.silver").isDone)
    #expect(try !project.lakeListing().contains { $0.contains("silver") && $0.contains(".") })
    #expect(try project.workspace().plan(Selection()).pipelines[0].notes == [])
    #expect(throws: PipelineError.self) { try project.workspace().drop("shop.silver") }
  }

  @Test("rule 7: a foreign commit stops the model until it is accepted; what reads it starts over")
  func accept() throws {
    let project = try Self.shop()
    let lake = try project.workspace().lake
    let id = TableID("shop", "bronze")
    let table = try #require(try lake.catalog.load(id))
    // The newest snapshot says nothing of Sluice, as another program's does not.
    _ = try lake.catalog.commit(.keepingRows(of: table, time: project.now), to: id, base: table)
    try project.strip("lake/tables/shop/bronze/metadata")
    let stopped = try project.run()
    #expect(stopped.units.map(\.status) == [.failed, .skipped])
    #expect(try project.workspace().accept("shop.bronze").isDone)
    let report = try project.run()
    #expect(report.status == .done, "\(report.failures)")
    #expect(report.units.map(\.reason) == ["up to date", "history expired: rebuild"])
    #expect(try !project.workspace().accept("shop.bronze").isDone)
  }
}

extension TestProject {
  /// Makes the newest snapshot of a table a stranger's.
  func strip(_ metadata: String) throws {
    let versions = try FileManager.default.contentsOfDirectory(
      atPath: folder.appending(path: metadata).path()
    ).compactMap { name -> Int? in
      name.hasPrefix("v") && name.hasSuffix(".metadata.json")
        ? Int(name.dropFirst().prefix { $0.isNumber }) : nil
    }
    let file = "\(metadata)/v\(versions.max() ?? 0).metadata.json"
    var json = try JSON(parsing: try read(file))
    guard case .object(var members) = json else { return }
    for index in members.indices where members[index].name == "snapshots" {
      var snapshots = members[index].value.array ?? []
      guard case .object(var snapshot) = snapshots.removeLast() else { return }
      for part in snapshot.indices where snapshot[part].name == "summary" {
        snapshot[part].value = ["operation": "append"]
      }
      members[index].value = .array(snapshots + [.object(snapshot)])
    }
    json = .object(members)
    try write(file, json.description)
  }
}
