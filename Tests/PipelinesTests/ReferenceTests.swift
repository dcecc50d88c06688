import Core
import Foundation
import Lake
import Project
import TestSupport
import Testing

@testable import Pipelines

/// Tags and branches that other programs have given to tables.
@Suite(
  "Tags and branches", .enabled(if: PythonTool.path != nil, Comment(rawValue: PythonTool.whyNot)))
struct ReferenceTests {
  private let id = TableID("shop", "silver")

  @Test(
    "commits, compaction, expiry and sweeping spare what a tag or a branch names",
    arguments: ["storage", "rest"])
  func spared(catalog: String) throws {
    let project = try Chain.project(kinds: ["bronze", "silver"])
    // pyiceberg stamps what it does with the time that it is.
    project.now = Clock.system.now()
    var server: PythonTool?
    var place = project.folder.appending(path: "lake/tables/shop/silver").path()
    var name = project.folder.appending(path: "work").path()
    var settings = String(decoding: try project.read("sluice.yaml"), as: UTF8.self)
    if catalog == "rest" {
      server = try PythonTool(
        "rest_catalog.py", [try project.made("rest").path(), "nobody"])
      place = "http://127.0.0.1:\(try server!.firstLine())"
      name = id.description
      settings += "\ncatalog: {use: rest, uri: \"\(place)\", warehouse: the warehouse}"
    }
    settings += "\nmaintenance: {keep: 1s, snapshots: 1, grace: 1h, max_lag: 365d}\n"
    try project.write("sluice.yaml", settings)
    func named(_ what: String) throws -> JSON {
      try JSON(
        parsing: try PythonTool("tag_iceberg.py", [catalog, place, name, what]).run(""))
    }
    func rows(_ asOf: String?) throws -> [String] {
      var lines: [String] = []
      try project.workspace().query(
        "SELECT id, amount FROM shop.silver ORDER BY ALL", asOf: asOf.map(AsOf.reference)
      ) { set in lines += set.rows.map { $0.map(\.description).joined(separator: "|") } }
      return lines
    }

    try project.put("a", "1,ann,10,1", "2,bob,20,1")
    #expect(try project.run().status == .done)
    let before = try named("set")
    #expect(before["kept"]?.array?.count == 2)
    #expect(before["side"]?.array?.count == 3)
    // Every file of that snapshot is replaced, and then some are compacted.
    for number in 2...6 {
      try project.put("b\(number)", "1,ann,1\(number),\(number)", "\(number * 10),new,1,1")
      try project.put("a", "2,bob,2\(number),\(number)")
      let report = try project.run()
      try #require(report.status == .done, "\(report.failures)")
    }
    let table = try #require(try project.workspace().lake.catalog.load(id))
    let tagged = try #require(table.snapshotID(named: "kept"))
    let branched = try #require(table.snapshotID(named: "side"))
    let current = try rows(nil)
    #expect(current.count == 7)

    var removed = 0
    for _ in 0..<2 {
      try project.age("lake", by: 10 * 86_400)
      project.now = project.now.adding(seconds: 10 * 86_400)
      let report = try project.workspace().maintain(pipelines: [])
      #expect(report.tables.compactMap { $0.failure?.message } == [])
      removed += report.tables.reduce(0) { $0 + $1.removedFiles }
    }
    // A sweep goes by the store's clock, and by the times that a REST server gives versions, which
    // this test cannot move: there all of them are young, and what they name is spared.
    #expect(removed > 0 || catalog == "rest")
    let after = try #require(try project.workspace().lake.catalog.load(id))
    #expect(after.snapshotID(named: "kept") == tagged)
    #expect(after.snapshotID(named: "side") == branched)
    // Both, the current one, and the one whose place it took: that has only now begun to age.
    #expect(after.metadata.snapshots.count == 4)
    #expect(try rows("kept") == ["1|10", "2|20"])
    #expect(try rows("side") == ["NULL|NULL", "1|10", "2|20"])
    #expect(try rows(nil) == current)
    #expect(throws: PipelineError.self) { try rows("gone") }
    let seen = try named("read")
    #expect(seen["kept"] == before["kept"])
    #expect(seen["side"] == before["side"])
    #expect(seen["main"]?.array?.count == 7)
    let again = try project.run()
    #expect(again.status == .unchanged, "\(again.units)")
  }
}

extension TestProject {
  /// Makes all files below a folder older, to the second: Foundation rounds a time just before the
  /// next one to a million microseconds, which the system refuses.
  fileprivate func age(_ path: String, by seconds: Double) throws {
    let folder = self.folder.appending(path: path).path()
    for case let name as String in FileManager.default.enumerator(atPath: folder)! {
      let file = folder + "/" + name
      let time = try FileManager.default.attributesOfItem(atPath: file)[.modificationDate] as? Date
      try FileManager.default.setAttributes(
        [
          .modificationDate: Date(
            timeIntervalSince1970: (time!.timeIntervalSince1970 - seconds).rounded(.down))
        ], ofItemAtPath: file)
    }
  }
}
