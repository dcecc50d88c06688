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
    case (.int64Lists(let offsets, let elements), .list(let element)) where element.type == .bigint:
      try ColumnBatch.writeLists(offsets, elements, rows, to: vector, data)
    default:
      throw EngineError(
        .failed, "a source's column \(field.name) is not stored as its type \(field.type) is")
    }
    if let nulls = source.nulls { ColumnBatch.write(nulls, rows, to: vector) }
  }

  /// How many of the rows from `first` on go into one of DuckDB's chunks: 2048, and fewer where
  /// their lists together are long. At least one.
  func chunk(from first: Int) -> Range<Int> {
    var end = min(rowCount, first + 2048)
    for case .int64Lists(let offsets, _) in columns.lazy.map(\.values) {
      let limit = Int(offsets[first]) + ColumnBatch.chunkElementCount
      while end > first + 1 && Int(offsets[end]) > limit { end = first + (end - first) / 2 }
    }
    return first..<end
  }

  /// Lists of a chunk hold about as much as 2048 texts of a few hundred bytes.
  private static let chunkElementCount = 128 << 10

  private static func writeLists(
    _ offsets: [UInt32], _ elements: [Int64], _ rows: Range<Int>, to vector: duckdb_vector,
    _ data: UnsafeMutableRawPointer
  ) throws(EngineError) {
    precondition(Int(offsets[rows.upperBound]) <= elements.count, "lists end in their batch")
    let first = Int(offsets[rows.lowerBound])
    let count = Int(offsets[rows.upperBound]) - first
    guard duckdb_list_vector_reserve(vector, idx_t(count)) == 0,
      duckdb_list_vector_set_size(vector, idx_t(count)) == 0
    else { throw EngineError(.exhausted, "DuckDB has no room for a list of \(count) elements") }
    let entries = data.assumingMemoryBound(to: duckdb_list_entry.self)
    for (place, row) in rows.enumerated() {
      entries[place].offset = UInt64(Int(offsets[row]) - first)
      entries[place].length = UInt64(offsets[row + 1] - offsets[row])
    }
    let target = duckdb_vector_get_data(duckdb_list_vector_get_child(vector)!)!
    copy(elements, first..<first + count, target)
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

  /// Fills the slots of a vector with strings.
  ///
  /// Up to 12 bytes lie in the slot itself. Of longer strings it holds the length, four bytes and a
  /// pointer into memory that the vector owns. Asking the vector for memory string by string costs
  /// more than the copying, so the stretch of text that holds them all is copied in one piece;
  /// where most of the stretch is not theirs, they are copied one by one after all.
  private func writeStrings(
    _ slices: [Slice], _ rows: Range<Int>, nulls: [Bool]?, to vector: duckdb_vector,
    _ data: UnsafeMutableRawPointer
  ) {
    var stretch = (from: Int.max, to: 0)
    var longByteCount = 0
    for row in rows where slices[row].count > 12 && nulls?[row] != true {
      let start = Int(slices[row].offset)
      let end = start + Int(slices[row].count)
      precondition(end <= bytes.count, "a slice ends in its batch")
      stretch = (min(stretch.from, start), max(stretch.to, end))
      longByteCount += end - start
    }
    bytes.withUnsafeBytes { (bytes: UnsafeRawBufferPointer) in
      let slots = data.assumingMemoryBound(to: duckdb_string_t.self)
      var copy: UnsafeMutablePointer<CChar>?
      if longByteCount > 0 && (stretch.to - stretch.from) / 8 <= longByteCount {
        assign(vector, 0, bytes, stretch.from, stretch.to - stretch.from)
        copy = slots[0].pointer
      }
      for (place, row) in rows.enumerated() {
        let start = Int(slices[row].offset)
        let count = nulls?[row] == true ? 0 : Int(slices[row].count)
        let slot = UnsafeMutableRawPointer(slots + place)
        if count > 12 {
          guard let copy else {
            assign(vector, place, bytes, start, count)
            continue
          }
          slot.storeBytes(of: UInt32(count), as: UInt32.self)
          (slot + 4).copyMemory(from: bytes.baseAddress! + start, byteCount: 4)
          slots[place].pointer = copy + (start - stretch.from)
        } else {
          slot.storeBytes(of: (UInt64(count), 0), as: (UInt64, UInt64).self)
          guard count > 0 else { continue }
          precondition(start + count <= bytes.count, "a slice ends in its batch")
          (slot + 4).copyMemory(from: bytes.baseAddress! + start, byteCount: count)
        }
      }
    }
  }

  /// Has the vector copy a string into memory of its own.
  private func assign(
    _ vector: duckdb_vector, _ place: Int, _ bytes: UnsafeRawBufferPointer, _ start: Int,
    _ count: Int
  ) {
    let text = (bytes.baseAddress! + start).assumingMemoryBound(to: CChar.self)
    duckdb_unsafe_vector_assign_string_element_len(vector, idx_t(place), text, idx_t(count))
  }
}

