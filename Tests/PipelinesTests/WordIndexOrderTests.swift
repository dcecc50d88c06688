import Core
import Foundation
import Lake
import Project
import Stores
import Synchronization
import TestSupport
import Testing

@testable import Pipelines

@Suite("word_index: what is written side by side becomes visible in order")
struct WordIndexOrderTests {
  /// Notes puts that are done, and does something when the index's manifest is to be put.
  private struct WatchingStore: Store {
    final class Notes: Sendable {
      let keys = Mutex<[String]>([])
    }

    let base: any Store
    let notes: Notes
    let atManifest: @Sendable () throws -> Void

    var root: String { base.root }
    func localPath(_ key: String) -> String? { base.localPath(key) }
    func head(_ key: String) throws -> Object? { try base.head(key) }
    func list(prefix: String, page: ([Object]) throws -> Void) throws {
      try base.list(prefix: prefix, page: page)
    }
    func read(
      _ key: String, range: Range<Int64>?, ifMatch: Version?, cancellation: Cancellation,
      to sink: (UnsafeRawBufferPointer) throws -> Void
    ) throws -> Object {
      try base.read(key, range: range, ifMatch: ifMatch, cancellation: cancellation, to: sink)
    }
    func put(_ key: String, _ body: Body, _ condition: PutCondition) throws -> Object {
      if key.contains("/manifest/v") { try atManifest() }
      let object = try base.put(key, body, condition)
      notes.keys.withLock { $0.append(key) }
      return object
    }
    func delete(_ keys: [String]) throws { try base.delete(keys) }
  }

  /// The state of a lake but for its runs.
  private func files(_ project: TestProject) throws -> [String] {
    try project.lakeListing().filter { !$0.hasPrefix("runs") && !$0.hasPrefix("sources") }
  }

  private func unneeded(_ project: TestProject) throws -> [String] {
    try project.workspace().state(pipelines: []).leftovers.map(\.key)
  }

  @Test(
    "rule 16: tables are prepared while the manifest is published, and follow it in their order")
  func order() throws {
    let project = try WordIndex.project()
    try project.put(text: "a b", "1.txt")
    try project.run()
    try project.put(text: "b c", "1.txt")
    let notes = WatchingStore.Notes()
    project.wrapsLake = {
      WatchingStore(base: $0, notes: notes) {
        until { notes.keys.withLock { $0.contains { $0.contains("state/wordindex/words/") } } }
        // Time enough for who would not wait.
        Thread.sleep(forTimeInterval: 0.3)
      }
    }
    #expect(try project.run().status == .done)
    let keys = notes.keys.withLock { $0 }
    func place(_ part: String) throws -> Int {
      try #require(keys.firstIndex { $0.contains(part) }, "\(part) among \(keys)")
    }
    let manifest = try place("indexes/wordindex/index/manifest/v2.json")
    #expect(try place("state/wordindex/words/") < manifest)
    let tables = try ["words", "documents", "postings"].map {
      try place("tables/wordindex/\($0)/metadata/v2.metadata.json")
    }
    #expect([manifest] + tables == ([manifest] + tables).sorted())
  }

  @Test("rule 16: where the manifest is not published, nothing of the tables is, or stays")
  func failure() throws {
    let project = try WordIndex.project()
    for number in 1...3 { try project.put(text: "a b", "\(number).txt") }
    try project.run()
    let before = try files(project)
    try project.put(text: "b c", "1.txt")
    project.wrapsLake = {
      WatchingStore(base: $0, notes: .init()) {
        Thread.sleep(forTimeInterval: 0.1)
        throw StoreError(.denied, "no", at: Place(file: "v2.json"))
      }
    }
    #expect(try project.run().status == .failed)
    project.wrapsLake = nil
    #expect(try files(project) == before)
    #expect(try project.search("c") == [])
    #expect(try project.run().status == .done)
    #expect(try project.search("c") == ["1.txt"])
  }

  @Test("rule 16: where the rows of one table cannot be written, those of the others do not stay")
  func rowsFail() throws {
    let project = try WordIndex.project()
    for number in 1...3 { try project.put(text: "a b", "\(number).txt") }
    // Where a folder would have to be.
    let place = "lake/tables/wordindex/postings/data"
    try project.write(place, "in the way")
    let before = try files(project)
    #expect(try project.run().status == .failed)
    #expect(try files(project).filter { $0 != "lake.json" } == before)
    try project.remove(place)
    #expect(try project.run().status == .done)
    #expect(try project.search("b") == ["1.txt", "2.txt", "3.txt"])
    #expect(try unneeded(project) == [])
  }

  @Test("rows that were written ahead of a batch that fails do not stay")
  func aheadOfFailure() throws {
    let project = try WordIndex.project()
    for number in 1...3 { try project.put(text: "a b", "\(number).txt") }
    let file = "pipelines/wordindex/pipeline.yaml"
    let text = try String(
      contentsOf: project.folder.appending(path: file), encoding: .utf8)
    try project.write(file, text.replacing("binary: quarantine", with: "binary: fail"))
    try project.run()
    let before = try files(project)
    try project.put(text: "b c", "1.txt")
    try project.put(text: "\0", "2.txt")
    #expect(try project.run().status == .failed)
    #expect(try files(project) == before)
  }

  @Test("rows that were written ahead of a merge do not stay")
  func aheadOfMerge() throws {
    let project = try WordIndex.project()
    for number in 1...20 { try project.put(text: "a w\(number)", "\(number).txt") }
    try project.run()
    var counts: [Int] = []
    for round in 1...12 {
      for number in 1...2 { try project.put(text: "b v\(round)", "\(number).txt") }
      #expect(try project.run().status == .done)
      counts.append(try #require(try project.manifest()).segments.count)
      #expect(try unneeded(project) == [], "round \(round)")
    }
    // Some were merged.
    #expect(zip(counts, counts.dropFirst()).contains { $0 > $1 })
    #expect(
      try project.rows("SELECT count(*), count(DISTINCT doc_id) FROM wordindex.documents")
        == ["20|20"])
    #expect(try project.wordFiles()["b"] == ["1.txt", "2.txt"])
    #expect(try project.wordFiles()["a"]?.count == 18)
  }
}
