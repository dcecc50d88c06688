import Core
import Testing

@testable import Engines

@Suite("rule 10: queries over single rows of an input")
struct RowwiseTests {
  static let columns = Provenance.names
  let engine = DuckDBEngine()

  /// The names and rows of a carried query, over three orders of two files.
  private func result(_ sql: String, input: String = "orders") throws -> [String] {
    let text = try engine.carrying(
      RowwiseTests.columns, of: input, through: sql, label: "model.sql")
    let fields = [
      Field(name: "id", type: .bigint),
      Field(name: "items", type: .list(element: Field(name: "element", type: .string))),
    ]
    let rows = RowSet(
      schema: Schema(fields + Provenance.fields),
      rows: [
        [
          .integer(1), .list([.string("x"), .string("y")]), .string("a"), .integer(1), .integer(2),
        ],
        [.integer(2), .list([.string("z")]), .string("b"), .integer(2), .integer(2)],
      ])
    let names = RowSet(
      schema: Schema([Field(name: "id", type: .bigint), Field(name: "name", type: .string)]),
      rows: [[.integer(1), .string("one")], [.integer(1), .string("uno")]])
    let query = Query(
      sql: text, parameters: ["p": .integer(1)],
      inputs: [input: .rows(rows), "names": .rows(names)])
    let set = try engine.rows(query, cancellation: .never)
    #expect(Set(RowwiseTests.columns).isSubset(of: Set(set.schema.fields.map(\.name))), "\(text)")
    let file = set.schema.fields.firstIndex { $0.name == Provenance.file }!
    return set.rows.map { row in "\(row[0]) \(row[file])" }.sorted()
  }

  @Test(
    "columns come through, whatever stands between",
    arguments: [
      ("SELECT id FROM orders", ["1 a", "2 b"]),
      ("select id from Orders where id > $p -- from here", ["2 b"]),
      ("SELECT * FROM orders", ["1 a", "2 b"]),
      ("SELECT o.* FROM orders AS o;", ["1 a", "2 b"]),
      ("SELECT id, FROM orders", ["1 a", "2 b"]),
      ("SELECT * EXCLUDE (_source_file) FROM orders", ["1 a", "2 b"]),
      ("SELECT id, _source_file AS f FROM orders", ["1 a", "2 b"]),
      ("SELECT id, _source_file FROM orders", ["1 a", "2 b"]),
      ("SELECT name FROM orders o JOIN names n USING (id)", ["one a", "uno a"]),
      (
        "SELECT o.id FROM names n RIGHT JOIN orders o ON n.id IS DISTINCT FROM o.id",
        ["1 a", "2 b", "2 b"]
      ),
      ("SELECT o.id FROM orders o LEFT JOIN names n ON n.id = o.id", ["1 a", "1 a", "2 b"]),
      ("SELECT o.id FROM orders o SEMI JOIN names n USING (id)", ["1 a"]),
      ("SELECT unnest(items) AS item FROM orders", ["x a", "y a", "z b"]),
      ("WITH o AS (SELECT id + 1 AS id FROM orders) SELECT id FROM o", ["2 a", "3 b"]),
      (
        "SELECT s.id FROM (SELECT q.id FROM (SELECT id FROM orders) AS q, names) s WHERE s.id = 1",
        ["1 a", "1 a"]
      ),
      ("SELECT id FROM (SELECT id FROM orders)", ["1 a", "2 b"]),
      (
        "SELECT id FROM orders UNION ALL SELECT -id AS id FROM orders WHERE id = 2",
        ["-2 b", "1 a", "2 b"]
      ),
      (
        "SELECT s.id FROM ((SELECT id FROM orders) UNION ALL (SELECT 7 FROM orders)) s",
        ["1 a", "2 b", "7 a", "7 b"]
      ),
      (
        "SELECT id, (SELECT count(*) FROM names n WHERE n.id = o.id) AS n FROM orders o",
        ["1 a", "2 b"]
      ),
      (
        "WITH n AS (SELECT id, max(name) AS name FROM names GROUP BY id) "
          + "SELECT coalesce(name, 'none') AS name FROM orders LEFT JOIN n USING (id)",
        ["none b", "one a"].map { $0 == "one a" ? "uno a" : $0 }
      ),
      ("SELECT extract(year FROM DATE '2024-01-01') AS y FROM orders", ["2024 a", "2024 b"]),
      ("SELECT id FROM orders ORDER BY id", ["1 a", "2 b"]),
    ])
  func carried(sql: String, rows: [String]) throws {
    #expect(try result(sql) == rows)
  }

  @Test("a table of another pipeline")
  func qualified() throws {
    #expect(try result("SELECT id FROM p.orders", input: "p.orders") == ["1 a", "2 b"])
  }

  @Test(
    "what depends on other rows is refused, with the reason",
    arguments: [
      ("SELECT count(*) AS n FROM orders", "count_star"),
      ("SELECT id FROM orders GROUP BY id", "GROUP BY"),
      ("SELECT id FROM orders GROUP BY ALL", "GROUP BY"),
      ("SELECT DISTINCT id FROM orders", "DISTINCT"),
      ("SELECT DISTINCT ON (id) id FROM orders", "DISTINCT"),
      ("SELECT id FROM orders LIMIT 1", "LIMIT"),
      ("SELECT id FROM orders ORDER BY id LIMIT 50%", "LIMIT"),
      ("SELECT rank() OVER (ORDER BY id) AS r FROM orders", "OVER"),
      ("SELECT id FROM orders QUALIFY row_number() OVER () = 1", "OVER"),
      ("SELECT id FROM orders USING SAMPLE 10%", "sample"),
      ("SELECT id FROM orders TABLESAMPLE 10%", "sample"),
      ("SELECT a.id FROM orders a JOIN orders b USING (id)", "itself"),
      ("WITH o AS (SELECT * FROM orders) SELECT a.id FROM o a, o b", "itself"),
      ("SELECT n.id FROM names n LEFT JOIN orders o USING (id)", "LEFT JOIN"),
      ("SELECT n.id FROM names n FULL JOIN orders o USING (id)", "JOIN"),
      ("SELECT id FROM orders WHERE id IN (SELECT max(id) FROM orders)", "reads all of"),
      ("SELECT id FROM names WHERE id IN (SELECT id FROM orders)", "reads all of"),
      ("SELECT id FROM orders UNION SELECT id FROM orders", "UNION"),
      ("SELECT id FROM orders EXCEPT SELECT id FROM orders", "EXCEPT"),
      ("SELECT id FROM orders UNION ALL SELECT id FROM names", "UNION ALL"),
      ("WITH o AS (SELECT count(*) AS n FROM orders) SELECT n FROM o", "count_star"),
      ("SELECT n.id FROM names n, orders o, (SELECT max(id) FROM orders) m", "max"),
      ("SELECT id FROM names", "do not come from"),
      ("FROM orders SELECT id", "_source_file"),
      (
        "WITH RECURSIVE r AS (SELECT id FROM orders UNION ALL SELECT id + 1 FROM r WHERE id < 3) "
          + "SELECT id FROM r", "recursive"
      ),
    ])
  func refused(sql: String, reason: String) throws {
    do {
      let text = try engine.carrying(
        RowwiseTests.columns, of: "orders", through: sql, label: "model.sql")
      Issue.record("not refused: \(text)")
    } catch let error as EngineError {
      #expect(error.code == .badQuery && error.exitCode == 2)
      #expect(error.message.contains(reason) || error.advice?.contains(reason) == true, "\(error)")
      #expect(error.place.file == "model.sql")
    }
  }
}
