/// Makes few large writes of many small ones: libcurl gives out 16 KiB at a time, and the more a file
/// system gets at once the larger are the pages that it takes for it, which halves its work.
///
/// Only while bytes come fast: where less comes at a time, nothing more has come so far, and what is
/// here is written, so that little is lost when the process is killed.
struct GatheredBytes: ~Copyable {
  static let maximumByteCount = 256 << 10
  /// libcurl's CURL_MAX_WRITE_SIZE.
  static let pieceByteCount = 16 << 10

  private let buffer: UnsafeMutableRawBufferPointer
  private var count = 0

  /// - Parameter byteCount: What will come in all; negative where that is not known.
  init(upTo byteCount: Int64) {
    let largest = Int64(GatheredBytes.maximumByteCount)
    buffer = .allocate(
      byteCount: Int(byteCount < 0 ? largest : min(max(1, byteCount), largest)), alignment: 64)
  }

  deinit { buffer.deallocate() }

  /// Calls `write` for all that fills the buffer or was the last to come. What it fails with is lost.
  mutating func add(
    _ bytes: UnsafeRawBufferPointer, _ write: (UnsafeRawBufferPointer) throws -> Void
  ) rethrows {
    var rest = bytes[...]
    while !rest.isEmpty {
      if count == 0, rest.count >= buffer.count {
        return try write(UnsafeRawBufferPointer(rebasing: rest))
      }
      let piece = rest.prefix(buffer.count - count)
      UnsafeMutableRawBufferPointer(rebasing: buffer[count...])
        .copyMemory(from: UnsafeRawBufferPointer(rebasing: piece))
      count += piece.count
      rest = rest.dropFirst(piece.count)
      if count == buffer.count { try flush(write) }
    }
    if bytes.count < GatheredBytes.pieceByteCount { try flush(write) }
  }

  /// Calls `write` for what is left, if anything is.
  mutating func flush(_ write: (UnsafeRawBufferPointer) throws -> Void) rethrows {
    guard count > 0 else { return }
    let held = UnsafeRawBufferPointer(rebasing: buffer[..<count])
    // A write that failed may have been done in part: to do it again would double that.
    count = 0
    try write(held)
  }
}
