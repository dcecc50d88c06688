internal import CZstd

/// One zstd file of any number of frames, through libzstd, which verifies their checksums.
final class ZstdStream {
  private let context: OpaquePointer
  private var frameCount = 0
  private var isInsideFrame = false

  init() throws {
    guard let context = ZSTD_createDCtx() else {
      throw CompressionError(.zstd, .damaged("out of memory"), offset: 0)
    }
    self.context = context
  }

  deinit { ZSTD_freeDCtx(context) }

  /// - Returns: Bytes written, at least 1; 0 once the last frame is complete and nothing follows.
  func read(
    into out: UnsafeMutableRawBufferPointer, _ window: inout InputWindow, _ pull: InputWindow.Pull
  ) throws -> Int {
    while true {
      if window.count == 0 && !isInsideFrame {
        guard try window.refill(pull) else {
          if frameCount == 0 { throw CompressionError(.zstd, .empty, offset: 0) }
          return 0
        }
      }
      var input = ZSTD_inBuffer(src: window.bytes.baseAddress, size: window.count, pos: 0)
      var output = ZSTD_outBuffer(dst: out.baseAddress, size: out.count, pos: 0)
      let status = ZSTD_decompressStream(context, &output, &input)
      window.consume(input.pos)
      if ZSTD_isError(status) != 0 { throw error(status, window.offset) }
      isInsideFrame = status != 0
      if !isInsideFrame { frameCount += 1 }
      if output.pos > 0 { return output.pos }
      // Inside a frame with nothing left to write: only more input helps.
      if isInsideFrame, try !window.refill(pull) {
        throw CompressionError(.zstd, .truncated, offset: window.offset)
      }
    }
  }

  private func error(_ status: Int, _ offset: Int64) -> CompressionError {
    switch ZSTD_getErrorCode(status) {
    case ZSTD_error_checksum_wrong: .init(.zstd, .wrongChecksum, offset: offset)
    case ZSTD_error_prefix_unknown:
      .init(.zstd, frameCount == 0 ? .notCompressed : .trailingGarbage, offset: offset)
    default: .init(.zstd, .damaged(String(cString: ZSTD_getErrorName(status))), offset: offset)
    }
  }
}
