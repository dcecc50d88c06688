import Core
import Engines
import Testing

@Suite struct ColumnsTests {
  /// Computes one column `x` of `type` from `expression` and reads it back.
  static func computed(_ expression: String, _ type: FieldType) throws -> [Value] {
    let folder = TemporaryFolder()
    let table = schema(("x", type))
    let files = try engine.compute(
      Query(sql: "SELECT \(expression) AS x", label: "p.m"),
      into: Output(schema: table, location: folder.path))
    return try engine.rows("SELECT x FROM f", [:], ["f": .files(files, schema: table)])[0]
  }

  static let kept: [(String, FieldType, Value)] = [
    ("1::tinyint", .int, .integer(1)), ("1::uinteger", .bigint, .integer(1)),
    ("7::bigint", .int, .integer(7)), ("3", .double, .double(3)),
    ("1::bigint << 60", .double, .double(1_152_921_504_606_846_976)),
    ("1.5", .double, .double(1.5)), ("0.1::double", .double, .double(0.1)),
    ("0.5::double", .float, .float(0.5)), ("2.0::double", .bigint, .integer(2)),
    ("round(1.239, 2)", .decimal(precision: 10, scale: 2), .decimal(unscaled: 124, scale: 2)),
    ("1.23::double", .decimal(precision: 10, scale: 2), .decimal(unscaled: 123, scale: 2)),
    ("1.50", .decimal(precision: 10, scale: 1), .decimal(unscaled: 15, scale: 1)),
    ("12::decimal(4,0)", .int, .integer(12)),
    ("DATE '2024-01-01'", .timestamp, .timestamp(Instant(seconds: 1_704_067_200))),
    ("TIMESTAMP '2024-01-01 00:00:00'", .date, .date(19723)),
    (
      "TIMESTAMP '2024-01-01 00:00:00'", .timestamptz, .timestamptz(Instant(seconds: 1_704_067_200))
    ),
    ("NULL", .uuid, .null), ("NULL", .list(element: Field(name: "element", type: .int)), .null),
    (
      "[1::tinyint, NULL]", .list(element: Field(name: "element", type: .bigint)),
      .list([.integer(1), .null])
    ),
    ("'nan'::double", .double, .double(.nan)),
    ("sum(2::bigint)::bigint", .bigint, .integer(2)),
  ]

  @Test("rule 27: what a cast keeps is cast to the declared type", arguments: kept.indices)
  func casts(_ index: Int) throws {
    let (expression, type, value) = ColumnsTests.kept[index]
    let result = try ColumnsTests.computed(expression, type)[0]
    #expect("\(result)" == "\(value)")
    if case .double(let number) = value, number.isNaN { return }
    #expect(result == value)
  }

  @Test(
    "rule 27: a row that a cast would change is an error naming column and value",
    arguments: [
      ("1.5::double", FieldType.bigint, "1.5"),
      ("1.239", .decimal(precision: 10, scale: 2), "1.239"),
      ("(1::bigint << 53) + 1", .double, "9007199254740993"), ("0.1::double", .float, "0.1"),
      ("16777217", .float, "16777217"), ("TIMESTAMP '2024-01-01 00:00:01'", .date, "00:00:01"),
      ("1.5", .int, "1.5"), ("0.3::double", .decimal(precision: 4, scale: 0), "0.3"),
    ])
  func losses(_ expression: String, _ type: FieldType, _ words: String) throws {
    let error = try #require(engineError { _ = try ColumnsTests.computed(expression, type) })
    #expect(error.code == .failed)
    #expect(error.place.model == "p.m")
    #expect(error.message.contains("column x: \(words)") || error.message.contains(words))
    #expect(error.message.contains("without loss"))
  }

  @Test(
    "rule 27: a value that does not fit its declared type is an error",
    arguments: [
      ("3000000000", FieldType.int), ("1e300::double", .bigint),
      ("12345.0", .decimal(precision: 4, scale: 1)),
      ("1e300::double", .float),
    ])
  func overflows(_ expression: String, _ type: FieldType) throws {
    let error = try #require(engineError { _ = try ColumnsTests.computed(expression, type) })
    #expect(error.code == .failed)
  }

  @Test(
    "rule 27: types that tables do not have must be cast in the SQL",
    arguments: [
      ("sum(1::bigint)", FieldType.bigint, "HUGEINT"), ("sum(1)", .double, "HUGEINT"),
      ("1::hugeint", .decimal(precision: 38, scale: 0), "HUGEINT"),
      ("1::ubigint", .bigint, "UBIGINT"),
      ("'a'::ENUM('a')", .string, "ENUM"), ("INTERVAL 1 DAY", .string, "INTERVAL"),
      ("TIMETZ '01:00:00+00'", .time, "TIME WITH TIME ZONE"),
      ("TIMESTAMP_NS '2024-01-01 00:00:00'", .timestamp, "TIMESTAMP_NS"),
      ("1", .string, "int"), ("'1'", .int, "string"), ("true", .int, "boolean"),
      ("'2024-01-01'", .date, "string"),
      ("[1.5::double]", .list(element: Field(name: "element", type: .int)), "list<double>"),
      ("[1::hugeint]", .list(element: Field(name: "element", type: .bigint)), "HUGEINT"),
      ("{'a': 1}", .structure([Field(name: "b", type: .int)]), "struct<a: int>"),
    ])
  func refusals(_ expression: String, _ type: FieldType, _ words: String) throws {
    let error = try #require(engineError { _ = try ColumnsTests.computed(expression, type) })
    #expect(error.code == .wrongColumns)
    #expect(error.exitCode == 2)
    #expect(error.message.contains(words), "\(error.message)")
    #expect(error.advice?.contains("::") == true)
  }

  @Test func columnsMustBeTheDeclaredOnes() throws {
    let folder = TemporaryFolder()
    let output = Output(
      schema: schema(("domain", .string), ("views", .bigint)), location: folder.path)
    for (sql, words, advice) in [
      ("SELECT 'x' AS domain", "views is missing", nil as String?),
      (
        "SELECT 'x' AS domain, 1::bigint AS view", "the column view is not declared",
        "is view meant to be views?"
      ),
      ("SELECT 'x' AS domain, 1::bigint AS views, 2 AS views", "two columns are called views", nil),
    ] {
      let error = try #require(
        engineError { _ = try engine.compute(Query(sql: sql, label: "p.m"), into: output) })
      #expect(error.code == .wrongColumns)
      #expect(error.place.model == "p.m")
      #expect(error.message.contains(words), "\(error.message)")
      if let advice { #expect(error.advice?.contains(advice) == true) }
    }
    let files = try engine.compute(
      Query(sql: "SELECT 1::bigint AS Views, 'x' AS DOMAIN"), into: output)
    #expect(
      try engine.rows("SELECT * FROM f", [:], ["f": .files(files, schema: output.schema)])
        == [[.string("x"), .integer(1)]])
  }

  @Test func aParameterHasItsOwnType() throws {
    let folder = TemporaryFolder()
    let table = schema(("at", .timestamp), ("n", .int), ("nothing", .string))
    let files = try engine.compute(
      Query(
        sql: "SELECT $start AS at, $n AS n, $nothing AS nothing",
        parameters: [
          "start": .timestamp(Instant(seconds: 3600)), "n": .integer(4), "nothing": .null,
        ]),
      into: Output(schema: table, location: folder.path))
    #expect(
      try engine.rows("SELECT * FROM f", [:], ["f": .files(files, schema: table)])
        == [[.timestamp(Instant(seconds: 3600)), .integer(4), .null]])
  }
}
