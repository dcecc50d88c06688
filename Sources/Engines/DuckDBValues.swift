import CDuckDB
import Core

extension FieldType {
  /// The type as DuckDB's SQL writes it.
  var duckDBName: String {
    switch self {
    case .boolean: "BOOLEAN"
    case .int: "INTEGER"
    case .bigint: "BIGINT"
    case .float: "FLOAT"
    case .double: "DOUBLE"
    case .decimal(let precision, let scale): "DECIMAL(\(precision),\(scale))"
    case .date: "DATE"
    case .time: "TIME"
    case .timestamp: "TIMESTAMP"
    case .timestamptz: "TIMESTAMP WITH TIME ZONE"
    case .string: "VARCHAR"
    case .binary, .fixed: "BLOB"
    case .uuid: "UUID"
    case .list(let element): "\(element.type.duckDBName)[]"
    case .map(let key, let value): "MAP(\(key.type.duckDBName), \(value.type.duckDBName))"
    case .structure(let fields):
      "STRUCT(\(fields.map { "\($0.name.quotedName) \($0.type.duckDBName)" }.joined(separator: ", ")))"
    }
  }

  /// Lends the type as a handle of DuckDB's.
  func withLogicalType<T>(_ body: (duckdb_logical_type) throws -> T) rethrows -> T {
    var handle = makeLogicalType()
    defer { duckdb_destroy_logical_type(&handle) }
    return try body(handle!)
  }

  /// The caller destroys the handle.
  private func makeLogicalType() -> duckdb_logical_type? {
    switch self {
    case .boolean: return duckdb_create_logical_type(duckdb_type(DUCKDB_TYPE_BOOLEAN))
    case .int: return duckdb_create_logical_type(duckdb_type(DUCKDB_TYPE_INTEGER))
    case .bigint: return duckdb_create_logical_type(duckdb_type(DUCKDB_TYPE_BIGINT))
    case .float: return duckdb_create_logical_type(duckdb_type(DUCKDB_TYPE_FLOAT))
    case .double: return duckdb_create_logical_type(duckdb_type(DUCKDB_TYPE_DOUBLE))
    case .decimal(let precision, let scale):
      return duckdb_create_decimal_type(UInt8(precision), UInt8(scale))
    case .date: return duckdb_create_logical_type(duckdb_type(DUCKDB_TYPE_DATE))
    case .time: return duckdb_create_logical_type(duckdb_type(DUCKDB_TYPE_TIME))
    case .timestamp: return duckdb_create_logical_type(duckdb_type(DUCKDB_TYPE_TIMESTAMP))
    case .timestamptz: return duckdb_create_logical_type(duckdb_type(DUCKDB_TYPE_TIMESTAMP_TZ))
    case .string: return duckdb_create_logical_type(duckdb_type(DUCKDB_TYPE_VARCHAR))
    case .binary, .fixed: return duckdb_create_logical_type(duckdb_type(DUCKDB_TYPE_BLOB))
    case .uuid: return duckdb_create_logical_type(duckdb_type(DUCKDB_TYPE_UUID))
    case .list(let element): return element.type.withLogicalType { duckdb_create_list_type($0) }
    case .map(let key, let value):
      return key.type.withLogicalType { key in
        value.type.withLogicalType { duckdb_create_map_type(key, $0) }
      }
    case .structure(let fields):
      var types = fields.map { $0.type.makeLogicalType() }
      defer { for index in types.indices { duckdb_destroy_logical_type(&types[index]) } }
      return withCStrings(fields.map(\.name)) { names in
        duckdb_create_struct_type(&types, names, idx_t(fields.count))
      }
    }
  }

  /// The type of a value that stands alone, such as a parameter. NULL has none.
  init?(of value: Value) {
    switch value {
    case .null: return nil
    case .boolean: self = .boolean
    case .integer: self = .bigint
    case .float: self = .float
    case .double: self = .double
    case .decimal(let unscaled, let scale):
      self = .decimal(precision: max(String(unscaled.magnitude).count, scale, 1), scale: scale)
    case .date: self = .date
    case .time: self = .time
    case .timestamp: self = .timestamp
    case .timestamptz: self = .timestamptz
    case .string: self = .string
    case .binary: self = .binary
    case .uuid: self = .uuid
    case .list(let items):
      self = .list(element: Field(name: "element", type: FieldType.common(items)))
    case .map(let keys, let values):
      self = .map(
        key: Field(name: "key", type: FieldType.common(keys)),
        value: Field(name: "value", type: FieldType.common(values)))
    case .structure(let names, let values):
      self = .structure(
        zip(names, values).map { Field(name: $0, type: FieldType(of: $1) ?? .string) })
    }
  }

