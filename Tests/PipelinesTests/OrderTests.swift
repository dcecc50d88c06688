import Core
import Engines
import Foundation
import Lake
import Project
import Stores
import Synchronization
import TestSupport
import Testing

@testable import Pipelines

/// Random sequences of what may happen to a source, with runs in between, some of which die: every
/// table is what a naive model says, and what a build from scratch gives.
@Suite("rule 12: any order of arrival gives the same tables")
struct OrderTests {
  static let isLong = ProcessInfo.processInfo.environment["SLUICE_TEST_LONG"] == "1"
  /// `SLUICE_TEST_SEEDS=12,15` runs these.
  static let seeds =
    ProcessInfo.processInfo.environment["SLUICE_TEST_SEEDS"].map {
      $0.split(separator: ",").compactMap { Int($0) }
    } ?? Array(0..<(isLong ? 60 : 3))

  @Test(
    "append → merge → append, full and view, and merges with and without an append table below",
    arguments: seeds)
  func sequences(seed: Int) throws {
    let world = try World(seed: UInt64(seed))
    var runs = 0
    for step in 0..<(OrderTests.isLong ? 30 : 9) {
      let what = try world.step() + world.maybeRollBack()
      switch world.random(in: 0..<6) {
      case 0: continue
      case 1, 2:
        // Dies at one of its writes; nothing of it is expected, and the next run sets it right.
        try world.run(dyingAfter: world.random(in: 0..<60))
        guard world.random(in: 0..<2) == 0 else { continue }
      default: break
      }
      let report = try world.run()
      try #require(
        report.status != .failed, "seed \(seed), step \(step) \(what): \(report.failures)")
      runs += 1
      for (table, expected) in world.expected() {
        let rows = try world.rows(of: table)
        #expect(
          rows == expected,
          """
          seed \(seed), step \(step) \(what): \(table): too many \
          \(Set(rows).subtracting(expected)), missing \(Set(expected).subtracting(rows))
          """)
      }
      guard step % 3 == 0 else { continue }
      let again = try world.run()
      #expect(again.status == .unchanged, "seed \(seed), step \(step) \(what)")
    }
    #expect(runs > 1)

    try world.run()
    let scratch = try world.rebuilt()
    for table in world.expected().keys.sorted() {
      #expect(try scratch.rows(of: table) == world.rows(of: table), "seed \(seed): \(table)")
    }
  }
}

/// A project, the files that it should hold, and the tables that follow from them.
private final class World {
  struct Row { var id: Int, customer: String, amount: Int, ts: Int }
  /// Nil is a line that does not fit.
  typealias File = [Row?]

  let project: TestProject
  private var files: [String: File] = [:]
  private var generator: Seeded
  private static let engine = DuckDBEngine(settings: DuckDBSettings(threads: 2))

  init(seed: UInt64) throws {
    generator = Seeded(seed &* 7919 &+ 17)
    project = try Chain.project()
    project.limits = BatchLimits(fileCount: 3, byteCount: 1 << 30)
    // Runs that "die" here leave their claims to a process that lives on: nobody is to wait for it.
    let settings = String(decoding: try project.read("sluice.yaml"), as: UTF8.self)
    try project.write("sluice.yaml", settings + "\nleases: false\n")
    let columns = Chain.columns.replacingOccurrences(
      of: "columns: {", with: "columns: {gone: {type: boolean}, ")
    for on in ["bronze", "orders"] {
      try project.write(
        "pipelines/shop/models/live_\(on).yaml",
        """
        kind: merge
        incremental: {on: \(on)}
        unique_key: [id]
        order_by: [ts]
        delete_marker: gone
        \(columns)
        """)
      try project.write(
        "pipelines/shop/models/live_\(on).sql",
        "SELECT amount < 20 AS gone, id, customer, amount, ts FROM \(on)")
    }
  }

  func random(in range: Range<Int>) -> Int { Int.random(in: range, using: &generator) }

  // MARK: What happens

  /// Changes one file or several.
  func step() throws -> String {
    var done: [String] = []
    for _ in 0..<random(in: 1..<5) {
      let name = "f\(random(in: 10..<30))"
      let isThere = files[name] != nil
      if isThere && random(in: 0..<3) == 0 {
        files[name] = nil
        try project.remove("data/\(name).csv")
        done.append("- \(name)")
      } else {
        let file = (0..<random(in: 0..<6)).map { _ in row() }
        files[name] = file
        try write(name, file, to: project)
        done.append((isThere ? "~ " : "+ ") + name)
      }
    }
    return done.joined(separator: ", ")
  }

  /// Now and then takes a table back to one of its snapshots, and lets what was undone in again.
  func maybeRollBack() throws -> String {
    guard random(in: 0..<4) == 0 else { return "" }
    let tables = ["bronze", "silver", "direct", "copy", "totals", "live_bronze", "live_orders"]
    let name = tables[random(in: 0..<tables.count)]
    let workspace = try workspace()
    guard let table = try workspace.lake.catalog.load(TableID("shop", name)) else { return "" }
    let line = table.history()
    let snapshot = line[random(in: 0..<line.count)].id
    let text = try workspace.rollback("shop.\(name)", to: .snapshot(snapshot)).text
    // Runs in between leave what is held alone.
    if random(in: 0..<2) == 0 { try run() }
    _ = try workspace.forget("shop.\(name)", held: true)
    return ", \(name) \(text)"
  }

