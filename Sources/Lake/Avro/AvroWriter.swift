import Core

/// Encodes values in Avro's binary encoding.
struct AvroEncoder {
  private(set) var bytes: [UInt8] = []

  mutating func boolean(_ value: Bool) { bytes.append(value ? 1 : 0) }

  /// `int` and `long`: zig-zag, seven bits a byte, lowest first.
  mutating func long(_ value: Int64) {
    var raw = UInt64(bitPattern: (value << 1) ^ (value >> 63))
    while raw >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: raw) | 0x80)
      raw >>= 7
    }
    bytes.append(UInt8(raw))
  }

  mutating func int(_ value: Int) { long(Int64(value)) }

  mutating func float(_ value: Float) { littleEndian(value.bitPattern) }

  mutating func double(_ value: Double) { littleEndian(value.bitPattern) }

  mutating func byteString(_ value: [UInt8]) {
    int(value.count)
    bytes += value
  }

  mutating func string(_ value: String) {
    int(value.utf8.count)
    bytes += value.utf8
  }

  mutating func fixed(_ value: [UInt8]) { bytes += value }

  /// The union `["null", type]`: writes the branch, and the value where there is one.
  mutating func optional<T>(_ value: T?, _ write: (inout AvroEncoder, T) -> Void) {
    guard let value else {
      long(0)
      return
    }
    long(1)
    write(&self, value)
  }

  mutating func array<T>(_ items: [T], _ write: (inout AvroEncoder, T) -> Void) {
    if !items.isEmpty {
      int(items.count)
      for item in items { write(&self, item) }
    }
    long(0)
  }

  private mutating func littleEndian(_ value: some FixedWidthInteger) {
    withUnsafeBytes(of: value.littleEndian) { bytes += $0 }
  }
}

/// Builds an Avro object container file in memory.
struct AvroWriter {
  enum Codec: String, Sendable {
    case null
    case deflate
  }

  /// A block is closed once it holds this many bytes before compression.
  static let blockByteCount = 1 << 16

  private let codec: Codec
  private let sync: [UInt8]
  private var out = AvroEncoder()
  private var block = AvroEncoder()
  private var blockCount = 0
  private(set) var valueCount = 0

  /// - Parameters:
  ///   - schema: The Avro schema's JSON, with Iceberg's `field-id`s.
  ///   - header: Further keys of the header, in the order they are to be stored.
  init(schema: String, header: [(String, String)], codec: Codec = .deflate) {
    self.codec = codec
    sync = (0..<16).map { _ in UInt8.random(in: .min ... .max) }
    out.fixed([0x4F, 0x62, 0x6A, 0x01])
    let entries = [("avro.schema", schema), ("avro.codec", codec.rawValue)] + header
    out.array(entries) { encoder, entry in
      encoder.string(entry.0)
      encoder.string(entry.1)
    }
    out.fixed(sync)
  }

  /// Appends one value; `encode` writes it as the schema says.
  mutating func append(_ encode: (inout AvroEncoder) -> Void) {
    encode(&block)
    blockCount += 1
    valueCount += 1
    if block.bytes.count >= AvroWriter.blockByteCount { closeBlock() }
  }

  /// - Returns: The whole file.
  mutating func finish() -> [UInt8] {
    closeBlock()
    return out.bytes
  }

  private mutating func closeBlock() {
    guard blockCount > 0 else { return }
    let stored = codec == .null ? block.bytes : Packing.deflateRaw(block.bytes)
    out.int(blockCount)
    out.byteString(stored)
    out.fixed(sync)
    block = AvroEncoder()
    blockCount = 0
  }
}
