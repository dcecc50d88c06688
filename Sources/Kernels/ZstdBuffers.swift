internal import CZstd
import Synchronization

/// Packs a whole buffer as one zstd frame with its length and a checksum.
///
/// - Parameter level: 1 (fast) to 19 (small). The same input and library give the same bytes.
public func zstdCompressed(_ bytes: UnsafeRawBufferPointer, level: Int32 = 3) -> [UInt8] {
  [UInt8](unsafeUninitializedCapacity: zstdBound(bytes.count)) { out, count in
    count = zstdCompress(bytes, into: UnsafeMutableRawBufferPointer(out), level: level)
  }
}

/// The most bytes that so many can become, packed.
public func zstdBound(_ byteCount: Int) -> Int { ZSTD_compressBound(byteCount) }

/// Packs a whole buffer as one zstd frame with its length and a checksum, into memory that there is
/// already.
///
/// - Parameters:
///   - out: At least as long as the input's bound.
///   - stride: At level 1, by how many bytes the search for what has been there before goes on where
///     nothing was found; 0 for what the library takes. For bytes of which little repeats.
/// - Returns: How many bytes it has become.
public func zstdCompress(
  _ bytes: UnsafeRawBufferPointer, into out: UnsafeMutableRawBufferPointer, level: Int32 = 3,
  stride: Int32 = 0
) -> Int {
  let context = ZstdContexts.packing.take { ZSTD_createCCtx() }
  defer { ZstdContexts.packing.giveBack(context) { _ = ZSTD_freeCCtx($0) } }
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
  ZSTD_CCtx_setParameter(context, ZSTD_c_targetLength, stride)
  // The library takes a stride for a sign that bytes should not even get shorter codes. By its other
  // name this is `ZSTD_c_literalCompressionMode`; 1 is "always".
  ZSTD_CCtx_setParameter(context, ZSTD_c_experimentalParam5, stride > 0 ? 1 : 0)
  let status = ZSTD_compress2(
    context, out.baseAddress, out.count, bytes.baseAddress, bytes.count)
  // The bound suffices for any input; what is left is a broken library.
  precondition(ZSTD_isError(status) == 0, String(cString: ZSTD_getErrorName(status)))
  return status
}

/// Packs a whole buffer as one zstd frame with its length and a checksum.
public func zstdCompressed(_ bytes: [UInt8], level: Int32 = 3) -> [UInt8] {
  bytes.withUnsafeBytes { zstdCompressed($0, level: level) }
}

/// Unpacks a whole buffer of zstd, without the buffers that a stream needs where it says how long it
/// will be, as `zstdCompressed` makes them.
///
/// - Parameter limit: The most bytes that may come out; a guard against a hostile input.
/// - Throws: `CompressionError`, `.tooLarge` past the limit.
public func zstdUnpacked(
  _ bytes: UnsafeRawBufferPointer, limit: Int = 1 << 30
) throws -> [UInt8] {
  let length = ZSTD_getFrameContentSize(bytes.baseAddress, bytes.count)
  // What stands for "unknown" and for "no frame" is more than any limit.
  guard length <= UInt64(limit) else { return try inflated(bytes, .zstd, limit: limit) }
  let context = ZstdContexts.unpacking.take { ZSTD_createDCtx() }
  defer { ZstdContexts.unpacking.giveBack(context) { _ = ZSTD_freeDCtx($0) } }
  var status = 0
  let unpacked = [UInt8](unsafeUninitializedCapacity: Int(length)) { out, count in
    status = ZSTD_decompressDCtx(
      context, out.baseAddress, out.count, bytes.baseAddress, bytes.count)
    count = ZSTD_isError(status) == 0 ? status : 0
  }
  // Several frames, or damage: the stream can tell.
  guard ZSTD_isError(status) == 0 else { return try inflated(bytes, .zstd, limit: limit) }
  return unpacked
}

/// Contexts of libzstd that nobody uses just now: making one takes longer than packing a few
/// kilobytes.
private final class ZstdContexts: Sendable {
  static let packing = ZstdContexts()
  static let unpacking = ZstdContexts()
  /// As many threads as pack at once in a process that is not a large server.
  private static let most = 4

  private struct Context: @unchecked Sendable {
    // Unchecked: who has taken it is the only one.
    var pointer: OpaquePointer
  }

  private let idle = Mutex<[Context]>([])

  func take(_ make: () -> OpaquePointer?) -> OpaquePointer {
    if let context = idle.withLock({ $0.popLast() }) { return context.pointer }
    guard let context = make() else { fatalError("out of memory") }
    return context
  }

  func giveBack(_ pointer: OpaquePointer, _ free: (OpaquePointer) -> Void) {
    let context = Context(pointer: pointer)
    let isKept = idle.withLock { idle in
      guard idle.count < ZstdContexts.most else { return false }
      idle.append(context)
      return true
    }
    if !isKept { free(pointer) }
  }
}
