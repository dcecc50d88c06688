import Core
import Foundation
import Testing

@testable import Lake

/// Tables read by pyiceberg and by DuckDB, which know nothing of Sluice (rule 23).
@Suite("Tables that others read", .enabled(if: Python.path != nil, "no Python with pyiceberg"))
struct CrossReadingTests {
  private let scratch = ScratchLake()
  private var lake: Lake { scratch.lake }

  /// Writes a real Parquet file in the schema's IDs; its statistics come from the rows.
  private func write(
    _ schema: Schema, _ rows: [[JSON]], _ values: [[Value]], to name: String, id: TableID,
    partition: [Value] = []
  ) throws -> DataFile {
    let path = lake.store.uri(LakeLayout.dataPrefix(id) + name)
    let request: JSON = [
      [
        "path": .string(path),
        "columns": .array(
          schema.fields.map { field in
            [
              "id": .integer(Int64(field.id)), "name": .string(field.name),
              "type": SchemaJSON.write(field.type),
            ]
          }), "rows": .array(rows.map(JSON.array)),
      ]
    ]
    let answer = try Python.run("write_parquet.py", input: request)
    let size = try #require(answer.array?.first?["bytes"]?.integer)
    var columns: [Int: ColumnStatistics] = [:]
    for (index, field) in schema.fields.enumerated() where !field.type.isNested {
      let present = values.map { $0[index] }.filter { !$0.isNull && !isNaN($0) }
      var statistics = ColumnStatistics(
        valueCount: Int64(values.count), nullCount: Int64(values.count { $0[index].isNull }))
      if field.type == .float || field.type == .double {
        statistics.nanCount = Int64(values.count { isNaN($0[index]) })
      }
      statistics.lower = present.min { ValueOrder.isLess($0, $1) == true }
      statistics.upper = present.max { ValueOrder.isLess($0, $1) == true }
      columns[field.id] = statistics
    }
    return DataFile(
      path: path, rowCount: Int64(rows.count), byteCount: size, partition: partition,
      columns: columns)
  }

  private func isNaN(_ value: Value) -> Bool {
    switch value {
    case .float(let number): number.isNaN
    case .double(let number): number.isNaN
    default: false
    }
  }

