import Core
import Engines
import Project
import Testing

@testable import Auditing

@Suite("What statistics prove without reading")
struct EvidenceTests {
  static let schema = Schema([
    Field(name: "n", type: .bigint), Field(name: "d", type: .double),
    Field(name: "s", type: .string),
    Field(name: "l", type: .list(element: Field(name: "e", type: .int))),
    Field(name: "day", type: .date),
  ]).withFreshIDs()

  private func outcome(
    _ check: Check, _ files: [DataFile], engine: some Engine = NoEngine()
  ) throws -> AuditResult.Outcome {
    try Audit(checks: [check], schema: Self.schema, label: "m")
      .run(staged: files, engine: engine).outcomes[0]
  }

  private func evidence(_ check: Check, _ files: [DataFile]) throws -> Int64? {
    let audit = try Audit(checks: [check], schema: Self.schema, label: "m")
    return audit.evidence(for: audit.rules, in: files, current: [])[0]
  }

  @Test("Nothing is read where statistics prove that all rows pass")
  func passes() throws {
    let files = [
      file(rows: 3, [1: stats(nulls: 0, .integer(1), .integer(9)), 5: stats(nulls: 3)]),
      file(rows: 2, [1: stats(nulls: 0, .integer(4), .integer(10)), 5: stats(nulls: 2)]),
      file(rows: 0),
    ]
    for check in [
      Check.notNull("n"), .between("n", .integer(1), .integer(10)), .between("n", .integer(1), nil),
      .between("day", .date(0), nil), .rowCount(5, 5), .accepted("day", [.date(3)]),
    ] {
      let outcome = try outcome(check, files)
      #expect(outcome.isPassed, "\(outcome)")
      #expect(outcome.samples.isEmpty)
    }
  }

  @Test(
    "A known row count fails without reading",
    arguments: [(6, nil), (nil, 4)] as [(Int64?, Int64?)])
  func rowCount(_ min: Int64?, _ max: Int64?) throws {
    let outcome = try outcome(.rowCount(min, max), [file(rows: 5)])
    #expect(!outcome.isPassed)
    #expect(outcome.failingRows == 5)
    #expect(outcome.message.hasPrefix("5 rows, expected at "))
  }

  @Test("Zero rows pass everything but a row count, unread")
  func empty() throws {
    for files in [[], [file(rows: 0)]] {
      let checks = [
        Check.notNull("n"), .between("s", .string("a"), nil), .accepted("s", []), .unique(["n"]),
        .rowCount(1, nil),
      ]
      let result = try Audit(checks: checks, schema: Self.schema, label: "m")
        .run(staged: files, current: [file(rows: 9)], engine: NoEngine())
      #expect(result.outcomes.map(\.isPassed) == [true, true, true, true, false])
      guard case .stop(let error) = result.verdict else {
        Issue.record("an empty table was let through")
        return
      }
      #expect(error.message.contains("row_count") && error.message.contains("0 rows"))
      #expect(error.exitCode == 1)
    }
  }

  @Test("Null counts give the exact number of failing rows")
  func nullCounts() throws {
    let files = [file(rows: 3, [1: stats(nulls: 2)]), file(rows: 3, [1: stats(nulls: 1)])]
    #expect(try evidence(.notNull("n"), files) == 3)
  }

