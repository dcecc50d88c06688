/// A value of Thrift's compact protocol as it stands: what nobody looks at is written back unchanged.
///
/// Format: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
indirect enum ThriftValue {
  case boolean(Bool)
  /// A single byte.
  case int8(UInt8)
  /// 16, 32 or 64 bits, by the type's number.
  case integer(kind: UInt8, Int64)
  /// Eight bytes.
  case double(ArraySlice<UInt8>)
  case binary([UInt8])
  case list(element: UInt8, [ThriftValue])
  case structure([(id: Int, value: ThriftValue)])

  struct Malformed: Error {}

  // MARK: - Looking at it

  /// A field of a structure; setting one keeps the order of IDs.
  subscript(id: Int) -> ThriftValue? {
    get {
      guard case .structure(let fields) = self else { return nil }
      return fields.first { $0.id == id }?.value
    }
    set {
      guard case .structure(var fields) = self else { return }
      fields.removeAll { $0.id == id }
      if let newValue {
        fields.insert((id, newValue), at: fields.firstIndex { $0.id > id } ?? fields.endIndex)
      }
      self = .structure(fields)
    }
  }

  var integer: Int64? { if case .integer(_, let number) = self { number } else { nil } }
  var list: [ThriftValue]? { if case .list(_, let items) = self { items } else { nil } }

  static func int32(_ number: Int) -> ThriftValue { .integer(kind: 5, Int64(number)) }
  static func int64(_ number: Int64) -> ThriftValue { .integer(kind: 6, number) }

  /// The same list with other items.
  func replacing(_ items: [ThriftValue]) -> ThriftValue {
    if case .list(let element, _) = self { .list(element: element, items) } else { self }
  }

  // MARK: - Reading

  /// Reads a structure.
  ///
  /// - Parameter offset: Where it starts, then what follows it.
  init(structureIn bytes: [UInt8], at offset: inout Int) throws(Malformed) {
    var reader = Reader(bytes: bytes, offset: offset)
    self = try reader.structure()
    offset = reader.offset
  }

  private struct Reader {
    let bytes: [UInt8]
    var offset: Int
    private var depth = 0

    init(bytes: [UInt8], offset: Int) {
      self.bytes = bytes
      self.offset = offset
    }

    private mutating func take(_ count: Int) throws(Malformed) -> ArraySlice<UInt8> {
      guard count >= 0, count <= bytes.count - offset else { throw Malformed() }
      defer { offset += count }
      return bytes[offset..<offset + count]
    }

    private mutating func byte() throws(Malformed) -> UInt8 { try take(1).first! }

    private mutating func varint() throws(Malformed) -> UInt64 {
      var value: UInt64 = 0
      for shift in stride(from: UInt64(0), to: 70, by: 7) {
        let next = try byte()
        value |= UInt64(next & 0x7F) << min(shift, 63)
        if next < 0x80 { return value }
      }
      throw Malformed()
    }

    private mutating func integer() throws(Malformed) -> Int64 {
      let raw = try varint()
      return Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1)
    }

    private mutating func count() throws(Malformed) -> Int {
      guard let count = Int(exactly: try varint()) else { throw Malformed() }
      return count
    }

    mutating func structure() throws(Malformed) -> ThriftValue {
      depth += 1
      defer { depth -= 1 }
      guard depth < 32 else { throw Malformed() }
      var fields: [(id: Int, value: ThriftValue)] = []
      var id = 0
      while true {
        let head = try byte()
        if head == 0 { return .structure(fields) }
        id = head >> 4 == 0 ? Int(try integer()) : id + Int(head >> 4)
        let kind = head & 0x0F
        fields.append((id, kind <= 2 ? .boolean(kind == 1) : try value(kind)))
      }
    }

    private mutating func value(_ kind: UInt8) throws(Malformed) -> ThriftValue {
      switch kind {
      case 1, 2: return .boolean(try byte() == 1)
      case 3: return .int8(try byte())
      case 4, 5, 6: return .integer(kind: kind, try integer())
      case 7: return .double(try take(8))
      case 8: return .binary(Array(try take(count())))
      case 9:
        let head = try byte()
        let count = head >> 4 == 15 ? try self.count() : Int(head >> 4)
        guard count <= bytes.count - offset else { throw Malformed() }
        var items: [ThriftValue] = []
        for _ in 0..<count { items.append(try value(head & 0x0F)) }
        return .list(element: head & 0x0F, items)
      case 12: return try structure()
      // Sets and maps: Parquet has none.
      default: throw Malformed()
      }
    }
  }

  // MARK: - Writing

  var bytes: [UInt8] {
    var bytes: [UInt8] = []
    write(to: &bytes)
    return bytes
  }

  private var kind: UInt8 {
    switch self {
    case .boolean(let flag): flag ? 1 : 2
    case .int8: 3
    case .integer(let kind, _): kind
    case .double: 7
    case .binary: 8
    case .list: 9
    case .structure: 12
    }
  }

  private func write(to bytes: inout [UInt8]) {
    switch self {
    case .boolean(let flag): bytes.append(flag ? 1 : 2)
    case .int8(let byte): bytes.append(byte)
    case .integer(_, let number): ThriftValue.write(zigZag: number, to: &bytes)
    case .double(let eight): bytes += eight
    case .binary(let content):
      ThriftValue.write(varint: UInt64(content.count), to: &bytes)
      bytes += content
    case .list(let element, let items):
      bytes.append(UInt8(min(items.count, 15)) << 4 | element)
      if items.count >= 15 { ThriftValue.write(varint: UInt64(items.count), to: &bytes) }
      for item in items { item.write(to: &bytes) }
    case .structure(let fields):
      var last = 0
      for (id, value) in fields {
        if (1...15).contains(id - last) {
          bytes.append(UInt8(id - last) << 4 | value.kind)
        } else {
          bytes.append(value.kind)
          ThriftValue.write(zigZag: Int64(id), to: &bytes)
        }
        last = id
        if case .boolean = value { continue }
        value.write(to: &bytes)
      }
      bytes.append(0)
    }
  }

  private static func write(varint value: UInt64, to bytes: inout [UInt8]) {
    var value = value
    while value >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: value) | 0x80)
      value >>= 7
    }
    bytes.append(UInt8(value))
  }

  private static func write(zigZag number: Int64, to bytes: inout [UInt8]) {
    write(varint: UInt64(bitPattern: number << 1 ^ number >> 63), to: &bytes)
  }
}
