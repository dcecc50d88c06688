import Core
import Engines
import Foundation
import Testing

@Suite struct ParquetSourceTests {
  /// Writes one file with DuckDB.
  private func write(
    _ scratch: TemporaryFolder, _ name: String, _ sql: String, _ columns: [String]
  ) throws -> ParquetFiles.File {
    let path = "\(scratch.path)/\(name)"
    _ = try engine.export(
      Query(sql: sql), to: TextOutput(format: .parquet, columns: columns, sort: [], path: path),
      cancellation: .never)
    return .init(path: path, name: "s3://b/\(name)", contribution: "key/\(name)", batch: 7)
  }

  private func rows(_ files: ParquetFiles, _ sql: String = "SELECT * FROM p") throws -> [String] {
    try engine.rows(Query(sql: sql, inputs: ["p": .parquet(files)]), cancellation: .never)
      .rows.map { $0.map(\.description).joined(separator: "|") }.sorted()
  }

  @Test("columns are found by name whatever their order and width, and others passed over")
  func layouts() throws {
    let scratch = TemporaryFolder()
    let files = [
      try write(
        scratch, "a'[1].parquet", "SELECT 1::smallint AS n, 'x' AS s, 9 AS junk",
        ["n", "s", "junk"]),
      try write(
        scratch, "b.parquet", "SELECT 'y' AS S, 2::bigint AS N UNION ALL SELECT NULL, 3",
        ["S", "N"]),
      try write(scratch, "c.parquet", "SELECT 4.0::double AS n, 'z' AS s", ["n", "s"]),
    ]
    let schema = Schema([Field(name: "n", type: .bigint), Field(name: "s", type: .string)])
    #expect(try rows(ParquetFiles(files, schema: schema)) == ["1|x", "2|y", "3|NULL", "4|z"])
    #expect(
      try rows(ParquetFiles(files, schema: schema, carriesProvenance: true))
        == [
          "1|x|key/a'[1].parquet|7|1", "2|y|key/b.parquet|7|1", "3|NULL|key/b.parquet|7|2",
          "4|z|key/c.parquet|7|1",
        ])
    #expect(try rows(ParquetFiles([], schema: schema, carriesProvenance: true)).isEmpty)
  }

  @Test("a column that is missing, of another kind or would be rounded names the file")
  func mistakes() throws {
    let scratch = TemporaryFolder()
    let good = try write(scratch, "good.parquet", "SELECT 1 AS n", ["n"])
    func message(_ file: ParquetFiles.File) -> String? {
      let schema = Schema([Field(name: "n", type: .bigint)])
      do {
        return "\(try rows(ParquetFiles([good, file], schema: schema)))"
      } catch {
        return "\(error)"
      }
    }
    #expect(
      message(try write(scratch, "no.parquet", "SELECT 1 AS m", ["m"]))
        == "s3://b/no.parquet: the declared column n is missing; correct the source's columns, or replace the file"
    )
    #expect(
      message(try write(scratch, "text.parquet", "SELECT '1' AS n", ["n"]))?
        .hasPrefix("s3://b/text.parquet: column n is string, declared bigint; ") == true)
    #expect(
      message(try write(scratch, "half.parquet", "SELECT 1.5::double AS n", ["n"]))?
        .contains("1.5 is no bigint without loss") == true)
    var cut = good
    cut.path = "\(scratch.path)/cut.parquet"
    cut.name = "s3://b/cut.parquet"
    try Data(contentsOf: URL(fileURLWithPath: good.path)).dropLast(9)
      .write(to: URL(fileURLWithPath: cut.path))
    #expect(message(cut)?.hasPrefix("s3://b/cut.parquet: ") == true)
  }

  @Test("batches of a query hold what its rows hold, in every type")
  func batches() throws {
    let sql = """
      SELECT i::bigint AS i, CASE WHEN i % 7 > 0 THEN repeat('é', (i % 20)::int) END AS s,
        i % 2 = 0 AS b, (i % 100)::tinyint::int AS n, (i / 8)::double AS d, (i / 8)::float AS f,
        (i / 4)::decimal(4, 2) AS d4, (i * 3)::decimal(9, 1) AS d9, i::decimal(18, 2) AS d18,
        (i * 9)::decimal(38, 2) AS d38, date '2024-01-01' + i::int AS da,
        time '00:00:00' + to_seconds(i) AS ti, timestamp '2024-01-01' + to_seconds(i) AS ts,
        timestamptz '2024-01-01' + to_seconds(i) AS tz, repeat('a', i::int % 30)::blob AS bl,
        CASE WHEN i > 9 THEN '00000000-0000-0000-0000-0000000000ff'::uuid END AS u
      FROM (SELECT unnest(range(5)) + 10 * r AS i FROM (SELECT unnest(range(40)) AS r))
      WHERE i < 390 ORDER BY i
      """
    let expected = try engine.rows(Query(sql: sql), cancellation: .never)
    var batches: [ColumnBatch] = []
    try engine.batches(Query(sql: sql), cancellation: .never) { batches.append($0) }
    #expect(batches.reduce(0) { $0 + $1.rowCount } == expected.rows.count)
    // There and back again.
    let back = try engine.rows(
      Query(
        sql: "SELECT * FROM b ORDER BY i",
        inputs: ["b": .batches(FixedBatches(expected.schema, batches))]), cancellation: .never)
    #expect(back.rows == expected.rows)
    #expect(back.schema.fields.map(\.type) == expected.schema.fields.map(\.type))
    let error = #expect(throws: EngineError.self) {
      try engine.batches(Query(sql: "SELECT [1] AS l"), cancellation: .never) { _ in }
    }
    #expect(error?.message.contains("the column l") == true)
  }
}
