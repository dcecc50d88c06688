import Core
import Transport

/// Where Google Cloud Storage is and how it is to keep what it is given.
public struct GCSSettings: Sendable, Hashable {
  /// Scheme and host, without a trailing slash.
  public var endpoint = "https://storage.googleapis.com"
  /// Whether the endpoint is an emulator, which is not to see real credentials.
  public var isEmulator = false
  /// The Cloud KMS key that new objects are encrypted with
  /// (`projects/…/locations/…/keyRings/…/cryptoKeys/…`) instead of the bucket's own.
  public var kmsKey: String?
  /// Objects up to this size are sent in one request, larger ones in parts of this size; a
  /// multiple of 256 KiB.
  public var partByteCount = 16 << 20

  public init() {}

  /// Reads `SLUICE_GCS_ENDPOINT`, `STORAGE_EMULATOR_HOST` (with or without `http://`) and
  /// `SLUICE_GCS_KMS_KEY`.
  public init(environment: Environment) {
    if let endpoint = environment("SLUICE_GCS_ENDPOINT") {
      self.endpoint = GCSSettings.origin(endpoint, scheme: "https")
    } else if let host = environment("STORAGE_EMULATOR_HOST") {
      endpoint = GCSSettings.origin(host, scheme: "http")
      isEmulator = true
    }
    kmsKey = environment("SLUICE_GCS_KMS_KEY")
  }

  private static func origin(_ text: String, scheme: String) -> String {
    var text = text.contains("://") ? text[...] : "\(scheme)://\(text)"
    while text.utf8.last == UInt8(ascii: "/") { text.removeLast() }
    return String(text)
  }
}
