import Kernels

/// A checksum of bytes that come piece by piece, by one of the methods that stores state.
struct ByteSum {
  /// As S3 names them.
  enum Method: String, Sendable, CaseIterable {
    case crc64nvme, crc32c, crc32, sha256, sha1, md5

    /// What S3 calls it; spelled out, as every answer is asked for all of them.
    var header: String {
      switch self {
      case .crc64nvme: "x-amz-checksum-crc64nvme"
      case .crc32c: "x-amz-checksum-crc32c"
      case .crc32: "x-amz-checksum-crc32"
      case .sha256: "x-amz-checksum-sha256"
      case .sha1: "x-amz-checksum-sha1"
      case .md5: "x-amz-checksum-md5"
      }
    }
  }

  private enum State {
    case digest(Digest)
    case crc32(CRC32)
    case crc32c(CRC32C)
    case crc64(CRC64NVME)
  }
  private var state: State

  init(_ method: Method) {
    state =
      switch method {
      case .crc64nvme: .crc64(CRC64NVME())
      case .crc32c: .crc32c(CRC32C())
      case .crc32: .crc32(CRC32())
      case .sha256: .digest(Digest(.sha256))
      case .sha1: .digest(Digest(.sha1))
      case .md5: .digest(Digest(.md5))
      }
  }

  /// Of bytes that are all there.
  static func of(_ bytes: [UInt8], by method: Method) -> [UInt8] {
    var sum = ByteSum(method)
    bytes.withUnsafeBytes { sum.update($0) }
    return sum.bytes
  }

  mutating func update(_ bytes: UnsafeRawBufferPointer) {
    switch state {
    case .digest(let digest): digest.update(bytes)
    case .crc32(var sum):
      sum.update(bytes)
      state = .crc32(sum)
    case .crc32c(var sum):
      sum.update(bytes)
      state = .crc32c(sum)
    case .crc64(var sum):
      sum.update(bytes)
      state = .crc64(sum)
    }
  }

  /// Most significant first. A digest takes no more bytes after this.
  var bytes: [UInt8] {
    switch state {
    case .digest(let digest): digest.finish()
    case .crc32(let sum): withUnsafeBytes(of: sum.value.bigEndian) { Array($0) }
    case .crc32c(let sum): sum.bytes
    case .crc64(let sum): withUnsafeBytes(of: sum.value.bigEndian) { Array($0) }
    }
  }
}