  /// The type of the first item that has one. Decimals get the digits that hold all of them.
  private static func common(_ items: [Value]) -> FieldType {
    let types = items.compactMap { FieldType(of: $0) }
    var whole = 0
    var scale = 0
    for case .decimal(let precision, let itemScale) in types {
      whole = max(whole, precision - itemScale)
      scale = max(scale, itemScale)
    }
    guard case .decimal = types.first else { return types.first ?? .string }
    return .decimal(precision: min(38, max(whole + scale, 1)), scale: scale)
  }
}

/// Lends an array of C strings.
func withCStrings<T>(
  _ strings: [String], _ body: (UnsafeMutablePointer<UnsafePointer<CChar>?>) -> T
) -> T {
  let copies = strings.map { string in
    let bytes = string.utf8CString
    let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
    bytes.withUnsafeBufferPointer { copy.initialize(from: $0.baseAddress!, count: $0.count) }
    return copy
  }
  defer { for copy in copies { copy.deallocate() } }
  var pointers = copies.map { UnsafePointer<CChar>?($0) }
  return pointers.withUnsafeMutableBufferPointer { body($0.baseAddress!) }
}

extension Value {
  /// Lends the value as a handle of DuckDB's, of the type it has by itself.
  func withHandle<T>(_ body: (duckdb_value) throws -> T) rethrows -> T {
    var handle = makeHandle(FieldType(of: self))
    defer { duckdb_destroy_value(&handle) }
    return try body(handle!)
  }

  /// The caller destroys the handle. `type` gives nested values their element types.
  private func makeHandle(_ type: FieldType?) -> duckdb_value? {
    switch self {
    case .null: return duckdb_create_null_value()
    case .boolean(let value): return duckdb_create_bool(value)
    case .integer(let value): return duckdb_create_int64(value)
    case .float(let value): return duckdb_create_float(value)
    case .double(let value): return duckdb_create_double(value)
    case .decimal(let unscaled, let scale):
      guard case .decimal(let precision, _)? = FieldType(of: self) else { return nil }
      return duckdb_create_decimal(
        duckdb_decimal(width: UInt8(precision), scale: UInt8(scale), value: unscaled.hugeint))
    case .date(let days): return duckdb_create_date(duckdb_date(days: days))
    case .time(let microseconds): return duckdb_create_time(duckdb_time(micros: microseconds))
    case .timestamp(let instant):
      return duckdb_create_timestamp(duckdb_timestamp(micros: instant.microseconds))
    case .timestamptz(let instant):
      return duckdb_create_timestamp_tz(duckdb_timestamp(micros: instant.microseconds))
    case .string(let text):
      var copy = text
      return copy.withUTF8 { bytes in
        bytes.withMemoryRebound(to: CChar.self) {
          duckdb_create_varchar_length($0.baseAddress, idx_t($0.count))
        }
      }
    case .binary(let bytes): return duckdb_create_blob(bytes, idx_t(bytes.count))
    case .uuid(let number):
      return duckdb_create_uuid(
        duckdb_uhugeint(
          lower: UInt64(truncatingIfNeeded: number), upper: UInt64(truncatingIfNeeded: number >> 64)
        ))
    case .list(let items):
      guard case .list(let element)? = type else { return nil }
      return Value.withHandles(items, element.type) { values in
        element.type.withLogicalType { duckdb_create_list_value($0, values, idx_t(items.count)) }
      }
    case .map(let keys, let mapped):
      guard let type, case .map(let key, let value) = type else { return nil }
      return Value.withHandles(keys, key.type) { keys in
        Value.withHandles(mapped, value.type) { values in
          type.withLogicalType { duckdb_create_map_value($0, keys, values, idx_t(mapped.count)) }
        }
      }
    case .structure(_, let values):
      guard let type, case .structure(let fields) = type, fields.count == values.count else {
        return nil
      }
      var handles = zip(values, fields).map { $0.makeHandle($1.type) }
      defer { for index in handles.indices { duckdb_destroy_value(&handles[index]) } }
      return type.withLogicalType { duckdb_create_struct_value($0, &handles) }
    }
  }

  private static func withHandles<T>(
    _ items: [Value], _ type: FieldType, _ body: (UnsafeMutablePointer<duckdb_value?>) -> T
  ) -> T {
    var handles = items.map { $0.makeHandle(type) }
    defer { for index in handles.indices { duckdb_destroy_value(&handles[index]) } }
    // One slot more than items: an empty array has no base address.
    handles.append(nil)
    return handles.withUnsafeMutableBufferPointer { body($0.baseAddress!) }
  }
}

extension Int128 {
  var hugeint: duckdb_hugeint {
    duckdb_hugeint(
      lower: UInt64(truncatingIfNeeded: self), upper: Int64(truncatingIfNeeded: self >> 64))
  }
}
