/// Unpacks a stream of gzip, zstd or plain bytes in bounded memory, verified to the last byte.
///
/// Gzip: every member's CRC-32 and length are checked; zeros may follow the last member, as tar and
/// tape writers leave them, anything else may not. Zstd: every frame's checksum, where it has one.
public final class Inflater {
  private var window: InputWindow
  private var kind: Compression
  private var gzip: GzipStream?
  private var zstd: ZstdStream?
  private var isFinished = false

  /// - Parameter inputByteCount: How much is pulled at once; at least 16.
  public init(_ compression: Compression, inputByteCount: Int = 128 << 10) {
    window = InputWindow(capacity: max(16, inputByteCount))
    kind = compression
  }

  /// What the bytes are packed with; `.auto` until the first read has decided.
  public var compression: Compression { kind }

  /// Packed bytes used so far.
  public var offset: Int64 { window.offset }

  /// Unpacks the next bytes.
  ///
  /// - Parameters:
  ///   - out: At least one byte; filled completely unless the input ends.
  ///   - pull: Fills a prefix of the buffer it is given and returns its length, 0 at the end.
  /// - Returns: The number of bytes written; less than asked for only at the end, which is then
  ///   verified; 0 for ever after.
  /// - Throws: `CompressionError`, or what `pull` throws. Do not read on after either.
  public func read(
    into out: UnsafeMutableRawBufferPointer,
    pull: (UnsafeMutableRawBufferPointer) throws -> Int
  ) throws -> Int {
    if isFinished { return 0 }
    if kind == .auto {
      try window.gather(4, pull)
      kind = Compression.detected(from: UnsafeRawBufferPointer(window.bytes))
    }
    var filled = 0
    while filled < out.count && !isFinished {
      let room = UnsafeMutableRawBufferPointer(rebasing: out[filled...])
      let count: Int
      switch kind {
      case .gzip:
        let stream = gzip ?? GzipStream()
        gzip = stream
        count = try stream.read(into: room, &window, pull)
      case .zstd:
        let stream = try zstd ?? ZstdStream()
        zstd = stream
        count = try stream.read(into: room, &window, pull)
      case .none, .auto: count = try copy(into: room, pull)
      }
      if count == 0 { isFinished = true }
      filled += count
    }
    return filled
  }

  private func copy(
    into out: UnsafeMutableRawBufferPointer, _ pull: InputWindow.Pull
  ) throws -> Int {
    // What detection pulled comes from the window, a large read goes straight to the caller.
    guard try window.refill(pull) else { return 0 }
    let count = min(out.count, window.count)
    out.copyMemory(
      from: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(window.bytes)[..<count]))
    window.consume(count)
    return count
  }
}
