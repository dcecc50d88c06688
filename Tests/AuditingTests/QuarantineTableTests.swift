import Core
import Engines
import Foundation
import Lake
import Project
import Stores
import Synchronization
import Testing

@testable import Auditing

/// Malformed lines as a source sets them aside.
private struct Lines: RejectedRows {
  struct Line {
    var rule: String
    var file: String
    var row: Int64
    var text: String
  }

  var lines: [Line]
  /// What the log says it holds; differs from the lines only where a row went missing.
  var rowCount: Int64

  init(_ lines: [Line], rowCount: Int64? = nil) {
    self.lines = lines
    self.rowCount = rowCount ?? Int64(lines.count)
  }

  init(count: Int, _ text: String) {
    self.init(
      (0..<count).map {
        Line(rule: "malformed:number", file: "in/a.gz", row: Int64($0) + 1, text: text)
      })
  }

  func source() throws -> any BatchSource { Source(lines) }

  final class Source: BatchSource {
    let schema = Schema([
      Field(name: "rule", type: .string), Field(name: "source_file", type: .string),
      Field(name: "source_row", type: .bigint), Field(name: "row", type: .string),
    ]).withFreshIDs()
    private let batch: Mutex<ColumnBatch?>
    var progress: (done: Int64, total: Int64) { (0, 0) }

    init(_ lines: [Line]) {
      var bytes: [UInt8] = []
      func column(_ text: (Line) -> String) -> ColumnBatch.Column {
        ColumnBatch.Column(
          values: .bytes(
            lines.map { line in
              let offset = UInt32(bytes.count)
              bytes += text(line).utf8
              return .init(offset: offset, count: UInt32(bytes.count) - offset)
            }))
      }
      let columns = [
        column(\.rule), column(\.file), ColumnBatch.Column(values: .int64(lines.map(\.row))),
        column(\.text),
      ]
      batch = Mutex(ColumnBatch(rowCount: lines.count, columns: columns, bytes: bytes))
    }

    func next() throws -> ColumnBatch? {
      batch.withLock { batch in
        defer { batch = nil }
        return batch
      }
    }
  }
}

@Suite("The quarantine table", .enabled(if: TestEngine.isThere, "needs scripts/fetch-duckdb"))
struct QuarantineTableTests {
  /// A lake in a folder of its own.
  private final class Place: Sendable {
    let folder: TemporaryFolder
    let lake: Lake
    let table: QuarantineTable
    let run: ActiveRun
    let engine: DuckDBEngine

    init() throws {
      folder = try TemporaryFolder()
      engine = try TestEngine.make().engine
      lake = Lake(store: LocalStore(root: folder.root, isDurable: false))
      table = QuarantineTable(lake: lake, pipeline: "p")
      run = try ActiveRun(RunID(start: Instant(seconds: 0)), store: lake.store, clock: lake.clock)
    }

    /// `model batch rule row` of each row, sorted.
    func rows() throws -> [String] {
      guard let loaded = try lake.catalog.load(table.id) else { return [] }
      let query = Query(
        sql: "SELECT model, batch, rule, source_file, source_row, run, row FROM q",
        inputs: ["q": .files(try loaded.dataFiles(), schema: loaded.schema)])
      return try engine.rows(query, cancellation: .never).rows
        .map { row in
          #expect(row[5] == .string(run.id.rawValue))
          return (row[0...4] + row[6...]).map(\.description).joined(separator: " ")
        }.sorted()
    }

    var files: [String] {
      ((try? FileManager.default.subpathsOfDirectory(atPath: folder.root)) ?? []).sorted()
    }
  }

  /// One row kept and `count` rows failing the check `n_between`.
  private func split(_ count: Int) throws -> QuarantineSplit? {
    let schema = Schema([Field(name: "n", type: .bigint)]).withFreshIDs()
    let rows = RowSet(
      schema: schema, rows: [[.integer(1)]] + (0..<count).map { [.integer(-1 - Int64($0))] })
    return try Audit(
      checks: [.between("n", .integer(0), nil, .quarantine)], schema: schema, label: "m"
    ).run(rows: .rows(rows), engine: try TestEngine.make().engine).split
  }

