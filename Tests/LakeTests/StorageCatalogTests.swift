import Core
import Stores
import Testing

@testable import Lake

@Suite("The storage catalog")
struct StorageCatalogTests {
  private let scratch = ScratchLake()
  private var lake: Lake { scratch.lake }
  private let id = TableID("pageviews", "top_pages")

  private func catalog(
    clock: Clock = .system,
    _ fault: @escaping @Sendable (String, String, Int) -> Fault = { _, _, _ in .none }
  ) -> StorageCatalog {
    StorageCatalog(store: FaultyStore(scratch.store, fault: fault), clock: clock)
  }

  private func update(_ number: Int, name: String = "a") -> TableUpdate {
    replacing(hour(number), with: [file(lake, id, hour(number), name: name)])
  }

  @Test("a table is created, loaded, replaced by partition and read back")
  func lifeOfATable() throws {
    #expect(try lake.catalog.load(id) == nil)
    var table = try lake.catalog.commit(update(0), to: id, base: nil)
    table = try lake.catalog.commit(update(1), to: id, base: table)
    table = try lake.catalog.commit(update(0, name: "b"), to: id, base: table)
    let loaded = try #require(try lake.catalog.load(id))
    #expect(loaded.version == 3)
    #expect(loaded.metadata == table.metadata)
    #expect(loaded.rowCount == 20)
    let names = try loaded.dataFiles().map { $0.path.split(separator: "/").dropLast().last ?? "" }
    #expect(names.sorted() == ["2024-01-01T00-b", "2024-01-01T01-a"])
    #expect(try loaded.dataFiles(.exactly(hour(1))) == [file(lake, id, hour(1))])
    #expect(try loaded.dataFiles(.touching(hour(5))).isEmpty)
    let summary = try #require(loaded.currentSnapshot)
    #expect(summary.operation == .overwrite)
    for (key, value) in [
      ("added-data-files", "1"), ("deleted-data-files", "1"), ("added-records", "10"),
      ("deleted-records", "10"), ("total-records", "20"), ("total-data-files", "2"),
      ("total-files-size", "2000"), ("changed-partition-count", "1"),
    ] {
      #expect(summary[summary: key] == value, "\(key)")
    }
    // An older snapshot still shows what it had.
    let old = try loaded.at(snapshot: try #require(loaded.history().last?.id))
    #expect(try old.dataFiles() == [file(lake, id, hour(0))])
  }

  @Test("rule 13: a replace deletes exactly that pair of start and end")
  func hoursAndDays() throws {
    let day = Interval(start: hour(0).start, end: hour(23).end)
    var table = try lake.catalog.commit(update(0), to: id, base: nil)
    table = try lake.catalog.commit(
      replacing(day, with: [file(lake, id, day)]), to: id, base: table)
    #expect(try table.dataFiles().count == 2)
    table = try lake.catalog.commit(replacing(day, with: []), to: id, base: table)
    #expect(try table.dataFiles() == [file(lake, id, hour(0))])
    #expect(table.currentSnapshot?.operation == .delete)
  }

  @Test("rule 13: an interval with zero rows still makes a snapshot")
  func zeroRows() throws {
    let table = try lake.catalog.commit(replacing(hour(0), with: []), to: id, base: nil)
    #expect(table.currentSnapshot?.operation == .append)
    #expect(table.rowCount == 0)
    #expect(try lake.catalog.load(id)?.dataFiles().isEmpty == true)
  }

  @Test("rule 20: the second of two commits on one base is a conflict and leaves nothing behind")
  func conflict() throws {
    let base = try lake.catalog.commit(update(0), to: id, base: nil)
    _ = try lake.catalog.commit(update(1), to: id, base: base)
    let before = try scratch.keys()
    expectFailure(.conflict) { try lake.catalog.commit(update(2), to: id, base: base) }
    #expect(try scratch.keys() == before)
    expectFailure(.conflict) { try lake.catalog.commit(update(2), to: id, base: nil) }
    #expect(try scratch.keys() == before)
  }

  @Test(
    "rule 20: a commit whose answer was lost is recognised by reading back",
    arguments: [Fault.lostAnswer, .refusedAfterSuccess])
  func lostAnswer(_ fault: Fault) throws {
    let flaky = catalog { _, key, _ in key.hasSuffix("v1.metadata.json") ? fault : .none }
    let table = try flaky.commit(update(0), to: id, base: nil)
    #expect(table.version == 1)
    #expect(try lake.catalog.load(id)?.metadata == table.metadata)
  }

  @Test("rule 19: a commit that may or may not have happened leaves its files alone")
  func ambiguous() throws {
    let flaky = catalog { _, key, _ in key.hasSuffix(".metadata.json") ? .lostRequest : .none }
    expectFailure(.ambiguous) { try flaky.commit(update(0), to: id, base: nil) }
    #expect(try scratch.keys().count { $0.hasSuffix(".avro") } == 2)
  }

  @Test("what fails after the put does not make a published commit a failure")
  func failuresAfterThePut() throws {
    let flaky = catalog { _, key, _ in key.hasSuffix("version-hint.text") ? .lostRequest : .none }
    let table = try flaky.commit(update(0), to: id, base: nil)
    #expect(try lake.catalog.load(id)?.metadata == table.metadata)
    try lake.catalog.repair(try #require(try lake.catalog.load(id)))
    #expect(try scratch.store.get(LakeLayout.versionHint(id))?.bytes == Array("1".utf8))
  }

  @Test("those who wait for a commit go on once it is certain, before the hint is raised")
  func visible() throws {
    let base = try lake.catalog.commit(update(0), to: id, base: nil)
    var seen: [(isThere: Bool, hint: [UInt8]?)] = []
    func look() {
      seen.append(
        (
          (try? scratch.store.head(LakeLayout.metadata(id, version: 2))) != nil,
          (try? scratch.store.get(LakeLayout.versionHint(id)))?.bytes
        ))
    }
    _ = try lake.catalog.commit(update(1), to: id, base: base, ready: {}, visible: look)
    #expect(seen.map(\.isThere) == [true])
    #expect(seen.map(\.hint) == [Array("1".utf8)])
    expectFailure(.conflict) {
      try lake.catalog.commit(update(2), to: id, base: base, ready: {}, visible: look)
    }
    #expect(seen.count == 1)
  }

  @Test("where one of the files that a snapshot names cannot be put, the others do not stay")
  func filesAtOnce() throws {
    let base = try lake.catalog.commit(update(0), to: id, base: nil)
    let before = try scratch.keys()
    for part in ["-m0.avro", "-m1.avro", "snap-"] {
      let flaky = catalog { method, key, _ in
        method == "put" && key.contains("metadata/") && key.contains(part) ? .lostRequest : .none
      }
      // It takes a file away, so that a manifest is written again.
      #expect(throws: (any Error).self) {
        try flaky.commit(update(0, name: "b"), to: id, base: base)
      }
      #expect(try scratch.keys() == before, "\(part)")
    }
    #expect(try lake.catalog.load(id)?.version == 1)
  }

  @Test("rule 20: a lost answer under someone else's version is a conflict")
  func lostAnswerBehindAnother() throws {
    let winner = scratch.lake
    let flaky = catalog { [id] _, key, _ in
      guard key.hasSuffix("v1.metadata.json") else { return .none }
      _ = try? winner.catalog.commit(replacing(hour(7), with: []), to: id, base: nil)
      return .lostRequest
    }
    expectFailure(.conflict) { try flaky.commit(update(0), to: id, base: nil) }
  }

  @Test("rule 20: a version created again after it was cleared away does not count")
  func clearedVersion() throws {
    var tables: [Table] = []
    for number in 0..<6 {
      tables.append(try lake.catalog.commit(update(number), to: id, base: tables.last))
    }
    // Maintenance has cleared v3 away while a writer that had read v2 slept.
    try scratch.store.delete([LakeLayout.metadata(id, version: 3)])
    expectFailure(.conflict) { try lake.catalog.commit(update(9), to: id, base: tables[1]) }
    let head = try #require(try lake.catalog.load(id))
    #expect(head.version == 6)
    #expect(try head.dataFiles(.exactly(hour(9))).isEmpty)
  }

  @Test("rule 20: a base older than an hour is read again before the put")
  func oldBase() throws {
    let clock = ManualClock()
    let base = try catalog(clock: clock.clock).commit(update(0), to: id, base: nil)
    clock.advance(seconds: 3601)
    _ = try catalog(clock: clock.clock).commit(update(1), to: id, base: base)
    let store = FaultyStore(scratch.store)
    expectFailure(.conflict) {
      try StorageCatalog(store: store, clock: clock.clock).commit(update(2), to: id, base: base)
    }
    // Found by reading: nothing was written.
    #expect(store.count == 0)
  }

  @Test("rule 21: the hint is bare digits, only ever raised, and mended")
  func hint() throws {
    let store = scratch.store
    let key = LakeLayout.versionHint(id)
    func hint() throws -> String? {
      try store.get(key).map { String(decoding: $0.bytes, as: UTF8.self) }
    }
    let first = try lake.catalog.commit(update(0), to: id, base: nil)
    #expect(try hint() == "1")
    let second = try lake.catalog.commit(update(1), to: id, base: first)
    #expect(try hint() == "2")
    // A late writer does not lower it.
    try lake.catalog.repair(first)
    #expect(try hint() == "2")
    for broken in ["1", "2\n", "", "x", "-4", "99"] {
      _ = try store.put(key, .bytes(Array(broken.utf8)), .always)
      let loaded = try #require(try lake.catalog.load(id))
      #expect(loaded.version == 2, "hint '\(broken)'")
      if broken != "99" {
        try lake.catalog.repair(loaded)
        #expect(try hint() == "2", "hint '\(broken)'")
      }
    }
    try store.delete([key])
    let loaded = try #require(try lake.catalog.load(id))
    #expect(loaded.metadata == second.metadata)
    try lake.catalog.repair(loaded)
    #expect(try hint() == "2")
    // Nothing to mend: nothing is written.
    let counting = FaultyStore(store)
    let catalog = StorageCatalog(store: counting)
    try catalog.repair(try #require(try catalog.load(id)))
    #expect(counting.count == 0)
  }

  @Test("rule 22: the time of metadata never runs back")
  func monotonicTime() throws {
    var table = try lake.catalog.commit(
      replacing(hour(0), with: [], at: hour(10).start), to: id, base: nil)
    #expect(table.metadata.lastUpdatedMilliseconds == hour(10).start.milliseconds)
    table = try lake.catalog.commit(
      replacing(hour(1), with: [], at: hour(2).start), to: id, base: table)
    #expect(table.metadata.lastUpdatedMilliseconds == hour(10).start.milliseconds + 1)
    #expect(table.currentSnapshot?.timestampMilliseconds == hour(10).start.milliseconds + 1)
    table = try lake.catalog.commit(
      replacing(hour(1), with: [], at: hour(11).start), to: id, base: table)
    #expect(table.metadata.lastUpdatedMilliseconds == hour(11).start.milliseconds)
  }

  @Test("a table that was moved with its lake says so")
  func movedLake() throws {
    _ = try lake.catalog.commit(update(0), to: id, base: nil)
    let other = TableID("pageviews", "copy")
    let bytes = try #require(try scratch.store.get(LakeLayout.metadata(id, version: 1))).bytes
    _ = try scratch.store.put(LakeLayout.metadata(other, version: 1), .bytes(bytes), .absent)
    let failure = expectFailure(.invalid) { try lake.catalog.load(other) }
    #expect(failure?.advice?.contains("move the lake back") == true)
  }

  @Test("columns that got other IDs while rows were computed are computed again, not read wrong")
  func racingColumns() throws {
    let base = try lake.catalog.commit(update(0), to: id, base: nil)
    func with(_ name: String) -> Schema {
      Schema(Schema.hourly.fields + [Field(name: name, type: .int)])
    }
    func adding(_ schema: Schema) -> TableUpdate {
      TableUpdate(
        schema: schema,
        partitionBy: PartitionColumn.identity(["interval_start", "interval_end"]),
        added: [file(lake, id, hour(3), name: "x")], time: hour(1).start)
    }
    let mine = try Table.schema(for: with("mine"), over: base, replacesAllRows: false)
    let theirs = try Table.schema(for: with("theirs"), over: base, replacesAllRows: false)
    #expect(mine["mine"]?.id == theirs["theirs"]?.id)
    let moved = try lake.catalog.commit(adding(theirs), to: id, base: base)
    let failure = expectFailure(.outdated) {
      try lake.catalog.commit(adding(mine), to: id, base: moved)
    }
    #expect(failure?.message.contains("mine") == true)
  }

  @Test("updates that no table can meet are refused before anything is written")
  func refusals() throws {
    var wrong = update(0)
    wrong.partitionBy = PartitionColumn.identity(["nothing"])
    expectFailure(.invalid) { try lake.catalog.commit(wrong, to: id, base: nil) }
    wrong = update(0)
    wrong.sort = [SortColumn("nothing")]
    expectFailure(.invalid) { try lake.catalog.commit(wrong, to: id, base: nil) }
    wrong = update(0)
    wrong.added[0].partition = [.string("x"), .null]
    expectFailure(.invalid) { try lake.catalog.commit(wrong, to: id, base: nil) }
    wrong = update(0)
    wrong.added += wrong.added
    expectFailure(.invalid) { try lake.catalog.commit(wrong, to: id, base: nil) }
    wrong = update(0)
    wrong.removal = .partitions([[.integer(1)]])
    expectFailure(.invalid) { try lake.catalog.commit(wrong, to: id, base: nil) }
    #expect(try scratch.keys().isEmpty)
  }

  @Test("files that a compaction wants to replace must still be there")
  func replacedFiles() throws {
    let base = try lake.catalog.commit(update(0), to: id, base: nil)
    let old = try base.dataFiles()[0]
    var compaction = replacing(hour(0), with: [file(lake, id, hour(0), name: "z")])
    compaction.operation = .replace
    compaction.removal = .files([old.path])
    let after = try lake.catalog.commit(compaction, to: id, base: base)
    #expect(try after.dataFiles().map(\.path).allSatisfy { $0.contains("-z/") })
    #expect(after.currentSnapshot?.operation == .replace)
    compaction.added = [file(lake, id, hour(0), name: "y")]
    expectFailure(.conflict) { try lake.catalog.commit(compaction, to: id, base: after) }
  }
}

@Suite("Manifests of long-lived tables")
struct ManifestTests {
  private let scratch = ScratchLake()
  private let id = TableID("p", "m")

  @Test("a commit rewrites only the manifests that it takes files from")
  func rewritesLittle() throws {
    let lake = scratch.lake
    var table: Table?
    for number in 0..<10 {
      table = try lake.catalog.commit(
        replacing(hour(number), with: [file(lake, id, hour(number))]), to: id, base: table)
    }
    let before = Set(try #require(table).manifests().map(\.path))
    let after = try lake.catalog.commit(
      replacing(hour(4), with: [file(lake, id, hour(4), name: "b")]), to: id, base: table)
    let manifests = try after.manifests()
    #expect(Set(manifests.map(\.path)).subtracting(before).count == 2)
    #expect(before.subtracting(manifests.map(\.path)).count == 1)
    // The rewritten one tells what was deleted, and goes with the next commit.
    let rewritten = try #require(manifests.first { $0.deletedFiles == 1 })
    #expect(rewritten.liveFiles == 0)
    let next = try lake.catalog.commit(replacing(hour(20), with: []), to: id, base: after)
    #expect(try !next.manifests().contains { $0.path == rewritten.path })
    #expect(try next.dataFiles().count == 10)
  }

  @Test("many small manifests become few, and no file is lost or doubled")
  func merges() throws {
    let lake = scratch.lake
    var table: Table?
    var most = 0
    for number in 0..<150 {
      table = try lake.catalog.commit(
        replacing(hour(number), with: [file(lake, id, hour(number))]), to: id, base: table)
      most = max(most, try #require(table).manifests().count)
    }
    let loaded = try #require(try lake.catalog.load(id))
    #expect(most <= CommitBuilder.manifestCountLimit + 1)
    let files = try loaded.dataFiles().sorted { $0.path < $1.path }
    let expected = (0..<150).map { file(lake, id, hour($0)) }.sorted { $0.path < $1.path }
    #expect(files == expected)
    #expect(loaded.rowCount == 1500)
    // Sequence numbers are those of the commits that added the files.
    let types = loaded.metadata.fieldTypes()
    var sequences: [String: Int64] = [:]
    for manifest in try loaded.manifests() {
      for entry in try loaded.entries(manifest, types: types) {
        sequences[entry.path] = entry.sequenceNumber
      }
    }
    for number in 0..<150 {
      #expect(sequences[file(lake, id, hour(number)).path] == Int64(number + 1))
    }
    #expect(try loaded.dataFiles(.exactly(hour(17))) == [file(lake, id, hour(17))])
    // A replace in the merged part.
    let after = try lake.catalog.commit(replacing(hour(17), with: []), to: id, base: loaded)
    #expect(try after.dataFiles().count == 149)
  }

  @Test("a damaged manifest is an error with its name")
  func damaged() throws {
    let lake = scratch.lake
    let table = try lake.catalog.commit(
      replacing(hour(0), with: [file(lake, id, hour(0))]), to: id, base: nil)
    let manifest = try #require(try table.manifests().first)
    let key = try Table.key(of: manifest.path, in: lake.store)
    let bytes = try #require(try lake.store.get(key)).bytes
    _ = try lake.store.put(key, .bytes(Array(bytes.dropLast(9))), .always)
    let failure = expectFailure(.damaged) { try table.dataFiles() }
    #expect(failure?.place.file == manifest.path)
    try lake.store.delete([key])
    #expect(expectFailure(.missing) { try table.dataFiles() }?.place.file == manifest.path)
  }
}
