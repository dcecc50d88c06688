import Core
import Kernels

/// Compression and hashing of whole buffers: the one file of this room that calls the kernels.
enum Packing {
  /// More than any object of a lake holds; a guard against a hostile input.
  static let byteCountLimit = 8 << 30

  /// 64 hexadecimal digits.
  static func sha256(_ bytes: [UInt8]) -> String { hexText(Kernels.sha256(bytes)) }

  static func zstd(_ bytes: [UInt8]) -> [UInt8] { zstdCompressed(bytes) }

  /// Unpacks any number of zstd frames.
  static func unzstd(_ bytes: [UInt8]) throws -> [UInt8] {
    try inflated(bytes, .zstd, limit: byteCountLimit)
  }

  static func deflateRaw(_ bytes: [UInt8]) -> [UInt8] { Kernels.deflateRaw(bytes) }

  /// Unpacks an Avro block. Python's writers (avro, fastavro, pyiceberg) leave the rest of zlib's
  /// checksum behind the deflate data, which is passed over.
  static func inflateRaw(_ bytes: [UInt8]) throws -> [UInt8] {
    do {
      return try Kernels.inflateRaw(bytes, limit: byteCountLimit)
    } catch let error as CompressionError where error.reason == .trailingGarbage {
      let end = Int(error.offset)
      guard bytes.count - end <= 4 else { throw error }
      return try Kernels.inflateRaw(Array(bytes[..<end]), limit: byteCountLimit)
    }
  }

  /// A SHA-256 that is fed piece by piece.
  final class Hash {
    private let digest = Digest(.sha256)
    func update(_ bytes: UnsafeRawBufferPointer) { digest.update(bytes) }
    func finish() -> String { hexText(digest.finish()) }
  }
}
