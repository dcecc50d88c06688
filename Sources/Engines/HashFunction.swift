import CDuckDB
import Core
import Kernels

/// The scalar functions that bucket partitions need and DuckDB has not: MurmurHash3 of numbers and
/// of bytes.
enum HashFunction {
  static let ofNumber = "sluice_murmur3_number"
  static let ofBytes = "sluice_murmur3_bytes"

  static func register(on connection: DuckDBConnection) throws {
    try register(ofNumber, .bigint, on: connection) { _, input, output in
      HashFunction.fill(input, output) { data, row in
        murmur3(data.load(fromByteOffset: row * 8, as: Int64.self))
      }
    }
    try register(ofBytes, .binary, on: connection) { _, input, output in
      HashFunction.fill(input, output) { data, row in
        let slot = data + row * MemoryLayout<duckdb_string_t>.stride
        let text = slot.load(as: duckdb_string_t.self)
        // Up to 12 bytes lie behind the length, longer strings behind the pointer.
        let start = text.length <= 12 ? slot + 4 : UnsafeRawPointer(text.pointer)!
        return murmur3(UnsafeRawBufferPointer(start: start, count: Int(text.length)))
      }
    }
  }

  private static func register(
    _ name: String, _ type: FieldType, on connection: DuckDBConnection,
    _ body: @escaping duckdb_scalar_function_t
  ) throws {
    var function = duckdb_create_scalar_function()
    defer { duckdb_destroy_scalar_function(&function) }
    duckdb_scalar_function_set_name(function, name)
    type.withLogicalType { duckdb_scalar_function_add_parameter(function, $0) }
    FieldType.bigint.withLogicalType { duckdb_scalar_function_set_return_type(function, $0) }
    duckdb_scalar_function_set_function(function, body)
    try connection.register(scalar: function)
  }

  /// Hashes a column. Null gives anything: the SQL that calls asks first.
  private static func fill(
    _ input: duckdb_data_chunk?, _ output: duckdb_vector?,
    _ hash: (UnsafeRawPointer, Int) -> UInt32
  ) {
    let vector = duckdb_data_chunk_get_vector(input, 0)
    let data = UnsafeRawPointer(duckdb_vector_get_data(vector)!)
    let validity = duckdb_vector_get_validity(vector)
    let result = duckdb_vector_get_data(output).assumingMemoryBound(to: Int64.self)
    for row in 0..<Int(duckdb_data_chunk_get_size(input)) {
      let isValid = validity.map { $0[row / 64] >> UInt64(row % 64) & 1 == 1 } ?? true
      result[row] = isValid ? Int64(hash(data, row)) : 0
    }
  }
}
