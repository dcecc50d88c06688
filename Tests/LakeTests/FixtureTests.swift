import Core
import Foundation
import Stores
import Testing

@testable import Lake

/// Files of earlier format versions, kept as they were written.
@Suite("Files of every format version are still read")
struct FixtureTests {
  private let root = Python.repository + "/Tests/Fixtures/lake-format-1"

  /// What the fixture holds. `SLUICE_WRITE_FIXTURES=1` writes it anew: only for a new version.
  private static let changes = [
    FileChange(.added, ListedFile(key: "https://x/a \"1\".gz", byteCount: 10, version: "v1")),
    FileChange(
      .added,
      ListedFile(key: "https://x/b.gz", byteCount: 1 << 40, version: "\"e\"", interval: hour(5))),
  ]

  private static var consumption: Consumption {
    Consumption(
      definition: ConsumedDefinition(
        fingerprint: "f",
        queries: ["t": ConsumedQuery(inputs: ["a"], parameters: ["p"], syntaxSHA256: "s")]),
      intervals: [
        hour(5): ConsumedInterval(
          definition: "f", run: "r",
          objects: [
            ConsumedObject(
              source: "s", uri: "https://x/b.gz", byteCount: 1 << 40, version: "\"e\"", batch: 1)
          ], inputs: ["w": .log(number: 1, definition: "d")], rowCount: 7)
      ],
      inputs: [
        "l": .log(number: 2, definition: "d"), "t": .snapshot(id: 3, definition: "e"),
        "i": .interval(run: "r", definition: "g"), "n": .nothing,
      ], run: "r")
  }

  private static let set = ChangeSet(intervals: .init(added: [hour(5)], replaced: [hour(6)]))

  @Test(
    "writing the fixture",
    .enabled(
      if: ProcessInfo.processInfo.environment["SLUICE_WRITE_FIXTURES"] != nil, "kept as it is"))
  func write() throws {
    let store = LocalStore(root: root)
    let log = SourceLog(
      store: store, pipeline: "p", source: "s", limits: BatchLimits(fileCount: 1, byteCount: .max),
      entriesPerCheckpoint: 2)
    _ = try log.append(
      FixtureTests.changes, after: .empty, definition: "d", clock: ManualClock().clock)
    let id = TableID("p", "m")
    for (json, key) in [
      (FixtureTests.consumption.json(nonce: "n"), LakeLayout.consumption),
      (FixtureTests.set.json(nonce: "n"), LakeLayout.changes),
    ] { try StateFile(json) { key(id, $0) }.write(to: store) }
  }

  @Test("source logs, format 1: entries alone, and the checkpoint")
  func sourceLog() throws {
    let whole = try SourceLog(store: LocalStore(root: root), pipeline: "p", source: "s").read()
    #expect(whole.files.map(\.file) == FixtureTests.changes.map(\.file))
    #expect(whole.files.map(\.batch) == [1, 2])
    #expect(whole.definition == "d")
    // The same from the entries, where the checkpoint is lost.
    let copy = ScratchLake()
    for object in try LocalStore(root: root).objects(below: "sources/")
    where !object.key.contains("checkpoint") {
      let bytes = try #require(try LocalStore(root: root).get(object.key)).bytes
      _ = try copy.store.put(object.key, .bytes(bytes), .absent)
    }
    let folded = try copy.lake.sourceLog(pipeline: "p", source: "s").read()
    #expect(folded.files.elementsEqual(whole.files))
  }

  @Test("consumption and change files, format 1")
  func state() throws {
    let store = LocalStore(root: root)
    var found = (consumption: false, changes: false)
    for object in try store.objects(below: LakeLayout.statePrefix(TableID("p", "m"))) {
      let name = object.key.split(separator: "/").last ?? ""
      let hash = String(name.prefix { $0 != "." })
      let json = try StateFile.read(object.key, hash: hash, from: store)
      if name.hasSuffix(".changes.json.zst") {
        #expect(try ChangeSet(json: json) == FixtureTests.set)
        found.changes = true
      } else {
        #expect(try Consumption(json: json) == FixtureTests.consumption)
        found.consumption = true
      }
    }
    #expect(found == (true, true))
  }
}
