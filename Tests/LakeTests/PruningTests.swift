import Core
import Engines
import Foundation
import Testing

@testable import Lake

@Suite("Pruning")
struct PruningTests {
  private let scratch = ScratchLake()
  private var lake: Lake { scratch.lake }

  private let columns = Schema([
    Field(name: "id", type: .bigint), Field(name: "small", type: .int),
    Field(name: "name", type: .string), Field(name: "ts", type: .timestamp),
    Field(name: "price", type: .decimal(precision: 10, scale: 2)),
    Field(name: "ratio", type: .double),
  ])

  private let select = """
    SELECT n::BIGINT AS id, (n % 7)::INTEGER AS small,
      CASE WHEN n % 11 = 0 THEN NULL ELSE 'key-' || (n % 13) END AS name,
      TIMESTAMP '2024-01-01 00:00:00' + INTERVAL (n * 7) HOUR AS ts,
      (n * 0.25)::DECIMAL(10,2) AS price,
      CASE WHEN n % 50 = 3 THEN 'nan'::DOUBLE WHEN n % 17 = 0 THEN NULL ELSE n / 8.0 - 5 END AS ratio
    FROM (SELECT unnest(generate_series(0, 199)) AS n)
    """

  /// Conditions as Sluice's filters and as SQL.
  private var conditions: [(RowFilter, String)] {
    let id = Int64.random(in: -5...205)
    let other = id + Int64.random(in: 0...40)
    let start = Instant(seconds: 1_704_067_200 + id * 25_200)
    let end = start.adding(seconds: Int64.random(in: 0...2_000_000))
    let ratio = Double.random(in: -6...21)
    return [
      (.equal("id", .integer(id)), "id = \(id)"),
      (.within("id", from: .integer(id), to: .integer(other)), "id BETWEEN \(id) AND \(other)"),
      (.within("id", from: .integer(id), to: nil), "id >= \(id)"),
      (.oneOf("id", [.integer(id), .integer(other)]), "id IN (\(id), \(other))"),
      (.equal("small", .integer(id % 7)), "small = \(id % 7)"),
      (.equal("name", .string("key-\(id % 13)")), "name = 'key-\(id % 13)'"),
      (.equal("name", .null), "name IS NULL"),
      (.within("name", from: nil, to: .string("key-2")), "name <= 'key-2'"),
      (
        .within("ts", from: .timestamp(start), to: .timestamp(end)),
        "ts BETWEEN TIMESTAMP '\(start.sqlText)' AND TIMESTAMP '\(end.sqlText)'"
      ),
      (
        .within("price", from: .decimal(unscaled: Int128(id * 25), scale: 2), to: nil),
        "price >= \(id) * 0.25"
      ),
      // A number of another type than the column's.
      (.within("price", from: nil, to: .integer(id)), "price <= \(id)"),
      (.within("ratio", from: .double(ratio), to: nil), "ratio >= \(ratio)::DOUBLE"),
      (.within("ratio", from: nil, to: .double(ratio)), "ratio <= \(ratio)::DOUBLE"),
      (.equal("ratio", .double(.nan)), "isnan(ratio)"),
      (
        .within("id", from: .integer(id), to: nil) && .equal("name", .string("key-3")),
        "id >= \(id) AND name = 'key-3'"
      ),
    ]
  }

  @Test(
    "what is read holds every row that is wanted",
    arguments: [
      [], [PartitionColumn("id", .bucket(5))],
      [PartitionColumn("ts", .month), PartitionColumn("small")],
      [PartitionColumn("name", .truncate(5)), PartitionColumn("price", .truncate(500))],
      [PartitionColumn("ts", .day)], [PartitionColumn("id", .truncate(20))],
      [PartitionColumn("ts", .year), PartitionColumn("ts", .hour)], [PartitionColumn("ratio")],
    ])
  func complete(_ partition: [PartitionColumn]) throws {
    let id = TableID("prune", "rows")
    let table = try lake.publish(select, id, columns, partitionBy: partition)
    let all = try table.rows()
    #expect(all.count == 200)
    for _ in 0..<3 {
      for (filter, condition) in conditions {
        let wanted = try table.rows(where: condition)
        let found = try table.rows(filter, where: condition)
        #expect(
          Set(found.map { $0[0] }) == Set(wanted.map { $0[0] }) && found.count == wanted.count,
          "\(condition) of rows by \(partition)")
      }
    }
  }

  @Test("files are passed over by transformed partitions and by statistics, and counted")
  func counted() throws {
    let id = TableID("prune", "rows")
    var table = try lake.publish(
      select, id, columns, partitionBy: [PartitionColumn("id", .truncate(20))])
    #expect(try table.scan().files.count == 10)
    // By partition: one value of ten.
    var scan = try table.scan(.equal("id", .integer(25)))
    #expect(scan.files.count == 1)
    #expect(scan.prunedFileCount == 9)
    // By statistics: ts is no partition, but grows with id.
    scan = try table.scan(
      .within("ts", from: nil, to: .timestamp(CivilTime(year: 2024, month: 1, day: 5).instant)))
    #expect(scan.files.count == 1)
    #expect(scan.prunedFileCount == 9)
    // By the summary in the manifest list: the manifest is not even read.
    scan = try table.scan(.within("id", from: .integer(1000), to: nil))
    #expect(scan.files.isEmpty)
    #expect(scan.prunedManifestCount == 1)
    #expect(scan.prunedFileCount == 0)
    // A filter on a column that the table has not leaves all in.
    #expect(try table.scan(.equal("nothing", .integer(1))).files.count == 10)
    table = try lake.publish(
      select, id, columns, partitionBy: [PartitionColumn("id", .bucket(8))])
    // A bucket of the new spec, and one range of the old.
    #expect(try table.scan(.equal("id", .integer(25))).files.count == 2)
  }
}
