import Core
import Engines
import Testing

@Suite struct BatchTests {
  struct Damaged: Error, Equatable { var line: Int }

  /// `count` rows (i, text) in batches of `size`.
  static func numbers(
    _ count: Int, size: Int = 1000, failure: (any Error)? = nil
  ) -> FixedBatches {
    let batches = stride(from: 0, to: count, by: size).map { first -> ColumnBatch in
      let rows = Array(first..<min(first + size, count))
      var batch = ColumnBatch.strings(rows.map { text($0) })
      batch.columns.insert(.init(values: .int64(rows.map { Int64($0) })), at: 0)
      return batch
    }
    return FixedBatches(schema(("i", .bigint), ("s", .string)), batches, failure: failure)
  }

  /// Texts on both sides of the 12 bytes that lie in a vector's slot, and nulls.
  static func text(_ i: Int) -> String? {
    i % 7 == 0 ? nil : String(repeating: "é\(i % 10)", count: i % 11)
  }

  @Test("strings of all lengths arrive", arguments: [0, 1, 2047, 2048, 2049, 10_000])
  func strings(_ count: Int) throws {
    let rows = try engine.rows(
      "SELECT i, s FROM b ORDER BY i", [:], ["b": .batches(BatchTests.numbers(count, size: 3000))])
    #expect(rows.count == count)
    for (i, row) in rows.enumerated() {
      #expect(row == [.integer(Int64(i)), BatchTests.text(i).map { .string($0) } ?? .null])
    }
  }

