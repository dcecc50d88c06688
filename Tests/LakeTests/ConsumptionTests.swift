import Core
import Stores
import Testing

@testable import Lake

@Suite("Consumption")
struct ConsumptionTests {
  private let scratch = ScratchLake()
  private var lake: Lake { scratch.lake }
  private let id = TableID("pageviews", "top_pages")

  private var sample: Consumption {
    var consumption = Consumption(
      definition: ConsumedDefinition(
        fingerprint: "f1",
        queries: [
          "abc": ConsumedQuery(inputs: ["a", "b.c"], parameters: ["top"], syntaxSHA256: "s")
        ]),
      inputs: [
        "blocked": .log(number: 3, definition: "d"), "words": .snapshot(id: 9, definition: "e"),
        "later": .nothing, "hours": .interval(run: "r0", definition: "g"),
      ], run: "r1")
    for number in 0..<3 {
      consumption.intervals[hour(number)] = ConsumedInterval(
        definition: "f1", run: "r\(number)",
        objects: [
          ConsumedObject(
            source: "pageviews", uri: "https://x/\(number) \"ü\".gz", byteCount: 1 << 40,
            version: "v\n1", batch: number)
        ], inputs: ["blocked": .log(number: 2, definition: "d")], rowCount: Int64(number))
    }
    return consumption
  }

  @discardableResult
  private func publish(
    _ number: Int, _ consumption: Consumption? = nil, changes: ChangeSet? = nil
  ) throws -> Table {
    let outcome = try lake.publisher.publish(id) { _, present in
      .apply(
        Publication(
          update: replacing(hour(number), with: [file(lake, id, hour(number))]),
          consumption: consumption ?? present ?? sample,
          changes: changes ?? ChangeSet(intervals: .init(added: [hour(number)]))))
    }
    return try #require(outcome.table)
  }

