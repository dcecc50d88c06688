import Core
import Testing

@testable import sluice

@Suite("Rows of a query") struct RowWriterTests {
  static let schema = Schema([
    Field(name: "domain", type: .string), Field(name: "views", type: .bigint),
    Field(name: "note", type: .string),
  ])
  static let rows: [[Value]] = [
    [.string("en"), .integer(1234), .string("plain")],
    [.string("日本"), .integer(-5), .null],
    [.string("a,b"), .null, .string("")],
    [.string("say \"hi\"\nthere"), .integer(7), .string("x")],
  ]

  func write(_ format: RowFormat, columns: Int? = nil, pieces: Int = 4) -> String {
    var writer = RowWriter(format: format, columns: columns)
    var out = ""
    for start in stride(from: 0, to: Self.rows.count, by: pieces) {
      let piece = Array(Self.rows[start...].prefix(pieces))
      out += writer.text(of: RowSet(schema: Self.schema, rows: piece))
    }
    return out + writer.end()
  }

  @Test("as a table")
  func table() {
    #expect(
      write(.table) == """
        domain           views  note
        ---------------  -----  -----
        en                1234  plain
        日本                -5  NULL
        a,b               NULL
        say "hi"\\nthere      7  x

        """)
  }

  @Test("as a table, cut to a terminal")
  func cut() {
    for line in write(.table, columns: 20).split(separator: "\n") {
      #expect(displayWidth(line) <= 20)
    }
  }

  @Test(
    "widths that fit a terminal",
    arguments: [
      ([3, 4], 20, [3, 4]), ([10, 10], 22, [10, 10]), ([10, 100], 52, [10, 40]),
      ([100, 3, 100], 47, [20, 3, 20]), ([12, 15, 100], 54, [12, 15, 23]),
      ([100, 100], 10, [8, 8]), ([3], 1, [3]), ([], 10, []),
    ])
  func fitting(widths: [Int], columns: Int, fitted: [Int]) {
    #expect(fit(widths, into: columns) == fitted)
  }

  @Test("as CSV, where NULL and the empty string differ")
  func csv() {
    #expect(
      write(.csv) == """
        domain,views,note
        en,1234,plain
        日本,-5,
        "a,b",,""
        "say ""hi""
        there",7,x

        """)
  }

  @Test("as JSON")
  func json() {
    #expect(
      write(.json) == """
        {"domain":"en","views":1234,"note":"plain"}
        {"domain":"日本","views":-5,"note":null}
        {"domain":"a,b","views":null,"note":""}
        {"domain":"say \\"hi\\"\\nthere","views":7,"note":"x"}

        """)
  }

  @Test("the same in one piece and in many", arguments: RowFormat.allCases, [1, 2, 3])
  func pieces(format: RowFormat, size: Int) {
    #expect(write(format, pieces: size) == write(format))
  }

  @Test("no rows still have a header")
  func empty() {
    let none = RowSet(schema: Self.schema, rows: [])
    var csv = RowWriter(format: .csv)
    #expect(csv.text(of: none) + csv.end() == "domain,views,note\n")
    var table = RowWriter(format: .table)
    #expect((table.text(of: none) + table.end()).hasPrefix("domain  views  note\n"))
    var json = RowWriter(format: .json)
    #expect(json.text(of: none) + json.end() == "")
    // A query that never called back writes nothing.
    var silent = RowWriter(format: .table)
    #expect(silent.end() == "")
  }

  @Test("widths come from the first rows; later ones flow by")
  func sample() {
    var writer = RowWriter(format: .table)
    writer.sampleSize = 2
    let schema = Schema([Field(name: "a", type: .string), Field(name: "b", type: .string)])
    func row(_ text: String) -> RowSet {
      RowSet(schema: schema, rows: [[.string(text), .string("x")]])
    }
    #expect(writer.text(of: row("1")) == "")
    #expect(writer.text(of: row("22")) == "a   b\n--  -\n1   x\n22  x\n")
    #expect(writer.text(of: row("4444")) == "4444  x\n")
    #expect(writer.end() == "")
    #expect(writer.rowCount == 3)
  }

  @Test("values as JSON")
  func values() {
    let cases: [(Value, String)] = [
      (.boolean(true), "true"), (.integer(.max), "9223372036854775807"), (.float(0.1), "0.1"),
      (.double(1.5), "1.5"), (.double(.nan), #""nan""#), (.double(.infinity), #""inf""#),
      (.decimal(unscaled: 1250, scale: 2), #""12.50""#), (.date(19723), #""2024-01-01""#),
      (.time(3_600_000_000), #""01:00:00""#),
      (.timestamp(instant(2024, 1, 1, 5)), #""2024-01-01T05:00:00""#),
      (.timestamptz(instant(2024, 1, 1, 5)), #""2024-01-01T05:00:00Z""#),
      (.binary([0, 255]), #""00ff""#), (.uuid(1), #""00000000-0000-0000-0000-000000000001""#),
      (.list([.integer(1), .null]), "[1,null]"),
      (.map([.string("k")], [.integer(2)]), #"[{"key":"k","value":2}]"#),
      (.structure(["a", "a"], [.integer(1), .integer(2)]), #"{"a":1,"a_2":2}"#),
    ]
    for (value, text) in cases { #expect(RowJSON.json(value).description == text) }
  }

  @Test("names of an object's members are distinct")
  func names() {
    #expect(RowJSON.distinct(["a", "a", "a_2", "a", "b"]) == ["a", "a_3", "a_2", "a_4", "b"])
  }
}
