import Kernels

/// What a document's version is likely to begin with: the version before it in its block, with this
/// file's size in the place of that file's where the version began with it. So begin the versions of
/// local files, of which otherwise nothing would be as in the one before.
///
/// Who writes and who reads have the same expectations.
struct ExpectedVersion {
  /// So much more room than for what is stored of a block's versions: the digits of a size; those of
  /// which a version may have some without any being stored; and those of another's.
  static let moreByteCount = 24 + 40

  /// The version, or what is expected of it; 24 bytes lie before it.
  private var start: UnsafeMutablePointer<UInt8>
  private var count = 0
  /// How many of them are the digits of the size.
  private var head = 0
  /// Of the size at hand; they end where the version begins.
  private var digitCount = 0

  /// - Parameter room: For as many bytes as are stored of a block's versions, and `moreByteCount`.
  init(_ room: UnsafeMutablePointer<UInt8>) { start = room + 24 }

  var bytes: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: start, count: count) }

  /// Goes on in other memory, with what there is.
  mutating func move(to room: UnsafeMutablePointer<UInt8>) {
    (room + 24).update(from: start, count: count)
    start = room + 24
  }

  /// Goes on to the version of a file.
  ///
  /// - Parameter size: What is below 0 is in no version.
  @inline(__always)
  mutating func expect(size: Int64) {
    digitCount = 0
    var rest = size
    while rest > 0 || rest == 0 && digitCount == 0 {
      digitCount += 1
      (start - digitCount).pointee = UInt8(truncatingIfNeeded: 48 + rest % 10)
      rest /= 10
    }
    guard head > 0 else { return }
    if digitCount != head {
      (start + digitCount).update(from: start + head, count: count - head)
      count += digitCount - head
    }
    start.update(from: start - digitCount, count: digitCount)
  }

  /// Takes a version's bytes that are not as expected.
  ///
  /// - Parameter common: How many are, at most `bytes.count`.
  @inline(__always)
  mutating func take(_ more: UnsafePointer<UInt8>, _ moreCount: Int, after common: Int) {
    (start + common).update(from: more, count: moreCount)
    count = common + moreCount
    // Mostly they are there because they were expected.
    let isSized =
      digitCount > 0 && digitCount <= count
      && (head > 0 && common >= digitCount
        || equalBytes(start, start - digitCount, count: digitCount))
    head = isSized ? digitCount : 0
  }
}