  @Test("rule 7: what was consumed is named with its hash in summary and property, and comes back")
  func roundTrip() throws {
    let table = try publish(0)
    let hash = try #require(table.currentSnapshot?[summary: SummaryKey.consumption])
    #expect(table.property(SummaryKey.consumption) == hash)
    #expect(hash.count == 64)
    #expect(
      try scratch.keys(LakeLayout.statePrefix(id)).contains(LakeLayout.consumption(id, hash: hash)))
    #expect(try lake.catalog.load(id)?.consumption() == sample)
    #expect(try lake.modelsWithState(in: "pageviews") == ["top_pages"])
  }

  @Test("rule 7: two publications of equal content have files of their own")
  func nonces() throws {
    let first = try publish(0).consumptionHash()
    let second = try publish(1, sample).consumptionHash()
    #expect(first != second)
  }

  @Test("a file whose bytes do not match its name is damaged; one that is gone is missing")
  func damaged() throws {
    let table = try publish(0)
    let key = LakeLayout.consumption(id, hash: try #require(try table.consumptionHash()))
    let bytes = try #require(try scratch.store.get(key)).bytes
    _ = try scratch.store.put(key, .bytes(bytes + [0]), .always)
    #expect(expectFailure(.damaged) { try table.consumption() }?.place.file == lake.store.uri(key))
    try scratch.store.delete([key])
    expectFailure(.missing) { try table.consumption() }
  }

  @Test("a file of a later format is refused, unknown keys are kept")
  func formats() throws {
    guard case .object(var members) = sample.json(nonce: "n") else {
      Issue.record("no object")
      return
    }
    members.append(.init("later", ["b1"]))
    let read = try Consumption(json: .object(members))
    #expect(read.json(nonce: "n")["later"] == ["b1"])
    members[0].value = 2
    expectFailure(.unsupported) { try Consumption(json: .object(members)) }
  }

  /// A commit without any of Sluice's keys.
  private func foreignCommit(_ operation: Operation) throws {
    let table = try #require(try lake.catalog.load(id))
    var metadata = table.metadata
    var snapshot = try #require(metadata.currentSnapshot)
    snapshot.parentID = snapshot.id
    snapshot.id += 1
    snapshot.summary = [.init("operation", operation.rawValue)]
    metadata.snapshots.append(snapshot)
    metadata.currentSnapshotID = snapshot.id
    _ = try scratch.store.put(
      LakeLayout.metadata(id, version: table.version + 1),
      .bytes(Array(metadata.json.description.utf8)), .absent)
  }

  @Test("rule 7: a foreign compaction is harmless")
  func foreignReplace() throws {
    try publish(0)
    try foreignCommit(.replace)
    #expect(try lake.catalog.load(id)?.consumption() == sample)
    try publish(1)
  }

  @Test(
    "rule 7: any other foreign commit stops the model",
    arguments: [Operation.append, .overwrite, .delete])
  func foreignRows(_ operation: Operation) throws {
    try publish(0)
    try foreignCommit(operation)
    try foreignCommit(.replace)
    let failure = expectFailure(.foreignCommit) { try lake.catalog.load(id)?.consumption() }
    #expect(failure?.advice?.contains("sluice state") == true)
    #expect(failure?.place.model == id.description)
    expectFailure(.foreignCommit) { try publish(1) }
    // A full refresh replaces what cannot be told.
    let outcome = try lake.publisher.publish(id, rebuilds: true) { table, consumption in
      #expect(table != nil)
      #expect(consumption == nil)
      var update = replacing(hour(1), with: [file(lake, id, hour(1))])
      update.removal = .all
      return .apply(Publication(update: update, consumption: sample, changes: nil))
    }
    #expect(try outcome.table?.dataFiles() == [file(lake, id, hour(1))])
    #expect(try outcome.table?.consumption() == sample)
  }

  @Test("rule 7: without a snapshot that names it, the property does")
  func property() throws {
    let table = try publish(0)
    // As after the expiry of every snapshot that named one.
    var metadata = table.metadata
    metadata.snapshots[0].summary.removeAll { $0.key == SummaryKey.consumption }
    _ = try scratch.store.put(
      LakeLayout.metadata(id, version: 2), .bytes(Array(metadata.json.description.utf8)), .absent)
    #expect(try lake.catalog.load(id)?.consumption() == sample)
  }

  @Test("rule 7: our own commits without consumption are looked through")
  func quarantineLike() throws {
    let table = try publish(0)
    let next = try lake.catalog.commit(replacing(hour(5), with: []), to: id, base: table)
    #expect(try next.consumption() == sample)
  }

  @Test("rule 8: change files say what was published since a snapshot")
  func changes() throws {
    let first = try publish(0)
    let firstID = try #require(first.currentSnapshot?.id)
    try publish(1)
    let third = try publish(2)
    #expect(
      try third.changes(since: firstID)
        == [
          ChangeSet(intervals: .init(added: [hour(1)])),
          ChangeSet(intervals: .init(added: [hour(2)])),
        ])
    #expect(try third.changes(since: try #require(third.currentSnapshot?.id)) == [])
    // Not an ancestor: the reader rebuilds.
    #expect(try third.changes(since: 12345) == nil)
    // A commit that says nothing of its changes breaks the chain.
    let silent = try lake.catalog.commit(replacing(hour(5), with: []), to: id, base: third)
    #expect(try silent.changes(since: firstID) == nil)
  }

  @Test("rule 8: that every row may have changed is said without a file")
  func everything() throws {
    let first = try publish(0)
    let firstID = try #require(first.currentSnapshot?.id)
    let files = try scratch.keys(LakeLayout.statePrefix(id)).count
    let second = try publish(1, changes: ChangeSet(isFull: true))
    #expect(try scratch.keys(LakeLayout.statePrefix(id)).count == files + 1)
    let third = try publish(2)
    let expected = [ChangeSet(isFull: true), ChangeSet(intervals: .init(added: [hour(2)]))]
    #expect(try third.changes(since: firstID) == expected)
    #expect(try third.published(since: firstID) == expected)
    #expect(second.currentSnapshot?[summary: SummaryKey.changes] == "full")
    // Nothing is looked for that is not there, and what else is to be said has a file.
    let keys = Set(try scratch.keys(LakeLayout.statePrefix(id)))
    let reachable = try third.reachableKeys()
    #expect(reachable.filter { $0.hasPrefix(LakeLayout.statePrefix(id)) } == keys)
    let more = ChangeSet(isFull: true, contributions: .init(added: ["a"]))
    #expect(
      try publish(3, changes: more).changes(since: try #require(third.currentSnapshot?.id))
        == [more])
  }

  @Test("change files come back")
  func changeSet() throws {
    let set = ChangeSet(
      isFull: true,
      intervals: .init(added: [hour(1)], replaced: [hour(2), hour(3)], removed: [hour(4)]),
      contributions: .init(added: ["b", "a\n"], replaced: ["ü"], removed: ["c"]))
    let read = try ChangeSet(json: set.json(nonce: "n"))
    #expect(read.isFull && read.intervals == set.intervals)
    #expect(read.contributions == .init(added: ["a\n", "b"], replaced: ["ü"], removed: ["c"]))
    #expect(
      try ChangeSet(json: ChangeSet(isFull: true).json(nonce: "n")) == ChangeSet(isFull: true))
    expectFailure(.unsupported) { try ChangeSet(json: ["format": 9]) }
    expectFailure(.damaged) { try ChangeSet(json: ["format": 1]) }
  }

  @Test("rule 8: changes that follow each other fold into one")
  func folded() {
    var folded = FoldedChanges<String>()
    folded.fold(.init(added: ["new", "brief"], replaced: ["changed"], removed: ["back", "gone"]))
    folded.fold(.init(added: ["back"], replaced: ["new", "changed"], removed: ["brief"]))
    let result = folded.result
    #expect(result.added == ["new"])
    #expect(result.replaced.sorted() == ["back", "changed"])
    #expect(result.removed == ["gone"])
  }
}

