import Core
import Engines
import Foundation
import Testing

@testable import Lake

/// Every primitive type of Iceberg v2 as the engine writes it, and as pyiceberg and DuckDB read that.
@Suite("Types", .enabled(if: Python.path != nil, "no Python with pyiceberg"))
struct TypesTests {
  private let scratch = ScratchLake()
  private let id = TableID("types", "t")

  private static let types: [(name: String, type: FieldType, sql: String)] = [
    ("boolean", .boolean, "true"), ("int", .int, "-7::INTEGER"),
    ("long", .bigint, "-9007199254740993::BIGINT"), ("float", .float, "1.5::FLOAT"),
    ("double", .double, "-0.25::DOUBLE"),
    ("decimal", .decimal(precision: 20, scale: 3), "'-12345678901234567.890'::DECIMAL(20,3)"),
    ("date", .date, "DATE '1969-12-31'"), ("time", .time, "TIME '23:59:59.999999'"),
    ("timestamp", .timestamp, "TIMESTAMP '2024-01-01 04:59:59.123456'"),
    ("timestamptz", .timestamptz, "TIMESTAMPTZ '2024-01-01 04:59:59.123456+00'"),
    ("string", .string, "'Straße 🙂'"),
    ("uuid", .uuid, "'f79c3e09-677c-4bbd-a479-3f349cb785e7'::UUID"),
    ("fixed", .fixed(byteCount: 3), "'\\xAA\\x00\\xFF'::BLOB"),
    ("binary", .binary, "'\\x00\\xFF'::BLOB"),
  ]

  private func read(_ reader: String) throws -> JSON {
    let folder = scratch.store.uri(LakeLayout.table(id))
    return try #require(try Python.run("read_iceberg.py", [folder, reader])[reader])
  }

  @Test(
    "by themselves and in structs, lists and maps, with nulls: others read what was written",
    arguments: types.indices)
  func everyType(_ index: Int) throws {
    let (name, type, sql) = TypesTests.types[index]
    let columns = Schema([
      Field(name: "plain", type: type),
      Field(name: "items", type: .list(element: Field(name: "element", type: type))),
      Field(
        name: "by",
        type: .map(
          key: Field(name: "key", type: .string, isRequired: true),
          value: Field(name: "value", type: type))),
      Field(
        name: "deep",
        type: .structure([
          Field(name: "x", type: type),
          Field(
            name: "more",
            type: .list(
              element: Field(name: "element", type: .structure([Field(name: "y", type: type)])))),
        ])),
    ])
    let query = """
      WITH one AS (SELECT \(sql) AS v)
      SELECT v AS plain, [v, NULL] AS items, MAP {'k': v, 'n': NULL} AS by,
        {'x': v, 'more': [{'y': v}, NULL, {'y': NULL}]} AS deep FROM one
      UNION ALL SELECT NULL, [], MAP {}, {'x': NULL, 'more': []}
      UNION ALL SELECT NULL, NULL, NULL, NULL
      """
    let table = try scratch.lake.publish(query, id, columns)
    let rows = try table.canonicalRows()
    let plain = try #require(rows.first { $0["plain"] != .null }?["plain"])
    let names = columns.fields.map(\.name)
    let expected: [JSON] = [
      [
        "plain": plain, "items": [plain, nil], "by": ["k": plain, "n": nil],
        "deep": ["x": plain, "more": [["y": plain], nil, ["y": nil]]],
      ],
      ["plain": nil, "items": [], "by": .object([]), "deep": ["x": nil, "more": []]],
      ["plain": nil, "items": nil, "by": nil, "deep": nil],
    ]
    #expect(rows == expected.sorted { $0.description < $1.description }, "\(name)")
    let seen = try read("pyiceberg")
    #expect(seen["columns"]?.array?.first?["type"]?.string?.hasPrefix(name) == true)
    #expect(canonicalRows(seen, names) == rows, "\(name)")
    #expect(canonicalRows(try read("duckdb"), names) == rows, "\(name)")
  }

  @Test("fixed: many pages, few and many values, among other columns; filters find them")
  func fixed() throws {
    let columns = Schema([
      Field(name: "n", type: .bigint), Field(name: "many", type: .fixed(byteCount: 5)),
      Field(name: "text", type: .string), Field(name: "few", type: .fixed(byteCount: 16)),
      Field(
        name: "items", type: .list(element: Field(name: "element", type: .fixed(byteCount: 1)))),
      Field(name: "last", type: .binary),
    ])
    func values(_ n: String) -> String {
      """
      SELECT \(n) AS n,
        CASE WHEN \(n) % 7 = 0 THEN NULL ELSE unhex(substr(md5(\(n)::VARCHAR), 1, 10)) END AS many,
        md5(\(n)::VARCHAR) AS text, unhex(md5((\(n) % 10)::VARCHAR)) AS few,
        CASE WHEN \(n) % 3 = 0 THEN NULL ELSE
          list_transform(range(\(n) % 4), lambda x: unhex(printf('%02x', x))) END AS items,
        unhex(md5(\(n)::VARCHAR)) AS last
      """
    }
    let table = try scratch.lake.publish(
      "\(values("i")) FROM (SELECT unnest(range(30000)) AS i)", id, columns, sort: [SortColumn("n")]
    )
    let input = Query.Input.files(try table.dataFiles(), schema: table.schema)
    func rows(_ sql: String) throws -> [[Value]] {
      try engine.rows(
        Query(sql: sql, inputs: ["t": input], label: "test"), cancellation: .never
      ).rows
    }
    let wrong = try rows(
      """
      SELECT count(*) FILTER (
        t.many IS DISTINCT FROM w.many OR t.text <> w.text OR t.few <> w.few
        OR t.items IS DISTINCT FROM w.items OR t.last <> w.last), count(*)
      FROM t JOIN (\(values("t.n")) FROM t) AS w USING (n)
      """)
    #expect(wrong == [[.integer(0), .integer(30000)]])
    #expect(
      try rows("SELECT count(*) FROM t WHERE few = unhex(md5('3'))") == [[.integer(3000)]])
    #expect(try rows("SELECT count(*) FROM t WHERE few = unhex(md5('11'))") == [[.integer(0)]])
    let file = try #require(try table.dataFiles().first)
    let (store, key) = try table.locate(file.path)
    #expect(try store.head(key)?.byteCount == file.byteCount)
    let names = ["n", "many", "text", "few", "items", "last"]
    let expected = try table.canonicalRows()
    #expect(canonicalRows(try read("pyiceberg"), names) == expected)
    #expect(canonicalRows(try read("duckdb"), names) == expected)
  }

  @Test("fixed: a value of another length is refused")
  func wrongLength() throws {
    let columns = Schema([Field(name: "x", type: .fixed(byteCount: 3))])
    do {
      _ = try scratch.lake.publish("SELECT '\\xAA\\xBB'::BLOB AS x", id, columns)
      Issue.record("no failure")
    } catch let error as EngineError {
      #expect(error.message.contains("2 bytes") && error.message.contains("fixed[3]"), "\(error)")
    }
    #expect(try scratch.keys(LakeLayout.tablesPrefix) == [])
  }
}