  @Test("Unknown, cut short or not comparable: the rows have to be read")
  func unknown() throws {
    let bounded = stats(nulls: 0, .integer(1), .integer(9))
    let number = [file(rows: 1, [1: bounded])]
    let text = [file(rows: 1, [3: stats(nulls: 0, .string("b"), .string("b"))])]
    let cases: [(Check, [DataFile])] = [
      (.notNull("n"), [file(rows: 1)]),
      (.notNull("n"), number + [file(rows: 1, [1: stats()])]),
      (.notNull("l"), [file(rows: 1, [4: stats(nulls: 0)])]),
      (.between("n", .integer(0), nil), [file(rows: 1, [1: stats(nulls: 0)])]),
      (.between("n", .integer(0), nil), number + [file(rows: 1)]),
      (.between("n", .integer(2), nil), number),
      (.between("n", nil, .integer(8)), number),
      (.between("n", .decimal(unscaled: 0, scale: 1), nil), number),
      // Bounds leave NaN out.
      (
        .between("d", .double(0), nil),
        [file(rows: 1, [2: stats(nulls: 0, .double(1), .double(2))])]
      ),
      (
        .between("d", .double(0), nil),
        [file(rows: 1, [2: stats(nulls: 0, nan: 1, .double(1), .double(2))])]
      ),
      // Bounds of strings may be cut.
      (.between("s", .string("a"), .string("z")), text),
      (.accepted("s", [.string("b")]), text),
      (.accepted("n", [.integer(1), .integer(9)]), number),
      (.unique(["n"]), [file(rows: 2, [1: bounded])]),
    ]
    for (check, files) in cases {
      #expect(try evidence(check, files) == nil, "\(check) \(files)")
    }
    let counted = stats(nulls: 0, nan: 0, .double(1), .double(2))
    #expect(try evidence(.between("d", .double(1), .double(2)), [file(rows: 1, [2: counted])]) == 0)
  }

  @Test("Rows that quarantine takes out make row counts and null counts unknown")
  func quarantineFirst() throws {
    let files = [file(rows: 9, [1: stats(nulls: 4, .integer(1), .integer(9)), 5: stats(nulls: 2)])]
    let checks = [
      Check.notNull("n", .quarantine), .rowCount(6, nil), .notNull("day"),
      .between("n", .integer(0), nil),
    ]
    let audit = try Audit(checks: checks, schema: Self.schema, label: "m")
    #expect(audit.evidence(for: audit.rules, in: files, current: []) == [4, nil, nil, 0])
  }

  @Test("The interval check is proved by bounds that are the interval")
  func interval() throws {
    let hour = IntervalLength.hour.interval(holding: Instant(seconds: 0))
    let next = IntervalLength.hour.interval(holding: hour.end)
    let schema = Schema([
      Field(name: "interval_start", type: .timestamp),
      Field(name: "interval_end", type: .timestamp),
    ]).withFreshIDs()
    let audit = try Audit(checks: [], schema: schema, label: "m", interval: hour)
    func rows(_ interval: Interval, nulls: Int64? = 0) -> DataFile {
      file(
        rows: 2,
        [
          1: stats(nulls: nulls, .timestamp(interval.start), .timestamp(interval.start)),
          2: stats(nulls: nulls, .timestamp(interval.end), .timestamp(interval.end)),
        ])
    }
    #expect(try audit.run(staged: [rows(hour)], engine: NoEngine()).outcomes[0].isPassed)
    for files in [[rows(hour), rows(next)], [rows(hour, nulls: 1)], [rows(hour, nulls: nil)]] {
      #expect(audit.evidence(for: audit.rules, in: files, current: []) == [nil])
    }
  }

  @Test(
    "A scan that answers other rows than the files hold stops the run",
    arguments: [
      [[.integer(4), .integer(4), .integer(0)]], [[.integer(5)]], [],
      [[.integer(5), .integer(5), .null]],
    ] as [[[Value]]])
  func unbalanced(_ answer: [[Value]]) throws {
    let audit = try Audit(checks: [.notNull("n")], schema: Self.schema, label: "m")
    let error = #expect(throws: AuditError.self) {
      try audit.run(staged: [file(rows: 5)], engine: FixedEngine(answers: answer))
    }
    #expect(error?.code == .unbalanced)
  }
}

@Suite("Checks that cannot be")
struct BadCheckTests {
  static let cases: [(Check, String?)] = [
    (.notNull("domian"), "did you mean domain?"), (.unique(["domain", "xyz"]), nil),
    (.unique([]), nil), (.unique(["domain"], .quarantine), "give it severity error or warn"),
    (
      Check(name: "c", kind: .rowCount(min: 1, max: nil), severity: .quarantine),
      "give it severity error or warn"
    ),
    (Check(name: "c", kind: .notNull), nil),
  ]

