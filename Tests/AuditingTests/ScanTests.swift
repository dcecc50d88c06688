import Core
import Engines
import Project
import Testing

@testable import Auditing

/// The columns of these tests: names that SQL would trip over, every type the checks compare.
private let schema = Schema([
  Field(name: "w \"ö\" rt", type: .string), Field(name: "select", type: .bigint),
  Field(name: "d", type: .double), Field(name: "日", type: .date),
  Field(name: "k0", type: .string),
]).withFreshIDs()

private let words: [Value] = [
  .string("a"), .string("é"), .string("e\u{301}"), .string("it's \"so\", \\n\n"), .string(""),
  .null,
]

/// A check, rows and the number that fail. The row's other columns are NULL.
struct CheckCase: Sendable, CustomTestStringConvertible {
  var check: Check
  var rows: [[Value]]
  var failing: Int64
  var testDescription: String { "\(check.name) \(check.kind) over \(rows.count) rows" }

  init(_ check: Check, _ column: String?, _ values: [Value], failing: Int64) {
    self.check = check
    self.failing = failing
    rows = values.map { value in
      schema.fields.map { $0.name == column ? value : .null }
    }
  }
}

private let cases: [CheckCase] = {
  let word = "w \"ö\" rt"
  let numbers: [Value] = [.integer(-1), .integer(0), .integer(10), .integer(11), .null]
  let doubles: [Value] = [
    .double(0), .double(.nan), .double(.infinity), .double(-.infinity), .double(1.5), .null,
  ]
  return [
    // not_null
    CheckCase(.notNull(word), word, words, failing: 1),
    CheckCase(.notNull(word), word, Array(words.dropLast()), failing: 0),
    CheckCase(.notNull("日"), "日", [.null, .null], failing: 2),
    CheckCase(.notNull("select"), "select", [], failing: 0),
    // between: both ends included, NULL passes, NaN never
    CheckCase(.between("select", .integer(0), .integer(10)), "select", numbers, failing: 2),
    CheckCase(.between("select", .integer(0), nil), "select", numbers, failing: 1),
    CheckCase(.between("select", nil, .integer(10)), "select", numbers, failing: 1),
    CheckCase(.between("select", .integer(-1), .integer(11)), "select", numbers, failing: 0),
    CheckCase(.between("select", .integer(5), .integer(4)), "select", numbers, failing: 4),
    CheckCase(.between("select", .integer(0), nil), "select", [.null, .null], failing: 0),
    CheckCase(.between("d", .double(0), nil), "d", doubles, failing: 2),
    CheckCase(.between("d", nil, .double(0)), "d", doubles, failing: 3),
    CheckCase(
      .between("日", .date(0), .date(1)), "日", [.date(-1), .date(0), .date(1), .date(2), .null],
      failing: 2),
    // Strings compare by bytes: é is C3 A9, e + accent is 65 CC 81.
    CheckCase(.between(word, .string("b"), nil), word, words, failing: 2),
    CheckCase(.between(word, nil, .string("f")), word, words, failing: 2),
    // accepted_values
    CheckCase(.accepted(word, [.string("a"), .string("é")]), word, words, failing: 3),
    CheckCase(.accepted(word, [.string("it's \"so\", \\n\n")]), word, words, failing: 4),
    CheckCase(.accepted(word, [.string("a"), .null]), word, words, failing: 4),
    CheckCase(.accepted(word, [.null]), word, words, failing: 5),
    CheckCase(.accepted(word, []), word, words, failing: 5),
    CheckCase(.accepted(word, words), word, words, failing: 0),
    CheckCase(.accepted("select", [.integer(0)]), "select", numbers, failing: 3),
    CheckCase(.accepted("日", [.date(3)]), "日", [.date(3), .date(3), .null], failing: 0),
    // unique: rows that share their key, each counted; a NULL in a key is not compared
    CheckCase(.unique([word]), word, words, failing: 0),
    CheckCase(.unique([word]), word, words + words, failing: 10),
    CheckCase(.unique([word]), word, [.null, .null], failing: 0),
    CheckCase(.unique([word, "select"]), word, words + words, failing: 0),
    CheckCase(.unique(["k0"]), "k0", [.string("x"), .string("x"), .string("y")], failing: 2),
    CheckCase(.unique(["d"]), "d", doubles + [.double(.nan)], failing: 2),
    // row_count
    CheckCase(.rowCount(1, nil), word, [], failing: 0),
    CheckCase(.rowCount(nil, 5), word, words, failing: 6),
    CheckCase(.rowCount(6, 6), word, words, failing: 6),
  ]
}()

