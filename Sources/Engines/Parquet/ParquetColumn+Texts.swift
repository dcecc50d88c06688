import Core
import Kernels

extension ParquetColumn {
  /// Appends texts without what each has in common with the one before (DELTA_BYTE_ARRAY): keys that
  /// are sorted leave little to be packed.
  static func append(
    _ slices: ArraySlice<ColumnBatch.Slice>, of bytes: [UInt8], to page: inout [UInt8],
    _ room: PageRoom
  ) -> Bounds {
    guard var least = slices.first else { return .none }
    var greatest = least
    // Of a text: what it has in common with the one before, and what follows that.
    var (common, counts) = room.takeLengths(slices.count)
    defer { (room.common, room.counts) = (common, counts) }
    var total = 0
    bytes.withUnsafeBufferPointer { bytes in
      let base = address(bytes)
      var last = ColumnBatch.Slice(offset: 0, count: 0)
      common.withUnsafeMutableBufferPointer { common in
        counts.withUnsafeMutableBufferPointer { counts in
          for (index, slice) in slices.enumerated() {
            let text = base + Int(slice.offset)
            let shared = commonPrefix(
              text, Int(slice.count), base + Int(last.offset), Int(last.count))
            common[index] = Int64(shared)
            counts[index] = Int64(Int(slice.count) - shared)
            total += Int(slice.count) - shared
            // What comes after the one before it can only be the greatest.
            let comesAfter =
              shared < slice.count
              && (shared == last.count || text[shared] > base[Int(last.offset) + shared])
            if comesAfter {
              if isLess(greatest, slice, base) { greatest = slice }
            } else if isLess(slice, least, base) {
              least = slice
            }
            last = slice
          }
        }
      }
    }
    ParquetEncoding.appendDeltas(common[..<slices.count], to: &page)
    ParquetEncoding.appendDeltas(counts[..<slices.count], to: &page)
    let start = page.count
    page.append(contentsOf: repeatElement(0, count: total))
    page.withUnsafeMutableBufferPointer { page in
      bytes.withUnsafeBufferPointer { bytes in
        var place = page.baseAddress! + start
        for (index, slice) in slices.enumerated() {
          let count = Int(counts[index])
          let end = Int(slice.offset) + Int(slice.count)
          place.update(from: address(bytes) + end - count, count: count)
          place += count
        }
      }
    }
    func copy(_ slice: ColumnBatch.Slice) -> [UInt8] {
      Array(bytes[Int(slice.offset)..<Int(slice.offset) + Int(slice.count)])
    }
    return .texts(copy(least), copy(greatest))
  }

  /// Of no bytes at all there is no address; any will do.
  private static func address(_ bytes: UnsafeBufferPointer<UInt8>) -> UnsafePointer<UInt8> {
    bytes.baseAddress ?? UnsafePointer(bitPattern: 8)!
  }

  @inline(__always)
  private static func isLess(
    _ a: ColumnBatch.Slice, _ b: ColumnBatch.Slice, _ base: UnsafePointer<UInt8>
  ) -> Bool {
    compareBytes(base + Int(a.offset), Int(a.count), base + Int(b.offset), Int(b.count)) < 0
  }
}
