import Core
import Foundation
import Stores
import TestSupport
import Testing

@testable import Lake

@Suite("Maintenance")
struct MaintenanceTests {
  // MARK: - Compaction

  private func file(_ name: String, _ megabytes: Int64, _ region: String = "") -> DataFile {
    DataFile(
      path: name, rowCount: megabytes, byteCount: megabytes * 1_000_000,
      partition: region.isEmpty ? [] : [.string(region)])
  }

  private func names(_ groups: [[DataFile]]) -> [[String]] { groups.map { $0.map(\.path) } }

  @Test("small files of a partition become one; large ones and those of others stay apart")
  func groups() {
    let files = [
      file("a1", 1, "a"), file("b1", 1, "b"), file("a2", 2, "a"), file("a3", 3, "a"),
      file("a4", 4, "a"), file("big", 200, "a"), file("b2", 2, "b"),
    ]
    #expect(names(Compaction().groups(of: files)) == [["a1", "a2", "a3", "a4"]])
    #expect(
      names(Compaction(minimumFileCount: 2).groups(of: files))
        == [["a1", "a2", "a3", "a4"], ["b1", "b2"]])
    #expect(Compaction(minimumFileCount: 1).groups(of: [file("only", 1)]) == [])
  }

  @Test("a few files are left until there are more, unless they make one that is not small")
  func patience() {
    #expect(Compaction().groups(of: [file("a", 100), file("b", 1), file("c", 1)]) == [])
    #expect(names(Compaction().groups(of: [file("a", 100), file("b", 60)])) == [["b", "a"]])
  }

  @Test("groups are no larger than the target", arguments: 0..<50)
  func packing(seed: UInt64) {
    var random = Seeded(seed)
    let compaction = Compaction(
      smallByteCount: 100, targetByteCount: 300,
      minimumFileCount: .random(in: 1...5, using: &random))
    let files = (0..<Int.random(in: 0...60, using: &random)).map { index in
      DataFile(
        path: "f\(index)", rowCount: 1, byteCount: .random(in: 1...150, using: &random),
        partition: [.integer(.random(in: 0...3, using: &random))])
    }
    let groups = compaction.groups(of: files)
    let grouped = groups.flatMap { $0.map(\.path) }
    #expect(Set(grouped).count == grouped.count)
    for group in groups {
      let byteCount = group.reduce(0) { $0 + $1.byteCount }
      #expect(group.count >= 2 && byteCount <= 300)
      #expect(Set(group.map(\.partition)).count == 1)
      #expect(group.allSatisfy { $0.byteCount < 100 })
      #expect(group.count >= compaction.minimumFileCount || byteCount >= 100)
    }
    // What is left of a partition is too little to be worth writing again.
    for (_, rest) in Dictionary(
      grouping: files.filter { $0.byteCount < 100 && !grouped.contains($0.path) },
      by: \.partition)
    {
      #expect(rest.count < max(2, compaction.minimumFileCount))
    }
  }

  // MARK: - Expiry

  private static let id = TableID("shop", "sales")

  /// A table with a commit an hour, the first at midnight.
  private func table(_ lake: ScratchLake, commits: Int) throws -> Table {
    let catalog = lake.lake.catalog
    var base: Table?
    for number in 0..<commits {
      base = try catalog.commit(
        replacing(hour(0), with: [], at: hour(number).start), to: Self.id, base: base)
    }
    return try #require(base)
  }

  @Test("snapshots go by age and count, and never the current one")
  func expiry() throws {
    let lake = ScratchLake()
    let table = try table(lake, commits: 10)
    let line = table.history().reversed().map(\.id)
    func expired(hours: Int64, count: Int, now: Int = 10) -> [Int64] {
      let gone = Expiry(ageSeconds: hours * 3600, minimumCount: count)
        .expired(of: table, now: hour(now).start)
      return line.filter { gone.contains($0) }
    }
    // Each was replaced an hour after it was made: at 10:00 the one of 06:00 is 3 hours gone.
    #expect(expired(hours: 3, count: 1) == Array(line[..<7]))
    #expect(expired(hours: 4, count: 1) == Array(line[..<6]))
    #expect(expired(hours: 3, count: 8) == Array(line[..<2]))
    #expect(expired(hours: 0, count: 1) == Array(line[..<9]))
    #expect(expired(hours: 1000, count: 1) == [])
    #expect(expired(hours: 0, count: 1, now: 100_000) == Array(line[..<9]))
  }

  @Test("rule 8: what a consumer has not read is kept, up to max_lag")
  func lag() throws {
    let lake = ScratchLake()
    let table = try table(lake, commits: 10)
    let line = table.history().reversed().map(\.id)
    func expired(_ lagHours: Int64, read position: Int) -> Int {
      Expiry(ageSeconds: 0, minimumCount: 1, maximumLagSeconds: lagHours * 3600)
        .expired(of: table, positions: [line[position]], now: hour(10).start).count
    }
    #expect(expired(24, read: 2) == 2)
    #expect(expired(24, read: 9) == 9)
    // Read up to the snapshot of 02:00, which was replaced 7 hours ago.
    #expect(expired(8, read: 2) == 2)
    #expect(expired(6, read: 2) == 9)
  }

  @Test("a commit drops the snapshots that expire, and the history that reached back to them")
  func commit() throws {
    let lake = ScratchLake()
    let base = try table(lake, commits: 6)
    let line = base.history().reversed().map(\.id)
    var update = replacing(hour(0), with: [], at: hour(7).start)
    update.operation = .replace
    // The current one cannot go, whoever asks.
    update.expired = Set(line)
    let table = try lake.lake.catalog.commit(update, to: Self.id, base: base)
    let loaded = try #require(try lake.lake.catalog.load(Self.id))
    #expect(loaded.metadata == table.metadata)
    #expect(loaded.history().count == 1)
    #expect(loaded.metadata.snapshots.map(\.id) == [loaded.metadata.currentSnapshotID])
    #expect(
      loaded.metadata.snapshotLog.map(\.subject.integer) == [loaded.metadata.currentSnapshotID])
    #expect(loaded.commitsSinceMaintenance == 0)
    #expect(base.commitsSinceMaintenance == 6)
  }

  // MARK: - Sweeping

  /// Makes a file look as if it had been written so long ago.
  private func age(_ lake: ScratchLake, _ key: String, hours: Double) throws {
    let date = Date.past(hours * 3600)
    try FileManager.default.setAttributes(
      [.modificationDate: date], ofItemAtPath: lake.path + "/" + key)
  }

  private func ageAll(_ lake: ScratchLake, hours: Double) throws {
    for key in try lake.keys() { try age(lake, key, hours: hours) }
  }

  private func sweep(_ lake: ScratchLake) throws -> Sweep {
    let run = try ActiveRun(
      RunID(start: Clock.system.now()), store: lake.store, clock: .system)
    defer { try? run.finish() }
    return try lake.lake.sweep(by: run, graceSeconds: 86_400)
  }

  private func put(_ lake: ScratchLake, _ key: String) throws {
    _ = try lake.store.put(key, .bytes([1]), .absent)
  }

  /// Two hours with a file each, then the second file of the first hour.
  private func swept(_ lake: ScratchLake) throws -> Table {
    let catalog = lake.lake.catalog
    var base: Table?
    for (number, name) in [(0, "a"), (1, "a"), (0, "b")] {
      let file = LakeTests.file(lake.lake, Self.id, hour(number), name: name)
      try put(lake, try Table.key(of: file.path, in: lake.store))
      base = try catalog.commit(
        replacing(hour(number), with: [file], at: hour(number).start), to: Self.id, base: base)
    }
    return try #require(base)
  }

  @Test("rule 19: what nothing names goes once it is older than the grace period")
  func orphans() throws {
    let lake = ScratchLake()
    _ = try swept(lake)
    try ageAll(lake, hours: 100)
    let old = "tables/shop/sales/data/20240101T000000000-000000000000/old.parquet"
    let young = "tables/shop/sales/data/20240101T000000000-000000000000/young.parquet"
    let state = "state/shop/sales/0000.json.zst"
    let foreign = "tables/shop/sales/metadata/00001-5d.metadata.json"
    for key in [old, young, state, foreign] { try put(lake, key) }
    for key in [old, state, foreign] { try age(lake, key, hours: 25) }
    try age(lake, young, hours: 23)
    let found = try sweep(lake).removable(of: Self.id).map(\.key)
    #expect(Set(found) == [old, state])
  }

  @Test("rule 19: nothing goes that is younger than a run that lives; a dead one holds up nothing")
  func liveRuns() throws {
    let lake = ScratchLake()
    _ = try swept(lake)
    let orphan = "tables/shop/sales/data/20240101T000000000-000000000000/old.parquet"
    try put(lake, orphan)
    try ageAll(lake, hours: 30)
    let long = RunID(start: Clock.system.now().adding(seconds: -48 * 3600))
    try put(lake, LakeLayout.activeRun(long))
    #expect(try sweep(lake).removable(of: Self.id).map(\.key) == [])
    // Not renewed for longer than the grace period.
    try age(lake, LakeLayout.activeRun(long), hours: 25)
    let sweep = try sweep(lake)
    #expect(try sweep.removable(of: Self.id).map(\.key) == [orphan])
    #expect(
      try lake.lake.abandoned().filter(sweep.isOld).map(\.key) == [LakeLayout.activeRun(long)])
  }

  @Test("expired snapshots' files stay until no version of the grace period names them")
  func readers() throws {
    let lake = ScratchLake()
    let before = try swept(lake)
    let replaced = try Table.key(
      of: unwritten(lake.lake, Self.id, "\(hour(0))-a"), in: lake.store)
    try ageAll(lake, hours: 100)
    var update = TableUpdate(
      operation: .replace, schema: .hourly, partitionBy: before.partitionColumns,
      time: hour(10).start)
    update.expired = Set(before.history().dropFirst().map(\.id))
    let table = try lake.lake.catalog.commit(update, to: Self.id, base: before)
    #expect(table.history().count == 2)
    // Someone may have loaded the version before a moment ago.
    #expect(try sweep(lake).removable(of: Self.id).map(\.key) == [])

    try age(lake, LakeLayout.metadata(Self.id, version: table.version), hours: 25)
    let found = Set(try sweep(lake).removable(of: Self.id).map(\.key))
    #expect(found.contains(replaced))
    #expect(found.isDisjoint(with: try table.reachableKeys()))
    let live = try table.dataFiles().map { try Table.key(of: $0.path, in: lake.store) }
    #expect(live.count == 2 && found.isDisjoint(with: live))
    // The file, two manifest lists, and the manifest that only the first snapshot had.
    #expect(found.count == 4)
  }

  @Test("rule 20: metadata stays a week, and while the log, the hint or the newest version is it")
  func metadata() throws {
    let lake = ScratchLake()
    var table = try swept(lake)
    func removable() throws -> [String] {
      try sweep(lake).removable(of: Self.id).map(\.key).filter { $0.hasSuffix(".metadata.json") }
    }
    try ageAll(lake, hours: 24 * 30)
    #expect(try removable() == [])
    // The log remembers one version only from now on.
    var update = TableUpdate(
      operation: .replace, schema: .hourly, partitionBy: table.partitionColumns,
      properties: ["write.metadata.previous-versions-max": "1"], time: hour(10).start)
    update.operation = .replace
    table = try lake.lake.catalog.commit(update, to: Self.id, base: table)
    #expect(table.version == 4)
    let (first, second) = (
      LakeLayout.metadata(Self.id, version: 1), LakeLayout.metadata(Self.id, version: 2)
    )
    #expect(Set(try removable()) == [first, second])
    try age(lake, second, hours: 24 * 6)
    #expect(try removable() == [first])
    try age(lake, second, hours: 24 * 30)
    // Where the hint lags behind, readers start from it.
    _ = try lake.store.put(LakeLayout.versionHint(Self.id), .bytes(Array("2".utf8)), .always)
    #expect(try removable() == [first])
  }

  @Test("a table that was never published has orphans only")
  func unpublished() throws {
    let lake = ScratchLake()
    let orphan = "tables/shop/sales/data/20240101T000000000-000000000000/old.parquet"
    try put(lake, orphan)
    #expect(try sweep(lake).removable(of: Self.id).map(\.key) == [])
    try age(lake, orphan, hours: 25)
    #expect(try sweep(lake).removable(of: Self.id).map(\.key) == [orphan])
  }
}
