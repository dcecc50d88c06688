import Core
import Engines
import Project
import TestSupport
import Testing

@testable import Auditing

/// A table of random rows with random checks.
private struct RandomTable {
  static let schema = Schema([
    Field(name: "wört \"1\"", type: .string), Field(name: "from", type: .bigint),
    Field(name: "d", type: .double), Field(name: "day", type: .date),
  ]).withFreshIDs()
  static let pools: [[Value]] = [
    ["a", "é", "e\u{301}", "", "\"", "it's", "\u{1F600}", "NULL"].map { .string($0) },
    [-2, -1, 0, 1, 2, .min, .max].map { .integer($0) },
    [0, 0.5, -1, .nan, .infinity, -.infinity].map { .double($0) },
    [-1, 0, 1, 19_723].map { .date($0) },
  ]

  var staged: [[[Value]]]
  var current: [[[Value]]]
  var checks: [Check]

  init(seed: UInt64) {
    var random = Seeded(seed)
    func row() -> [Value] {
      RandomTable.pools.map { pool in
        Int.random(in: 0..<5, using: &random) == 0 ? .null : pool.randomElement(using: &random)!
      }
    }
    func files() -> [[[Value]]] {
      (0..<Int.random(in: 0...3, using: &random)).map { _ in
        (0..<Int.random(in: 1...8, using: &random)).map { _ in row() }
      }
    }
    func column() -> Int { Int.random(in: 0..<4, using: &random) }
    func bound(_ column: Int) -> Value? {
      guard Bool.random(using: &random) else { return nil }
      // A bound is a number; NaN as a bound is refused where project files are read.
      return RandomTable.pools[column].filter { $0.description != "nan" }
        .randomElement(using: &random)
    }
    staged = files()
    current = files()
    checks = (0..<Int.random(in: 1...8, using: &random)).map { index in
      let target = column()
      let name = RandomTable.schema.fields[target].name
      var check: Check
      switch Int.random(in: 0..<6, using: &random) {
      case 0: check = .notNull(name)
      case 1, 2: check = .between(name, bound(target), bound(target))
      case 3:
        var values = RandomTable.pools[target].shuffled(using: &random)
        values = Array(values.prefix(Int.random(in: 0...6, using: &random)))
        check = .accepted(name, values)
      case 4:
        let columns = Set([target, column(), column()]).sorted()
        check = .unique(columns.map { RandomTable.schema.fields[$0].name })
      default:
        check = .rowCount(
          Int64.random(in: 0...9, using: &random), Int64.random(in: 5...20, using: &random))
      }
      check.name = "check \(index)'s"
      let severities: [Check.Severity] =
        check.isRowLevel ? [.error, .warn, .quarantine] : [.error, .warn]
      check.severity = severities.randomElement(using: &random)!
      return check
    }
  }
}

@Suite("Random tables and checks", .enabled(if: TestEngine.isThere, "needs scripts/fetch-duckdb"))
struct PropertyTests {
  private func sorted(_ rows: [[Value]]) -> [String] {
    rows.map { $0.map(Twin.key).joined(separator: "|") }.sorted()
  }

  @Test("The audit and its row-by-row twin agree", arguments: 1...30)
  func agree(_ seed: UInt64) throws {
    let table = RandomTable(seed: seed)
    let engine = try TestEngine.make()
    let folder = try TemporaryFolder()
    func write(_ files: [[[Value]]]) throws -> [DataFile] {
      try files.flatMap { rows in
        try engine.files(RowSet(schema: RandomTable.schema, rows: rows), below: folder)
      }
    }
    let staged = try write(table.staged)
    let current = try write(table.current)
    let rows = Array(table.staged.joined())
    let twin = Twin(schema: RandomTable.schema, checks: table.checks)
    let expected = twin.failing(staged: rows, current: Array(table.current.joined()))
    let audit = try Audit(checks: table.checks, schema: RandomTable.schema, label: "m")

    for files in [staged, staged.map(\.withoutStatistics)] {
      let result = try audit.run(staged: files, current: current, engine: engine.engine)
      for ((outcome, expected), check) in zip(zip(result.outcomes, expected), table.checks) {
        #expect(outcome.failingRows == expected, "seed \(seed): \(check.kind)")
        if case .rowCount(let min, let max) = check.kind {
          #expect(outcome.isPassed == (expected >= min ?? 0 && expected <= max ?? .max))
        } else {
          #expect(outcome.isPassed == (expected == 0))
        }
      }
      let kept = twin.kept(rows)
      #expect(result.quarantined == Int64(rows.count - kept.count))
      guard let split = result.split else { continue }
      let published = try engine.engine.rows(split.keptRows, cancellation: .never)
      #expect(sorted(published.rows) == sorted(kept))
      let rejected = try engine.engine.rows(split.rejectedRows(), cancellation: .never)
      #expect(rejected.schema.fields.map(\.name) == ["rule", "source_file", "source_row", "row"])
      #expect(
        rejected.rows.map { $0[0] }.map(\.description).sorted()
          == rows.compactMap { twin.rule($0) }.sorted())
      let fresh = try split.writeKept(
        into: Output(
          schema: RandomTable.schema,
          location: folder.path("kept-\(files.count)-\(files.first?.columns.count ?? 0)")),
        engine: engine.engine)
      #expect(fresh.reduce(0) { $0 + $1.rowCount } == split.kept)
    }
  }
}
