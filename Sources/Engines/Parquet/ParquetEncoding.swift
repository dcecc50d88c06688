import Kernels

/// The ways in which a page of Parquet holds numbers and levels.
///
/// Format: https://github.com/apache/parquet-format/blob/master/Encodings.md
enum ParquetEncoding: Int {
  case plain = 0
  case rle = 3
  case deltaBinaryPacked = 5
  case deltaByteArray = 7

  // MARK: - Levels

  /// Appends levels that are all the same, with their length in front.
  static func append(level: UInt8, count: Int, to out: inout [UInt8]) {
    append(runs: [(level, count)], to: &out)
  }

  /// Appends levels of up to 8 bits, with their length in front.
  private static func append(runs: [(level: UInt8, count: Int)], to out: inout [UInt8]) {
    var encoded: [UInt8] = []
    for (level, count) in runs where count > 0 {
      appendVarint(UInt64(count) << 1, to: &encoded)
      encoded.append(level)
    }
    appendLength(encoded.count, to: &out)
    out += encoded
  }

  /// Appends the levels of a column of optional lists of optional numbers, none of which is null.
  ///
  /// The repetition levels are 0 where a row begins and 1 for each further element of its list, a
  /// bit each, as most lists are short. The definition levels are 3 for an element, and 1 for a row
  /// whose list is empty.
  ///
  /// - Parameter offsets: Where the lists begin, and where the last one ends.
  /// - Returns: How many levels there are of each kind.
  static func appendListLevels(_ offsets: ArraySlice<UInt32>, to out: inout [UInt8]) -> Int {
    let counts = zip(offsets, offsets.dropFirst()).lazy.map { Int($1 - $0) }
    let count = counts.reduce(0) { $0 + max(1, $1) }
    let groups = (count + 7) / 8
    var head: [UInt8] = []
    appendVarint(UInt64(groups) << 1 | 1, to: &head)
    appendLength(head.count + groups, to: &out)
    out += head
    let start = out.count
    out.append(contentsOf: repeatElement(0xFF, count: groups))
    var runs: [(level: UInt8, count: Int)] = [(3, 0)]
    out.withUnsafeMutableBufferPointer { out in
      var place = 0
      for count in counts {
        out[start + place >> 3] &= ~(1 << UInt8(place & 7))
        place += max(1, count)
        if count == 0 {
          runs += [(1, 1), (3, 0)]
        } else {
          runs[runs.count - 1].count += count
        }
      }
    }
    append(runs: runs, to: &out)
    return count
  }

  private static func appendLength(_ length: Int, to out: inout [UInt8]) {
    withUnsafeBytes(of: UInt32(length).littleEndian) { out += $0 }
  }

  // MARK: - Numbers

  private static let blockCount = 128
  private static let miniblockCount = 32

  /// Appends numbers as packed differences to the one before (DELTA_BINARY_PACKED): of each 32, as
  /// many bits as the greatest needs. Differences wrap around.
  static func appendDeltas(_ values: ArraySlice<Int64>, to out: inout [UInt8]) {
    appendVarint(UInt64(blockCount), to: &out)
    appendVarint(UInt64(blockCount / miniblockCount), to: &out)
    appendVarint(UInt64(values.count), to: &out)
    appendZigZag(values.first ?? 0, to: &out)
    guard values.count > 1 else { return }
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: blockCount) { block in
      // A block's head, and 8 bytes a number.
      withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 32 + 8 * blockCount + 8) { packed in
        values.withUnsafeBufferPointer { values in
          var next = 1
          while next < values.count {
            let count = min(blockCount, values.count - next)
            let byteCount = pack(
              values.baseAddress! + next, count, block.baseAddress!, packed.baseAddress!)
            out += UnsafeBufferPointer(start: packed.baseAddress!, count: byteCount)
            next += count
          }
        }
      }
    }
  }

  /// Packs a block.
  ///
  /// - Parameters:
  ///   - values: `count` of them, at most 128; there is one before the first.
  ///   - deltas: Room for 128.
  /// - Returns: How many bytes it has become.
  private static func pack(
    _ values: UnsafePointer<Int64>, _ count: Int, _ deltas: UnsafeMutablePointer<UInt64>,
    _ out: UnsafeMutablePointer<UInt8>
  ) -> Int {
    var least = Int64.max
    for index in 0..<count {
      let delta = values[index] &- values[index - 1]
      deltas[index] = UInt64(bitPattern: delta)
      least = min(least, delta)
    }
    for index in 0..<count { deltas[index] = deltas[index] &- UInt64(bitPattern: least) }
    for index in count..<blockCount { deltas[index] = 0 }
    var place = out
    putVarint(UInt64(bitPattern: least << 1 ^ least >> 63), to: &place)
    let widths = place
    place += blockCount / miniblockCount
    for miniblock in 0..<blockCount / miniblockCount {
      let start = deltas + miniblock * miniblockCount
      // Miniblocks behind the last number have no bytes.
      guard miniblock * miniblockCount < count else {
        widths[miniblock] = 0
        continue
      }
      var all: UInt64 = 0
      for index in 0..<miniblockCount { all |= start[index] }
      let width = 64 - all.leadingZeroBitCount
      widths[miniblock] = UInt8(width)
      place = pack(start, width: width, place)
    }
    return place - out
  }

  /// Packs 32 numbers, the lowest bits first, into `4 * width` bytes.
  ///
  /// - Returns: Where they end.
  private static func pack(
    _ values: UnsafePointer<UInt64>, width: Int, _ out: UnsafeMutablePointer<UInt8>
  ) -> UnsafeMutablePointer<UInt8> {
    guard width > 0 else { return out }
    var bits: UInt64 = 0
    var bitCount = 0
    var place = UnsafeMutableRawPointer(out)
    for index in 0..<miniblockCount {
      let value = values[index]
      bits |= value &<< UInt64(bitCount)
      bitCount &+= width
      if bitCount >= 64 {
        place.storeBytes(of: bits.littleEndian, as: UInt64.self)
        place += 8
        bitCount &-= 64
        // What of the value had no room; shifting by 64 would be no shift.
        bits = bitCount == 0 ? 0 : value &>> UInt64(width &- bitCount)
      }
    }
    // 32 numbers end at a multiple of four bytes.
    place.storeBytes(of: bits.littleEndian, as: UInt64.self)
    return out + 4 * width
  }

  private static func appendZigZag(_ value: Int64, to out: inout [UInt8]) {
    appendVarint(UInt64(bitPattern: value << 1 ^ value >> 63), to: &out)
  }
}
