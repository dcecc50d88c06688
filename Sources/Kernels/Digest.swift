internal import CCrypto

/// SHA-256, SHA-1 or MD5 of a stream, through OpenSSL.
public final class Digest {
  public enum Algorithm: Sendable, Hashable {
    case sha256
    /// For checksums that others stored (`x-amz-checksum-sha1`); not for security.
    case sha1
    /// For checksums that others ask for (`Content-MD5`, S3 ETags); not for security.
    case md5
  }

  private let context: OpaquePointer
  private var result: [UInt8]?

  public init(_ algorithm: Algorithm) {
    guard let context = EVP_MD_CTX_new() else { fatalError("out of memory") }
    self.context = context
    let method =
      switch algorithm {
      case .sha256: EVP_sha256()
      case .sha1: EVP_sha1()
      case .md5: EVP_md5()
      }
    guard EVP_DigestInit_ex(context, method, nil) == 1 else {
      fatalError("OpenSSL refuses \(algorithm); is it in FIPS mode?")
    }
  }

  deinit { EVP_MD_CTX_free(context) }

  public func update(_ bytes: UnsafeRawBufferPointer) {
    precondition(result == nil, "a finished digest takes no more")
    let status = EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
    precondition(status == 1, "OpenSSL cannot go on with a digest")
  }

  public func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }

  /// - Returns: 32 bytes for SHA-256, 20 for SHA-1, 16 for MD5; the same every time it is asked.
  public func finish() -> [UInt8] {
    if let result { return result }
    let digest = [UInt8](unsafeUninitializedCapacity: Int(EVP_MAX_MD_SIZE)) { out, count in
      var length: UInt32 = 0
      let status = EVP_DigestFinal_ex(context, out.baseAddress, &length)
      precondition(status == 1, "OpenSSL cannot finish a digest")
      count = Int(length)
    }
    result = digest
    return digest
  }
}

/// - Returns: 32 bytes.
public func sha256(_ bytes: [UInt8]) -> [UInt8] { digest(bytes, .sha256) }

/// - Returns: 16 bytes.
public func md5(_ bytes: [UInt8]) -> [UInt8] { digest(bytes, .md5) }

private func digest(_ bytes: [UInt8], _ algorithm: Digest.Algorithm) -> [UInt8] {
  let digest = Digest(algorithm)
  digest.update(bytes)
  return digest.finish()
}

/// HMAC with SHA-256 (RFC 2104), as signatures of requests use it.
///
/// - Returns: 32 bytes.
public func hmacSHA256(key: [UInt8], message: [UInt8]) -> [UInt8] {
  [UInt8](unsafeUninitializedCapacity: Int(EVP_MAX_MD_SIZE)) { out, count in
    var length: UInt32 = 0
    // An empty key still needs an address.
    let result = (key.isEmpty ? [0] : key).withUnsafeBytes { keyBytes in
      HMAC(
        EVP_sha256(), keyBytes.baseAddress, Int32(key.count), message, message.count,
        out.baseAddress, &length)
    }
    precondition(result != nil, "OpenSSL cannot compute an HMAC")
    count = Int(length)
  }
}

/// Two lower-case hexadecimal digits a byte.
public func hexText(_ bytes: [UInt8]) -> String {
  String(unsafeUninitializedCapacity: bytes.count * 2) { out in
    func digit(_ value: UInt8) -> UInt8 { value + UInt8(ascii: value < 10 ? "0" : "W") }
    for (index, byte) in bytes.enumerated() {
      out[2 * index] = digit(byte >> 4)
      out[2 * index + 1] = digit(byte & 15)
    }
    return bytes.count * 2
  }
}
