import Core
import Engines
import Foundation
import Testing

@Suite struct ExportTests {
  static let texts: [String?] = [
    "plain", "", nil, "a,b", "say \"hi\"", "two\nlines", "cr\rhere", " spaced ", "é日本", "NULL",
    "#x", "-",
    "'", "tab\t", "\\", "1e5", "\"",
  ]

  /// RFC 4180, quoted where it must be; an empty string is told apart from NULL by its quotes.
  static func field(_ text: String?) -> String {
    guard let text else { return "" }
    let needsQuotes =
      text.isEmpty || text.unicodeScalars.contains { "\",\n\r".unicodeScalars.contains($0) }
    return needsQuotes ? "\"" + text.replacingOccurrences(of: "\"", with: "\"\"") + "\"" : text
  }

  @Test("CSV is RFC 4180 with LF and as few quotes as can be", arguments: [true, false])
  func csv(_ header: Bool) throws {
    let folder = TemporaryFolder()
    let rows = RowSet(
      schema: schema(("n", .int), ("a,\"b", .string), ("x", .double)),
      rows: ExportTests.texts.enumerated().map {
        [.integer(Int64($0.offset)), $0.element.map { .string($0) } ?? .null, .double(0.5)]
      })
    let path = "\(folder.path)/it's.csv"
    let count = try engine.export(
      Query(sql: "SELECT * FROM t", inputs: ["t": .rows(rows)]),
      to: TextOutput(
        format: .csv(header: header), columns: ["a,\"b", "n"], sort: [.init("n")], path: path),
      cancellation: .never)
    #expect(count == Int64(ExportTests.texts.count))
    let expected =
      (header ? "\"a,\"\"b\",n\n" : "")
      + ExportTests.texts.enumerated().map { "\(ExportTests.field($0.element)),\($0.offset)\n" }
      .joined()
    #expect(try String(contentsOfFile: path, encoding: .utf8) == expected)
    #expect(folder.files == ["it's.csv"])
  }

  @Test func csvOfEveryType() throws {
    let folder = TemporaryFolder()
    let path = "\(folder.path)/x.csv"
    _ = try engine.export(
      Query(
        sql: """
          SELECT true AS a, -1 AS b, 12.50::decimal(5,2) AS c, DATE '2024-01-31' AS d,
            TIMESTAMP '2024-01-31 05:00:00' AS e, TIMESTAMPTZ '2024-01-31 05:00:00.5+01' AS f,
            TIME '05:06:07' AS g, 0.1::double AS h, sum(1) AS i, [1, 2] AS j
          """),
      to: TextOutput(
        format: .csv(header: false), columns: ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"],
        sort: [], path: path), cancellation: .never)
    #expect(
      try String(contentsOfFile: path, encoding: .utf8)
        == "true,-1,12.50,2024-01-31,2024-01-31 05:00:00,2024-01-31 04:00:00.5+00,05:06:07,0.1,1,"
        + "\"[1, 2]\"\n")
  }

  @Test("sorted by bytes over many threads' work")
  func sorted() throws {
    let folder = TemporaryFolder()
    let path = "\(folder.path)/x.csv"
    let count = try engine.export(
      Query(
        sql: "SELECT s, i FROM b WHERE s IS NOT NULL",
        inputs: ["b": .batches(BatchTests.numbers(60_000))]),
      to: TextOutput(
        format: .csv(header: false), columns: ["s", "i"],
        sort: [.init("s"), .init("i", isDescending: true)], path: path), cancellation: .never)
    let expected = (0..<60_000).compactMap { i in BatchTests.text(i).map { ($0, i) } }
      .sorted { a, b in a.0 == b.0 ? a.1 > b.1 : a.0.utf8.lexicographicallyPrecedes(b.0.utf8) }
    #expect(count == Int64(expected.count))
    let text = try String(contentsOfFile: path, encoding: .utf8)
    #expect(text == expected.map { "\(ExportTests.field($0.0)),\($0.1)\n" }.joined())
  }

  @Test func noRows() throws {
    let folder = TemporaryFolder()
    let count = try engine.export(
      Query(sql: "SELECT 1 AS a, 2 AS b WHERE false"),
      to: TextOutput(
        format: .csv(header: true), columns: ["b", "a"], sort: [], path: "\(folder.path)/x.csv"),
      cancellation: .never)
    #expect(count == 0)
    #expect(try String(contentsOfFile: "\(folder.path)/x.csv", encoding: .utf8) == "b,a\n")
  }

  @Test(.enabled(if: hasPython, "needs .deps/venv with pyarrow"))
  func parquet() throws {
    let folder = TemporaryFolder()
    let path = "\(folder.path)/x.parquet"
    let count = try engine.export(
      Query(sql: "SELECT * FROM (VALUES ('b', 1::bigint), (NULL, 2), ('a', NULL)) v(s, n)"),
      to: TextOutput(format: .parquet, columns: ["n", "s"], sort: [.init("s")], path: path),
      cancellation: .never)
    #expect(count == 3)
    #expect(
      try python(
        "import pyarrow.parquet as q, sys; print(q.read_table(sys.argv[1]).to_pylist(), "
          + "q.ParquetFile(sys.argv[1]).metadata.row_group(0).column(0).compression)", path)
        == "[{'n': 2, 's': None}, {'n': None, 's': 'a'}, {'n': 1, 's': 'b'}] ZSTD\n")
  }

  @Test func failures() throws {
    let folder = TemporaryFolder()
    func export(_ sql: String, _ format: TextOutput.Format, _ path: String) -> EngineError? {
      engineError {
        _ = try engine.export(
          Query(sql: sql, label: "p.m"),
          to: TextOutput(format: format, columns: ["views"], sort: [], path: path),
          cancellation: .never)
      }
    }
    let missing = export("SELECT 1 AS view", .csv(header: true), "\(folder.path)/a.csv")
    #expect(missing?.code == .wrongColumns)
    #expect(missing?.advice == "did you mean view?")
    #expect(
      export("SELECT sum(1) AS views", .parquet, "\(folder.path)/a.parquet")?.code == .wrongColumns)
    #expect(
      export("SELECT error('bad')::int AS views", .csv(header: true), "\(folder.path)/a.csv") != nil
    )
    #expect(
      export("SELECT 1 AS views", .csv(header: true), "\(folder.path)/none/a.csv")?.code == .failed)
    #expect(folder.files == [])
  }
}
