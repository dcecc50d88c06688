import Core
import Engines
import Foundation
import Testing

@Suite struct RowsTests {
  @Test("only the parameters that the statement names are bound")
  func parameters() throws {
    let values: [String: Value] = ["x": .string("é"), "unused": .integer(1)]
    #expect(
      try engine.rows("SELECT 1 AS a, $x AS b -- done;", values) == [[.integer(1), .string("é")]])
    #expect(try engine.rows("SELECT $X || '$nothing' AS b;", values) == [[.string("é$nothing")]])
  }

  @Test func missingParameter() {
    let error = engineError { _ = try engine.rows("SELECT $tpo", ["top": .integer(1)]) }
    #expect(error?.code == .badQuery)
    #expect(error?.exitCode == 2)
    #expect(error?.advice == "did you mean $top?")
  }

  @Test func unknownInput() {
    let rows = RowSet(schema: schema(("a", .int)), rows: [])
    let error = engineError {
      _ = try engine.rows("SELECT * FROM pagevews", [:], ["pageviews": .rows(rows)])
    }
    #expect(error?.code == .badQuery)
    #expect(error?.advice == "did you mean pageviews?")
  }

  static let values: [Value] = [
    .null, .boolean(true), .boolean(false), .integer(.min), .integer(.max), .integer(0),
    .float(1.5), .float(-.infinity), .double(0.1), .double(-0.0), .double(.infinity),
    .decimal(unscaled: -1250, scale: 2), .decimal(unscaled: 0, scale: 0),
    .decimal(unscaled: Int128("99999999999999999999999999999999999999")!, scale: 5),
    .decimal(unscaled: -1, scale: 38), .date(0), .date(-719_162), .date(2_932_896), .time(0),
    .time(86_399_999_999), .timestamp(Instant(microseconds: -1)),
    .timestamp(Instant(microseconds: 1_704_067_200_123_456)),
    .timestamptz(Instant(microseconds: -62_135_596_800_000_000)), .string(""),
    .string("it's\n\"é\""),
    .string("a\u{0}b"), .string(String(repeating: "ü", count: 40)), .binary([]),
    .binary([0, 255, 39]), .binary(Array(repeating: 7, count: 100)), .uuid(0), .uuid(.max),
    .uuid(UInt128(1) << 127), .list([.integer(1), .null, .integer(3)]), .list([.string("x")]),
    .list([.list([.double(1)]), .list([]), .null]),
    .map([.string("a"), .string("b")], [.integer(1), .null]),
    .structure(["x", "y z"], [.integer(1), .list([.string("é")])]),
  ]

  @Test("every value goes in as a parameter and comes back the same", arguments: values)
  func parameterRoundTrip(_ value: Value) throws {
    #expect(try engine.rows("SELECT $v AS v", ["v": value]) == [[value]])
  }

  /// The types whose rows a table may have, each with values of it.
  static let columns: [(FieldType, [Value])] = [
    (.boolean, [.boolean(true), .null]), (.int, [.integer(-5), .null]),
    (.bigint, [.integer(.max), .null]), (.float, [.float(0.5), .null]),
    (.double, [.double(-2.25), .null]),
    (.decimal(precision: 4, scale: 1), [.decimal(unscaled: -9999, scale: 1), .null]),
    (.decimal(precision: 9, scale: 0), [.decimal(unscaled: 999_999_999, scale: 0), .null]),
    (.decimal(precision: 18, scale: 18), [.decimal(unscaled: -1, scale: 18), .null]),
    (.decimal(precision: 38, scale: 2), [.decimal(unscaled: Int128.max / 10, scale: 2), .null]),
    (.date, [.date(-1), .null]), (.time, [.time(1), .null]),
    (.timestamp, [.timestamp(Instant(microseconds: 5)), .null]),
    (.timestamptz, [.timestamptz(Instant(microseconds: -5)), .null]),
    (.string, [.string("x"), .null]), (.binary, [.binary([1]), .null]),
    (.uuid, [.uuid(1), .null]),
    (
      .list(element: Field(name: "element", type: .int)),
      [.list([.integer(1), .null]), .list([]), .null]
    ),
    (
      .map(key: Field(name: "key", type: .string), value: Field(name: "value", type: .double)),
      [.map([.string("k")], [.double(1)]), .map([], []), .null]
    ),
    (
      .structure([
        Field(name: "a", type: .date),
        Field(name: "b", type: .list(element: Field(name: "element", type: .string))),
      ]),
      [.structure(["a", "b"], [.null, .list([.string("x")])]), .null]
    ),
  ]

  @Test("rows given as an input come back with their types", arguments: columns.indices)
  func rowInput(_ index: Int) throws {
    let (type, values) = RowsTests.columns[index]
    let set = RowSet(
      schema: schema(("n", .int), ("v", type)),
      rows: values.enumerated().map { [.integer(Int64($0.offset)), $0.element] })
    let result = try engine.rows(
      Query(sql: "SELECT v FROM given ORDER BY n", inputs: ["given": .rows(set)]),
      cancellation: .never)
    #expect(result.rows == values.map { [$0] })
    #expect(result.schema.fields[0].type.description == type.description)
  }

  @Test func typesThatTablesDoNotHave() throws {
    let result = try engine.rows(
      Query(
        sql: """
          SELECT 170141183460469231731687303715884105727::hugeint AS h, 18446744073709551615::ubigint u,
            INTERVAL 3 MONTH AS i, 'b'::ENUM('a', 'b') AS e, TIMETZ '01:02:03+05' AS t,
            TIMESTAMP_NS '2020-01-01 00:00:00.123456789' AS n, 1::utinyint AS s, [1, 2]::INT[2] AS a,
            TIMESTAMP_S '1969-12-31 23:59:59' AS ts, NULL AS nothing
          """), cancellation: .never)
    #expect(
      result.rows == [
        [
          .decimal(unscaled: .max, scale: 0), .decimal(unscaled: Int128(UInt64.max), scale: 0),
          .string("3 months"), .string("b"), .string("01:02:03+05"),
          .string("2020-01-01 00:00:00.123456789"), .integer(1), .list([.integer(1), .integer(2)]),
          .timestamp(Instant(microseconds: -1_000_000)), .null,
        ]
      ])
    #expect(result.schema.fields.map(\.type)[0] == .decimal(precision: 38, scale: 0))
  }

  @Test func nullsComeFirstAndTheZoneIsUTC() throws {
    let rows = try engine.rows(
      "SELECT x, TIMESTAMPTZ '2024-01-01 00:00:00'::varchar FROM (VALUES (1), (NULL)) v(x) ORDER BY x"
    )
    #expect(rows.map { $0[0] } == [.null, .integer(1)])
    #expect(rows[0][1] == .string("2024-01-01 00:00:00+00"))
  }

  @Test func streamingGivesEverythingInOrder() throws {
    var next: Int64 = 0
    var pieces = 0
    let rows = RowSet(schema: schema(("n", .bigint)), rows: [[.integer(100_000)]])
    try engine.stream(
      Query(sql: "SELECT unnest(range(n)) AS i FROM t ORDER BY i", inputs: ["t": .rows(rows)]),
      cancellation: .never
    ) { set in
      pieces += 1
      for row in set.rows {
        #expect(row == [.integer(next)])
        next += 1
      }
    }
    #expect(next == 100_000)
    #expect(pieces > 1)
  }

  @Test func streamingReportsALateFailure() {
    let rows = RowSet(schema: schema(("n", .bigint)), rows: [[.integer(100_000)]])
    var seen = 0
    let error = engineError {
      try engine.stream(
        Query(
          sql: "SELECT CASE WHEN i < 90000 THEN i ELSE error('late') END AS i "
            + "FROM (SELECT unnest(range(n)) AS i FROM t)", inputs: ["t": .rows(rows)]),
        cancellation: .never
      ) { seen += $0.rows.count }
    }
    #expect(error?.message.contains("late") == true)
    #expect(seen < 100_000)
  }

  @Test func aVisitorMayStopTheStream() {
    struct Enough: Error {}
    let rows = RowSet(schema: schema(("n", .bigint)), rows: [[.integer(1_000_000)]])
    var pieces = 0
    #expect(throws: Enough.self) {
      try engine.stream(
        Query(sql: "SELECT unnest(range(n)) AS i FROM t", inputs: ["t": .rows(rows)]),
        cancellation: .never
      ) { _ in
        pieces += 1
        if pieces == 2 { throw Enough() }
      }
    }
    #expect(pieces == 2)
  }

  // MARK: Views and names

  @Test("views keep their own names and parameters")
  func views() throws {
    func one(_ number: Int64) -> Query.Input {
      .rows(RowSet(schema: schema(("x", .bigint)), rows: [[.integer(number)]]))
    }
    let inner = Query(
      sql: "SELECT x + $p AS x FROM base -- here", parameters: ["p": .integer(100)],
      inputs: ["base": one(1)], label: "other.inner")
    let middle = Query(
      sql:
        "WITH c AS (SELECT * FROM other.inner) SELECT x * $p AS x, $name AS name FROM c LIMIT $n",
      parameters: ["p": .integer(2), "name": .string("it's"), "n": .integer(5)],
      inputs: ["other.inner": .view(inner)], label: "middle")
    let rows = try engine.rows(
      "SELECT b.x, m.x, m.name, other.inner.x, $p FROM base b, middle m, other.inner",
      ["p": .integer(7)],
      ["base": one(5), "middle": .view(middle), "other.inner": .view(inner)])
    #expect(rows == [[.integer(5), .integer(202), .string("it's"), .integer(101), .integer(7)]])
  }

  @Test("the same names mean different things in queries that run at once")
  func isolation() throws {
    let folder = TemporaryFolder()
    let table = schema(("x", .bigint))
    let results = concurrently(Array(0..<24), limit: 6) { number -> [Value] in
      let files = try engine.compute(
        Query(
          sql: "SELECT p.x + $n AS x FROM pageviews p, main_.t",
          parameters: ["n": .integer(Int64(number))],
          inputs: [
            "pageviews": .batches(
              FixedBatches(
                table,
                [
                  ColumnBatch(
                    rowCount: 1, columns: [.init(values: .int64([Int64(number * 1000)]))], bytes: []
                  )
                ])),
            "main_.t": .rows(RowSet(schema: table, rows: [[.integer(0)]])),
          ]), into: Output(schema: table, location: "\(folder.path)/\(number)"))
      return try engine.rows(
        "SELECT * FROM a.pageviews", [:],
        ["a.pageviews": .files(files, schema: table)])[0]
    }
    for (number, result) in results.enumerated() {
      #expect(try result.get() == [.integer(Int64(number * 1001))])
    }
  }

  // MARK: Errors

  @Test func errorsHaveTheirPlaceInTheSQL() throws {
    let query = Query(
      sql: "SELECT 'é',\n  nothing FROM t",
      inputs: ["t": .rows(RowSet(schema: schema(("a", .int)), rows: []))], label: "p.m")
    let error = try #require(engineError { _ = try engine.rows(query, cancellation: .never) })
    #expect(error.code == .badQuery)
    #expect(error.exitCode == 2)
    #expect(error.place.model == "p.m")
    #expect(error.place.line == 2)
    #expect(error.place.column == 3)
    #expect(error.message.hasPrefix("Binder Error: "))
    #expect(!error.message.contains("LINE 1"))
  }

  @Test("a place inside a view is the view's, also behind parameters")
  func errorInView() throws {
    let view = Query(
      sql: "SELECT $a AS a, $bb\n  AS b, missing", parameters: ["a": .integer(1), "bb": .null],
      label: "p.v")
    let error = try #require(
      engineError { _ = try engine.rows("SELECT * FROM v", [:], ["v": .view(view)]) })
    #expect(error.place.model == "p.v")
    #expect(error.place.line == 2)
    #expect(error.place.column == 9)
  }

  @Test func errorsOfData() throws {
    let query = Query(sql: "SELECT 'abc'::int AS x", label: "p.m")
    let error = try #require(engineError { _ = try engine.rows(query, cancellation: .never) })
    #expect(error.code == .failed)
    #expect(error.exitCode == 1)
    #expect(error.message.hasPrefix("Conversion Error: Could not convert string 'abc' to INT32"))
  }

  @Test func onlyInputsCanBeRead() {
    for sql in ["SELECT * FROM '/etc/passwd'", "SELECT * FROM read_text('/etc/passwd')"] {
      #expect(engineError { _ = try engine.rows(sql) }?.code == .badQuery)
    }
  }

  // MARK: Cancellation

  @Test func cancelledBeforehand() {
    let cancellation = Cancellation()
    cancellation.cancel()
    #expect(throws: Cancelled.self) {
      try engine.rows(Query(sql: "SELECT 1"), cancellation: cancellation)
    }
  }

  @Test func cancelledWhileRunning() {
    let cancellation = Cancellation()
    let rows = RowSet(schema: schema(("n", .bigint)), rows: [[.integer(3_000_000)]])
    let thread = startThread {
      usleep(200_000)
      cancellation.cancel()
    }
    #expect(throws: Cancelled.self) {
      // Some 10^13 pairs: without the interruption it does not end.
      try engine.rows(
        Query(
          sql: "WITH s AS (SELECT unnest(range(n)) AS i FROM t) "
            + "SELECT count(*) FROM s a, s b WHERE hash(a.i, b.i) % 3 = 0",
          inputs: ["t": .rows(rows)]), cancellation: cancellation)
    }
    pthread_join(thread, nil)
  }
}
