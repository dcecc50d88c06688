import Core
import Engines
import Foundation
import Testing

@testable import Lake

/// Tables whose columns move on: every reader sees old and new rows under the newest columns.
@Suite("Schema evolution")
struct EvolutionTests {
  private let scratch = ScratchLake()
  private var lake: Lake { scratch.lake }
  private let id = TableID("web", "visits")

  private func fields(_ columns: (String, FieldType)...) -> Schema {
    Schema(columns.map { Field(name: $0.0, type: $0.1) })
  }

  private func structure(_ columns: (String, FieldType)...) -> FieldType {
    .structure(columns.map { Field(name: $0.0, type: $0.1) })
  }

  private func list(_ element: FieldType) -> FieldType {
    .list(element: Field(name: "element", type: element))
  }

  private func map(_ value: FieldType) -> FieldType {
    .map(
      key: Field(name: "key", type: .string, isRequired: true),
      value: Field(name: "value", type: value))
  }

  /// Sluice's rows, and with a Python at hand those of both other readers.
  private func rows(_ table: Table) throws -> [JSON] {
    let names = table.schema.fields.map(\.name)
    let rows = try table.canonicalRows()
    guard Python.path != nil else { return rows }
    let seen = try Python.run("read_iceberg.py", [lake.store.uri(LakeLayout.table(id))])
    #expect(canonicalRows(seen["pyiceberg"], names) == rows)
    #expect(canonicalRows(seen["duckdb"], names) == rows)
    return rows
  }

