import CDuckDB
import Core
import Synchronization

/// One connection of the instance: a query of Sluice's runs on its own. Used by one thread, except
/// for `interrupt` and `percentage`.
final class DuckDBConnection: @unchecked Sendable {
  private var handle: duckdb_connection?

  init(_ database: duckdb_database) throws {
    guard duckdb_connect(database, &handle) == 0 else {
      throw EngineError(.failed, "DuckDB gave no connection")
    }
  }

  deinit { duckdb_disconnect(&handle) }

  /// Asks a running query to stop; nothing happens when none runs.
  func interrupt() { duckdb_interrupt(handle) }

  /// How far the running query is, 0…1; nil while DuckDB does not know.
  var fraction: Double? {
    let percentage = duckdb_query_progress(handle).percentage
    return percentage >= 0 ? min(percentage / 100, 1) : nil
  }

  /// Runs a statement of the engine's own.
  func run(_ sql: String) throws {
    var result = duckdb_result()
    defer { duckdb_destroy_result(&result) }
    if duckdb_query(handle, sql, &result) != 0 {
      throw DuckDBMessage(&result).failure(in: sql)
    }
  }

  /// Runs a statement of the user's, with its parameters bound, and hands the result to `body`.
  ///
  /// - Parameter isStreaming: The rows are made while they are read, so that they need not all
  ///   fit in memory.
  func execute<T>(
    _ sent: SentSQL, _ parameters: [String: Value], isStreaming: Bool = false,
    _ body: (DuckDBResult) throws -> T
  ) throws -> T {
    var statement: duckdb_prepared_statement?
    defer { duckdb_destroy_prepare(&statement) }
    guard duckdb_prepare(handle, sent.text, &statement) == 0 else {
      let text = duckdb_prepare_error(statement).map { String(cString: $0) } ?? "no reason given"
      throw sent.failure(DuckDBMessage(text))
    }
    try bind(parameters, to: statement, sent)
    let result = DuckDBResult(sent)
    let state =
      isStreaming
      ? duckdb_execute_prepared_streaming(statement, &result.handle)
      : duckdb_execute_prepared(statement, &result.handle)
    if state != 0 { throw result.failure() }
    return try body(result)
  }

  /// Names and types of a SELECT's columns. Nothing is run; parameters have no types here.
  func columns(of sent: SentSQL) throws -> [(name: String, type: VectorType)] {
    var statement: duckdb_prepared_statement?
    defer { duckdb_destroy_prepare(&statement) }
    guard duckdb_prepare(handle, sent.text, &statement) == 0 else {
      let text = duckdb_prepare_error(statement).map { String(cString: $0) } ?? "no reason given"
      throw sent.failure(DuckDBMessage(text))
    }
    return (0..<duckdb_prepared_statement_column_count(statement)).map { column in
      let name = duckdb_prepared_statement_column_name(statement, column)
      defer { duckdb_free(UnsafeMutableRawPointer(mutating: name)) }
      var type = duckdb_prepared_statement_column_logical_type(statement, column)
      defer { duckdb_destroy_logical_type(&type) }
      return (name.map { String(cString: $0) } ?? "", VectorType(type!))
    }
  }

  private func bind(
    _ parameters: [String: Value], to statement: duckdb_prepared_statement?, _ sent: SentSQL
  ) throws {
    let count = duckdb_nparams(statement)
    guard count > 0 else { return }
    for index in 1...count {
      let spelled = duckdb_parameter_name(statement, index)
      defer { duckdb_free(UnsafeMutableRawPointer(mutating: spelled)) }
      let name = spelled.map { String(cString: $0) } ?? ""
      let value = try parameters.value(
        ofParameter: name, at: Place(model: sent.label))
      let state = value.withHandle { duckdb_bind_value(statement, index, $0) }
      if state != 0 {
        let text = duckdb_prepare_error(statement).map { String(cString: $0) } ?? ""
        throw sent.failure(DuckDBMessage("Binder Error: $\(name) cannot be bound: \(text)"))
      }
    }
  }

  /// Fills a table with rows, all of its columns in order.
  func append(_ rows: [[Value]], catalog: String, schema: String, table: String) throws {
    var appender: duckdb_appender?
    defer { _ = duckdb_appender_destroy(&appender) }
    func check(_ state: duckdb_state) throws {
      guard state != 0 else { return }
      let text = duckdb_appender_error(appender).map { String(cString: $0) } ?? "no reason given"
      throw EngineError(.failed, "rows given for \(table): \(DuckDBMessage(text).cleaned)")
    }
    try check(duckdb_appender_create_ext(handle, catalog, schema, table, &appender))
    for row in rows {
      for value in row { try check(value.withHandle { duckdb_append_value(appender, $0) }) }
      try check(duckdb_appender_end_row(appender))
    }
    try check(duckdb_appender_close(appender))
  }

