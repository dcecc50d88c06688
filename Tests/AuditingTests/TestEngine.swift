import Core
import Engines
import Foundation
import Synchronization
import Testing

@testable import Auditing

/// DuckDB, shared by all tests, and what they need around it.
struct TestEngine {
  let engine: DuckDBEngine

  private static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()
  private static let library = ["libduckdb.so", "libduckdb.dylib"]
    .map { root.appending(path: ".deps/lib/\($0)").path }
    .first { FileManager.default.fileExists(atPath: $0) }

  static let isThere: Bool =
    library != nil || ProcessInfo.processInfo.environment["SLUICE_DUCKDB"] != nil

  private static let shared: DuckDBEngine = {
    if let library { setenv("SLUICE_DUCKDB", library, 0) }
    return DuckDBEngine(settings: DuckDBSettings(threads: 2))
  }()

  static func make() throws -> TestEngine { TestEngine(engine: shared) }

  private static let nextFolder = Atomic<Int>(0)

  /// Writes rows as Parquet files with the statistics that the engine gives; none for no rows.
  func files(_ rows: RowSet, below folder: TemporaryFolder) throws -> [DataFile] {
    let number = Self.nextFolder.add(1, ordering: .relaxed).newValue
    return try engine.compute(
      Query(sql: "SELECT * FROM given", inputs: ["given": .rows(rows)]),
      into: Output(schema: rows.schema, location: folder.path("files-\(number)")),
      cancellation: .never, progress: { _ in })
  }
}

/// A folder that goes away with its owner.
final class TemporaryFolder: Sendable {
  let root: String

  init() throws {
    root =
      FileManager.default.temporaryDirectory
      .appending(path: "auditing-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: root) }

  func path(_ name: String) -> String { "\(root)/\(name)" }
}

/// An engine that remembers the queries it was asked.
final class CountingEngine: Engine {
  private let engine: DuckDBEngine
  let queries = Mutex<[Query]>([])

  init(_ engine: DuckDBEngine) { self.engine = engine }

  var name: String { engine.name }

  private func note(_ query: Query) { queries.withLock { $0.append(query) } }

  func shape(of sql: String, label: String) throws -> QueryShape {
    try engine.shape(of: sql, label: label)
  }

  func carrying(
    _ columns: [String], of input: String, through sql: String, label: String
  ) throws -> String {
    try engine.carrying(columns, of: input, through: sql, label: label)
  }

  func compute(
    _ query: Query, into output: Output, cancellation: Cancellation,
    progress: @escaping @Sendable (Double) -> Void
  ) throws -> [DataFile] {
    note(query)
    return try engine.compute(query, into: output, cancellation: cancellation, progress: progress)
  }

  func rows(_ query: Query, cancellation: Cancellation) throws -> RowSet {
    note(query)
    return try engine.rows(query, cancellation: cancellation)
  }

  func stream(
    _ query: Query, cancellation: Cancellation, visit: (RowSet) throws -> Void
  ) throws {
    note(query)
    try engine.stream(query, cancellation: cancellation, visit: visit)
  }

  func batches(
    _ query: Query, cancellation: Cancellation, visit: (ColumnBatch) throws -> Void
  ) throws {
    note(query)
    try engine.batches(query, cancellation: cancellation, visit: visit)
  }

  func export(_ query: Query, to output: TextOutput, cancellation: Cancellation) throws -> Int64 {
    note(query)
    return try engine.export(query, to: output, cancellation: cancellation)
  }
}

extension DataFile {
  /// The same file as one whose writer kept no statistics.
  var withoutStatistics: DataFile {
    var copy = self
    copy.columns = [:]
    return copy
  }
}