  @Test("are configuration errors", arguments: cases)
  func refused(_ check: Check, _ advice: String?) {
    let schema = Schema([Field(name: "domain", type: .string)]).withFreshIDs()
    let error = #expect(throws: AuditError.self) {
      try Audit(checks: [check], schema: schema, label: "top_pages")
    }
    #expect(error?.code == .badCheck)
    #expect(error?.exitCode == 2)
    #expect(error?.place.model == "top_pages")
    #expect(error?.advice == advice)
  }

  @Test("An interval table needs its two columns")
  func interval() {
    let hour = IntervalLength.hour.interval(holding: Instant(seconds: 0))
    let schema = Schema([Field(name: "interval_start", type: .timestamp)]).withFreshIDs()
    let error = #expect(throws: AuditError.self) {
      try Audit(checks: [], schema: schema, label: "m", interval: hour)
    }
    #expect(error?.message.contains("interval_end") == true)
  }
}

@Suite("Which current files a unique check reads")
struct ScopeTests {
  static let schema = Schema([
    Field(name: "a", type: .bigint), Field(name: "p", type: .string),
    Field(name: "q", type: .timestamp),
  ]).withFreshIDs()

  @Test("rule 18: a unique check over all partition columns reads only its partitions")
  func partitionLocal() throws {
    #expect(Audit.isPartitionLocal(.unique(["q", "a", "p"]), partitionColumns: ["p", "q"]))
    #expect(!Audit.isPartitionLocal(.unique(["a", "p"]), partitionColumns: ["p", "q"]))
    #expect(!Audit.isPartitionLocal(.unique(["a"]), partitionColumns: []))
    #expect(Audit.isPartitionLocal(.notNull("a"), partitionColumns: []))
    #expect(Audit.isPartitionLocal(.rowCount(1, nil), partitionColumns: []))

    let audit = try Audit(
      checks: [], schema: Self.schema, label: "m", partitionColumns: ["p", "q"])
    let zero = Value.timestamp(Instant(seconds: 0))
    let staged = [file(rows: 1, partition: [.string("x"), zero])]
    let same = file("/same", rows: 1, partition: [.string("x"), zero])
    let other = file("/other", rows: 1, partition: [.string("y"), zero])
    let older = file("/older", rows: 1, partition: [.string("y")])
    let fields = Self.schema.fields
    #expect(
      audit.candidates([same, other, older], staged: staged, columns: fields) == [same, older])
    #expect(
      audit.candidates([same, other, older], staged: staged, columns: [fields[0], fields[1]])
        == [same, other, older])
  }

  @Test("rule 18: files whose keys lie apart are not read")
  func bounds() throws {
    let audit = try Audit(checks: [], schema: Self.schema, label: "m")
    func range(_ low: Int64, _ high: Int64, _ path: String = "/f") -> DataFile {
      file(path, rows: 5, [1: stats(nulls: 0, .integer(low), .integer(high))])
    }
    let key = [Self.schema.fields[0]]
    let current = [
      range(0, 9, "/below"), range(0, 10, "/touches"), range(15, 16, "/inside"),
      range(20, 30, "/edge"), range(21, 30, "/above"), file("/unknown", rows: 1),
      file("/nulls", rows: 1, [1: stats(nulls: 1)]), file("/empty", rows: 0),
    ]
    let staged = [range(10, 12), range(18, 20)]
    #expect(
      audit.candidates(current, staged: staged, columns: key).map(\.path)
        == ["/touches", "/inside", "/edge", "/unknown", "/nulls"])
    #expect(audit.candidates(current, staged: [], columns: key).isEmpty)
    #expect(audit.candidates(current, staged: [file(rows: 1)], columns: key).count == 7)
  }
}
