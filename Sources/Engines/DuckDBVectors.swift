import CDuckDB
import Core

/// The type of a result's column, as far as reading its vectors needs it.
indirect enum VectorType {
  case boolean
  case integer(bits: Int, isSigned: Bool)
  case hugeint
  case float
  case double
  /// `bits` is the width of the stored number.
  case decimal(bits: Int, precision: Int, scale: Int)
  case date
  case time
  /// `perMicrosecond` multiplies a stored count up to microseconds.
  case timestamp(multiplier: Int64)
  case timestamptz
  case string
  case binary
  case uuid
  case list(VectorType)
  case array(VectorType, count: Int)
  case map(VectorType, VectorType)
  case structure([(name: String, type: VectorType)])
  /// The type of a bare NULL.
  case null
  /// A type that columns of Sluice do not have; the name is SQL's.
  case foreign(String)

  init(_ type: duckdb_logical_type) {
    switch Int(duckdb_get_type_id(type)) {
    case DUCKDB_TYPE_BOOLEAN: self = .boolean
    case DUCKDB_TYPE_TINYINT: self = .integer(bits: 8, isSigned: true)
    case DUCKDB_TYPE_SMALLINT: self = .integer(bits: 16, isSigned: true)
    case DUCKDB_TYPE_INTEGER: self = .integer(bits: 32, isSigned: true)
    case DUCKDB_TYPE_BIGINT: self = .integer(bits: 64, isSigned: true)
    case DUCKDB_TYPE_UTINYINT: self = .integer(bits: 8, isSigned: false)
    case DUCKDB_TYPE_USMALLINT: self = .integer(bits: 16, isSigned: false)
    case DUCKDB_TYPE_UINTEGER: self = .integer(bits: 32, isSigned: false)
    case DUCKDB_TYPE_UBIGINT: self = .integer(bits: 64, isSigned: false)
    case DUCKDB_TYPE_HUGEINT: self = .hugeint
    case DUCKDB_TYPE_FLOAT: self = .float
    case DUCKDB_TYPE_DOUBLE: self = .double
    case DUCKDB_TYPE_DECIMAL:
      let bits =
        switch Int(duckdb_decimal_internal_type(type)) {
        case DUCKDB_TYPE_SMALLINT: 16
        case DUCKDB_TYPE_INTEGER: 32
        case DUCKDB_TYPE_BIGINT: 64
        default: 128
        }
      self = .decimal(
        bits: bits, precision: Int(duckdb_decimal_width(type)),
        scale: Int(duckdb_decimal_scale(type)))
    case DUCKDB_TYPE_DATE: self = .date
    case DUCKDB_TYPE_TIME: self = .time
    case DUCKDB_TYPE_TIMESTAMP_S: self = .timestamp(multiplier: 1_000_000)
    case DUCKDB_TYPE_TIMESTAMP_MS: self = .timestamp(multiplier: 1000)
    case DUCKDB_TYPE_TIMESTAMP: self = .timestamp(multiplier: 1)
    case DUCKDB_TYPE_TIMESTAMP_TZ: self = .timestamptz
    case DUCKDB_TYPE_VARCHAR: self = .string
    case DUCKDB_TYPE_BLOB: self = .binary
    case DUCKDB_TYPE_UUID: self = .uuid
    case DUCKDB_TYPE_SQLNULL: self = .null
    case DUCKDB_TYPE_LIST: self = .list(VectorType(taking: duckdb_list_type_child_type(type)))
    case DUCKDB_TYPE_ARRAY:
      self = .array(
        VectorType(taking: duckdb_array_type_child_type(type)),
        count: Int(duckdb_array_type_array_size(type)))
    case DUCKDB_TYPE_MAP:
      self = .map(
        VectorType(taking: duckdb_map_type_key_type(type)),
        VectorType(taking: duckdb_map_type_value_type(type)))
    case DUCKDB_TYPE_STRUCT:
      self = .structure(
        (0..<duckdb_struct_type_child_count(type)).map { index in
          let name = duckdb_struct_type_child_name(type, index)
          defer { duckdb_free(name) }
          return (
            name.map { String(cString: $0) } ?? "",
            VectorType(taking: duckdb_struct_type_child_type(type, index))
          )
        })
    case DUCKDB_TYPE_ENUM: self = .foreign("ENUM")
    case DUCKDB_TYPE_INTERVAL: self = .foreign("INTERVAL")
    case DUCKDB_TYPE_TIME_TZ: self = .foreign("TIME WITH TIME ZONE")
    case DUCKDB_TYPE_TIMESTAMP_NS: self = .foreign("TIMESTAMP_NS")
    case DUCKDB_TYPE_UHUGEINT: self = .foreign("UHUGEINT")
    case DUCKDB_TYPE_UNION: self = .foreign("UNION")
    case DUCKDB_TYPE_BIT: self = .foreign("BIT")
    case let other: self = .foreign("type \(other)")
    }
  }

  private init(taking type: duckdb_logical_type?) {
    var type = type
    defer { duckdb_destroy_logical_type(&type) }
    self = VectorType(type!)
  }

  /// Whether values of the type can be read here; others are cast to text in SQL first.
  var isReadable: Bool {
    switch self {
    case .foreign: false
    case .list(let element), .array(let element, _): element.isReadable
    case .map(let key, let value): key.isReadable && value.isReadable
    case .structure(let fields): fields.allSatisfy { $0.type.isReadable }
    default: true
    }
  }

  /// The type that rows of such a column are said to have.
  var fieldType: FieldType {
    switch self {
    case .boolean: .boolean
    case .integer(let bits, let isSigned):
      switch (bits, isSigned) {
      case (64, true), (32, false): .bigint
      case (64, false): .decimal(precision: 20, scale: 0)
      default: .int
      }
    case .hugeint: .decimal(precision: 38, scale: 0)
    case .float: .float
    case .double: .double
    case .decimal(_, let precision, let scale): .decimal(precision: precision, scale: scale)
    case .date: .date
    case .time: .time
    case .timestamp: .timestamp
    case .timestamptz: .timestamptz
    case .string, .null, .foreign: .string
    case .binary: .binary
    case .uuid: .uuid
    case .list(let element), .array(let element, _):
      .list(element: Field(name: "element", type: element.fieldType))
    case .map(let key, let value):
      .map(
        key: Field(name: "key", type: key.fieldType, isRequired: true),
        value: Field(name: "value", type: value.fieldType))
    case .structure(let fields):
      .structure(fields.map { Field(name: $0.name, type: $0.type.fieldType) })
    }
  }
}

