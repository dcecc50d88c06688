import Kernels
import Transport

/// Compares the bytes of a whole object with the checksum that S3 has for them.
struct S3Checksum {
  private enum Kind {
    case md5(Digest, expected: String)
    case crc32c(CRC32C, expected: String)
  }
  private var kind: Kind

  /// - Returns: nil where there is none that this can compute.
  init?(_ version: Version, _ response: HTTPResponse) {
    // That of an object in parts is a checksum of checksums, and says so.
    if let expected = response["x-amz-checksum-crc32c"], !expected.contains("-"),
      response["x-amz-checksum-type"] != "COMPOSITE"
    {
      kind = .crc32c(CRC32C(), expected: expected)
    } else if let expected = S3Checksum.md5(of: version, response) {
      kind = .md5(Digest(.md5), expected: expected)
    } else {
      return nil
    }
  }

  mutating func update(_ bytes: UnsafeRawBufferPointer) {
    switch kind {
    case .md5(let digest, _): digest.update(bytes)
    case .crc32c(var sum, let expected):
      sum.update(bytes)
      kind = .crc32c(sum, expected: expected)
    }
  }

  var matches: Bool {
    switch kind {
    case .md5(let digest, let expected): hexText(digest.finish()) == expected
    case .crc32c(let sum, let expected): base64(sum.bytes) == expected
    }
  }

  /// The MD5 that an ETag is: of objects written with one request, and not encrypted with a key of
  /// their own.
  static func md5(of version: Version, _ response: HTTPResponse) -> String? {
    let text = version.rawValue.filter { $0 != "\"" }
    guard text.utf8.count == 32, text.utf8.allSatisfy({ isHexDigit($0) }),
      response["x-amz-server-side-encryption"]?.hasPrefix("aws:") != true,
      response["x-amz-server-side-encryption-customer-algorithm"] == nil
    else { return nil }
    return text.lowercased()
  }
}
