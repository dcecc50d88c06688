import Core
import Engines
import Foundation
import Lake
import Project
import Stores
import Synchronization
import Testing

@testable import Pipelines

@Suite("merge models, end to end")
struct MergeTests {
  static func rows(_ project: TestProject, _ table: String) throws -> [String] {
    try project.rows("SELECT id, amount, _source_file FROM shop.\(table) ORDER BY ALL")
  }

  @Test("the latest row of a key stays, late older rows lose, and ties go to the last file")
  func latest() throws {
    let project = try Chain.project(kinds: ["bronze", "silver", "direct"])
    try project.put("a", "1,ann,10,5", "2,bob,20,5", "2,bob,21,5")
    #expect(try project.run().status == .done)
    try project.put("b", "1,ann,11,4", "3,cid,30,1")
    try project.put("c", "2,bob,22,5")
    #expect(try project.run().status == .done)
    let expected = ["1|10|data/a.csv", "2|22|data/c.csv", "3|30|data/b.csv"]
    #expect(try Self.rows(project, "silver") == expected)
    #expect(try Self.rows(project, "direct") == expected)
    // A row that loses moves nothing downstream.
    try project.put("d", "1,ann,9,1")
    try project.run()
    #expect(try Self.rows(project, "silver") == expected)
  }

  @Test("rule 11: removing the winner's file brings the loser back; changing it re-elects")
  func retraction() throws {
    let project = try Chain.project(kinds: ["bronze", "silver", "direct"])
    try project.put("a", "1,ann,10,5", "2,bob,20,5")
    try project.put("b", "1,ann,11,6", "3,cid,30,1")
    try project.run()
    try project.remove("data/b.csv")
    try project.run()
    for table in ["silver", "direct"] {
      #expect(try Self.rows(project, table) == ["1|10|data/a.csv", "2|20|data/a.csv"], "\(table)")
    }
    try project.put("c", "1,ann,12,4")
    try project.run()
    try project.put("a", "2,bob,20,5")
    try project.run()
    for table in ["silver", "direct"] {
      #expect(try Self.rows(project, table) == ["1|12|data/c.csv", "2|20|data/a.csv"], "\(table)")
    }
  }

  @Test(
    "rule 11: a delete marker is a contribution like any other", arguments: ["orders", "bronze"])
  func deleteMarkers(on: String) throws {
    let project = try Chain.project(kinds: ["bronze"])
    let columns = Chain.columns.replacingOccurrences(
      of: "columns: {", with: "columns: {gone: {type: boolean}, ")
    try project.write(
      "pipelines/shop/models/live.yaml",
      "kind: merge\nincremental: {on: \(on)}\nunique_key: [id]\norder_by: [ts]\ndelete_marker: gone\n\(columns)"
    )
    try project.write(
      "pipelines/shop/models/live.sql",
      "SELECT amount < 0 AS gone, id, customer, amount, ts FROM \(on)")
    try project.put("a", "1,ann,10,5", "2,bob,20,5")
    try project.put("b", "1,ann,-1,6")
    let first = try project.run()
    #expect(first.status == .done, "\(first.failures)")
    #expect(try Self.rows(project, "live") == ["2|20|data/a.csv"])
    // Late, and older than the deletion.
    try project.put("c", "1,ann,11,5")
    try project.run()
    #expect(try Self.rows(project, "live") == ["2|20|data/a.csv"])
    try project.remove("data/b.csv")
    try project.run()
    #expect(try Self.rows(project, "live") == ["1|11|data/c.csv", "2|20|data/a.csv"])
    try project.put("d", "1,ann,-1,7", "2,bob,-1,1")
    try project.put("e", "1,ann,13,8")
    try project.run()
    #expect(try Self.rows(project, "live") == ["1|13|data/e.csv", "2|20|data/a.csv"])
  }

