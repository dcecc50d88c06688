internal import CZlib

/// Packs a stream as gzip, zlib or raw deflate, through zlib.
///
/// The same bytes give the same output whatever the clock, the file's name, the sizes of the
/// pieces and the processor: a gzip header has time 0, no name and an unknown system. That is why
/// this is zlib's and not ISA-L's deflate, which chooses its matches by the processor's abilities.
public final class Deflater {
  public enum Wrapper: Sendable { case gzip, zlib, raw }

  public enum Effort: Int32, Sendable {
    case fast = 1
    case balanced = 6
    case small = 9
  }

  private let stream: UnsafeMutablePointer<z_stream>
  private let header: UnsafeMutablePointer<gz_header>
  private let chunk: UnsafeMutablePointer<UInt8>
  private static let chunkByteCount = 64 << 10
  private var isFinished = false

  public init(_ wrapper: Wrapper = .gzip, effort: Effort = .balanced) {
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    header = .allocate(capacity: 1)
    header.initialize(to: gz_header())
    header.pointee.os = 255
    chunk = .allocate(capacity: Deflater.chunkByteCount)
    let windowBits: Int32 =
      switch wrapper {
      case .gzip: 31
      case .zlib: 15
      case .raw: -15
      }
    let status = deflateInit2_(
      stream, effort.rawValue, Z_DEFLATED, windowBits, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
      Int32(MemoryLayout<z_stream>.size))
    guard status == Z_OK else { fatalError("zlib cannot start: error \(status)") }
    if wrapper == .gzip { deflateSetHeader(stream, header) }
  }

  deinit {
    deflateEnd(stream)
    stream.deallocate()
    header.deallocate()
    chunk.deallocate()
  }

  /// Packs `bytes`; `sink` gets what is ready, which may be nothing yet.
  public func write(
    _ bytes: UnsafeRawBufferPointer, to sink: (UnsafeRawBufferPointer) throws -> Void
  ) rethrows {
    var rest = bytes[...]
    while !rest.isEmpty {
      let part = rest.prefix(1 << 30)
      rest = rest.dropFirst(part.count)
      let base = UnsafeRawBufferPointer(rebasing: part).baseAddress
      stream.pointee.next_in = UnsafeMutablePointer(
        mutating: base?.assumingMemoryBound(to: UInt8.self))
      stream.pointee.avail_in = UInt32(part.count)
      try pump(Z_NO_FLUSH, to: sink)
    }
  }

  /// Ends the stream; nothing may be written after.
  public func finish(to sink: (UnsafeRawBufferPointer) throws -> Void) rethrows {
    guard !isFinished else { return }
    isFinished = true
    stream.pointee.avail_in = 0
    try pump(Z_FINISH, to: sink)
  }

  private func pump(
    _ flush: Int32, to sink: (UnsafeRawBufferPointer) throws -> Void
  ) rethrows {
    repeat {
      stream.pointee.next_out = chunk
      stream.pointee.avail_out = UInt32(Deflater.chunkByteCount)
      let status = deflate(stream, flush)
      precondition(status != Z_STREAM_ERROR, "a finished stream takes no more")
      let count = Deflater.chunkByteCount - Int(stream.pointee.avail_out)
      if count > 0 { try sink(UnsafeRawBufferPointer(start: chunk, count: count)) }
    } while stream.pointee.avail_out == 0
  }
}