@Suite("Publishing")
struct PublisherTests {
  private let scratch = ScratchLake()
  private var lake: Lake { scratch.lake }
  private let id = TableID("pageviews", "top_pages")

  private func stage(_ number: Int, _ name: String, on lake: Lake) throws -> DataFile {
    let staged = file(lake, id, hour(number), name: name)
    _ = try lake.store.put(
      try Table.key(of: staged.path, in: lake.store), .bytes([1]), .always)
    return staged
  }

  private func apply(_ number: Int, _ staged: [DataFile]) -> Decision {
    .apply(
      Publication(
        update: replacing(hour(number), with: staged), consumption: Consumption(run: "r"),
        changes: ChangeSet(intervals: .init(added: [hour(number)]))))
  }

  @Test("rule 19: the loser drops its staged files after reading that it lost")
  func loserDrops() throws {
    let lake = lake
    let mine = try stage(0, "mine", on: lake)
    var calls = 0
    let outcome = try lake.publisher.publish(id, staged: [mine]) { table, _ in
      calls += 1
      if table == nil {
        // Someone else is faster between this decision and its commit.
        try publishHour(lake, id, hour(0), run: "other", name: "theirs")
        return apply(0, [mine])
      }
      return .alreadyApplied
    }
    guard case .alreadyApplied(let table?) = outcome else {
      Issue.record("not seen as applied")
      return
    }
    #expect(calls == 2)
    #expect(table.version == 1)
    #expect(
      try scratch.keys(LakeLayout.dataPrefix(id)).allSatisfy { $0.contains("-theirs/") })
    // The loser's state files are gone as well.
    #expect(try scratch.keys(LakeLayout.statePrefix(id)).count == 2)
  }

  @Test("what was loaded before is no worse a base: the swap tells, and the table is asked")
  func loaded() throws {
    let lake = lake
    try publishHour(lake, id, hour(0), run: "a", name: "first")
    let old = try #require(try lake.catalog.load(id))
    try publishHour(lake, id, hour(1), run: "b", name: "second")
    let mine = try stage(2, "mine", on: lake)
    var bases: [Int?] = []
    let outcome = try lake.publisher.publish(id, loaded: old, staged: [mine]) { table, _ in
      bases.append(table?.version)
      return apply(2, [mine])
    }
    #expect(bases == [1, 2])
    #expect(outcome.table?.version == 3)
    #expect(try outcome.table?.dataFiles().count == 3)
  }

  @Test("rule 19: an ambiguous outcome leaves everything to maintenance")
  func ambiguousLeaves() throws {
    let store = FaultyStore(scratch.store) { _, key, _ in
      key.hasSuffix("v1.metadata.json") ? .lostRequest : .none
    }
    let flaky = Lake(store: store)
    let mine = try stage(0, "mine", on: flaky)
    expectFailure(.ambiguous) {
      try flaky.publisher.publish(id, staged: [mine]) { _, _ in apply(0, [mine]) }
    }
    #expect(try scratch.keys(LakeLayout.dataPrefix(id)).count == 1)
    #expect(try scratch.keys(LakeLayout.statePrefix(id)).count == 2)
  }

  @Test("rule 19: a run older than half the grace period may not publish")
  func tooOld() throws {
    let time = ManualClock()
    let lake = Lake(store: scratch.store, clock: time.clock)
    let run = try ActiveRun(
      RunID(start: time.clock.now()), store: lake.store, clock: time.clock, graceSeconds: 7200)
    let mine = try stage(0, "mine", on: lake)
    time.advance(seconds: 3601)
    expectFailure(.tooOld) {
      try lake.publisher.publish(id, staged: [mine], run: run) { _, _ in apply(0, [mine]) }
    }
    #expect(try lake.catalog.load(id) == nil)
    #expect(try scratch.keys(LakeLayout.statePrefix(id)).isEmpty)
  }

  @Test("staged files that the commit does not take are dropped")
  func leftovers() throws {
    let (taken, left) = (try stage(0, "taken", on: lake), try stage(0, "left", on: lake))
    _ = try lake.publisher.publish(id, staged: [taken, left]) { _, _ in apply(0, [taken]) }
    #expect(
      try scratch.keys(LakeLayout.dataPrefix(id)).map { $0.contains("-taken/") } == [true])
  }

  @Test("what the decision throws ends the publication and leaves the files")
  func decisionThrows() throws {
    struct Refused: Error {}
    let mine = try stage(0, "mine", on: lake)
    #expect(throws: Refused.self) {
      try lake.publisher.publish(id, staged: [mine]) { _, _ in throw Refused() }
    }
    #expect(try scratch.keys().count == 1)
    try lake.publisher.discard([mine])
    #expect(try scratch.keys().isEmpty)
  }

  @Test("rule 16: rows of the same model and batch replace each other in the quarantine")
  func quarantine() throws {
    let quarantine = TableID("pageviews", "quarantine")
    let schema = Schema([
      Field(name: "model", type: .string), Field(name: "batch", type: .string),
      Field(name: "row", type: .string),
    ])
    func put(_ model: String, _ batch: String, _ name: String) throws {
      let tuple: [Value] = [.string(model), .string(batch)]
      let staged = DataFile(
        path: unwritten(lake, quarantine, name), rowCount: 1, byteCount: 1, partition: tuple)
      _ = try lake.publisher.publish(quarantine) { table, consumption in
        #expect(consumption == nil)
        return .apply(
          Publication(
            update: TableUpdate(
              schema: schema, partitionBy: PartitionColumn.identity(["model", "batch"]),
              added: [staged], removal: .partitions([tuple]), time: hour(0).start),
            consumption: nil, changes: nil))
      }
    }
    try put("top_pages", "2024-01-01T00", "a")
    try put("top_pages", "2024-01-01T01", "b")
    try put("other", "2024-01-01T00", "c")
    try put("top_pages", "2024-01-01T00", "d")
    let files = try #require(try lake.catalog.load(quarantine)).dataFiles()
    #expect(
      Set(files.map { String($0.path.split(separator: "/").dropLast().last ?? "") }) == [
        "b", "c", "d",
      ])
  }

  @Test("rule 20: a store that ignores conditions is refused at first use")
  func probe() throws {
    let bad = Lake(store: FaultyStore(scratch.store, ignoresConditions: true))
    #expect {
      try bad.probe()
    } throws: { error in
      (error as? StoreError)?.code == .unsafe && (error as? StoreError)?.exitCode == 2
    }
    // Neither a marker nor the probe's object stays.
    #expect(try scratch.keys().isEmpty)

    let store = FaultyStore(scratch.store)
    let good = Lake(store: store)
    try good.probe()
    #expect(try scratch.keys() == [LakeLayout.marker])
    let count = store.count
    try good.probe()
    #expect(store.count == count)

    _ = try scratch.store.put(LakeLayout.marker, .bytes(Array("{\"format\":2}".utf8)), .always)
    expectFailure(.unsupported) { try good.probe() }
  }
}