@Suite("The fused scan", .enabled(if: TestEngine.isThere, "needs scripts/fetch-duckdb"))
struct ScanTests {
  private func rowSet(_ rows: [[Value]]) -> RowSet { RowSet(schema: schema, rows: rows) }

  @Test(
    "Each kind of check, from rows, from files, and from files without statistics",
    arguments: cases)
  func kinds(_ sample: CheckCase) throws {
    let engine = try TestEngine.make()
    let audit = try Audit(checks: [sample.check], schema: schema, label: "m")
    let folder = try TemporaryFolder()
    let files = try engine.files(rowSet(sample.rows), below: folder)
    let twin = Twin(schema: schema, checks: [sample.check])
    #expect(twin.failing(staged: sample.rows, current: []) == [sample.failing])
    for result in [
      try audit.run(rows: .rows(rowSet(sample.rows)), engine: engine.engine),
      try audit.run(staged: files, engine: engine.engine),
      try audit.run(staged: files.map(\.withoutStatistics), engine: engine.engine),
    ] {
      let outcome = result.outcomes[0]
      #expect(outcome.failingRows == sample.failing, "\(outcome)")
      #expect(result.rowCount == sample.rows.count)
      if case .rowCount = sample.check.kind { continue }
      #expect(outcome.isPassed == (sample.failing == 0))
      #expect(outcome.samples.count == min(5, Int(sample.failing)), "\(outcome)")
    }
  }

  @Test("All checks of a table are one query")
  func oneQuery() throws {
    let engine = CountingEngine(try TestEngine.make().engine)
    let checks = cases.map(\.check).enumerated().map { index, check in
      var check = check
      check.name = "c\(index)"
      check.severity = .warn
      return check
    }
    let row: [Value] = [.string("a"), .integer(1), .double(1), .date(0), .string("k")]
    let audit = try Audit(
      checks: checks.filter {
        Twin(schema: schema, checks: [$0]).failing(staged: [row], current: []) == [0]
      },
      schema: schema, label: "m")
    let result = try audit.run(rows: .rows(rowSet([row])), engine: engine)
    #expect(result.outcomes.count > 10)
    #expect(result.outcomes.filter { !$0.name.isEmpty && $0.samples.isEmpty }.count > 10)
    #expect(engine.queries.withLock { $0 }.count == 1)
  }

  @Test("rule 18: unique looks at staged and current rows together")
  func stagedAndCurrent() throws {
    let engine = try TestEngine.make()
    let folder = try TemporaryFolder()
    func files(_ keys: [Int64?]) throws -> [DataFile] {
      try engine.files(
        rowSet(keys.map { [.null, $0.map(Value.integer) ?? .null, .null, .null, .null] }),
        below: folder)
    }
    let staged = try files([1, 2, 3, nil])
    let current = try files([3, 4, 4, nil])
    let other = try files([1, 1])
    let audit = try Audit(checks: [.unique(["select"])], schema: schema, label: "m")
    func failing(_ current: [DataFile]) throws -> Int64 {
      let plain = try audit.run(staged: staged, current: current, engine: engine.engine)
      let again = try audit.rerun(staged: staged, current: current, engine: engine.engine)
      #expect(plain.outcomes == again.outcomes)
      return plain.outcomes[0].failingRows
    }
    #expect(try failing([]) == 0)
    #expect(try failing(current) == 1)
    // What another commit added under this one counts when the check is run again.
    #expect(try failing(current + other) == 2)
    #expect(try failing((current + other).map(\.withoutStatistics)) == 2)
    let result = try audit.run(staged: staged, current: current, engine: engine.engine)
    #expect(result.outcomes[0].message.contains("shares (select) with another row, e.g. 3"))
  }

