import Core

/// Decodes Avro's binary encoding from a buffer; every length is checked against what is left.
struct AvroDecoder {
  private let bytes: [UInt8]
  var offset = 0
  private let file: String
  /// Where the buffer starts in the file.
  private let base: Int
  private let isInflated: Bool

  init(_ bytes: [UInt8], file: String, base: Int = 0, isInflated: Bool = false) {
    self.bytes = bytes
    self.file = file
    self.base = base
    self.isInflated = isInflated
  }

  var isAtEnd: Bool { offset == bytes.count }
  var remaining: Int { bytes.count - offset }

  func damaged(_ what: String, at offset: Int) -> LakeError {
    let place =
      isInflated
      ? "byte \(offset) of the inflated block at byte \(base)" : "byte \(base + offset)"
    return LakeError(
      .damaged, "\(what) (\(place))", at: Place(file: file),
      advice: "restore the file from a copy, or roll the table back")
  }

  mutating func take(_ count: Int) throws(LakeError) -> [UInt8] {
    guard count >= 0, count <= remaining else {
      throw damaged("the file ends too early", at: offset)
    }
    defer { offset += count }
    return Array(bytes[offset..<offset + count])
  }

  /// A zig-zag variable-length number of at most ten bytes.
  mutating func long() throws(LakeError) -> Int64 {
    let start = offset
    var raw: UInt64 = 0
    var shift: UInt64 = 0
    while offset < bytes.count {
      let byte = bytes[offset]
      offset += 1
      guard shift < 63 || byte <= 1 else { break }
      raw |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1) }
      shift += 7
    }
    throw damaged("a number does not end", at: start)
  }

  /// A length that must fit into what is left.
  private mutating func length() throws(LakeError) -> Int {
    let start = offset
    let length = try long()
    guard length >= 0, length <= Int64(remaining) else {
      throw damaged("a length of \(length) cannot be right", at: start)
    }
    return Int(length)
  }

  mutating func byteString() throws(LakeError) -> [UInt8] { try take(length()) }

  mutating func string() throws(LakeError) -> String {
    let start = offset
    let raw = try byteString()
    guard let text = String(validating: raw, as: UTF8.self) else {
      throw damaged("a string is not UTF-8", at: start)
    }
    return text
  }

  /// The item count of an array's or map's next block; a negative one is followed by its size.
  mutating func blockCount() throws(LakeError) -> Int {
    let start = offset
    var count = try long()
    if count < 0 {
      guard count != .min else { throw damaged("a block's count cannot be right", at: start) }
      count = -count
      _ = try long()
    }
    // Every item that Iceberg stores takes at least a byte, so more items than bytes is damage.
    guard count <= Int64(remaining) else {
      throw damaged("a block's count of \(count) cannot be right", at: start)
    }
    return Int(count)
  }

  mutating func value(_ type: AvroType) throws(LakeError) -> AvroValue {
    switch type {
    case .null: return .null
    case .boolean:
      let start = offset
      let byte = try take(1)[0]
      guard byte <= 1 else { throw damaged("a boolean is \(byte)", at: start) }
      return .boolean(byte == 1)
    case .long: return .long(try long())
    case .float: return .float(Float(bitPattern: UInt32(truncatingIfNeeded: try littleEndian(4))))
    case .double: return .double(Double(bitPattern: try littleEndian(8)))
    case .bytes: return .bytes(try byteString())
    case .string: return .string(try string())
    case .fixed(let count): return .bytes(try take(count))
    case .enumeration(let symbolCount):
      let start = offset
      let index = try long()
      guard (0..<Int64(symbolCount)).contains(index) else {
        throw damaged("an enumeration's index is \(index)", at: start)
      }
      return .long(index)
    case .record(let record):
      var values: [AvroValue] = []
      values.reserveCapacity(record.fields.count)
      for field in record.fields { values.append(try value(field.type)) }
      return .record(record, values)
    case .array(let element):
      var items: [AvroValue] = []
      while true {
        let count = try blockCount()
        if count == 0 { return .array(items) }
        for _ in 0..<count { items.append(try value(element)) }
      }
    case .map(let element):
      var items: [(key: String, value: AvroValue)] = []
      while true {
        let count = try blockCount()
        if count == 0 { return .map(items) }
        for _ in 0..<count {
          let key = try string()
          items.append((key, try value(element)))
        }
      }
    case .union(let branches):
      let start = offset
      let index = try long()
      guard (0..<Int64(branches.count)).contains(index) else {
        throw damaged("a union's branch is \(index)", at: start)
      }
      return try value(branches[Int(index)])
    }
  }

  private mutating func littleEndian(_ count: Int) throws(LakeError) -> UInt64 {
    var number: UInt64 = 0
    for (index, byte) in try take(count).enumerated() { number |= UInt64(byte) << (8 * index) }
    return number
  }
}
