import Core
import Formats
import Kernels

/// How the columns of a key stand in one byte string, whose order is the order of the columns.
enum KeyCoding: Sendable {
  /// Strings with a delimiter between, as delimited text has them.
  case text(delimiter: UInt8, columnCount: Int)
  /// Each column as a byte that says whether there is a value, and the value: integers big-endian
  /// with the sign turned round, text with its zeros escaped and two bytes at its end.
  case typed([FieldType])

  init(_ coding: KeyedSource.Coding, _ types: [FieldType]) {
    switch coding {
    case .joined(let delimiter): self = .text(delimiter: delimiter, columnCount: types.count)
    case .ordered: self = .typed(types)
    }
  }

  static func canHold(_ type: FieldType) -> Bool {
    switch type {
    case .boolean, .int, .bigint, .date, .time, .timestamp, .timestamptz, .decimal, .string,
      .binary, .uuid:
      true
    default: false
    }
  }

  /// Where the member starts behind a group of so many bytes.
  @inline(__always)
  func memberOffset(_ groupCount: Int) -> Int {
    switch self {
    case .text(_, let columnCount): columnCount > 1 ? groupCount &+ 1 : 0
    case .typed: groupCount
    }
  }

  // MARK: Typed columns

  /// Appends one value of a batch.
  static func append(
    _ column: ColumnBatch.Column, _ row: Int, of bytes: UnsafePointer<UInt8>,
    to key: inout [UInt8]
  ) {
    if column.nulls?[row] == true {
      key.append(0)
      return
    }
    key.append(1)
    switch column.values {
    case .boolean(let values): key.append(values[row] ? 1 : 0)
    case .int32(let values): append(Int64(values[row]), to: &key)
    case .int64(let values): append(values[row], to: &key)
    case .int128(let values):
      append(UInt128(bitPattern: values[row]) ^ (1 << 127), to: &key)
    case .uuid(let values): append(values[row], to: &key)
    case .bytes(let slices):
      let slice = slices[row]
      appendOrderedText(
        UnsafeBufferPointer(start: bytes + Int(slice.offset), count: Int(slice.count)), to: &key)
    case .float, .double, .int64Lists: preconditionFailure("keys hold whole numbers and texts")
    }
  }

  private static func append(_ value: Int64, to key: inout [UInt8]) {
    let flipped = UInt64(bitPattern: value) ^ (1 << 63)
    withUnsafeBytes(of: flipped.bigEndian) { key.append(contentsOf: $0) }
  }

  private static func append(_ value: UInt128, to key: inout [UInt8]) {
    withUnsafeBytes(of: value.bigEndian) { key.append(contentsOf: $0) }
  }

  // MARK: Decoding

  /// Calls `visit` with each column's number and its text or integer.
  func decode(_ key: UnsafeBufferPointer<UInt8>, _ visit: (Int, Decoded) -> Void) {
    switch self {
    case .text(let delimiter, let columnCount):
      var start = 0
      for column in 0..<columnCount {
        let end =
          column == columnCount - 1
          ? key.count : indexOfByte(delimiter, in: key.start, from: start, to: key.count)
        visit(column, .text(Array(key[start..<end])))
        start = end + 1
      }
    case .typed(let types):
      var place = 0
      for (column, type) in types.enumerated() {
        place += 1
        if key[place - 1] == 0 {
          visit(column, .null)
        } else {
          visit(column, KeyCoding.value(key, &place, type))
        }
      }
    }
  }

  enum Decoded {
    case null
    case text([UInt8])
    /// Sign-extended; a UUID by its bits.
    case number(Int128)
  }

  private static func value(
    _ key: UnsafeBufferPointer<UInt8>, _ place: inout Int, _ type: FieldType
  ) -> Decoded {
    func load<T: FixedWidthInteger>(_: T.Type) -> T {
      let value = UnsafeRawPointer(key.start + place).loadUnaligned(as: T.self)
      place += MemoryLayout<T>.size
      return T(bigEndian: value)
    }
    switch type {
    case .string, .binary:
      var text: [UInt8] = []
      while true {
        let byte = key[place]
        place += 1
        if byte == 0 {
          place += 1
          if key[place - 1] == 1 { return .text(text) }
        }
        text.append(byte)
      }
    case .boolean:
      place += 1
      return .number(Int128(key[place - 1]))
    case .decimal: return .number(Int128(bitPattern: load(UInt128.self) ^ (1 << 127)))
    case .uuid: return .number(Int128(bitPattern: load(UInt128.self)))
    default: return .number(Int128(Int64(bitPattern: load(UInt64.self) ^ (1 << 63))))
    }
  }
}
