internal import CIsal

/// CRC-32 as gzip, zlib and PNG use it (ISO 3309), through ISA-L. Incremental.
public struct CRC32: Sendable {
  public private(set) var value: UInt32 = 0

  public init() {}

  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    guard let base = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
    value = crc32_gzip_refl(value, base, UInt64(bytes.count))
  }

  public mutating func update(_ byte: UInt8) {
    withUnsafeBytes(of: byte) { update($0) }
  }
}

/// CRC-32C (Castagnoli), as S3 and GCS use it, through ISA-L. Incremental.
public struct CRC32C: Sendable {
  public private(set) var value: UInt32 = 0

  public init() {}

  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    // ISA-L counts in 32 bits and leaves the inversions at both ends to the caller.
    var rest = bytes[...]
    while !rest.isEmpty {
      let part = UnsafeRawBufferPointer(rebasing: rest.prefix(1 << 30))
      rest = rest.dropFirst(part.count)
      let base = UnsafeMutablePointer(
        mutating: part.baseAddress!.assumingMemoryBound(to: UInt8.self))
      value = ~crc32_iscsi(base, Int32(part.count), ~value)
    }
  }
}