  private func row() -> Row? {
    guard random(in: 0..<12) > 0 else { return nil }
    return Row(
      id: random(in: 0..<8), customer: ["ann", "bob", "cid"][random(in: 0..<3)],
      amount: random(in: 0..<100), ts: random(in: 0..<10))
  }

  private func write(_ name: String, _ file: File, to project: TestProject) throws {
    let lines = file.map { row in
      row.map { "\($0.id),\($0.customer),\($0.amount),\($0.ts)" } ?? "junk,x,y,z"
    }
    try project.write(
      "data/\(name).csv", (["id,customer,amount,ts"] + lines).joined(separator: "\n") + "\n")
  }

  /// - Parameter writes: After so many, the store is gone for the run.
  @discardableResult
  func run(dyingAfter writes: Int? = nil) throws -> RunReport {
    var store: any Store = try StoreOpener.shared.open(project.load().lake)
    if let writes {
      // From then on nothing gets through, as after a SIGKILL.
      let count = Counter()
      store = FaultStore(wrapping: store) { call in
        let isWrite = call.method == .put || call.method == .delete
        return count.add(isWrite ? 1 : 0) > writes ? .fails(.denied) : nil
      }
    }
    do {
      return try workspace(lakeStore: store).run(Selection(allowRemovals: true))
    } catch {
      guard writes != nil else { throw error }
      return RunReport(
        run: "", started: project.now, finished: project.now, units: [], notes: [], status: .failed)
    }
  }

  private func workspace(lakeStore: (any Store)? = nil) throws -> Workspace {
    let loaded = try project.load()
    var context = Workspace.Context(clock: .starting(at: project.now))
    context.limits = project.limits
    return try Workspace(
      project: loaded, context: context, opener: .shared, engine: World.engine,
      cache: ObjectCache(directory: loaded.cache.path, maximumByteCount: 1 << 20),
      lakeStore: lakeStore)
  }

  /// The same files in a lake that has seen nothing else.
  func rebuilt() throws -> World {
    let other = try World(seed: 0)
    for (name, file) in files { try write(name, file, to: other.project) }
    other.files = files
    let report = try other.run()
    #expect(report.status == .done, "\(report.failures)")
    return other
  }

  // MARK: What should be

  private struct Placed { var row: Row, file: String, line: Int }

  func expected() -> [String: [String]] {
    var all: [Placed] = []
    var junk: [String] = []
    for (name, file) in files {
      for (index, row) in file.enumerated() {
        if let row {
          all.append(Placed(row: row, file: "data/\(name).csv", line: index + 2))
        } else {
          for model in ["bronze", "direct", "live_orders"] {
            junk.append("\(model)|data/\(name).csv|\(index + 2)")
          }
        }
      }
    }
    var latest: [Int: Placed] = [:]
    for one in all {
      guard let best = latest[one.row.id] else {
        latest[one.row.id] = one
        continue
      }
      if (best.row.ts, best.file, best.line) < (one.row.ts, one.file, one.line) {
        latest[one.row.id] = one
      }
    }
    func text(_ placed: Placed) -> String {
      let row = placed.row
      return "\(row.id)|\(row.customer)|\(row.amount)|\(row.ts)|\(placed.file)|\(placed.line)"
    }
    let silver = latest.values.map(text).sorted()
    let live = latest.values.filter { $0.row.amount >= 20 }.map(text).sorted()
    var totals: [String: Int] = [:]
    for one in latest.values { totals[one.row.customer, default: 0] += one.row.amount }
    return [
      "bronze": all.map(text).sorted(), "silver": silver, "direct": silver, "copy": silver,
      "live_bronze": live, "live_orders": live, "quarantine": junk.sorted(),
      "totals": totals.map { "\($0)|\($1)" }.sorted(),
      "large": totals.filter { $0.value >= 10 }.map { "\($0)|\($1)" }.sorted(),
    ]
  }

  func rows(of table: String) throws -> [String] {
    let columns =
      switch table {
      case "totals", "large": "customer, total"
      case "quarantine": "model, source_file, source_row"
      default: "id, customer, amount, ts, _source_file, _source_row"
      }
    let workspace = try workspace()
    // A table is not made before there is something to read.
    let isMade =
      try table == "large" || workspace.lake.catalog.load(TableID("shop", table)) != nil
    guard isMade else { return [] }
    var lines: [String] = []
    try workspace.query("SELECT \(columns) FROM shop.\(table)") { set in
      lines += set.rows.map { $0.map(\.description).joined(separator: "|") }
    }
    return lines.sorted()
  }
}

private final class Counter: Sendable {
  private let count = Mutex(0)
  func add(_ number: Int) -> Int {
    count.withLock { count in
      count += number
      return count
    }
  }
}
