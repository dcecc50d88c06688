/// Reads Thrift's compact protocol as far as Parquet footers need it.
///
/// Format: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
struct ThriftReader {
  struct Malformed: Error {
    /// Bytes from the start.
    var offset: Int
  }

  enum Kind: UInt8 {
    case yes = 1
    case no = 2
    case int8 = 3
    case int16 = 4
    case int32 = 5
    case int64 = 6
    case double = 7
    case binary = 8
    case list = 9
    case set = 10
    case map = 11
    case structure = 12
  }

  private let bytes: [UInt8]
  private var offset = 0
  private var depth = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  private mutating func byte() throws(Malformed) -> UInt8 {
    guard offset < bytes.count else { throw Malformed(offset: offset) }
    defer { offset += 1 }
    return bytes[offset]
  }

  private mutating func varint() throws(Malformed) -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 70, by: 7) {
      let next = try byte()
      value |= UInt64(next & 0x7F) << min(shift, 63)
      if next < 0x80 { return value }
    }
    throw Malformed(offset: offset)
  }

  /// Integers of every width are zig-zag.
  mutating func integer() throws(Malformed) -> Int64 {
    let raw = try varint()
    return Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1)
  }

  mutating func binary() throws(Malformed) -> [UInt8] {
    let count = try varint()
    guard count <= UInt64(bytes.count - offset) else { throw Malformed(offset: offset) }
    defer { offset += Int(count) }
    return Array(bytes[offset..<offset + Int(count)])
  }

  mutating func text() throws(Malformed) -> String {
    String(decoding: try binary(), as: UTF8.self)
  }

  /// The header of a list: how many elements follow, and of which kind.
  mutating func list() throws(Malformed) -> (count: Int, kind: Kind) {
    let head = try byte()
    guard let kind = Kind(rawValue: head & 0x0F) else { throw Malformed(offset: offset) }
    let short = Int(head >> 4)
    let count = short == 15 ? try varint() : UInt64(short)
    guard count <= UInt64(bytes.count - offset) else { throw Malformed(offset: offset) }
    return (Int(count), kind)
  }

  /// Visits the fields of a struct. `visit` reads the value and answers true, or answers false and
  /// leaves it to be passed over. Booleans have no value: their kind is it.
  mutating func structure(
    _ visit: (inout ThriftReader, _ id: Int, _ kind: Kind) throws(Malformed) -> Bool
  ) throws(Malformed) {
    depth += 1
    defer { depth -= 1 }
    guard depth < 64 else { throw Malformed(offset: offset) }
    var id = 0
    while true {
      let head = try byte()
      if head == 0 { return }
      guard let kind = Kind(rawValue: head & 0x0F) else { throw Malformed(offset: offset) }
      let delta = Int(head >> 4)
      id = delta == 0 ? Int(truncatingIfNeeded: try integer()) : id + delta
      if !(try visit(&self, id, kind)) { try skip(kind) }
    }
  }

  private mutating func skip(_ kind: Kind) throws(Malformed) {
    switch kind {
    case .yes, .no: break
    case .int8: _ = try byte()
    case .int16, .int32, .int64: _ = try varint()
    case .double: for _ in 0..<8 { _ = try byte() }
    case .binary: _ = try binary()
    case .structure: try structure { (_, _, _) in false }
    case .list, .set:
      depth += 1
      defer { depth -= 1 }
      guard depth < 64 else { throw Malformed(offset: offset) }
      let (count, element) = try list()
      for _ in 0..<count { try skipElement(element) }
    case .map:
      let count = try varint()
      guard count > 0 else { return }
      let kinds = try byte()
      guard let key = Kind(rawValue: kinds >> 4), let value = Kind(rawValue: kinds & 0x0F) else {
        throw Malformed(offset: offset)
      }
      for _ in 0..<count {
        try skipElement(key)
        try skipElement(value)
      }
    }
  }

  /// Within collections a boolean takes a byte.
  private mutating func skipElement(_ kind: Kind) throws(Malformed) {
    if kind == .yes || kind == .no { _ = try byte() } else { try skip(kind) }
  }
}