  @Test("strings scattered over a large text arrive")
  func scattered() throws {
    let text = (0..<200_000).map { UInt8(97 + $0 % 26) }
    let slices = (0..<3000).map {
      ColumnBatch.Slice(offset: UInt32(($0 * 7919) % 190_000), count: UInt32($0 % 30))
    }
    let batch = ColumnBatch(
      rowCount: 3000,
      columns: [.init(values: .bytes(slices)), .init(values: .int32(Array(0..<3000)))], bytes: text)
    let rows = try engine.rows(
      "SELECT s FROM b ORDER BY i", [:],
      ["b": .batches(FixedBatches(schema(("s", .binary), ("i", .int)), [batch]))])
    #expect(
      rows == slices.map { [.binary(Array(text[Int($0.offset)..<Int($0.offset + $0.count)]))] })
  }

  @Test func everyType() throws {
    let types: [(String, FieldType)] = [
      ("bo", .boolean), ("i", .int), ("bi", .bigint), ("f", .float), ("d", .double),
      ("d4", .decimal(precision: 4, scale: 2)), ("d9", .decimal(precision: 9, scale: 2)),
      ("d18", .decimal(precision: 18, scale: 2)), ("d38", .decimal(precision: 38, scale: 2)),
      ("da", .date), ("ti", .time), ("ts", .timestamp), ("tz", .timestamptz), ("u", .uuid),
    ]
    let columns: [ColumnBatch.Values] = [
      .boolean([true, false]), .int32([-1, 7]), .int64([.min, 0]), .float([1.5, 0]),
      .double([-0.1, 0]), .int128([-9999, 0]), .int128([-999_999_999, 0]),
      .int128([Int128(Int64.min) / 10, 0]), .int128([Int128.min / 10, 0]), .int32([-719_162, 0]),
      .int64([86_399_999_999, 0]), .int64([-1, 0]), .int64([1, 0]), .uuid([.max, 0]),
    ]
    let schema = Schema(types.map { Field(name: $0.0, type: $0.1) })
    let batch = ColumnBatch(
      rowCount: 2, columns: columns.map { .init(values: $0, nulls: [false, true]) }, bytes: [])
    let result = try engine.rows(
      Query(
        sql: "SELECT * FROM b ORDER BY i DESC",
        inputs: ["b": .batches(FixedBatches(schema, [batch]))]),
      cancellation: .never)
    #expect(
      result.rows == [
        types.map { _ in .null },
        [
          .boolean(true), .integer(-1), .integer(.min), .float(1.5), .double(-0.1),
          .decimal(unscaled: -9999, scale: 2), .decimal(unscaled: -999_999_999, scale: 2),
          .decimal(unscaled: Int128(Int64.min) / 10, scale: 2),
          .decimal(unscaled: Int128.min / 10, scale: 2), .date(-719_162), .time(86_399_999_999),
          .timestamp(Instant(microseconds: -1)), .timestamptz(Instant(microseconds: 1)),
          .uuid(.max),
        ],
      ])
    #expect(result.schema.fields.map(\.type) == types.map(\.1))
  }

  @Test("lists of all lengths arrive", arguments: [1, 2047, 2048, 2049, 9000])
  func lists(_ count: Int) throws {
    // One list alone is longer than what a chunk holds of them.
    let lists = (0..<count).map { row in
      Array(0..<(row == count / 2 ? 300_000 : row % 5)).map { Int64($0) << 33 | Int64(row) }
    }
    var offsets: [UInt32] = [0]
    for list in lists { offsets.append(offsets.last! + UInt32(list.count)) }
    let batch = ColumnBatch(
      rowCount: count,
      columns: [
        .init(values: .int64((0..<count).map { Int64($0) })),
        .init(
          values: .int64Lists(offsets: offsets, elements: lists.flatMap { $0 }),
          nulls: (0..<count).map { $0 % 7 == 3 }),
      ], bytes: [])
    let type = FieldType.list(element: Field(name: "element", type: .bigint))
    let source = FixedBatches(schema(("i", .bigint), ("l", type)), [batch])
    let rows = try engine.rows("SELECT i, l FROM b ORDER BY i", [:], ["b": .batches(source)])
    #expect(rows.count == count)
    for (row, values) in rows.enumerated() {
      let list = Value.list(lists[row].map { .integer($0) })
      #expect(values == [.integer(Int64(row)), row % 7 == 3 ? .null : list])
    }
  }

  @Test("what one thread may read keeps its order on the way into files")
  func ordered() throws {
    let folder = TemporaryFolder()
    let batches = (0..<200).map { part in
      ColumnBatch(
        rowCount: 5000,
        columns: [.init(values: .int64((0..<5000).map { Int64(part * 5000 + $0) }))], bytes: [])
    }
    let files = try engine.compute(
      Query(
        sql: "SELECT i FROM b",
        inputs: ["b": .batches(FixedBatches(schema(("i", .bigint)), batches, readerLimit: 1))]),
      into: Output(schema: schema(("i", .bigint)), location: folder.path))
    for file in files {
      let rows = try engine.rows(
        "SELECT count(*) FROM (SELECT i - file_row_number AS d FROM f) GROUP BY d", [:],
        ["f": .files([file], schema: schema(("i", .bigint), ("file_row_number", .bigint)))])
      #expect(rows.count == 1)
    }
  }

  @Test("columns that a query does not want cost nothing and confuse nothing")
  func projection() throws {
    for (sql, expected) in [
      ("SELECT count(*) FROM b", Value.integer(5000)),
      ("SELECT sum(i)::bigint FROM b", .integer(12_497_500)),
      ("SELECT count(s) FROM b", .integer(4285)),
      ("SELECT max(s || i) FROM b WHERE i < 3", .string("é2é22")),
    ] {
      #expect(try engine.rows(sql, [:], ["b": .batches(BatchTests.numbers(5000))]) == [[expected]])
    }
  }

  @Test(
    "batches that a query reads more than once are kept",
    arguments: [
      "SELECT count(*) FROM b x JOIN b y USING (i)",
      "WITH c AS (SELECT * FROM b) SELECT count(*) FROM c x, c y WHERE x.i = y.i",
      "SELECT count(*) FROM (FROM b UNION ALL FROM b WHERE false)",
      "SELECT count(*) FROM b WHERE i IN (SELECT i FROM b)",
      "SELECT count(*) FROM v x JOIN w y USING (i)",
      "SELECT count(*) FROM v x JOIN b y USING (i)",
      "SELECT count(n) FROM (SELECT count(*) OVER (PARTITION BY i) AS n FROM b)",
      "WITH RECURSIVE r AS (SELECT 0::bigint AS i UNION ALL SELECT r.i + 1 FROM r JOIN b ON b.i = r.i) "
        + "SELECT count(*) - 1 FROM r",
    ])
  func readTwice(_ sql: String) throws {
    let source = BatchTests.numbers(3000)
    let view = Query(
      sql: "SELECT * FROM b WHERE i >= $from", parameters: ["from": .integer(0)],
      inputs: ["b": .batches(source)])
    let rows = try engine.rows(
      sql, [:], ["b": .batches(source), "v": .view(view), "w": .view(view)])
    #expect(rows == [[.integer(3000)]])
  }

  @Test(
    "rule 34: an input is read to its end though the query wants less",
    arguments: [
      "SELECT i FROM b LIMIT 1", "SELECT i FROM b WHERE false",
      "SELECT 1 AS i FROM (SELECT * FROM b LIMIT 0)",
    ])
  func drained(_ sql: String) throws {
    let source = BatchTests.numbers(50_000)
    _ = try engine.rows(sql, [:], ["b": .batches(source)])
    #expect(source.isRead)
    let damaged = BatchTests.numbers(50_000, failure: Damaged(line: 9))
    #expect(throws: Damaged(line: 9)) { try engine.rows(sql, [:], ["b": .batches(damaged)]) }
  }

  @Test("what a source throws comes out as it is", arguments: [0, 1, 5000])
  func failures(_ count: Int) {
    #expect(throws: Damaged(line: 3)) {
      try engine.rows(
        "SELECT max(i) FROM b x", [:],
        ["b": .batches(BatchTests.numbers(count, failure: Damaged(line: 3)))])
    }
    #expect(throws: Damaged(line: 4)) {
      try engine.rows(
        "SELECT count(*) FROM b x JOIN b USING (i)", [:],
        ["b": .batches(BatchTests.numbers(count, failure: Damaged(line: 4)))])
    }
  }

  @Test func columnOfAnotherTypeIsAnError() {
    let batch = ColumnBatch(rowCount: 1, columns: [.init(values: .int64([1]))], bytes: [])
    #expect(throws: EngineError.self) {
      try engine.rows(
        "SELECT * FROM b", [:],
        ["b": .batches(FixedBatches(schema(("x", .int)), [batch]))])
    }
  }
}
