import Core
import Foundation
import Stores
import Testing

@testable import Lake

/// What one more commit costs on a table that has had many.
@Suite("Commit cost")
struct CommitCostTests {
  private let id = TableID("bench", "rows")
  private let schema = Schema([
    Field(name: "n", type: .bigint), Field(name: "name", type: .string),
  ]).withFreshIDs()

  private func publish(_ files: Int, _ number: Int, to lake: Lake) throws -> Table {
    let added = (0..<files).map { index in
      DataFile(
        path: unwritten(lake, id, "\(number)-\(index)"), rowCount: 10, byteCount: 1000,
        columns: [
          1: ColumnStatistics(
            valueCount: 10, nullCount: 0, lower: .integer(Int64(number * 1000 + index)),
            upper: .integer(Int64(number * 1000 + index + 10)))
        ])
    }
    let outcome = try lake.publisher.publish(id) { _, consumption in
      var next = consumption ?? Consumption()
      next.run = "run-\(number)"
      next.inputs["source"] = .log(number: number, definition: "d")
      return .apply(
        Publication(
          update: TableUpdate(schema: schema, added: added, time: hour(number).start),
          consumption: next, changes: ChangeSet()))
    }
    return try #require(outcome.table)
  }

  @Test("an append writes what it adds, whatever is there; manifests stay few")
  func writes() throws {
    let scratch = ScratchLake()
    let lake = scratch.lake
    var table = try publish(1, 0, to: lake)
    for number in 1...(2 * CommitBuilder.manifestCountLimit) {
      let before = Set(try table.manifests().map(\.path))
      table = try publish(2, number, to: lake)
      let after = try table.manifests()
      #expect(after.count <= CommitBuilder.manifestCountLimit + 1)
      // All but now and then, every manifest but one is the one before's.
      if after.count == before.count + 1 {
        #expect(after.count { !before.contains($0.path) } == 1)
      }
    }
    #expect(table.metadata.metadataLog.count == 100)
    #expect(table.rowCount == Int64(10 + 20 * 2 * CommitBuilder.manifestCountLimit))
    #expect(try table.dataFiles().count == 1 + 4 * CommitBuilder.manifestCountLimit)
    // Statistics find a file among all, without a look into most manifests.
    let scan = try table.scan(.equal("n", .integer(7005)))
    #expect(scan.files.map(\.rowCount) == [10, 10])
  }

  /// The folder that a benchmark may use.
  static let folder = ProcessInfo.processInfo.environment["SLUICE_BENCH_COMMIT"]

  @Test("against pyiceberg", .enabled(if: folder != nil && Python.path != nil))
  func bench() throws {
    func number(_ name: String, _ usual: Int) -> Int {
      ProcessInfo.processInfo.environment[name].flatMap { Int($0) } ?? usual
    }
    let snapshots = number("COMMIT_SNAPSHOTS", 1000)
    let files = number("COMMIT_FILES", 10_000)
    let folder = try #require(CommitCostTests.folder) + "/\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let lake = Lake(store: LocalStore(root: folder, isDurable: true, counter: MutationCounter()))
    for number in 0..<snapshots { _ = try publish(files / snapshots, number, to: lake) }
    let table = lake.store.uri(LakeLayout.table(id))
    let theirs = try Python.run(
      "../../Benchmarks/commit.py", [table, folder + "/theirs", "7"]
    ).array?.compactMap { item -> Double? in
      if case .number(let seconds) = item { seconds } else { nil }
    }
    var mine: [Double] = []
    for number in 0..<7 {
      let start = ContinuousClock.now
      _ = try publish(1, snapshots + number, to: lake)
      let spent = (ContinuousClock.now - start).components
      mine.append(Double(spent.seconds) + Double(spent.attoseconds) / 1e18)
    }
    func median(_ all: [Double]) -> Int { Int(all.sorted()[all.count / 2] * 1000) }
    let last = try #require(try lake.catalog.load(id))
    #expect(try last.dataFiles().count == files / snapshots * snapshots + 7)
    print(
      "commit: \(files) files, \(snapshots) snapshots, one more file: "
        + "Sluice \(median(mine)) ms, pyiceberg \(median(theirs ?? [0])) ms (medians of 7)")
  }
}
