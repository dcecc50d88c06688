import Core
import Engines
import Project
import Testing

@testable import Auditing

@Suite("Sharing rows out", .enabled(if: TestEngine.isThere, "needs scripts/fetch-duckdb"))
struct QuarantineSplitTests {
  static let schema = Schema([
    Field(name: "page \"x\"", type: .string), Field(name: "it's", type: .bigint),
    Field(name: "d", type: .double), Field(name: "at", type: .timestamp),
  ]).withFreshIDs()

  private func split(
    _ rows: [[Value]], _ checks: [Check], schema: Schema = Self.schema
  ) throws -> AuditResult {
    try Audit(checks: checks, schema: schema, label: "m").run(
      rows: .rows(RowSet(schema: schema, rows: rows)), engine: try TestEngine.make().engine)
  }

  private func rejected(_ split: QuarantineSplit, sourceFile: String? = nil) throws -> [[Value]] {
    try TestEngine.make().engine
      .rows(split.rejectedRows(sourceFile: sourceFile), cancellation: .never).rows
  }

  @Test("A condition that is NULL keeps its row; the first failing check names the rule")
  func nullSafe() throws {
    let rows: [[Value]] = [
      [.string("keep"), .null, .null, .null],
      [.null, .integer(-1), .null, .null],
      [.string("low"), .integer(-1), .double(.nan), .null],
      [.string("keep 2"), .integer(1), .double(1), .null],
    ]
    let checks = [
      Check.between("it's", .integer(0), nil, .quarantine), .notNull("page \"x\"", .quarantine),
      .between("d", .double(0), nil, .quarantine),
    ]
    let result = try split(rows, checks)
    let parts = try #require(result.split)
    #expect((parts.kept, parts.rejected) == (2, 2))
    #expect(result.rowCount == parts.kept + parts.rejected)
    #expect(result.outcomes.map(\.failingRows) == [2, 1, 1])
    guard case .publish = result.verdict else {
      Issue.record("quarantine stopped the rest")
      return
    }
    let kept = try TestEngine.make().engine.rows(parts.keptRows, cancellation: .never)
    #expect(Set(kept.rows.map { $0[0].description }) == ["keep", "keep 2"])
    #expect(kept.schema.fields.map(\.name) == Self.schema.fields.map(\.name))
    #expect(
      try rejected(parts).map { $0[0] } == [.string("it's_between"), .string("it's_between")])
  }

  @Test("Nothing to set aside: no split")
  func none() throws {
    let result = try split(
      [[.string("a"), .integer(1), .null, .null]], [.between("it's", .integer(0), nil, .quarantine)]
    )
    #expect(result.split == nil)
    #expect(result.quarantined == 0)
  }

  @Test("Other checks judge what is left")
  func othersJudgeTheRest() throws {
    let rows: [[Value]] = [
      [.string("a"), .integer(1), .double(1), .null],
      [.string("a"), .integer(-1), .double(-1), .null],
      [.string("b"), .integer(-2), .null, .null],
    ]
    let checks = [
      Check.unique(["page \"x\""]), .between("d", .double(0), nil), .notNull("d"),
      .rowCount(2, nil),
      .between("it's", .integer(0), nil, .quarantine),
    ]
    let result = try split(rows, checks)
    #expect(result.outcomes.map(\.isPassed) == [true, true, true, false, false])
    #expect(result.outcomes.map(\.failingRows) == [0, 0, 0, 1, 2])
  }

  @Test("A row's text is one JSON object; the source is named where it is known")
  func rowText() throws {
    let instant = CivilTime(year: 2024, month: 1, day: 1, hour: 5).instant
    let rows: [[Value]] = [
      [.string("a\"\n\u{1}é"), .integer(-1), .double(.nan), .timestamp(instant)]
    ]
    let parts = try #require(
      try split(rows, [.between("it's", .integer(0), nil, .quarantine)]).split)
    let row = try rejected(parts, sourceFile: "in/x.gz")[0]
    #expect(row[1...2] == [.string("in/x.gz"), .null])
    guard case .string(let text) = row[3] else {
      Issue.record("no text: \(row)")
      return
    }
    let json = try JSON(parsing: text)
    #expect(
      json == [
        "page \"x\"": "a\"\n\u{1}é", "it's": -1, "d": "nan", "at": "2024-01-01 05:00:00",
      ])
    #expect(try rejected(parts)[0][1] == .null)
  }

  @Test("A table that keeps provenance says each row's own file")
  func provenance() throws {
    let schema = Schema([
      Field(name: "n", type: .bigint), Field(name: "_source_file", type: .string),
    ]).withFreshIDs()
    let parts = try #require(
      try split([[.null, .string("in/1.csv")]], [.notNull("n", .quarantine)], schema: schema).split)
    #expect(try rejected(parts, sourceFile: "other")[0][1] == .string("in/1.csv"))
  }

  @Test("Texts over 64 KiB are cut and say their length", arguments: ["x", "é"])
  func longRows(_ letter: String) throws {
    let long = String(repeating: letter, count: 70_000)
    let parts = try #require(
      try split(
        [[.string(long), .integer(-1), .null, .null]],
        [.between("it's", .integer(0), nil, .quarantine)]
      ).split)
    guard case .string(let text) = try rejected(parts)[0][3] else { return }
    #expect(text.utf8.count <= 65_536 + 40)
    #expect(text.utf8.count > 30_000)
    let whole =
      70_000 * letter.utf8.count
      + "{\"page \\\"x\\\"\":\"\",\"it's\":-1,\"d\":null,\"at\":null}".utf8.count
    #expect(text.hasSuffix("… (\(whole) bytes)"))
  }

  @Test("in = kept + quarantined, or nothing goes on")
  func balance() throws {
    let parts = try #require(
      try split(
        [[.null, .integer(-1), .null, .null], [.null, .integer(1), .null, .null]],
        [.between("it's", .integer(0), nil, .quarantine)]
      ).split)
    try parts.requireBalance(kept: 1, rejected: 1)
    for (kept, rejected) in [(2, 1), (1, 0), (0, 2)] as [(Int64, Int64)] {
      let error = #expect(throws: AuditError.self) {
        try parts.requireBalance(kept: kept, rejected: rejected)
      }
      #expect(error?.code == .unbalanced)
    }
  }
}