  /// Registers a table function; the name is seen by all connections.
  func register(_ function: duckdb_table_function?) throws {
    guard duckdb_register_table_function(handle, function) == 0 else {
      throw EngineError(.failed, "DuckDB did not take the table function")
    }
  }

  func register(scalar function: duckdb_scalar_function?) throws {
    guard duckdb_register_scalar_function(handle, function) == 0 else {
      throw EngineError(.failed, "DuckDB did not take the scalar function")
    }
  }
}

extension [String: Value] {
  /// The value of a parameter that the SQL names; DuckDB ignores the case of the name.
  ///
  /// - Parameter place: Of the parameter in the SQL, for the message.
  func value(
    ofParameter name: String, at place: @autoclosure () -> Place
  ) throws(EngineError) -> Value {
    if let value = self[name] { return value }
    if let key = keys.first(where: { $0.lowercased() == name.lowercased() }) { return self[key]! }
    let known = nearest(to: name, among: keys)
    throw EngineError(
      .badQuery, "the SQL uses $\(name), which is no parameter here", at: place(),
      advice: known.map { "did you mean $\($0)?" }
        ?? (isEmpty ? "there are none" : "there are: \(keys.sorted().joined(separator: ", "))"),
      exitCode: 2)
  }
}

/// The rows that a statement gave.
final class DuckDBResult {
  fileprivate(set) var handle = duckdb_result()
  private let sent: SentSQL

  fileprivate init(_ sent: SentSQL) { self.sent = sent }

  deinit { duckdb_destroy_result(&handle) }

  /// Names and types of the columns.
  lazy var columns: [(name: String, type: VectorType)] = (0..<duckdb_column_count(&handle)).map {
    var type = duckdb_column_logical_type(&handle, $0)
    defer { duckdb_destroy_logical_type(&type) }
    return (String(cString: duckdb_column_name(&handle, $0)), VectorType(type!))
  }

  var schema: Schema {
    Schema(columns.map { Field(name: $0.name, type: $0.type.fieldType) })
  }

  /// Visits the rows, some thousand at a time, in order.
  func forEachChunk(_ visit: ([[Value]]) throws -> Void) throws {
    try forEachVectors { vectors, count in
      let values = columns.indices.map { columns[$0].type.values(of: vectors[$0], 0..<count) }
      try visit((0..<count).map { row in values.map { $0[row] } })
    }
  }

  /// Visits the rows column by column, some thousand at a time.
  func forEachBatch(_ visit: (ColumnBatch) throws -> Void) throws {
    try forEachVectors { vectors, count in
      var batch = ColumnBatch(rowCount: count, columns: [], bytes: [])
      for (column, vector) in zip(columns, vectors) {
        try batch.append(column.type, vector, name: column.name)
      }
      try visit(batch)
    }
  }

  private func forEachVectors(_ visit: ([duckdb_vector], Int) throws -> Void) throws {
    while true {
      var chunk = duckdb_fetch_chunk(handle)
      defer { duckdb_destroy_data_chunk(&chunk) }
      guard chunk != nil else { break }
      let count = Int(duckdb_data_chunk_get_size(chunk))
      if count == 0 { break }
      try visit(
        columns.indices.map { duckdb_data_chunk_get_vector(chunk, idx_t($0))! }, count)
    }
    // A streamed result ends with an empty chunk, or without one where it failed.
    if duckdb_result_error(&handle) != nil { throw failure() }
  }

  func rows() throws -> [[Value]] {
    var all: [[Value]] = []
    try forEachChunk { all += $0 }
    return all
  }

  fileprivate func failure() -> any Error {
    if Int(duckdb_result_error_type(&handle)) == DUCKDB_ERROR_INTERRUPT { return Cancelled() }
    return sent.failure(DuckDBMessage(&handle))
  }
}

extension DuckDBMessage {
  fileprivate init(_ result: inout duckdb_result) {
    self.init(duckdb_result_error(&result).map { String(cString: $0) } ?? "no reason given")
    if type.isEmpty && Int(duckdb_result_error_type(&result)) == DUCKDB_ERROR_OUT_OF_MEMORY {
      type = "Out of Memory"
    }
  }

  /// For a statement of the engine's own.
  fileprivate func failure(in sql: String) -> EngineError {
    EngineError(code == .badQuery ? .failed : code, cleaned)
  }
}
