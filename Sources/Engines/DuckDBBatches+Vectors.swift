import CDuckDB
import Core

extension ColumnBatch {
  /// Copies some rows of a column to the start of one of DuckDB's vectors.
  ///
  /// - Parameter rows: At most 2048 of them.
  func write(
    column: Int, _ rows: Range<Int>, to vector: duckdb_vector, _ field: Field
  ) throws(EngineError) {
    let source = columns[column]
    let data = duckdb_vector_get_data(vector)!
    switch (source.values, field.type) {
    case (.boolean(let values), .boolean): ColumnBatch.copy(values, rows, data)
    case (.int32(let values), .int), (.int32(let values), .date):
      ColumnBatch.copy(values, rows, data)
    case (.int64(let values), .bigint), (.int64(let values), .time),
      (.int64(let values), .timestamp), (.int64(let values), .timestamptz):
      ColumnBatch.copy(values, rows, data)
    case (.float(let values), .float): ColumnBatch.copy(values, rows, data)
    case (.double(let values), .double): ColumnBatch.copy(values, rows, data)
    case (.int128(let values), .decimal(let precision, _)):
      switch precision {
      case ...4: ColumnBatch.convert(values, rows, data) { Int16(truncatingIfNeeded: $0) }
      case ...9: ColumnBatch.convert(values, rows, data) { Int32(truncatingIfNeeded: $0) }
      case ...18: ColumnBatch.convert(values, rows, data) { Int64(truncatingIfNeeded: $0) }
      default: ColumnBatch.convert(values, rows, data) { $0.hugeint }
      }
    case (.uuid(let values), .uuid): ColumnBatch.convert(values, rows, data) { $0.storedUUID }
    case (.bytes(let slices), .string), (.bytes(let slices), .binary):
      writeStrings(slices, rows, nulls: source.nulls, to: vector, data)
    default:
      throw EngineError(
        .failed, "a source's column \(field.name) is not stored as its type \(field.type) is")
    }
    if let nulls = source.nulls { ColumnBatch.write(nulls, rows, to: vector) }
  }

  private static func copy<T: BitwiseCopyable>(
    _ values: [T], _ rows: Range<Int>, _ data: UnsafeMutableRawPointer
  ) {
    values.withUnsafeBytes { bytes in
      let stride = MemoryLayout<T>.stride
      data.copyMemory(
        from: bytes.baseAddress! + rows.lowerBound * stride, byteCount: rows.count * stride)
    }
  }

  private static func convert<T, U: BitwiseCopyable>(
    _ values: [T], _ rows: Range<Int>, _ data: UnsafeMutableRawPointer, _ convert: (T) -> U
  ) {
    let target = data.assumingMemoryBound(to: U.self)
    for (place, row) in rows.enumerated() { target[place] = convert(values[row]) }
  }

  private static func write(_ nulls: [Bool], _ rows: Range<Int>, to vector: duckdb_vector) {
    duckdb_vector_ensure_validity_writable(vector)
    let mask = duckdb_vector_get_validity(vector)!
    for word in 0..<(rows.count + 63) / 64 {
      var bits = UInt64.max
      for bit in 0..<min(64, rows.count - word * 64)
      where nulls[rows.lowerBound + word * 64 + bit] { bits &= ~(1 << UInt64(bit)) }
      mask[word] = bits
    }
  }

  /// Strings of up to 12 bytes go into their slot, longer ones into the vector's heap.
  private func writeStrings(
    _ slices: [Slice], _ rows: Range<Int>, nulls: [Bool]?, to vector: duckdb_vector,
    _ data: UnsafeMutableRawPointer
  ) {
    bytes.withUnsafeBytes { (bytes: UnsafeRawBufferPointer) in
      slices.withUnsafeBufferPointer { slices in
        var slot = data
        for row in rows {
          defer { slot += 16 }
          let slice = slices[row]
          let count = Int(slice.count)
          if nulls?[row] == true || count == 0 {
            slot.storeBytes(of: (0, 0), as: (UInt64, UInt64).self)
          } else if count <= 12 {
            precondition(Int(slice.offset) + count <= bytes.count, "a slice ends in its batch")
            slot.storeBytes(of: (UInt64(count), 0), as: (UInt64, UInt64).self)
            (slot + 4).copyMemory(from: bytes.baseAddress! + Int(slice.offset), byteCount: count)
          } else {
            precondition(Int(slice.offset) + count <= bytes.count, "a slice ends in its batch")
            let start = (bytes.baseAddress! + Int(slice.offset))
              .assumingMemoryBound(to: CChar.self)
            duckdb_unsafe_vector_assign_string_element_len(
              vector, idx_t((slot - data) / 16), start, idx_t(count))
          }
        }
      }
    }
  }
}
