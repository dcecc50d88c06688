import Foundation

/// A key and a certificate for `localhost` and `127.0.0.1` that nobody vouches for, made by OpenSSL's
/// command; gone with the value.
public final class TestCertificate: Sendable {
  public static let openssl = [
    "/usr/bin/openssl", "/opt/homebrew/bin/openssl", "/usr/local/bin/openssl",
  ].first { FileManager.default.isExecutableFile(atPath: $0) }
  public static let whyNot = "needs the openssl command"

  public struct Failed: Error {}

  /// PEM files.
  public let path: String
  public let keyPath: String
  private let folder: String

  /// - Parameter names: Who it is for, as `subjectAltName` has it.
  public init(for names: String = "DNS:localhost,IP:127.0.0.1") throws {
    folder = NSTemporaryDirectory() + "/tls-\(UUID().uuidString)"
    path = folder + "/certificate.pem"
    keyPath = folder + "/key.pem"
    guard let openssl = TestCertificate.openssl else { throw Failed() }
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let making = Process()
    making.executableURL = URL(fileURLWithPath: openssl)
    making.arguments = [
      "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
      "-addext", "subjectAltName=\(names)", "-keyout", keyPath, "-out", path,
    ]
    making.standardError = FileHandle.nullDevice
    try making.run()
    making.waitUntilExit()
    guard making.terminationStatus == 0 else { throw Failed() }
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }
}
