import Core
import Engines
import Foundation
import Testing

@testable import Lake

/// The engine that the tests read and write files with.
let engine: DuckDBEngine = {
  let library = "\(Python.repository)/.deps/lib/libduckdb.so"
  if FileManager.default.fileExists(atPath: library) { setenv("SLUICE_DUCKDB", library, 0) }
  return DuckDBEngine(settings: DuckDBSettings(threads: 2))
}()

extension Table {
  /// The rows as the engine reads them, in any order.
  func rows(_ filter: RowFilter = .all, where condition: String? = nil) throws -> [[Value]] {
    let query = Query(
      sql: "SELECT * FROM t" + (condition.map { " WHERE \($0)" } ?? ""),
      inputs: ["t": .files(try dataFiles(filter), schema: schema)], label: "test")
    return try engine.rows(query, cancellation: .never).rows
  }

  /// The rows as `read_iceberg.py` prints them: sorted objects.
  func canonicalRows() throws -> [JSON] {
    let names = schema.fields.map(\.name)
    return try rows().map { row in
      JSON.object(zip(names, row).map { .init($0, canonical($1)) })
    }.sorted { $0.description < $1.description }
  }
}

/// The same for what the script printed, members in the order of `names`.
func canonicalRows(_ seen: JSON?, _ names: [String]) -> [JSON] {
  (seen?["rows"]?.array ?? []).map { row in
    JSON.object(names.map { .init($0, row[$0] ?? "missing") })
  }.sorted { $0.description < $1.description }
}

/// A value as the tests' scripts print it.
func canonical(_ value: Value) -> JSON {
  switch value {
  case .null: return .null
  case .boolean(let flag): return .boolean(flag)
  case .integer(let number): return .integer(number)
  case .float(let number): return .number(Double(number))
  case .double(let number): return .number(number)
  case .decimal, .date, .string, .uuid: return .string(value.description)
  case .time(let microseconds):
    return .string(String(stamp(Instant(microseconds: microseconds)).dropFirst(11)))
  case .timestamp(let instant): return .string(stamp(instant))
  case .timestamptz(let instant): return .string(stamp(instant) + "+00")
  case .binary(let bytes):
    return .string(bytes.map { String(format: "%02x", $0) }.joined())
  case .list(let items): return .array(items.map(canonical))
  case .map(let keys, let values):
    return .object(zip(keys, values).map { .init($0.description, canonical($1)) })
  case .structure(let names, let values):
    return .object(zip(names, values).map { .init($0, canonical($1)) })
  }
}

private func stamp(_ instant: Instant) -> String {
  let time = CivilTime(instant)
  return String(
    format: "%04d-%02d-%02dT%02d:%02d:%02d.%06d", time.year, time.month, time.day, time.hour,
    time.minute, time.second, time.microsecond)
}

extension Lake {
  /// Computes rows with the engine and publishes them under these columns.
  ///
  /// - Parameter sql: Any SELECT whose columns are those declared.
  func publish(
    _ sql: String, _ id: TableID, _ columns: Schema, partitionBy: [PartitionColumn] = [],
    sort: [SortColumn] = [], removal: TableUpdate.Removal = .none, replacesAllRows: Bool = false
  ) throws -> Table {
    let base = try catalog.load(id)
    let schema = try Table.schema(for: columns, over: base, replacesAllRows: replacesAllRows)
    let output = Output(
      schema: schema,
      location: staging(id, run: RunID(start: clock.now()), part: Nonce.hex()),
      sort: sort.map { .init($0.column, isDescending: $0.isDescending) }, partition: partitionBy)
    let files = try engine.compute(
      Query(sql: sql, label: "test"), into: output, cancellation: .never, progress: { _ in })
    return try catalog.commit(
      TableUpdate(
        schema: schema, partitionBy: partitionBy, sort: sort, added: files, removal: removal,
        time: clock.now()), to: id, base: base)
  }
}
