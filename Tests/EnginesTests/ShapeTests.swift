import Core
import Engines
import Testing

@Suite struct ShapeTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var sql: String
    var inputs: [String]
    var parameters: [String] = []
    var testDescription: String { sql }
  }

  @Test(
    "rule 26: inputs are what stands after FROM and no CTE defines",
    arguments: [
      Case(sql: "SELECT 1", inputs: []),
      Case(sql: "FROM t", inputs: ["t"]),
      Case(sql: "SELECT * FROM a, s.b AS c, (SELECT * FROM d) e;", inputs: ["a", "d", "s.b"]),
      Case(
        sql: "SELECT * FROM a JOIN b USING (x) LEFT JOIN c ON true ANTI JOIN d USING (x)",
        inputs: ["a", "b", "c", "d"]),
      Case(sql: "WITH a AS (SELECT * FROM b) SELECT * FROM a, A, c", inputs: ["b", "c"]),
      Case(sql: "WITH a AS (SELECT * FROM a) SELECT * FROM a", inputs: ["a"]),
      Case(
        sql: "WITH a AS (SELECT 1), b AS (SELECT * FROM a, c) SELECT * FROM b, a",
        inputs: ["c"]),
      Case(sql: "WITH b AS (SELECT * FROM a), a AS (SELECT 1) SELECT * FROM a, b", inputs: ["a"]),
      Case(
        sql: "SELECT * FROM (WITH a AS (SELECT 1) SELECT * FROM a) JOIN a ON true",
        inputs: ["a"]),
      Case(
        sql: "WITH a AS (SELECT 1) SELECT (SELECT max(x) FROM a), (SELECT 2 FROM z) FROM s.a",
        inputs: ["s.a", "z"]),
      Case(
        sql: "WITH RECURSIVE r AS (SELECT 1 i UNION ALL SELECT i + 1 FROM r, n) SELECT * FROM r",
        inputs: ["n"]),
      Case(
        sql: "SELECT * FROM a UNION ALL SELECT * FROM b EXCEPT SELECT * FROM c INTERSECT FROM d",
        inputs: ["a", "b", "c", "d"]),
      Case(
        sql: "SELECT * FROM a, LATERAL (SELECT * FROM b WHERE b.x = a.x) l",
        inputs: ["a", "b"]),
      Case(
        sql: "SELECT * FROM t WHERE x IN (SELECT x FROM u) AND EXISTS (FROM v) ORDER BY "
          + "(SELECT max(x) FROM w)", inputs: ["t", "u", "v", "w"]),
      Case(sql: "SELECT unnest(l) FROM t", inputs: ["t"]),
      Case(sql: "SELECT * FROM t UNPIVOT (v FOR n IN (a, b))", inputs: ["t"]),
      Case(sql: "SELECT * FROM (VALUES (1)) v(x), \"My Table\"", inputs: ["My Table"]),
      Case(
        sql: "SELECT $b, $a FROM t WHERE x > $a LIMIT $n", inputs: ["t"],
        parameters: ["a", "b", "n"]),
      Case(sql: "SELECT '$no', $$ $no $$, \"$no\" /* $no */ -- $no\n FROM t", inputs: ["t"]),
      Case(
        sql: "SELECT 18446744073709551615, 170141183460469231731687303715884105727, 1e400, "
          + "12345678901234567890.5 FROM t", inputs: ["t"]),
    ])
  func shapes(_ test: Case) throws {
    let shape = try engine.shape(of: test.sql, label: "q.sql")
    #expect(shape.inputs == test.inputs)
    #expect(shape.parameters == test.parameters)
  }

  struct Bad: Sendable, CustomTestStringConvertible {
    var sql: String
    var line: Int?
    var column: Int?
    var words: String
    var testDescription: String { sql }
  }

  @Test(
    "rule 26: what is not one SELECT over inputs is an error with its place",
    arguments: [
      Bad(sql: "SELECT 'é',\n  * FROM read_csv('x')", line: 2, column: 10, words: "read_csv"),
      Bad(sql: "SELECT * FROM a,\n'é', 'x.parquet'", line: 2, column: 1, words: "file 'é'"),
      Bad(sql: "SELECT 'é', * FROM 'x.parquet'", line: 1, column: 20, words: "x.parquet"),
      Bad(sql: "SELECT * FROM range(3)", line: 1, column: 15, words: "range"),
      Bad(sql: "SELECT * FROM t, unnest(t.l)", line: 1, column: 18, words: "unnest"),
      Bad(
        sql: "SELECT * FROM t PIVOT (sum(a) FOR b IN (1, 2))", line: 1, column: 17, words: "PIVOT"),
      Bad(sql: "PIVOT t ON x USING sum(y)", words: "one SELECT"),
      Bad(sql: "SELECT 1; SELECT 2", words: "2 statements"),
      Bad(sql: "", words: "empty"),
      Bad(sql: "-- nothing\n;", words: "empty"),
      Bad(sql: "CREATE TABLE t (a INT)", words: "one SELECT"),
      Bad(sql: "COPY t TO 'x'", words: "one SELECT"),
      Bad(sql: "SELECT a FROM\n  t WHERE WHERE", line: 2, column: 11, words: "WHERE"),
      Bad(sql: "SELECT * FROM (DESCRIBE t)", words: "DESCRIBE"),
      Bad(sql: "FROM c.s.t", line: 1, column: 6, words: "three parts"),
      Bad(sql: "FROM system.t", line: 1, column: 6, words: "system"),
      Bad(sql: "SELECT $1", words: "without a name"),
      Bad(sql: "SELECT ?", words: "without a name"),
      Bad(sql: "SELECT * FROM t AT (VERSION => 3)", words: "AT"),
    ])
  func refused(_ test: Bad) throws {
    let error = try #require(engineError { _ = try engine.shape(of: test.sql, label: "q.sql") })
    #expect(error.code == .badQuery)
    #expect(error.exitCode == 2)
    #expect(error.place.file == "q.sql")
    #expect(error.message.contains(test.words), "\(error.message)")
    if let line = test.line {
      #expect(error.place.line == line)
      #expect(error.place.column == test.column)
    }
  }

  @Test("rule 14: the syntax of a query does not change with spaces and comments")
  func canonical() throws {
    let a = try engine.shape(of: "SELECT a, b+1 AS c FROM t WHERE x = $p", label: "a").syntax
    let b = try engine.shape(
      of: "select a -- one\n, b + 1 as c\nfrom t /* two */ where x=$p;", label: "b"
    ).syntax
    #expect(a == b)
    #expect(!a.isEmpty)
    for other in [
      "SELECT a, b+2 AS c FROM t WHERE x = $p", "SELECT a, b+1 AS c FROM t WHERE x = $q",
      "SELECT a, b+1 AS c FROM u WHERE x = $p",
    ] {
      #expect(try engine.shape(of: other, label: "c").syntax != a)
    }
  }
}