extension VectorType {
  /// Reads the values at `rows` of a vector of this type.
  func values(of vector: duckdb_vector, _ rows: Range<Int>) -> [Value] {
    let validity = duckdb_vector_get_validity(vector)
    let data = duckdb_vector_get_data(vector)
    func read<T>(_: T.Type, _ make: (T) -> Value) -> [Value] {
      let typed = data!.assumingMemoryBound(to: T.self)
      return rows.map { VectorType.isValid(validity, $0) ? make(typed[$0]) : .null }
    }
    switch self {
    case .null, .foreign: return rows.map { _ in .null }
    case .boolean: return read(Bool.self) { .boolean($0) }
    case .integer(8, true): return read(Int8.self) { .integer(Int64($0)) }
    case .integer(16, true): return read(Int16.self) { .integer(Int64($0)) }
    case .integer(32, true): return read(Int32.self) { .integer(Int64($0)) }
    case .integer(8, false): return read(UInt8.self) { .integer(Int64($0)) }
    case .integer(16, false): return read(UInt16.self) { .integer(Int64($0)) }
    case .integer(32, false): return read(UInt32.self) { .integer(Int64($0)) }
    case .integer(_, false): return read(UInt64.self) { .decimal(unscaled: Int128($0), scale: 0) }
    case .integer: return read(Int64.self) { .integer($0) }
    case .hugeint: return read(duckdb_hugeint.self) { .decimal(unscaled: Int128($0), scale: 0) }
    case .float: return read(Float.self) { .float($0) }
    case .double: return read(Double.self) { .double($0) }
    case .decimal(let bits, _, let scale):
      switch bits {
      case 16: return read(Int16.self) { .decimal(unscaled: Int128($0), scale: scale) }
      case 32: return read(Int32.self) { .decimal(unscaled: Int128($0), scale: scale) }
      case 64: return read(Int64.self) { .decimal(unscaled: Int128($0), scale: scale) }
      default: return read(duckdb_hugeint.self) { .decimal(unscaled: Int128($0), scale: scale) }
      }
    case .date: return read(Int32.self) { .date($0) }
    case .time: return read(Int64.self) { .time($0) }
    case .timestamp(let multiplier):
      return read(Int64.self) {
        // The greatest and least counts are DuckDB's infinities and stay what they are.
        let product = $0.multipliedReportingOverflow(by: multiplier)
        return .timestamp(Instant(microseconds: product.overflow ? $0 : product.partialValue))
      }
    case .timestamptz: return read(Int64.self) { .timestamptz(Instant(microseconds: $0)) }
    case .uuid: return read(duckdb_hugeint.self) { .uuid(UInt128(storedUUID: $0)) }
    case .string:
      return strings(data, validity, rows) { .string(String(decoding: $0, as: UTF8.self)) }
    case .binary: return strings(data, validity, rows) { .binary(Array($0)) }
    case .list(let element):
      let child = duckdb_list_vector_get_child(vector)!
      return read(duckdb_list_entry.self) { entry in
        .list(element.values(of: child, Int(entry.offset)..<Int(entry.offset + entry.length)))
      }
    case .array(let element, let count):
      let child = duckdb_array_vector_get_child(vector)!
      return rows.map { row in
        guard VectorType.isValid(validity, row) else { return .null }
        return .list(element.values(of: child, row * count..<(row + 1) * count))
      }
    case .map(let key, let value):
      // A map is a list of (key, value) structs.
      let entries = duckdb_list_vector_get_child(vector)
      let keys = duckdb_struct_vector_get_child(entries, 0)!
      let values = duckdb_struct_vector_get_child(entries, 1)!
      return read(duckdb_list_entry.self) { entry in
        let range = Int(entry.offset)..<Int(entry.offset + entry.length)
        return .map(key.values(of: keys, range), value.values(of: values, range))
      }
    case .structure(let fields):
      let names = fields.map(\.name)
      let columns = fields.indices.map { index in
        fields[index].type.values(of: duckdb_struct_vector_get_child(vector, idx_t(index)), rows)
      }
      return rows.map { row in
        guard VectorType.isValid(validity, row) else { return .null }
        return .structure(names, columns.map { $0[row - rows.lowerBound] })
      }
    }
  }

