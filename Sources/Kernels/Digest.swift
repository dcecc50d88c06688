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
    guard EVP_DigestInit_ex(context, Digest.method(algorithm), nil) == 1 else {
      fatalError("OpenSSL refuses \(algorithm); is it in FIPS mode?")
    }
  }

  // Looked up once: by `EVP_sha256()` OpenSSL looks among its providers for each digest, which takes
  // longer than the digest of a few hundred bytes. Constants of OpenSSL, for any thread.
  private nonisolated(unsafe) static let sha256 = EVP_MD_fetch(nil, "SHA256", nil)
  private nonisolated(unsafe) static let sha1 = EVP_MD_fetch(nil, "SHA1", nil)
  private nonisolated(unsafe) static let md5 = EVP_MD_fetch(nil, "MD5", nil)

  fileprivate static func method(_ algorithm: Algorithm) -> OpaquePointer? {
    switch algorithm {
    case .sha256: sha256
    case .sha1: sha1
    case .md5: md5
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
  [UInt8](unsafeUninitializedCapacity: Int(EVP_MAX_MD_SIZE)) { out, count in
    var length: UInt32 = 0
    let status = EVP_Digest(
      bytes, bytes.count, out.baseAddress, &length, Digest.method(algorithm), nil)
    guard status == 1 else { fatalError("OpenSSL refuses \(algorithm); is it in FIPS mode?") }
    count = Int(length)
  }
}

/// HMAC with SHA-256 (RFC 2104), as signatures of requests use it.
///
/// - Returns: 32 bytes.
public func hmacSHA256(key: [UInt8], message: [UInt8]) -> [UInt8] {
  HMACKey(key).code(of: message)
}

/// A key for HMAC with SHA-256 that is used often: what depends on the key alone is computed once.
public final class HMACKey: @unchecked Sendable {
  // Set up by the initializer and from then on only copied, which any thread may do.
  private let context: OpaquePointer

  public init(_ key: [UInt8]) {
    guard let method = EVP_MAC_fetch(nil, "HMAC", nil) else { fatalError("OpenSSL has no HMAC") }
    defer { EVP_MAC_free(method) }
    guard let context = EVP_MAC_CTX_new(method) else { fatalError("out of memory") }
    self.context = context
    var name = Array("SHA256".utf8CString)
    // HMAC fills keys up with zeros, so this one is the same as an empty one.
    let key = key.isEmpty ? [0] : key
    // The parameters point to both texts.
    let status = "digest".withCString { digest in
      name.withUnsafeMutableBufferPointer { name in
        let parameters = [
          OSSL_PARAM_construct_utf8_string(digest, name.baseAddress, 0),
          OSSL_PARAM_construct_end(),
        ]
        return EVP_MAC_init(context, key, key.count, parameters)
      }
    }
    precondition(status == 1, "OpenSSL cannot set up an HMAC")
  }

  deinit { EVP_MAC_CTX_free(context) }

  /// - Returns: 32 bytes.
  public func code(of message: [UInt8]) -> [UInt8] {
    guard let copy = EVP_MAC_CTX_dup(context) else { fatalError("out of memory") }
    defer { EVP_MAC_CTX_free(copy) }
    return [UInt8](unsafeUninitializedCapacity: Int(EVP_MAX_MD_SIZE)) { out, count in
      let isDone =
        EVP_MAC_update(copy, message, message.count) == 1
        && EVP_MAC_final(copy, out.baseAddress, &count, out.count) == 1
      precondition(isDone, "OpenSSL cannot compute an HMAC")
    }
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
