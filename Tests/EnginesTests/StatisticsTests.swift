import Core
import Foundation
import Testing

@testable import Engines

@Suite struct StatisticsTests {
  struct Column: Sendable, CustomTestStringConvertible {
    var type: FieldType
    var values: [Value]
    var testDescription: String { "\(type), \(values.count) values" }
  }

  static func texts(_ texts: [String]) -> Column {
    Column(type: .string, values: texts.map { .string($0) })
  }

  static let long = String(repeating: "x", count: 300)
  static let columns: [Column] = [
    Column(type: .boolean, values: [.boolean(true), .null, .boolean(false)]),
    Column(type: .boolean, values: [.boolean(true)]),
    Column(
      type: .int, values: [.integer(-5), .integer(Int64(Int32.min)), .integer(Int64(Int32.max))]),
    Column(type: .int, values: [.null, .null]),
    Column(type: .bigint, values: [.integer(.min), .integer(.max), .null]),
    Column(type: .float, values: [.float(-0.0), .float(.infinity), .float(.nan), .float(1.1)]),
    Column(type: .float, values: [.float(0), .float(-0.0)]),
    Column(
      type: .double,
      values: [.double(0.1), .double(-1e300), .null, .double(.leastNonzeroMagnitude)]),
    Column(type: .double, values: [.double(.nan), .double(.nan)]),
    Column(type: .double, values: [.double(.nan), .double(1)]),
    Column(type: .double, values: [.double(-.infinity)]),
    Column(
      type: .decimal(precision: 4, scale: 2),
      values: [.decimal(unscaled: -9999, scale: 2), .decimal(unscaled: 5, scale: 2)]),
    Column(
      type: .decimal(precision: 9, scale: 0),
      values: [.decimal(unscaled: -999_999_999, scale: 0), .decimal(unscaled: 1, scale: 0)]),
    Column(
      type: .decimal(precision: 18, scale: 18),
      values: [.decimal(unscaled: -1, scale: 18), .decimal(unscaled: 999, scale: 18)]),
    Column(
      type: .decimal(precision: 38, scale: 10),
      values: [
        .decimal(unscaled: -(Int128.max / 20), scale: 10),
        .decimal(unscaled: Int128.max / 20, scale: 10), .decimal(unscaled: 0, scale: 10),
      ]),
    Column(type: .date, values: [.date(-719_162), .date(0), .date(2_932_896), .null]),
    Column(type: .date, values: [.date(-800_000), .date(5_000_000)]),
    Column(type: .time, values: [.time(0), .time(86_399_999_999), .time(1)]),
    Column(
      type: .timestamp,
      values: [
        .timestamp(Instant(microseconds: -1)),
        .timestamp(Instant(microseconds: -62_135_596_800_000_000)),
        .timestamp(Instant(microseconds: 253_402_300_799_999_999)),
      ]),
    Column(
      type: .timestamp,
      values: [
        .timestamp(Instant(microseconds: 1_500_000)), .timestamp(Instant(microseconds: 1_000)),
      ]),
    Column(
      type: .timestamptz,
      values: [
        .timestamptz(Instant(microseconds: -123_456)), .timestamptz(Instant(microseconds: 0)),
      ]),
    texts(["it's", "\"q\"", "a,b", "{x=1}", "line\nbreak", "tab\t"]),
    texts(["é", "e", "z", "日本", "\u{10FFFF}", ""]), texts([""]), texts(["NULL", "null"]),
    texts(["a\u{0}b", "a"]), texts(["\\x41", "\u{FFFD}"]),
    texts([long + "b", long + "a"]), texts([String(repeating: "é", count: 300), "a"]),
    texts([String(repeating: "\u{7F}", count: 300), "a"]),
    texts([String(repeating: "a", count: 255) + "é" + "tail"]),
    texts(["z" + String(repeating: "日", count: 200)]),
    Column(type: .binary, values: [.binary([]), .binary([0, 255]), .binary([255])]),
    Column(type: .binary, values: [.binary(Array(repeating: 255, count: 300)), .binary([1])]),
    Column(
      type: .binary,
      values: [.binary(Array(repeating: 7, count: 300)), .binary(Array(repeating: 7, count: 256))]),
    Column(type: .uuid, values: [.uuid(0), .uuid(.max), .uuid(UInt128(1) << 127), .uuid(5)]),
  ]

