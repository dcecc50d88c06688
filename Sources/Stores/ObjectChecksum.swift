import Kernels
import Transport

/// Compares the bytes of a whole object with the checksum that its store has for them.
public struct ObjectChecksum {
  private enum Kind {
    case digest(Digest)
    case crc32(CRC32)
    case crc32c(CRC32C)
    case crc64(CRC64NVME)
    case parts(PartsDigest)
  }
  private var kind: Kind
  /// In base64, most significant byte first; of an ETag in hexadecimal digits.
  private let expected: String
  private let isETag: Bool

  private init(_ kind: Kind, _ expected: String, isETag: Bool = false) {
    self.kind = kind
    self.expected = expected
    self.isETag = isETag
  }

  init(crc32c expected: String) { self.init(.crc32c(CRC32C()), expected) }

  /// What an answer of S3 states, of all the object's bytes.
  ///
  /// - Returns: nil where there is none that this can compute: that of an object in parts may be a
  ///   checksum of checksums, of parts whose sizes only their writer knows.
  init?(_ version: Version, s3 response: HTTPResponse) {
    func stated(_ name: String) -> String? {
      guard let text = response["x-amz-checksum-\(name)"], !text.contains("-"),
        response["x-amz-checksum-type"] != "COMPOSITE"
      else { return nil }
      return text
    }
    if let expected = stated("crc64nvme") {
      self.init(.crc64(CRC64NVME()), expected)
    } else if let expected = stated("crc32c") {
      self.init(.crc32c(CRC32C()), expected)
    } else if let expected = stated("crc32") {
      self.init(.crc32(CRC32()), expected)
    } else if let expected = stated("sha256") {
      self.init(.digest(Digest(.sha256)), expected)
    } else if let expected = ObjectChecksum.md5(of: version, response) {
      self.init(.digest(Digest(.md5)), expected, isETag: true)
    } else if let (digest, expected) = ObjectChecksum.parts(of: version, response) {
      self.init(.parts(digest), expected, isETag: true)
    } else {
      return nil
    }
  }

  mutating func update(_ bytes: UnsafeRawBufferPointer) {
    switch kind {
    case .digest(let digest): digest.update(bytes)
    case .crc32(var sum):
      sum.update(bytes)
      kind = .crc32(sum)
    case .crc32c(var sum):
      sum.update(bytes)
      kind = .crc32c(sum)
    case .crc64(var sum):
      sum.update(bytes)
      kind = .crc64(sum)
    case .parts(var digest):
      digest.update(bytes)
      kind = .parts(digest)
    }
  }

  var matches: Bool {
    let bytes: [UInt8] =
      switch kind {
      case .digest(let digest): digest.finish()
      case .crc32(let sum): withUnsafeBytes(of: sum.value.bigEndian) { Array($0) }
      case .crc32c(let sum): sum.bytes
      case .crc64(let sum): withUnsafeBytes(of: sum.value.bigEndian) { Array($0) }
      case .parts(let digest): Array(digest.etag.utf8)
      }
    if case .parts = kind { return String(decoding: bytes, as: UTF8.self) == expected }
    return (isETag ? hexText(bytes) : base64(bytes)) == expected
  }

  /// The MD5, in hexadecimal digits, that an ETag is: of objects written with one request, and not
  /// encrypted with a key of their own.
  static func md5(of version: Version, _ response: HTTPResponse) -> String? {
    let text = version.rawValue.filter { $0 != "\"" }
    guard text.utf8.count == 32, text.utf8.allSatisfy({ isHexDigit($0) }), isPlain(response) else {
      return nil
    }
    return text.lowercased()
  }

  /// The same of an object that Sluice has uploaded in parts, and said of how many bytes each.
  private static func parts(
    of version: Version, _ response: HTTPResponse
  ) -> (PartsDigest, expected: String)? {
    let text = version.rawValue.filter { $0 != "\"" }
    guard let size = response[S3Upload.partHeader].flatMap({ Int64($0) }), size > 0,
      let total = WebVersion.totalByteCount(response), isPlain(response),
      PartsDigest.partCount(of: text) == (total + size - 1) / size
    else { return nil }
    return (PartsDigest(partByteCount: size), text.lowercased())
  }

  /// Whether the ETag is of the bytes as they are read, and not of encrypted ones.
  static func isPlain(_ response: HTTPResponse) -> Bool {
    response["x-amz-server-side-encryption"]?.hasPrefix("aws:") != true
      && response["x-amz-server-side-encryption-customer-algorithm"] == nil
  }
}
