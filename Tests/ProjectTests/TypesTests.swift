import Core
import Testing

@testable import Project

@Suite struct TypesTests {
  @Test(
    "types are read as they print",
    arguments: [
      "boolean", "int", "bigint", "float", "double", "decimal(10,2)", "decimal(38,38)",
      "decimal(1,0)", "date", "time", "timestamp", "timestamptz", "string", "binary", "uuid",
      "list<bigint>", "map<string,list<int>>", "struct<a: int, b: string>",
      "list<struct<a: decimal(5,1), b: map<int,struct<c: uuid>>>>",
    ])
  func roundTrip(_ text: String) throws {
    #expect(try FieldType(parsing: text).description == text)
  }

  @Test("spaces are free") func spaces() throws {
    #expect(
      try FieldType(parsing: "  map < string , struct< a :int,b: decimal( 10 , 2 ) > > ")
        .description
        == "map<string,struct<a: int, b: decimal(10,2)>>")
  }

  @Test(
    "types that are none: column and advice",
    arguments: [
      ("bigin", "1 unknown type 'bigin'; did you mean 'bigint'?"),
      ("varchar", "1 unknown type 'varchar'; did you mean 'string'?"),
      ("Int", "1 unknown type 'Int'; did you mean 'int'?"),
      ("long", "1 unknown type 'long'; did you mean 'bigint'?"),
      (
        "frobnicate",
        "1 unknown type 'frobnicate'; types: bigint, binary, boolean, date, decimal, double, float, int, list, map, string, struct, …"
      ),
      (
        "",
        "1 a type is missing; types: bigint, binary, boolean, date, decimal, double, float, int, list, map, string, struct, …"
      ),
      ("list", "5 no '<' after list; write it as in list<int>"),
      (
        "list<",
        "6 a type is missing; types: bigint, binary, boolean, date, decimal, double, float, int, list, map, string, struct, …"
      ),
      ("list<int", "9 no '>' after the element's type; write it as in list<int>"),
      ("list<bigin>", "6 unknown type 'bigin'; did you mean 'bigint'?"),
      ("list<int>>", "10 '>' after the type's end"),
      ("int int", "5 'int' after the type's end"),
      ("map<string>", "11 no ',' after the key's type; write it as in map<string, int>"),
      ("map<list<int>, int>", "5 a map's key cannot be a list<int>"),
      ("decimal", "8 no '(' after decimal; write it as in decimal(10,2)"),
      ("decimal(10)", "11 no ',' after the precision; write it as in decimal(10,2)"),
      (
        "decimal(39,2)",
        "9 decimal(39,2) cannot be; the precision is 1 to 38, the scale at most the precision"
      ),
      (
        "decimal(2,3)",
        "9 decimal(2,3) cannot be; the precision is 1 to 38, the scale at most the precision"
      ),
      ("decimal(x,3)", "9 a number is missing; write it as in decimal(10,2)"),
      ("decimal(99999999999999999999,3)", "9 a number is missing; write it as in decimal(10,2)"),
      ("struct<>", "8 a field's name is missing; write it as in struct<a: int, b: string>"),
      (
        "struct<a int>",
        "10 no ':' after the field's name; write it as in struct<a: int, b: string>"
      ),
      ("struct<a: int, A: int>", "16 the field 'A' twice in one struct"),
      ("struct<a: itn>", "11 unknown type 'itn'; did you mean 'int'?"),
    ])
  func mistakes(_ text: String, _ expected: String) {
    do throws(FieldType.Mistake) {
      _ = try FieldType(parsing: text)
      Issue.record("\(text) was read")
    } catch {
      let advice = error.advice.map { "; \($0)" } ?? ""
      #expect("\(error.offset + 1) \(error.message)\(advice)" == expected)
    }
  }

  @Test("nesting of types is bounded") func depth() {
    let deep = String(repeating: "list<", count: 40) + "int" + String(repeating: ">", count: 40)
    #expect(throws: FieldType.Mistake.self) { try FieldType(parsing: deep) }
  }

  @Test(
    "values as text",
    arguments: [
      ("boolean", "true", .boolean(true)), ("boolean", "FALSE", .boolean(false)),
      ("boolean", "yes", nil), ("boolean", "1", nil),
      ("int", "2147483647", .integer(2_147_483_647)), ("int", "2147483648", nil),
      ("int", "1.0", nil),
      ("int", "-5", .integer(-5)), ("int", "0x10", nil), ("int", "", nil),
      ("bigint", "-9223372036854775808", .integer(.min)), ("bigint", "9223372036854775808", nil),
      ("float", "1.5", .float(1.5)), ("float", "1e39", nil),
      ("double", "-1e-3", .double(-0.001)), ("double", "nan", nil), ("double", "inf", nil),
      ("double", "0x1p3", nil), ("double", "e", nil),
      ("decimal(5,2)", "1.5", .decimal(unscaled: 150, scale: 2)),
      ("decimal(5,2)", "-0.05", .decimal(unscaled: -5, scale: 2)),
      ("decimal(5,2)", "999.99", .decimal(unscaled: 99999, scale: 2)),
      ("decimal(5,2)", "1000", nil), ("decimal(5,2)", "1.555", nil), ("decimal(5,2)", "1.", nil),
      ("decimal(5,2)", "--1", nil), ("decimal(5,2)", "", nil), ("decimal(5,2)", "1e2", nil),
      ("decimal(5,2)", "0000001", .decimal(unscaled: 100, scale: 2)),
      ("decimal(2,2)", "0.05", .decimal(unscaled: 5, scale: 2)),
      ("date", "1970-01-02", .date(1)), ("date", "1969-12-31", .date(-1)),
      ("date", "2024-02-30", nil),
      ("date", "2024-01-01T05", nil),
      ("time", "05:30", .time(19_800_000_000)), ("time", "05:30:01.5", .time(19_801_500_000)),
      ("time", "24:00", nil), ("time", "05", nil), ("time", "05:30Z", nil),
      ("timestamp", "1970-01-01T00:00:01", .timestamp(Instant(seconds: 1))),
      ("timestamptz", "1970-01-01T02:00:01+02:00", .timestamptz(Instant(seconds: 1))),
      ("string", "", .string("")), ("string", "x", .string("x")),
      ("uuid", "00000000-0000-0000-0000-0000000000ff", .uuid(255)),
      ("uuid", "00000000000000000000-0000-0000-00ff", nil), ("uuid", "x", nil),
      ("binary", "ab", nil), ("list<int>", "1", nil),
    ] as [(String, String, Value?)])
  func values(_ type: String, _ text: String, _ expected: Value?) throws {
    #expect(Value(parsing: text, as: try FieldType(parsing: type)) == expected)
  }

  @Test(
    "a value's text reads back as the value",
    arguments: [
      "boolean:true", "int:-5", "double:0.1", "decimal(9,3):1.250", "date:2024-02-29",
      "time:05:30:01.500000", "timestamp:2024-01-01T05", "timestamptz:2024-01-01T05Z",
      "uuid:00000000-0000-0000-0000-0000000000ff", "string:a b",
    ])
  func readsBack(_ both: String) throws {
    let parts = both.split(separator: ":", maxSplits: 1).map(String.init)
    let type = try FieldType(parsing: parts[0])
    let value = try #require(Value(parsing: parts[1], as: type))
    #expect(Value(parsing: value.description, as: type) == value)
  }
}