  @Test("add, widen, rename, reorder, drop and add again")
  func columns() throws {
    _ = try lake.publish(
      "SELECT 1::INTEGER AS n, 1.5::FLOAT AS f, 'a' AS page, 1.25::DECIMAL(9,2) AS d, true AS old",
      id,
      fields(
        ("n", .int), ("f", .float), ("page", .string), ("d", .decimal(precision: 9, scale: 2)),
        ("old", .boolean)))
    var renamed = fields(
      ("title", .string), ("n", .bigint), ("f", .double),
      ("d", .decimal(precision: 18, scale: 2)), ("added", .date))
    renamed.fields[0].formerNames = ["subject", "page"]
    var table = try lake.publish(
      "SELECT 5000000000 AS n, 0.1::DOUBLE AS f, 'b' AS title, 2.50::DECIMAL(18,2) AS d, "
        + "DATE '2024-02-29' AS added", id, renamed)
    #expect(table.schema.fields.map(\.id) == [3, 1, 2, 4, 6])
    #expect(table.schema.fields.flatMap(\.formerNames) == [])
    #expect(
      try rows(table) == [
        [
          "title": "a", "n": 1, "f": .number(1.5), "d": "1.25", "added": nil,
        ],
        [
          "title": "b", "n": 5_000_000_000, "f": .number(0.1), "d": "2.50",
          "added": "2024-02-29",
        ],
      ])
    // The dropped name comes back as another column, which older rows do not have.
    table = try lake.publish(
      "SELECT 'c' AS title, 'new' AS old", id, fields(("title", .string), ("old", .string)))
    #expect(table.schema.fields.map(\.id) == [3, 7])
    #expect(
      try rows(table) == [
        ["title": "a", "old": nil], ["title": "b", "old": nil], ["title": "c", "old": "new"],
      ])
    #expect(table.metadata.schemas.count == 3)
  }

  @Test("rule 28: nested columns: files are read by the schema they were written under")
  func nested() throws {
    _ = try lake.publish(
      """
      SELECT 1::BIGINT AS id, {'x': 1::INTEGER, 'gone': 'g'} AS p, [{'k': 1::INTEGER}, NULL] AS l,
        MAP {'m': {'v': 2::INTEGER}} AS m
      UNION ALL SELECT 2, NULL, NULL, NULL
      """, id,
      fields(
        ("id", .bigint), ("p", structure(("x", .int), ("gone", .string))),
        ("l", list(structure(("k", .int)))), ("m", map(structure(("v", .int))))))
    let table = try lake.publish(
      """
      SELECT 3::BIGINT AS id, {'new': 'n', 'x': 5000000000} AS p,
        [{'k': 7::BIGINT, 'also': DATE '2024-01-01'}] AS l, MAP {'m': {'w': 'w', 'v': 9::BIGINT}} AS m
      """, id,
      fields(
        ("id", .bigint), ("p", structure(("new", .string), ("x", .bigint))),
        ("l", list(structure(("k", .bigint), ("also", .date)))),
        ("m", map(structure(("w", .string), ("v", .bigint))))))
    let expected: [JSON] = [
      [
        "id": 1, "p": ["new": nil, "x": 1], "l": [["k": 1, "also": nil], nil],
        "m": ["m": ["w": nil, "v": 2]],
      ],
      ["id": 2, "p": nil, "l": nil, "m": nil],
      [
        "id": 3, "p": ["new": "n", "x": 5_000_000_000], "l": [["k": 7, "also": "2024-01-01"]],
        "m": ["m": ["w": "w", "v": 9]],
      ],
    ]
    #expect(try table.canonicalRows() == expected)
    guard Python.path != nil else { return }
    // Both other readers may make empty lists and maps of null ones when they rebuild them.
    func plain(_ rows: [JSON]) -> [JSON] {
      rows.map { row in
        .object(
          (row.members ?? []).map { member in
            let isEmpty = member.value == [] || member.value == .object([])
            return isEmpty ? .init(member.name, nil) : member
          })
      }
    }
    let seen = try Python.run("read_iceberg.py", [lake.store.uri(LakeLayout.table(id))])
    let names = ["id", "p", "l", "m"]
    #expect(plain(canonicalRows(seen["pyiceberg"], names)) == expected)
    #expect(plain(canonicalRows(seen["duckdb"], names)) == expected)
  }

  @Test("a change that cannot be names column, old and new type, and what to do")
  func incompatible() throws {
    _ = try lake.publish("SELECT 1::BIGINT AS n", id, fields(("n", .bigint)))
    let failure = expectFailure(.incompatibleSchema) {
      try lake.publish("SELECT 'a' AS n", id, fields(("n", .string)))
    }
    #expect(failure?.message == "column 'n' is bigint and cannot become string")
    #expect(failure?.place.model == "web.visits")
    #expect(failure?.advice?.contains("--full-refresh") == true)
    // Where no row stays, the column is a new one of that name.
    let table = try lake.publish(
      "SELECT 'a' AS n", id, fields(("n", .string)), removal: .all, replacesAllRows: true)
    #expect(table.schema.fields.map(\.id) == [2])
    #expect(try rows(table) == [["n": "a"]])
  }

  @Test("what a change of columns means, in words")
  func changes() throws {
    let table = try lake.publish(
      "SELECT 1::INTEGER AS n, 'a' AS page, true AS old", id,
      fields(("n", .int), ("page", .string), ("old", .boolean)))
    var declared = fields(("title", .string), ("n", .bigint), ("more", .date))
    declared.fields[0].formerNames = ["page"]
    #expect(
      try table.schemaChanges(to: declared, replacesAllRows: false).map(\.description) == [
        "rename page to title", "widen n from int to bigint", "add more date",
        "drop old", "reorder",
      ])
    #expect(try table.schemaChanges(to: table.schema, replacesAllRows: false).isEmpty)
    #expect(
      try table.schemaChanges(to: fields(("n", .string)), replacesAllRows: true)
        .map(\.description) == [
          "replace n int by n string", "drop page", "drop old",
        ])
  }

  @Test("the name mapping remembers former names, for files without IDs")
  func nameMapping() throws {
    _ = try lake.publish(
      "SELECT 1::BIGINT AS a, 2::BIGINT AS b", id, fields(("a", .bigint), ("b", .bigint)))
    var declared = fields(("c", .bigint))
    declared.fields[0].formerNames = ["a"]
    let table = try lake.publish("SELECT 3::BIGINT AS c", id, declared)
    let mapping = try #require(
      table.property(NameMapping.property).flatMap(NameMapping.init(parsing:)))
    #expect(mapping.entries.first { $0.id == 1 }?.names == ["c", "a"])
    #expect(mapping.entries.first { $0.id == 2 }?.names == ["b"])
    let found = mapping.applied(to: fields(("a", .bigint), ("b", .bigint), ("z", .int)))
    #expect(found.fields.map(\.id) == [1, 2, 0])
  }

  @Test("partitions evolve: old files keep their spec, both readers see all rows")
  func partitions() throws {
    let columns = fields(("id", .bigint), ("name", .string), ("ts", .timestamp))
    func select(_ first: Int, _ last: Int) -> String {
      "SELECT range AS id, 'name' || (range % 3) AS name, "
        + "TIMESTAMP '2024-01-30 00:00:00' + INTERVAL (range) DAY AS ts "
        + "FROM (SELECT unnest([\((first..<last).map(String.init).joined(separator: ", "))])::BIGINT AS range)"
    }
    _ = try lake.publish(select(0, 4), id, columns)
    _ = try lake.publish(
      select(4, 12), id, columns,
      partitionBy: [PartitionColumn("ts", .month), PartitionColumn("id", .bucket(4))])
    let table = try lake.publish(
      select(12, 40), id, columns,
      partitionBy: [PartitionColumn("ts", .day), PartitionColumn("name", .truncate(5))],
      sort: [SortColumn("id", isDescending: true)])
    #expect(table.metadata.partitionSpecs.count == 3)
    #expect(table.partitionSpec.fields.map(\.name) == ["ts_day", "name_trunc"])
    #expect(try rows(table).count == 40)
    if Python.path != nil {
      let seen = try Python.run(
        "read_iceberg.py", [lake.store.uri(LakeLayout.table(id)), "pyiceberg"])["pyiceberg"]
      #expect(seen?["partition_by"] == [["ts_day", "day"], ["name_trunc", "truncate[5]"]])
      #expect(seen?["sort"] == [["id", "desc"]])
    }
    let scan = try table.scan(.equal("id", .integer(20)))
    #expect(scan.files.count == 1)
    #expect(scan.prunedManifestCount + scan.prunedFileCount > 20)
  }
}
