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
    // The widths, and 8 bytes a number.
    let widthCount = blockCount / miniblockCount
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: widthCount + 8 * blockCount) { room in
      let widths = room.baseAddress!
      values.withUnsafeBufferPointer { values in
        var next = 1
        while next < values.count {
          let count = min(blockCount, values.count - next)
          let (least, byteCount) = BitPacking.packDeltas(
            values.baseAddress! + next, count: count, widths: widths, into: widths + widthCount)
          appendZigZag(least, to: &out)
          out += UnsafeBufferPointer(start: widths, count: widthCount + byteCount)
          next += count
        }
      }
    }
  }

  private static func appendZigZag(_ value: Int64, to out: inout [UInt8]) {
    appendVarint(UInt64(bitPattern: value << 1 ^ value >> 63), to: &out)
  }
}