  private func strings(
    _ data: UnsafeMutableRawPointer?, _ validity: UnsafeMutablePointer<UInt64>?,
    _ rows: Range<Int>, _ make: (UnsafeRawBufferPointer) -> Value
  ) -> [Value] {
    let slots = data!.assumingMemoryBound(to: duckdb_string_t.self)
    return rows.map { row in
      VectorType.isValid(validity, row) ? make(VectorType.text(slots + row)) : .null
    }
  }

  /// The bytes of a string: up to 12 lie behind the length, more behind the pointer.
  @inline(__always)
  static func text(_ slot: UnsafeMutablePointer<duckdb_string_t>) -> UnsafeRawBufferPointer {
    let count = Int(slot.pointee.length)
    let start =
      count <= 12 ? UnsafeRawPointer(slot) + 4 : UnsafeRawPointer(slot.pointee.pointer)!
    return UnsafeRawBufferPointer(start: start, count: count)
  }

  /// No mask means that every row is valid.
  static func isValid(_ validity: UnsafeMutablePointer<UInt64>?, _ row: Int) -> Bool {
    guard let validity else { return true }
    return validity[row >> 6] >> UInt64(row & 63) & 1 == 1
  }
}

extension Int128 {
  init(_ hugeint: duckdb_hugeint) {
    self = Int128(hugeint.upper) << 64 | Int128(hugeint.lower)
  }
}

extension UInt128 {
  /// DuckDB stores a UUID with its highest bit turned, so that signed order is the text's order.
  init(storedUUID stored: duckdb_hugeint) {
    let upper = UInt64(bitPattern: stored.upper) ^ (1 << 63)
    self = UInt128(upper) << 64 | UInt128(stored.lower)
  }

  var storedUUID: duckdb_hugeint {
    duckdb_hugeint(
      lower: UInt64(truncatingIfNeeded: self),
      upper: Int64(bitPattern: UInt64(truncatingIfNeeded: self >> 64) ^ (1 << 63)))
  }
}