  @Test("statistics are those of the values", arguments: columns)
  func bounds(_ column: Column) throws {
    let folder = TemporaryFolder()
    let table = schema(("v", column.type))
    let rows = RowSet(schema: table, rows: column.values.map { [$0] })
    let files = try engine.compute(
      Query(sql: "SELECT v FROM t", inputs: ["t": .rows(rows)]),
      into: Output(schema: table, location: folder.path))
    let file = try #require(files.first)
    #expect(files.count == 1)
    #expect(file.rowCount == Int64(column.values.count))
    let found = try #require(file.columns[1])
    #expect(found.valueCount == Int64(column.values.count))
    #expect(found.nullCount == Int64(column.values.count { $0.isNull }))
    #expect((found.byteCount ?? 0) > 0)
    let numbers = column.values.filter { !$0.isNull && !isNaN($0) }
    let isFloating = column.type == .float || column.type == .double
    #expect(found.nanCount == (isFloating ? Int64(column.values.count { isNaN($0) }) : nil))
    guard !numbers.isEmpty else {
      #expect(found.lower == nil && found.upper == nil)
      return
    }
    let least = numbers.min { isLess($0, $1) }!
    let greatest = numbers.max { isLess($0, $1) }!
    if let lower = found.lower { #expect(!isLess(least, lower), "\(least) < \(lower)") }
    if let upper = found.upper { #expect(!isLess(upper, greatest), "\(upper) < \(greatest)") }
    // Where nothing makes a bound doubtful it is there, and exact.
    guard !StatisticsTests.isDoubtful(column) else { return }
    #expect(try comparable(#require(found.lower)) == comparable(least))
    #expect(try comparable(#require(found.upper)) == comparable(greatest))
  }

  /// Long values, characters that stand for damaged ones, years without four digits.
  static func isDoubtful(_ column: Column) -> Bool {
    column.values.contains { value in
      switch value {
      case .string(let text): text.utf8.count > 256 || text.contains("\u{FFFD}")
      case .binary(let bytes): bytes.count > 256
      case .date(let days): days < -719_162
      default: false
      }
    }
  }

  private func isNaN(_ value: Value) -> Bool {
    switch value {
    case .float(let number): number.isNaN
    case .double(let number): number.isNaN
    default: false
    }
  }

  /// -0 is before +0, as Iceberg has it; bounds of a zero may be the other zero.
  private func comparable(_ value: Value) -> Value {
    switch value {
    case .float(0): .float(0)
    case .double(0): .double(0)
    default: value
    }
  }

  private func isLess(_ a: Value, _ b: Value) -> Bool {
    switch (a, b) {
    case (.boolean(let a), .boolean(let b)): !a && b
    case (.integer(let a), .integer(let b)): a < b
    case (.float(let a), .float(let b)): a < b || (a == b && a.sign == .minus && b.sign == .plus)
    case (.double(let a), .double(let b)): a < b || (a == b && a.sign == .minus && b.sign == .plus)
    case (.decimal(let a, _), .decimal(let b, _)): a < b
    case (.date(let a), .date(let b)): a < b
    case (.time(let a), .time(let b)): a < b
    case (.timestamp(let a), .timestamp(let b)), (.timestamptz(let a), .timestamptz(let b)): a < b
    case (.string(let a), .string(let b)): a.utf8.lexicographicallyPrecedes(b.utf8)
    case (.binary(let a), .binary(let b)): a.lexicographicallyPrecedes(b)
    case (.uuid(let a), .uuid(let b)): a < b
    default: false
    }
  }

  @Test("nested columns have the statistics of their leaves")
  func nested() throws {
    let folder = TemporaryFolder()
    let table = Schema([
      Field(
        id: 1, name: "s",
        type: .structure([
          Field(id: 2, name: "a \"b\"", type: .int),
          Field(id: 3, name: "f", type: .structure([Field(id: 4, name: "x", type: .double)])),
        ])),
      Field(id: 5, name: "l", type: .list(element: Field(id: 6, name: "element", type: .string))),
      Field(
        id: 7, name: "m",
        type: .map(
          key: Field(id: 8, name: "key", type: .string),
          value: Field(id: 9, name: "value", type: .int))),
    ])
    let rows = RowSet(
      schema: table,
      rows: [
        [
          .structure(["a \"b\"", "f"], [.integer(3), .structure(["x"], [.double(.nan)])]),
          .list([.string("p")]), .map([.string("k")], [.integer(1)]),
        ],
        [
          .structure(["a \"b\"", "f"], [.integer(-3), .structure(["x"], [.double(2)])]), .list([]),
          .null,
        ],
        [.null, .null, .map([], [])],
      ])
    let files = try engine.compute(
      Query(sql: "SELECT * FROM t", inputs: ["t": .rows(rows)]),
      into: Output(schema: table, location: folder.path))
    let columns = files[0].columns
    #expect(columns[2]?.lower == .integer(-3))
    #expect(columns[2]?.upper == .integer(3))
    #expect(columns[2]?.nullCount == 1)
    #expect(columns[4]?.nanCount == 1)
    #expect(columns[4]?.upper == .double(2))
    #expect(columns[6]?.lower == nil)
    #expect(columns[6]?.byteCount != nil)
    #expect(columns[1] == nil && columns[5] == nil && columns[7] == nil)
    let back = try engine.rows("SELECT * FROM f", [:], ["f": .files(files, schema: table)])
    #expect(back.map { $0.map(\.description) } == rows.rows.map { $0.map(\.description) })
    // pyarrow sees the field IDs.
    let ids = try python(
      "import pyarrow.parquet as q, sys, re; s = str(q.ParquetFile(sys.argv[1]).schema_arrow.to_string(show_field_metadata=True)); "
        + "print(sorted(int(x) for x in re.findall(r\"PARQUET:field_id: '(\\d+)'\", s)))",
      files[0].path)
    if let ids { #expect(ids == "[1, 2, 3, 4, 5, 6, 7, 8, 9]\n") }
  }

  @Test("NaNs are counted over all row groups")
  func manyRowGroups() throws {
    let folder = TemporaryFolder()
    let table = schema(("v", .double))
    let files = try engine.compute(
      Query(
        sql: "SELECT CASE WHEN i < 5 THEN 'nan'::double ELSE i END AS v "
          + "FROM (SELECT unnest(range($n)) AS i)", parameters: ["n": .integer(500_000)]),
      into: Output(schema: table, location: folder.path, sort: [.init("v", isDescending: true)]))
    #expect(files.map { $0.columns[1]?.nanCount } == [5])
    #expect(files[0].columns[1]?.upper == .double(499_999))
    #expect(files[0].columns[1]?.lower == .double(5))
  }

  @Test(
    "text that is not certainly a value gives no bound",
    arguments: [
      ("1.5", FieldType.int), ("", .int), ("3000000000", .int), ("nan", .double), ("x", .double),
      ("1.5", .decimal(precision: 4, scale: 2)), ("1,50", .decimal(precision: 4, scale: 2)),
      ("1.5.0", .decimal(precision: 4, scale: 2)),
      ("0044-03-15 (BC)", .date), ("infinity", .date), ("2024-02-30", .date), ("2024-1-1-1", .date),
      ("-2024-01-01", .date),
      ("infinity", .timestamp), ("2024-01-01", .timestamp), ("2024-01-01 00:00", .timestamp),
      ("2024-01-01 00:00:00.1234567", .timestamp),
      ("2024-01-01 00:00:00", .timestamptz), ("2024-01-01 00:00:00+01", .timestamptz),
      ("25:00:00", .time),
      ("\u{FFFD}", .string), ("0", .binary), ("GG", .binary), ("123", .uuid), ("2", .boolean),
    ])
  func doubtful(_ text: String, _ type: FieldType) {
    #expect(ParquetStatistics.bound(text, type) == nil)
  }
}
