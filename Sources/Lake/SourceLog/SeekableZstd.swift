/// A zstd file of independent blocks with a table of them at its end, so that one block can be
/// unpacked alone; any zstd program unpacks the whole.
///
/// Format: zstd's seekable format, contrib/seekable_format/zstd_seekable_compression_format.md
/// in https://github.com/facebook/zstd.
enum SeekableZstd {
  private static let skippableMagic: UInt32 = 0x184D_2A5E
  private static let footerMagic: UInt32 = 0x8F92_EAB1
  private static let footerByteCount = 9

  /// Collects blocks into a file.
  struct Writer {
    private var out: [UInt8] = []
    private var table: [UInt8] = []
    private var blockCount: UInt32 = 0

    /// - Parameter block: Fewer than 4 GB.
    mutating func append(_ block: [UInt8]) {
      let packed = Packing.zstd(block)
      out += packed
      put(UInt32(packed.count), to: &table)
      put(UInt32(block.count), to: &table)
      blockCount += 1
    }

    mutating func finish() -> [UInt8] {
      put(skippableMagic, to: &out)
      put(UInt32(table.count + footerByteCount), to: &out)
      out += table
      put(blockCount, to: &out)
      out.append(0)
      put(footerMagic, to: &out)
      return out
    }
  }

  /// - Returns: Where each block is; nil where the file has no sound table.
  static func blocks(of bytes: [UInt8]) -> [Range<Int>]? {
    guard bytes.count >= footerByteCount + 8, number(bytes, bytes.count - 4) == footerMagic,
      bytes[bytes.count - 5] == 0
    else { return nil }
    let count = Int(number(bytes, bytes.count - footerByteCount))
    let tableStart = bytes.count - footerByteCount - 8 * count
    guard tableStart >= 8, number(bytes, tableStart - 8) == skippableMagic else { return nil }
    var blocks: [Range<Int>] = []
    var offset = 0
    for index in 0..<count {
      let length = Int(number(bytes, tableStart + 8 * index))
      blocks.append(offset..<offset + length)
      offset += length
    }
    return offset == tableStart - 8 ? blocks : nil
  }

  private static func put(_ number: UInt32, to out: inout [UInt8]) {
    for shift in stride(from: UInt32(0), to: 32, by: 8) {
      out.append(UInt8(truncatingIfNeeded: number >> shift))
    }
  }

  private static func number(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
    (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
  }
}