  private func read(_ id: TableID) throws -> (pyiceberg: JSON, duckdb: JSON) {
    let seen = try Python.run("read_iceberg.py", [lake.store.uri(LakeLayout.table(id))])
    return (try #require(seen["pyiceberg"]), try #require(seen["duckdb"]))
  }

  private func sorted(_ rows: [JSON]) -> [JSON] { rows.sorted { $0.description < $1.description } }

  /// Both readers' rows, as sets of texts that do not depend on the order of members.
  private func rows(_ seen: JSON, _ schema: Schema) -> [JSON] {
    sorted(
      (seen["rows"]?.array ?? []).map { row in
        .array(schema.fields.map { row[$0.name] ?? "missing" })
      })
  }

  @Test("every type, nulls and bounds come back through both readers")
  func everyType() throws {
    let id = TableID("types", "all")
    let schema = Schema([
      Field(name: "b", type: .boolean), Field(name: "i", type: .int),
      Field(name: "l", type: .bigint), Field(name: "f", type: .float),
      Field(name: "d", type: .double), Field(name: "n", type: .decimal(precision: 20, scale: 3)),
      Field(name: "day", type: .date), Field(name: "at", type: .time),
      Field(name: "ts", type: .timestamp), Field(name: "tz", type: .timestamptz),
      Field(name: "s", type: .string), Field(name: "x", type: .binary),
      Field(name: "u", type: .uuid),
      Field(name: "items", type: .list(element: Field(name: "element", type: .bigint))),
      Field(
        name: "tags",
        type: .map(
          key: Field(name: "key", type: .string, isRequired: true),
          value: Field(name: "value", type: .int))),
      Field(
        name: "point",
        type: .structure([Field(name: "x", type: .double), Field(name: "y", type: .string)])),
    ]).withFreshIDs()
    let stamp = Instant(microseconds: 1_704_085_199_123_456)
    let uuid = "f79c3e09-677c-4bbd-a479-3f349cb785e7"
    let number: UInt128 = 0xf79c_3e09_677c_4bbd_a479_3f34_9cb7_85e7
    let rows: [[JSON]] = [
      [
        true, -7, -9_007_199_254_740_993, .number(-1.5), .number(2.25), "-12345678901234567.890",
        "1969-12-31", "23:59:59.999999", "2024-01-01T04:59:59.123456",
        "2024-01-01T04:59:59.123456+00", "Straße 🙂", "00ff10", .string(uuid), [1, nil, 3],
        ["a": 1, "b": nil], ["x": .number(0.5), "y": nil],
      ],
      [
        false, 2_147_483_647, 9_223_372_036_854_775_807, .number(0.25), .number(-0.5), "0.001",
        "2024-02-29", "00:00:00.000000", "1969-12-31T23:59:59.999999",
        "1969-12-31T23:59:59.999999+00", "", "", "00000000-0000-0000-0000-000000000000", [],
        .object([]), nil,
      ],
      Array(repeating: nil, count: 16),
    ]
    let values: [[Value]] = [
      [
        .boolean(true), .integer(-7), .integer(-9_007_199_254_740_993), .float(-1.5),
        .double(2.25), .decimal(unscaled: -12_345_678_901_234_567_890, scale: 3), .date(-1),
        .time(86_399_999_999), .timestamp(stamp), .timestamptz(stamp), .string("Straße 🙂"),
        .binary([0, 255, 16]), .uuid(number), .null, .null, .null,
      ],
      [
        .boolean(false), .integer(2_147_483_647), .integer(.max), .float(0.25), .double(-0.5),
        .decimal(unscaled: 1, scale: 3), .date(19782), .time(0),
        .timestamp(Instant(microseconds: -1)), .timestamptz(Instant(microseconds: -1)),
        .string(""), .binary([]), .uuid(0), .null, .null, .null,
      ],
      Array(repeating: .null, count: 16),
    ]
    let staged = try write(schema, rows, values, to: "r/a.parquet", id: id)
    let table = try lake.catalog.commit(
      TableUpdate(
        schema: schema, sort: [SortColumn("l", isDescending: true)], added: [staged],
        time: stamp), to: id, base: nil)
    #expect(table.schema == schema)

    let seen = try read(id)
    #expect(self.rows(seen.pyiceberg, schema) == sorted(rows.map(JSON.array)))
    #expect(self.rows(seen.duckdb, schema) == sorted(rows.map(JSON.array)))
    let types = (seen.pyiceberg["columns"]?.array ?? []).map { $0["type"]?.string }
    #expect(
      types.prefix(13) == [
        "boolean", "int", "long", "float", "double", "decimal(20, 3)", "date", "time",
        "timestamp", "timestamptz", "string", "binary", "uuid",
      ])
    #expect(
      (seen.duckdb["columns"]?.array ?? []).map { $0["type"]?.string } == [
        "BOOLEAN", "INTEGER", "BIGINT", "FLOAT", "DOUBLE", "DECIMAL(20,3)", "DATE", "TIME",
        "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "VARCHAR", "BLOB", "UUID", "BIGINT[]",
        "MAP(VARCHAR, INTEGER)", "STRUCT(x DOUBLE, y VARCHAR)",
      ])
    let file = try #require(seen.pyiceberg["files"]?.array?.first)
    #expect(file["path"]?.string == staged.path)
    #expect(file["records"]?.integer == 3)
    #expect(file["bytes"]?.integer == staged.byteCount)
    for name in ["b", "i", "l", "f", "d", "n", "day", "at", "ts", "tz", "s", "x", "u"] {
      #expect(file["nulls"]?[name]?.integer == 1, "\(name)")
      #expect(file["values"]?[name]?.integer == 3, "\(name)")
    }
    let lower = try #require(file["lower"])
    let upper = try #require(file["upper"])
    #expect(lower["l"] == -9_007_199_254_740_993)
    #expect(upper["l"] == 9_223_372_036_854_775_807)
    #expect(lower["n"] == "-12345678901234567.890")
    #expect(upper["n"] == "0.001")
    #expect(lower["day"] == -1)
    #expect(upper["ts"] == .integer(stamp.microseconds))
    #expect(lower["tz"] == -1)
    #expect(upper["s"] == "Straße 🙂")
    #expect(upper["x"] == "00ff10")
    #expect(upper["u"] == .string(String(uuid.filter { $0 != "-" })))
    #expect(lower["f"] == .number(-1.5))
    #expect(seen.pyiceberg["sort"] == [["l", "desc"]])
    #expect(seen.pyiceberg["name_mapping"]?.integer == 16)

