import CDuckDB
import Core
import Synchronization

/// A batch source on its way into one query: what the table function `sluice_batches(id)` reads.
final class BatchScan: Sendable {
  let source: any BatchSource
  let id: Int64
  private let state = Mutex(State())

  private struct State {
    var failure: (any Error)?
    var isExhausted = false
    var readers = 0
  }

  private static let registry = Mutex<(next: Int64, scans: [Int64: BatchScan])>((1, [:]))

  /// Registers the source; `close` forgets it.
  init(_ source: any BatchSource) {
    self.source = source
    id = BatchScan.registry.withLock { registry in
      defer { registry.next += 1 }
      return registry.next
    }
    BatchScan.registry.withLock { $0.scans[id] = self }
  }

  func close() { BatchScan.registry.withLock { _ = $0.scans.removeValue(forKey: id) } }

  static func find(_ id: Int64) -> BatchScan? { registry.withLock { $0.scans[id] } }

  /// The error that the source threw, which DuckDB only knows as text.
  var failure: (any Error)? { state.withLock { $0.failure } }

  /// - Returns: False for a second reader: the rows come once only.
  func open() -> Bool {
    state.withLock { state in
      state.readers += 1
      return state.readers == 1
    }
  }

  /// The next batch with rows; nil at the end, and after a failure.
  func next() throws -> ColumnBatch? {
    do {
      while let batch = try source.next() {
        if batch.rowCount > 0 { return batch }
      }
      state.withLock { $0.isExhausted = true }
      return nil
    } catch {
      state.withLock { state in
        if state.failure == nil { state.failure = error }
        state.isExhausted = true
      }
      throw error
    }
  }

  /// Reads what the query did not want, so that all of the input was validated.
  func drain() throws {
    while !state.withLock({ $0.isExhausted }) { _ = try next() }
    if let failure { throw failure }
  }

  /// A guess for DuckDB's join order.
  var estimatedRowCount: UInt64 {
    UInt64(clamping: source.progress.total / Int64(16 * max(source.schema.fields.count, 1)))
  }
}

/// One thread's reading position in a scan.
private final class BatchReader {
  var batch: ColumnBatch?
  var row = 0
}

/// Which columns of the source the query wants, in the order of the output.
private final class BatchProjection {
  let columns: [Int]
  init(_ columns: [Int]) { self.columns = columns }
}

/// The table function through which DuckDB pulls batches, on as many threads as it likes.
enum BatchFunction {
  static let name = "sluice_batches"

  static func register(on connection: DuckDBConnection) throws {
    var function = duckdb_create_table_function()
    defer { duckdb_destroy_table_function(&function) }
    duckdb_table_function_set_name(function, name)
    FieldType.bigint.withLogicalType { duckdb_table_function_add_parameter(function, $0) }
    duckdb_table_function_set_bind(function) { BatchFunction.bind($0) }
    duckdb_table_function_set_init(function) { BatchFunction.initialize($0) }
    duckdb_table_function_set_local_init(function) { info in
      duckdb_init_set_init_data(
        info, Unmanaged.passRetained(BatchReader()).toOpaque(), BatchFunction.release)
    }
    duckdb_table_function_set_function(function) { BatchFunction.fill($0, $1) }
    duckdb_table_function_supports_projection_pushdown(function, true)
    try connection.register(function)
  }

  /// Frees an object handed to DuckDB with `passRetained`.
  private static let release: duckdb_delete_callback_t = { pointer in
    if let pointer { Unmanaged<AnyObject>.fromOpaque(pointer).release() }
  }

  private static func bind(_ info: duckdb_bind_info?) {
    var value = duckdb_bind_get_parameter(info, 0)
    defer { duckdb_destroy_value(&value) }
    guard let scan = BatchScan.find(duckdb_get_int64(value)) else {
      return duckdb_bind_set_error(info, "no such batches")
    }
    for field in scan.source.schema.fields {
      field.type.withLogicalType { duckdb_bind_add_result_column(info, field.name, $0) }
    }
    duckdb_bind_set_cardinality(info, scan.estimatedRowCount, false)
    duckdb_bind_set_bind_data(info, Unmanaged.passRetained(scan).toOpaque(), release)
  }

  private static func initialize(_ info: duckdb_init_info?) {
    let scan = Unmanaged<BatchScan>.fromOpaque(duckdb_init_get_bind_data(info)!)
      .takeUnretainedValue()
    guard scan.open() else {
      return duckdb_init_set_error(info, "an input of batches was about to be read twice")
    }
    let wanted = (0..<duckdb_init_get_column_count(info)).map {
      Int(truncatingIfNeeded: duckdb_init_get_column_index(info, $0))
    }
    duckdb_init_set_init_data(
      info, Unmanaged.passRetained(BatchProjection(wanted)).toOpaque(), release)
    duckdb_init_set_max_threads(info, idx_t(max(1, scan.source.readerLimit)))
  }

  private static func fill(_ info: duckdb_function_info?, _ output: duckdb_data_chunk?) {
    let scan = Unmanaged<BatchScan>.fromOpaque(duckdb_function_get_bind_data(info)!)
      .takeUnretainedValue()
    let projection = Unmanaged<BatchProjection>.fromOpaque(duckdb_function_get_init_data(info)!)
      .takeUnretainedValue()
    let reader = Unmanaged<BatchReader>.fromOpaque(duckdb_function_get_local_init_data(info)!)
      .takeUnretainedValue()
    do {
      if reader.batch == nil {
        reader.batch = try scan.next()
        reader.row = 0
      }
      guard let batch = reader.batch else { return duckdb_data_chunk_set_size(output, 0) }
      let rows = batch.chunk(from: reader.row)
      let fields = scan.source.schema.fields
      for (place, column) in projection.columns.enumerated() where column < fields.count {
        // A query that only counts asks for the row's number, which nothing reads.
        guard column >= 0 else { continue }
        let vector = duckdb_data_chunk_get_vector(output, idx_t(place))!
        try batch.write(column: column, rows, to: vector, fields[column])
      }
      duckdb_data_chunk_set_size(output, idx_t(rows.count))
      reader.row = rows.upperBound
      if reader.row == batch.rowCount { reader.batch = nil }
    } catch {
      duckdb_function_set_error(info, "\(error)")
    }
  }
}
