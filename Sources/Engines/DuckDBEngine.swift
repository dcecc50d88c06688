import Core
import Synchronization

/// DuckDB inside this process. Loaded when the first query needs it; shared by any number of
/// threads.
public final class DuckDBEngine: Engine {
  public let settings: DuckDBSettings
  private let started = Mutex<DuckDBInstance?>(nil)

  public init(settings: DuckDBSettings = DuckDBSettings()) { self.settings = settings }

  public var name: String { "duckdb \(DuckDBLibrary.version)" }

  /// The library's version, once it is loaded and fit for use.
  ///
  /// - Throws: `EngineError` `.unavailable`.
  public func checkAvailable() throws { _ = try instance() }

  public func shape(of sql: String, label: String) throws -> QueryShape {
    try instance().connect().syntaxTree(of: SQLText(sql), at: Place(file: label)).shape
  }

  public func carrying(
    _ columns: [String], of input: String, through sql: String, label: String
  ) throws -> String {
    try instance().connect().carrying(columns, of: input, through: sql, at: Place(file: label))
  }

  public func rows(_ query: Query, cancellation: Cancellation) throws -> RowSet {
    try run(query, cancellation, progress: nil) { scope in
      try scope.materializeIfNeeded()
      let set = try scope.execute(scope.readableStatement()) { result in
        RowSet(schema: result.schema, rows: try result.rows())
      }
      try scope.drain()
      return set
    }
  }

  public func stream(
    _ query: Query, cancellation: Cancellation, visit: (RowSet) throws -> Void
  ) throws {
    try run(query, cancellation, progress: nil) { scope in
      try scope.materializeIfNeeded()
      try scope.execute(scope.readableStatement(), isStreaming: true) { result in
        let schema = result.schema
        try result.forEachChunk { try visit(RowSet(schema: schema, rows: $0)) }
      }
      try scope.drain()
    }
  }

  public func batches(
    _ query: Query, cancellation: Cancellation, visit: (ColumnBatch) throws -> Void
  ) throws {
    try run(query, cancellation, progress: nil) { scope in
      try scope.materializeIfNeeded()
      let sent = scope.statement(prefix: "", suffix: "")
      try scope.execute(sent, isStreaming: true) { try $0.forEachBatch(visit) }
      try scope.drain()
    }
  }

  public func compute(
    _ query: Query, into output: Output, cancellation: Cancellation,
    progress: @escaping @Sendable (Double) -> Void
  ) throws -> [DataFile] {
    let files = try run(query, cancellation, progress: progress) { scope in
      try ParquetOutput(output, settings).write(scope)
    }
    progress(1)
    return files
  }

  /// What needs no query needs no DuckDB: it would copy each value three times, and buffer them all.
  public func write(
    _ rows: any BatchSource, into output: Output, label: String, cancellation: Cancellation
  ) throws -> [DataFile] {
    guard let plain = BatchOutput(rows, into: output, fileBytes: max(1, settings.fileBytes)) else {
      return try compute(
        Query(sql: "SELECT * FROM rows", inputs: ["rows": .batches(rows)], label: label),
        into: output, cancellation: cancellation, progress: { _ in })
    }
    return try plain.write(cancellation)
  }

  public func export(
    _ query: Query, to output: TextOutput, cancellation: Cancellation
  ) throws -> Int64 {
    try run(query, cancellation, progress: nil) { try output.write($0) }
  }

  func instance() throws -> DuckDBInstance {
    try started.withLock { instance in
      if let instance { return instance }
      let fresh = try DuckDBInstance(settings)
      instance = fresh
      return fresh
    }
  }

  /// Runs `body` with the query's inputs in place.
  private func run<T>(
    _ query: Query, _ cancellation: Cancellation, progress: (@Sendable (Double) -> Void)?,
    _ body: (QueryScope) throws -> T
  ) throws -> T {
    try cancellation.check()
    let instance = try instance()
    let scope = try QueryScope(query, in: instance)
    defer { scope.close() }
    do {
      return try scope.watched(cancellation, progress) { try body(scope) }
    } catch {
      // DuckDB would give the text of what the source said, and of an interruption.
      if let failure = scope.sourceFailure { throw failure }
      if (error as? EngineError)?.code == .broken {
        started.withLock { if $0 === instance { $0 = nil } }
      }
      try cancellation.check()
      throw error
    }
  }
}

extension QueryScope {
  /// The query, with columns of types that rows cannot hold turned into text.
  func readableStatement() throws -> SentSQL {
    let columns = try columns()
    if columns.allSatisfy({ $0.type.isReadable }) { return statement(prefix: "", suffix: "") }
    let selected = columns.enumerated().map { index, column in
      let value = column.type.isReadable ? "c\(index)" : "CAST(c\(index) AS VARCHAR)"
      return "\(value) AS \(column.name.quotedName)"
    }
    let names = columns.indices.map { "c\($0)" }.joined(separator: ", ")
    return statement(
      prefix: "SELECT \(selected.joined(separator: ", ")) FROM (", suffix: ") AS q(\(names))")
  }
}