  @Test("Malformed lines and failing rows arrive with rule, file, row and text")
  func both() throws {
    let place = try Place()
    let lines = Lines([
      .init(rule: "malformed:number", file: "in/a b.gz", row: 17, text: "aa \"x\\xFF é"),
      .init(rule: "malformed:columns", file: "in/c.gz", row: 1, text: ""),
    ])
    let count = try place.table.publish(
      model: "m", batch: "2024-01-01T05", run: place.run, malformed: lines, split: try split(1),
      sourceFile: "in/a.gz", engine: place.engine)
    #expect(count == 3)
    #expect(
      try place.rows() == [
        "m 2024-01-01T05 malformed:columns in/c.gz 1 ",
        "m 2024-01-01T05 malformed:number in/a b.gz 17 aa \"x\\xFF é",
        "m 2024-01-01T05 n_between in/a.gz NULL {\"n\":-1}",
      ])
    let table = try #require(try place.lake.catalog.load(place.table.id))
    #expect(table.schema.fields.map(\.name) == QuarantineTable.columns.fields.map(\.name))
    #expect(table.partitionColumns == PartitionColumn.identity(["model", "batch"]))
  }

  @Test("rule 16: a batch replaces its own rows in quarantine, and no others")
  func replaces() throws {
    let place = try Place()
    func publish(_ model: String, _ batch: String, _ lines: Lines?, _ split: QuarantineSplit? = nil)
      throws -> Int64
    {
      try place.table.publish(
        model: model, batch: batch, run: place.run, malformed: lines, split: split,
        engine: place.engine)
    }
    _ = try publish("a", "1", Lines(count: 2, "old"))
    _ = try publish("a", "2", Lines(count: 1, "other batch"))
    _ = try publish("b", "1", Lines(count: 1, "other model"))
    let others = [
      "a 2 malformed:number in/a.gz 1 other batch", "b 1 malformed:number in/a.gz 1 other model",
    ]
    // As after a crash between the quarantine's publication and the table's: the batch comes again.
    #expect(try publish("a", "1", Lines(count: 1, "new")) == 1)
    #expect(try place.rows() == ["a 1 malformed:number in/a.gz 1 new"] + others)
    #expect(try publish("a", "1", nil, try split(2)) == 2)
    #expect(
      try place.rows()
        == ["a 1 n_between NULL NULL {\"n\":-1}", "a 1 n_between NULL NULL {\"n\":-2}"] + others)
    // Everything is well now: the rows go.
    #expect(try publish("a", "1", Lines([])) == 0)
    #expect(try place.rows() == others)
  }

  @Test("Nothing to set aside and nothing there: nothing is written, no engine is asked")
  func nothing() throws {
    let place = try Place()
    let before = place.files
    let count = try place.table.publish(
      model: "m", batch: "1", run: place.run, malformed: Lines([]), engine: NoEngine())
    #expect(count == 0)
    #expect(place.files == before)

    _ = try place.table.publish(
      model: "m", batch: "2", run: place.run, malformed: Lines(count: 1, "x"),
      engine: place.engine)
    let table = place.files
    _ = try place.table.publish(
      model: "m", batch: "1", run: place.run, malformed: Lines([]), engine: NoEngine())
    #expect(place.files == table)
  }

  @Test("Rows that went missing on the way stop the run, and leave no files")
  func unbalanced() throws {
    let place = try Place()
    let error = #expect(throws: AuditError.self) {
      try place.table.publish(
        model: "m", batch: "1", run: place.run,
        malformed: Lines([.init(rule: "r", file: "f", row: 1, text: "t")], rowCount: 2),
        engine: place.engine)
    }
    #expect(error?.code == .unbalanced)
    #expect(place.files.filter { $0.hasSuffix(".parquet") || $0.contains("metadata") } == [])
  }

  @Test("Several models at once lose no rows")
  func concurrent() throws {
    let place = try Place()
    let results = concurrently(Array(0..<6), limit: 6) { index in
      try place.table.publish(
        model: "m\(index)", batch: "1", run: place.run, malformed: Lines(count: 1, "x"),
        engine: place.engine)
    }
    for result in results { #expect(throws: Never.self) { try result.get() } }
    #expect(try place.rows().count == 6)
  }
}