extension ColumnBatch {
  /// Appends one of DuckDB's vectors as a column.
  ///
  /// - Throws: `EngineError` for a type that batches have not.
  mutating func append(
    _ type: VectorType, _ vector: duckdb_vector, name: String
  ) throws(EngineError) {
    let data = duckdb_vector_get_data(vector)!
    func read<T, U>(_: T.Type, _ convert: (T) -> U) -> [U] {
      let typed = data.assumingMemoryBound(to: T.self)
      return (0..<rowCount).map { convert(typed[$0]) }
    }
    let values: Values
    switch type {
    case .boolean: values = .boolean(read(Bool.self) { $0 })
    case .integer(8, true): values = .int32(read(Int8.self) { Int32($0) })
    case .integer(16, true): values = .int32(read(Int16.self) { Int32($0) })
    case .integer(32, true), .date: values = .int32(read(Int32.self) { $0 })
    case .integer(64, true), .time, .timestamp(1), .timestamptz:
      values = .int64(read(Int64.self) { $0 })
    case .float: values = .float(read(Float.self) { $0 })
    case .double: values = .double(read(Double.self) { $0 })
    case .decimal(16, _, _): values = .int128(read(Int16.self) { Int128($0) })
    case .decimal(32, _, _): values = .int128(read(Int32.self) { Int128($0) })
    case .decimal(64, _, _): values = .int128(read(Int64.self) { Int128($0) })
    case .decimal, .hugeint: values = .int128(read(duckdb_hugeint.self) { Int128($0) })
    case .uuid: values = .uuid(read(duckdb_hugeint.self) { UInt128(storedUUID: $0) })
    case .string, .binary: values = .bytes(copyStrings(vector, data))
    default:
      throw EngineError(
        .wrongColumns, "the column \(name) is of a type that cannot be handed over",
        advice: "cast it", exitCode: 2)
    }
    columns.append(Column(values: values, nulls: nulls(of: vector)))
  }

  private func nulls(of vector: duckdb_vector) -> [Bool]? {
    guard let validity = duckdb_vector_get_validity(vector) else { return nil }
    let nulls = (0..<rowCount).map { !VectorType.isValid(validity, $0) }
    return nulls.contains(true) ? nulls : nil
  }

  private mutating func copyStrings(
    _ vector: duckdb_vector, _ data: UnsafeMutableRawPointer
  ) -> [Slice] {
    let validity = duckdb_vector_get_validity(vector)
    let slots = data.assumingMemoryBound(to: duckdb_string_t.self)
    return (0..<rowCount).map { row in
      // What a null's slot holds is not to be read.
      guard VectorType.isValid(validity, row) else { return Slice(offset: 0, count: 0) }
      let text = VectorType.text(slots + row)
      precondition(bytes.count + text.count <= Int(UInt32.max), "a batch's text fits 4 GiB")
      let slice = Slice(offset: UInt32(bytes.count), count: UInt32(text.count))
      bytes.append(contentsOf: text)
      return slice
    }
  }
}
