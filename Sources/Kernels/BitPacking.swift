internal import CKernels

/// Numbers that are packed together, with as many bits each as the greatest of them needs.
public enum BitPacking {
  /// How many numbers are packed at once.
  public static let groupCount = 128

  /// The bits that a number needs: 0 to 32.
  @inlinable
  public static func width(of greatest: UInt32) -> Int { 32 - greatest.leadingZeroBitCount }

  /// Packs 128 numbers of `width` bits into `16 * width` bytes.
  public static func pack(
    _ values: UnsafePointer<UInt32>, width: Int, into out: UnsafeMutablePointer<UInt8>
  ) {
    ckernels_pack(values, Int32(width), out)
  }

  /// Packs the differences of numbers to the one before, less the least of them; they wrap around.
  ///
  /// - Parameters:
  ///   - values: `count` of them, 1 to 128; there is one before the first.
  ///   - widths: Gets, of each 32, how many bits a number takes up: four bytes, 0 where there are none.
  ///   - out: Room for 1024 bytes.
  /// - Returns: The least difference, and how many bytes were written: of each 32 numbers four times
  ///   their width, the first number in the lowest bits.
  public static func packDeltas(
    _ values: UnsafePointer<Int64>, count: Int, widths: UnsafeMutablePointer<UInt8>,
    into out: UnsafeMutablePointer<UInt8>
  ) -> (least: Int64, byteCount: Int) {
    precondition((1...groupCount).contains(count), "a group of numbers")
    var least: Int64 = 0
    let byteCount = ckernels_pack_deltas(values, Int32(count), &least, widths, out)
    return (least, byteCount)
  }

  /// Unpacks 128 numbers of `width` bits, at most 32.
  ///
  /// - Parameter packed: `16 * width` bytes, and 7 more that may be read and are of no importance.
  public static func unpack(
    _ packed: UnsafePointer<UInt8>, width: Int, into out: UnsafeMutablePointer<UInt32>
  ) {
    ckernels_unpack(packed, Int32(width), out)
  }

  /// The numbers of the bits that are set, each plus `base`.
  ///
  /// - Parameters:
  ///   - bits: `byteCount` bytes, and 7 more that may be read and are of no importance.
  ///   - capacity: No more numbers than this are written.
  /// - Returns: How many bits are set.
  public static func numbers(
    ofBits bits: UnsafePointer<UInt8>, byteCount: Int, base: UInt32,
    into out: UnsafeMutablePointer<UInt32>, capacity: Int
  ) -> Int {
    Int(ckernels_bits_to_numbers(bits, byteCount, base, out, Int32(capacity)))
  }

  /// One of numbers that are packed at `width` bits each, at most 56.
  ///
  /// - Parameter packed: All of them, and 7 more bytes that may be read and are of no importance.
  @inlinable
  @inline(__always)
  public static func number(
    _ index: Int, of packed: UnsafePointer<UInt8>, width: Int
  ) -> UInt64 {
    let bit = index &* width
    return (loadWord(packed, bit &>> 3) &>> UInt64(bit & 7)) & ((1 &<< UInt64(width)) &- 1)
  }
}