  @Test("rule 11: what was deleted is remembered: a late row loses, and no old file is read again")
  func rememberedDeletions() throws {
    let project = try Chain.project(kinds: [])
    let columns = Chain.columns.replacingOccurrences(
      of: "columns: {", with: "columns: {gone: {type: boolean}, ")
    try project.write(
      "pipelines/shop/models/live.yaml",
      "kind: merge\nincremental: {on: orders}\nunique_key: [id]\norder_by: [ts]\ndelete_marker: gone\n\(columns)"
    )
    try project.write(
      "pipelines/shop/models/live.sql",
      "SELECT amount < 0 AS gone, id, customer, amount, ts FROM orders")
    try project.put("a", "1,ann,10,5", "2,bob,20,5")
    try project.put("b", "1,ann,-1,6")
    try project.run()
    // Who reads it again sees other rows; its version is the same.
    let path = project.folder.appending(path: "data/b.csv").path()
    var status = stat()
    #expect(stat(path, &status) == 0)
    let file = try #require(FileHandle(forUpdatingAtPath: path))
    let text = String(decoding: try project.read("data/b.csv"), as: UTF8.self)
    try file.write(contentsOf: Data(text.replacingOccurrences(of: "-1", with: "51").utf8))
    try file.close()
    #expect(utimensat(AT_FDCWD, path, [status.st_atim, status.st_mtim], 0) == 0)
    try project.put("c", "1,ann,11,5", "3,cid,-1,1")
    try project.run()
    #expect(try Self.rows(project, "live") == ["2|20|data/a.csv"])
    func remembered() throws -> [DeletionFile] {
      let table = try #require(try project.workspace().lake.catalog.load(TableID("shop", "live")))
      return try #require(try table.consumption()?.deletions)
    }
    #expect(try remembered().reduce(0) { $0 + $1.rowCount } == 2)
    // Of few keys many times: what is remembered does not grow, and what came back is forgotten.
    for number in 10..<16 {
      try project.put("d\(number)", "4,dan,-1,\(number)", "3,cid,\(number),\(number)")
      try project.run()
    }
    #expect(try remembered().reduce(0) { $0 + $1.rowCount } == 2)
    #expect(try Self.rows(project, "live") == ["2|20|data/a.csv", "3|15|data/d15.csv"])
  }

  @Test("on_change: keep: a row that has left its file stays, one in both is updated")
  func window() throws {
    let project = try Chain.project(kinds: ["direct"])
    try project.write(
      "pipelines/shop/models/direct.yaml", Chain.models["direct"]!.yaml + "\non_change: keep")
    try project.put("window", "1,ann,10,1", "2,bob,20,1")
    try project.run()
    try project.put("window", "2,bob,21,2", "3,cid,30,2")
    try project.run()
    #expect(
      try project.rows("SELECT id, amount FROM shop.direct ORDER BY ALL") == [
        "1|10", "2|21", "3|30",
      ])
  }

  @Test("rows set aside take no part, and losing ones are not the winner's quarantine")
  func quarantine() throws {
    let project = try Chain.project(kinds: ["bronze", "silver", "direct"])
    for name in ["silver", "direct"] {
      try project.write(
        "pipelines/shop/models/\(name).yaml",
        Chain.models[name]!.yaml.replacingOccurrences(
          of: "amount: {type: bigint}",
          with: "amount: {type: bigint, checks: [{between: {min: 0, severity: quarantine}}]}"))
    }
    try project.put("a", "1,ann,10,1")
    try project.put("b", "1,ann,-1,9")
    try project.run()
    try project.put("c", "1,ann,11,5")
    try project.run()
    for name in ["silver", "direct"] {
      #expect(try Self.rows(project, name) == ["1|11|data/c.csv"])
    }
    try project.remove("data/c.csv")
    try project.run()
    for name in ["silver", "direct"] {
      #expect(try Self.rows(project, name) == ["1|10|data/a.csv"])
    }
  }

  @Test("null keys and nulls in the order are values like others")
  func nulls() throws {
    let project = try Chain.project(kinds: ["bronze", "silver"])
    try project.put("a", ",ann,1,", "1,ann,2,")
    try project.put("b", ",ann,3,0", "1,ann,4,")
    try project.run()
    #expect(
      try Self.rows(project, "silver")
        == ["1|4|data/b.csv", "NULL|3|data/b.csv"].sorted { $0.hasPrefix("N") || $0 < $1 })
    try project.remove("data/b.csv")
    try project.run()
    #expect(try Self.rows(project, "silver").sorted() == ["1|2|data/a.csv", "NULL|1|data/a.csv"])
  }

  @Test("rule 8: what follows a merge reads the contributions that moved, and no others")
  func downstream() throws {
    let project = try Chain.project()
    try project.put("a", "1,ann,10,5", "2,bob,20,5")
    try project.put("b", "3,cid,30,5")
    try project.run()
    try project.put("c", "1,ann,11,6")
    let report = try project.run()
    let copy = try #require(report.units.first { $0.model == "copy" })
    // a has lost a row, c has one; b is left alone.
    #expect(copy.rowCount == 2, "\(report.failures)")
    #expect(
      try Self.rows(project, "copy") == ["1|11|data/c.csv", "2|20|data/a.csv", "3|30|data/b.csv"])
    #expect(
      try project.rows("SELECT customer FROM shop.large ORDER BY 1") == ["ann", "bob", "cid"])
    // The newest loses: nothing moves, and what reads the table has nothing to do.
    try project.put("d", "1,ann,9,1")
    let late = try project.run()
    #expect(late.units.first { $0.model == "silver" }?.status == .published)
    #expect(late.units.first { $0.model == "copy" }?.rowCount == 0)
  }
}
