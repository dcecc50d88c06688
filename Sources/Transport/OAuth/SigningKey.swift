internal import CCrypto
import Core

/// A private RSA key. Owns one `EVP_PKEY *`.
final class SigningKey: @unchecked Sendable {
  // Signing only reads the key, which OpenSSL allows from several threads at once.
  private let key: OpaquePointer

  /// - Parameter pem: An unencrypted private key in PEM, as in a service account's key file.
  /// - Returns: nil where the text is none, or the key is not RSA.
  init?(pem: String) {
    let bytes = Array(pem.utf8)
    let input = BIO_new_mem_buf(bytes, Int32(bytes.count))
    defer { BIO_free(input) }
    // Without this function an encrypted key would ask for its password on the terminal.
    let noPassword:
      @convention(c) (
        UnsafeMutablePointer<CChar>?, Int32, Int32, UnsafeMutableRawPointer?
      ) -> Int32 = { _, _, _, _ in 0 }
    let key = withExtendedLifetime(bytes) { PEM_read_bio_PrivateKey(input, nil, noPassword, nil) }
    guard let key else { return nil }
    guard EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA else {
      EVP_PKEY_free(key)
      return nil
    }
    self.key = key
  }

  deinit { EVP_PKEY_free(key) }

  /// RSASSA-PKCS1-v1_5 over SHA-256: `RS256` of RFC 7518, section 3.3.
  ///
  /// - Returns: nil where OpenSSL refuses, as it does for keys that are too short.
  func signature(of text: String) -> [UInt8]? {
    let context = EVP_MD_CTX_new()
    defer { EVP_MD_CTX_free(context) }
    let bytes = Array(text.utf8)
    var count = 0
    guard EVP_DigestSignInit(context, nil, EVP_sha256(), nil, key) == 1,
      EVP_DigestSign(context, nil, &count, bytes, bytes.count) == 1
    else { return nil }
    var signature = [UInt8](repeating: 0, count: count)
    guard EVP_DigestSign(context, &signature, &count, bytes, bytes.count) == 1 else { return nil }
    return Array(signature[..<count])
  }

  /// A signed JSON Web Token (RFC 7519) with these claims.
  ///
  /// - Parameter id: The key's name at whoever verifies.
  func token(claims: JSON, id: String?) -> String? {
    var header: [JSON.Member] = [.init("alg", "RS256"), .init("typ", "JWT")]
    if let id { header.append(.init("kid", .string(id))) }
    let text =
      base64URL(Array(JSON.object(header).description.utf8)) + "."
      + base64URL(Array(claims.description.utf8))
    return signature(of: text).map { text + "." + base64URL($0) }
  }
}