  @Test("rule 18: after a rebase only the checks that see current rows run again")
  func rerun() throws {
    let audit = try Audit(
      checks: [.notNull("select"), .unique(["select"]), .rowCount(1, nil)], schema: schema,
      label: "m")
    #expect(audit.hasTableScope)
    let again = try audit.rerun(staged: [file(rows: 0)], current: [], engine: NoEngine())
    #expect(again.outcomes.map(\.name) == ["select_unique"])
    #expect(
      try !Audit(checks: [.notNull("select"), .rowCount(1, nil)], schema: schema, label: "m")
        .hasTableScope)
  }

  @Test("Every row of an interval table lies in its interval", arguments: [true, false])
  func interval(_ isZoned: Bool) throws {
    let type: FieldType = isZoned ? .timestamptz : .timestamp
    let schema = Schema([
      Field(name: "interval_start", type: type), Field(name: "interval_end", type: type),
    ]).withFreshIDs()
    let hour = IntervalLength.hour.interval(
      holding: CivilTime(year: 2024, month: 1, day: 1, hour: 5).instant)
    let day = IntervalLength.day.interval(holding: hour.start)
    func value(_ instant: Instant) -> Value {
      isZoned ? .timestamptz(instant) : .timestamp(instant)
    }
    func row(_ interval: Interval) -> [Value] { [value(interval.start), value(interval.end)] }
    let engine = try TestEngine.make().engine
    let audit = try Audit(checks: [], schema: schema, label: "top_pages", interval: hour)
    func run(_ rows: [[Value]]) throws -> AuditResult.Outcome {
      try audit.run(rows: .rows(RowSet(schema: schema, rows: rows)), engine: engine).outcomes[0]
    }
    #expect(try run([row(hour), row(hour)]).isPassed)
    let outcome = try run([
      row(hour), row(day), [.null, value(hour.end)], [value(hour.start), .null], [.null, .null],
    ])
    #expect(outcome.name == "interval")
    #expect(outcome.failingRows == 4)
    #expect(outcome.message.hasPrefix("4 of 5 rows are not of the interval 2024-01-01T05, e.g. ("))
  }

  @Test("The verdict lists each failed check with counts, columns and values cut short")
  func verdict() throws {
    let long = String(repeating: "x", count: 500) + "\u{1B}[31m"
    let rows: [[Value]] = [
      [.string(long), .integer(-3), .null, .null, .null],
      [.string("two\nlines"), .integer(-4), .null, .null, .null],
      [.string("b"), .integer(4), .null, .null, .null],
    ]
    let checks = [
      Check.between("select", .integer(0), nil), .accepted("w \"ö\" rt", [.string("b")]),
      .notNull("d", .warn), .unique(["select"]),
    ]
    let result = try Audit(checks: checks, schema: schema, label: "top_pages")
      .run(rows: .rows(RowSet(schema: schema, rows: rows)), engine: try TestEngine.make().engine)
    #expect(result.outcomes.map(\.isPassed) == [false, false, false, true])
    let error = #expect(throws: AuditError.self) { try result.requirePublishable() }
    let message = try #require(error?.message)
    #expect(error?.code == .checksFailed)
    #expect(error?.parts.count == 2)
    #expect(error?.place.model == "top_pages")
    #expect(
      message.hasPrefix(
        "2 checks failed: select_between: 2 of 3 rows have select that is not at least 0, "
          + "e.g. -4, -3; w \"ö\" rt_accepted_values: 2 of 3 rows have"))
    #expect(message.contains("two\\nlines"))
    #expect(message.contains(String(repeating: "x", count: 79) + "…"))
    #expect(!message.contains(String(repeating: "x", count: 80)))
    #expect(!message.contains("\u{1B}") && !message.contains("\n"))
    #expect(
      result.outcomes[0].samples.first?.hasPrefix("select=-4, w \"ö\" rt=two\\nlines, ") == true)
    #expect(result.outcomes[2].message.hasPrefix("3 of 3 rows have no d, e.g. "))
  }

  @Test("Warnings alone let the rows through")
  func warnings() throws {
    let rows = [[Value.null, .null, .null, .null, .null]]
    let result = try Audit(checks: [.notNull("d", .warn)], schema: schema, label: "m")
      .run(rows: .rows(RowSet(schema: schema, rows: rows)), engine: try TestEngine.make().engine)
    #expect(!result.outcomes[0].isPassed)
    guard case .publish = result.verdict else {
      Issue.record("a warning stopped the rows")
      return
    }
  }
}
