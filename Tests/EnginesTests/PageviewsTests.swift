import Core
import Engines
import Foundation
import Testing

private let shared = URL(filePath: repository).deletingLastPathComponent().appending(
  path: "shared/data"
)
.path
private let lines = "\(shared)/pageviews/pageviews-sample.txt"
private let blocked = "\(shared)/pageviews/blacklist_domains_and_pages"

/// The page-view model on real lines; the numbers are known of these lines.
@Suite(.enabled(if: FileManager.default.fileExists(atPath: lines), "needs ../shared/data"))
struct PageviewsTests {
  /// The model of the pipeline `pageviews`.
  static let sql = """
    WITH counted AS (
      SELECT domain, page, sum(views)::bigint AS views FROM pageviews GROUP BY domain, page
    ), kept AS (
      SELECT c.* FROM counted c ANTI JOIN blocked b
        ON c.domain = b.domain
       AND coalesce(try(url_decode(c.page)), c.page) = coalesce(try(url_decode(b.page)), b.page)
    ), ranked AS (
      SELECT *, CASE $ties
          WHEN 'rank' THEN rank() OVER w
          WHEN 'dense_rank' THEN dense_rank() OVER w
          ELSE row_number() OVER (PARTITION BY domain ORDER BY views DESC, page)
        END AS rank
      FROM kept WINDOW w AS (PARTITION BY domain ORDER BY views DESC)
    )
    SELECT domain, page, views, rank, $interval_start AS interval_start
    FROM ranked WHERE rank <= $top
    """

  /// The first `fields` fields of each line, as batches of about a thousand rows.
  static func source(_ path: String, _ names: [String]) throws -> FixedBatches {
    let text = try Data(contentsOf: URL(filePath: path))
    let columns = names.map { Field(name: $0, type: $0 == "views" ? .bigint : .string) }
    let rows = text.split(separator: 0x0A).map { $0.split(separator: 0x20) }
      .filter { $0.count >= names.count }
    let batches = stride(from: 0, to: rows.count, by: 1000).map { first -> ColumnBatch in
      let some = rows[first..<min(first + 1000, rows.count)]
      var bytes: [UInt8] = []
      let values = names.indices.map { place -> ColumnBatch.Column in
        if names[place] == "views" {
          return .init(
            values: .int64(some.map { Int64(String(decoding: $0[place], as: UTF8.self))! }))
        }
        return .init(
          values: .bytes(
            some.map { row in
              bytes += row[place]
              return .init(
                offset: UInt32(bytes.count - row[place].count), count: UInt32(row[place].count))
            }))
      }
      return ColumnBatch(rowCount: some.count, columns: values, bytes: bytes)
    }
    return FixedBatches(Schema(columns), batches)
  }

  @Test(
    "rule 35: titles are compared decoded, for each policy of ties",
    arguments: [("row_number", 651), ("rank", 1297), ("dense_rank", 3665)], [false, true])
  func topPages(_ ties: (String, Int), _ isBlocking: Bool) throws {
    let folder = TemporaryFolder()
    let table = schema(
      ("domain", .string), ("page", .string), ("views", .bigint), ("rank", .int),
      ("interval_start", .timestamp))
    let none = FixedBatches(schema(("domain", .string), ("page", .string)), [])
    let files = try engine.compute(
      Query(
        sql: PageviewsTests.sql,
        parameters: [
          "ties": .string(ties.0), "top": .integer(25),
          "interval_start": .timestamp(Instant(seconds: 0)),
        ],
        inputs: [
          "pageviews": .batches(try PageviewsTests.source(lines, ["domain", "page", "views"])),
          "blocked": .batches(
            isBlocking ? try PageviewsTests.source(blocked, ["domain", "page"]) : none),
        ], label: "pageviews.top_pages"),
      into: Output(
        schema: table, location: folder.path,
        sort: [.init("domain"), .init("rank"), .init("page")]))
    let sums = try engine.rows(
      "SELECT count(*), sum(views)::bigint FROM f", [:], ["f": .files(files, schema: table)])[0]
    guard isBlocking else {
      #expect(sums[0] == .integer(Int64(ties.1)))
      if ties.0 == "row_number" { #expect(sums[1] == .integer(2214)) }
      return
    }
    // 3,660 rows and 5,547 views are left by the whole list, decoded on both sides.
    if ties.0 == "dense_rank" { #expect(sums == [.integer(3660), .integer(5547)]) }
  }
}