    // What Sluice reads back is what it was given.
    let own = try #require(try lake.catalog.load(id)?.dataFiles().first)
    #expect(own == staged)
  }

  @Test("replaced partitions, an empty commit, and evolved columns read the same everywhere")
  func evolution() throws {
    let id = TableID("pageviews", "top")
    let first = Schema.hourly.withFreshIDs()
    func rows(_ interval: Interval, _ pages: [String]) -> ([[JSON]], [[Value]]) {
      let (start, end) = (interval.start.sqlText, interval.end.sqlText)
      func iso(_ text: String) -> JSON {
        .string(text.split(separator: " ").joined(separator: "T") + ".000000")
      }
      return (
        pages.map { [.string($0), 5, iso(start), iso(end)] },
        pages.map { [.string($0), .integer(5)] + bounds(interval) }
      )
    }
    func stage(_ interval: Interval, _ pages: [String], _ name: String) throws -> DataFile {
      let (json, values) = rows(interval, pages)
      return try write(
        first, json, values, to: "r/\(name).parquet", id: id, partition: bounds(interval))
    }
    var table = try lake.catalog.commit(
      replacing(hour(0), with: [try stage(hour(0), ["a", "b"], "h0")]), to: id, base: nil)
    table = try lake.catalog.commit(
      replacing(hour(1), with: [try stage(hour(1), ["c"], "h1")]), to: id, base: table)
    // Zero rows still commit (rule 13).
    table = try lake.catalog.commit(replacing(hour(2), with: []), to: id, base: table)
    table = try lake.catalog.commit(
      replacing(hour(0), with: [try stage(hour(0), ["d"], "h0-again")]), to: id, base: table)

    var seen = try read(id)
    let expected = sorted(
      (rows(hour(1), ["c"]).0 + rows(hour(0), ["d"]).0).map(JSON.array))
    #expect(self.rows(seen.pyiceberg, first) == expected)
    #expect(self.rows(seen.duckdb, first) == expected)
    #expect(
      seen.pyiceberg["partition_by"]
        == [["interval_start", "identity"], ["interval_end", "identity"]])
    let partitions = (seen.pyiceberg["files"]?.array ?? []).map { $0["partition"] }
    #expect(
      partitions == [
        [
          "interval_start": "2024-01-01T00:00:00.000000",
          "interval_end": "2024-01-01T01:00:00.000000",
        ],
        [
          "interval_start": "2024-01-01T01:00:00.000000",
          "interval_end": "2024-01-01T02:00:00.000000",
        ],
      ])
    let operations = (seen.pyiceberg["snapshots"]?.array ?? []).map { $0["operation"]?.string }
    #expect(operations == ["append", "append", "append", "overwrite"])
    #expect(seen.pyiceberg["snapshots"]?.array?.last?["total-records"]?.string == "2")
    #expect(seen.duckdb["snapshots"]?.integer == 4)

    // A column in front, one dropped, and the partitioning dropped with it.
    let second = Schema([
      Field(name: "rank", type: .double), Field(name: "views", type: .bigint),
      Field(name: "interval_start", type: .timestamp),
      Field(name: "interval_end", type: .timestamp), Field(name: "page", type: .string),
    ])
    let evolved = try Table.schema(for: second, over: table, replacesAllRows: false)
    #expect(evolved.fields.map(\.id) == [5, 2, 3, 4, 1])
    let (start, end) = (hour(3).start.sqlText, hour(3).end.sqlText)
    let staged = try write(
      evolved,
      [[.number(1.5), 9, .string(start), .string(end), "e"]],
      [[.double(1.5), .integer(9)] + bounds(hour(3)) + [.string("e")]],
      to: "r/h3.parquet", id: id, partition: [.timestamp(hour(3).start)])
    table = try lake.catalog.commit(
      TableUpdate(
        schema: evolved, partitionBy: PartitionColumn.identity(["interval_start"]),
        added: [staged], time: hour(9).start), to: id, base: table)
    seen = try read(id)
    for reader in [seen.pyiceberg, seen.duckdb] {
      let pairs = sorted(
        (reader["rows"]?.array ?? []).map { .array([$0["page"] ?? "-", $0["rank"] ?? "-"]) })
      #expect(pairs == [["c", nil], ["d", nil], ["e", .number(1.5)]])
    }
    #expect(try table.dataFiles().count == 3)
    #expect(try table.dataFiles(.equal("interval_start", .timestamp(hour(3).start))).count == 1)
  }

  @Test("an int column widened to bigint keeps its old files' bounds and rows")
  func widening() throws {
    let id = TableID("types", "widened")
    let narrow = Schema([
      Field(name: "n", type: .int), Field(name: "f", type: .float),
      Field(name: "d", type: .decimal(precision: 9, scale: 2)),
    ]).withFreshIDs()
    let old = try write(
      narrow, [[5, .number(1.5), "1.50"]],
      [[.integer(5), .float(1.5), .decimal(unscaled: 150, scale: 2)]], to: "r/a.parquet", id: id)
    let base = try lake.catalog.commit(
      TableUpdate(schema: narrow, added: [old], time: hour(0).start), to: id, base: nil)
    let wide = Schema([
      Field(id: 1, name: "n", type: .bigint), Field(id: 2, name: "f", type: .double),
      Field(id: 3, name: "d", type: .decimal(precision: 18, scale: 2)),
    ])
    let new = try write(
      wide, [[5_000_000_000, .number(0.1), "1234567890.12"]],
      [[.integer(5_000_000_000), .double(0.1), .decimal(unscaled: 123_456_789_012, scale: 2)]],
      to: "r/b.parquet", id: id)
    let table = try lake.catalog.commit(
      TableUpdate(schema: wide, added: [new], time: hour(1).start), to: id, base: base)
    let seen = try read(id)
    let expected: [JSON] = [
      [5, .number(1.5), "1.50"], [5_000_000_000, .number(0.1), "1234567890.12"],
    ]
    #expect(rows(seen.pyiceberg, wide) == sorted(expected))
    #expect(rows(seen.duckdb, wide) == sorted(expected))
    let files = try table.dataFiles().sorted { $0.path < $1.path }
    #expect(files[0].columns[1]?.upper == .integer(5))
    #expect(files[0].columns[2]?.upper == .double(1.5))
  }

  @Test("every primitive type works as a partition column for both readers")
  func partitionTypes() throws {
    let id = TableID("types", "partitioned")
    let uuid = "f79c3e09-677c-4bbd-a479-3f349cb785e7"
    let columns: [(String, FieldType, JSON, Value)] = [
      ("b", .boolean, true, .boolean(true)), ("i", .int, 3, .integer(3)),
      ("l", .bigint, 4, .integer(4)),
      ("n", .decimal(precision: 20, scale: 3), "-1.250", .decimal(unscaled: -1250, scale: 3)),
      ("day", .date, "2024-01-02", .date(19724)),
      ("ts", .timestamp, "2024-01-01T00:00:00.000000", .timestamp(hour(0).start)),
      ("tz", .timestamptz, "2024-01-01T00:00:00.000000+00", .timestamptz(hour(0).start)),
      ("s p-ace", .string, "ü/x", .string("ü/x")),
      ("u", .uuid, .string(uuid), .uuid(0xf79c_3e09_677c_4bbd_a479_3f34_9cb7_85e7)),
      ("none", .string, nil, .null),
    ]
    let schema = Schema(columns.map { Field(name: $0.0, type: $0.1) }).withFreshIDs()
    let staged = try write(
      schema, [columns.map(\.2)], [columns.map(\.3)], to: "r/a.parquet", id: id,
      partition: columns.map(\.3))
    _ = try lake.catalog.commit(
      TableUpdate(
        schema: schema, partitionBy: PartitionColumn.identity(columns.map(\.0)), added: [staged],
        time: hour(0).start), to: id, base: nil)
    let seen = try read(id)
    #expect(rows(seen.pyiceberg, schema) == [.array(columns.map(\.2))])
    #expect(rows(seen.duckdb, schema) == [.array(columns.map(\.2))])
    let stored = try #require(seen.pyiceberg["files"]?.array?.first?["partition"])
    for (name, _, json, _) in columns { #expect(stored[name] == json, "\(name)") }
    #expect(try lake.catalog.load(id)?.dataFiles() == [staged])
  }

  @Test("rule 23: pyiceberg appends to a copy; Sluice reads its manifests and sees the stranger")
  func foreignAppend() throws {
    let id = TableID("pageviews", "shared")
    let schema = Schema.hourly.withFreshIDs()
    let (start, end) = (hour(0).start.sqlText, hour(0).end.sqlText)
    let staged = try write(
      schema, [["a", 1, .string(start), .string(end)]],
      [[.string("a"), .integer(1)] + bounds(hour(0))], to: "r/a.parquet", id: id,
      partition: bounds(hour(0)))
    _ = try lake.publisher.publish(id) { _, _ in
      .apply(
        Publication(
          update: replacing(hour(0), with: [staged]), consumption: Consumption(run: "r"),
          changes: nil))
    }
    let work = ScratchLake()
    _ = try Python.run(
      "append_iceberg.py", [lake.store.uri(LakeLayout.table(id)), work.path])
    let table = try #require(try lake.catalog.load(id))
    #expect(table.version == 2)
    let files = try table.dataFiles()
    #expect(files.count == 2)
    #expect(files.contains(staged))
    let theirs = try #require(files.first { $0 != staged })
    #expect(theirs.rowCount == 1)
    #expect(theirs.partition == bounds(hour(0)))
    #expect(theirs.columns[1]?.nullCount == 1)
    #expect(theirs.columns[3]?.lower == .timestamp(hour(0).start))
    expectFailure(.foreignCommit) { try table.consumption() }
  }

  @Test("merged and rewritten manifests are read by both")
  func manyCommits() throws {
    let id = TableID("pageviews", "long")
    let schema = Schema.hourly.withFreshIDs()
    let staged = try write(
      schema, [["a", 1, .string(hour(0).start.sqlText), .string(hour(0).end.sqlText)]],
      [[.string("a"), .integer(1)] + bounds(hour(0))], to: "r/a.parquet", id: id,
      partition: bounds(hour(0)))
    var table = try lake.catalog.commit(replacing(hour(0), with: [staged]), to: id, base: nil)
    for number in 1...CommitBuilder.manifestCountLimit + 1 {
      // Later hours in copies of the file: their partitions differ, their rows do not.
      var copy = staged
      copy.path = lake.store.uri(LakeLayout.dataPrefix(id) + "r/\(number).parquet")
      _ = try lake.store.put(
        try Table.key(of: copy.path, in: lake.store), .file(path: staged.path), .absent)
      copy.partition = bounds(hour(number))
      table = try lake.catalog.commit(
        replacing(hour(number), with: [copy]), to: id, base: table)
    }
    #expect(try table.manifests().count < 10)
    table = try lake.catalog.commit(replacing(hour(3), with: []), to: id, base: table)
    let count = CommitBuilder.manifestCountLimit + 1
    let seen = try read(id)
    #expect(seen.pyiceberg["rows"]?.array?.count == count)
    #expect(seen.duckdb["rows"]?.array?.count == count)
    let sequences = (seen.pyiceberg["files"]?.array ?? []).compactMap { $0["sequence"]?.integer }
    #expect(Set(sequences) == Set(1...Int64(count + 1)).subtracting([4]))
  }

  private func bounds(_ interval: Interval) -> [Value] { partition(interval) }
}
