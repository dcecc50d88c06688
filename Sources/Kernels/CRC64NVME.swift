/// CRC-64/NVME, as S3 uses it for objects in parts: polynomial AD93D23594C93659, reflected, inverted
/// at both ends. Incremental.
///
/// Eight bytes a step with eight tables ("slicing by 8", Kounavis and Berry,
/// https://doi.org/10.1109/TC.2008.85).
public struct CRC64NVME: Sendable {
  public private(set) var value: UInt64 = 0

  public init() {}

  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    var crc = ~value
    var offset = 0
    CRC64NVME.tables.withUnsafeBufferPointer { tables in
      while bytes.count - offset >= 8 {
        let word = UInt64(
          littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        let next = crc ^ word
        crc = 0
        for index in 0..<8 {
          let byte = Int(truncatingIfNeeded: next >> UInt64(8 * index)) & 0xFF
          crc ^= tables[(7 - index) << 8 | byte]
        }
        offset += 8
      }
      while offset < bytes.count {
        crc = tables[Int(truncatingIfNeeded: crc ^ UInt64(bytes[offset])) & 0xFF] ^ crc >> 8
        offset += 1
      }
    }
    value = ~crc
  }

  /// Table *k* at `256 × k`: what a byte does that *k* bytes come after.
  private static let tables: [UInt64] = {
    var tables = [UInt64](repeating: 0, count: 8 * 256)
    for byte in 0..<256 {
      var crc = UInt64(byte)
      for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1 == 1 ? 0x9A6C_9329_AC4B_C9B5 : 0) }
      tables[byte] = crc
    }
    for index in 256..<(8 * 256) {
      let before = tables[index - 256]
      tables[index] = tables[Int(before & 0xFF)] ^ before >> 8
    }
    return tables
  }()
}
