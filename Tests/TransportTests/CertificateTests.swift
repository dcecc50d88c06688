import Core
import Foundation
import Testing

@testable import Transport

/// An HTTPS server with a certificate that nobody vouches for: OpenSSL's own test server.
private final class SecureServer {
  static let openssl = ["/usr/bin/openssl", "/opt/homebrew/bin/openssl", "/usr/local/bin/openssl"]
    .first { FileManager.default.isExecutableFile(atPath: $0) }

  let certificate: String
  let port: Int
  private let folder: String
  private let process: Process
  /// The server ends with this pipe, however the tests end.
  private let life: Pipe

  init() throws {
    let folder = NSTemporaryDirectory() + "/tls-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    certificate = folder + "/certificate.pem"
    let openssl = try #require(SecureServer.openssl)
    let making = Process()
    making.executableURL = URL(fileURLWithPath: openssl)
    making.arguments = [
      "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
      "-addext", "subjectAltName=DNS:localhost", "-keyout", folder + "/key.pem", "-out",
      certificate,
    ]
    making.standardError = FileHandle.nullDevice
    try making.run()
    making.waitUntilExit()
    try #require(making.terminationStatus == 0)

    let (process, life, output) = (Process(), Pipe(), Pipe())
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    // SIGTERM would not do: what Foundation starts inherits a mask that blocks it.
    process.arguments = [
      "-c", "\"$@\" < /dev/null & cat > /dev/null; kill -9 $!", "sh",
      openssl, "s_server", "-accept", "127.0.0.1:0", "-www", "-cert", certificate, "-key",
      folder + "/key.pem",
    ]
    process.standardInput = life
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    (self.folder, self.process, self.life) = (folder, process, life)
    var text = ""
    while true {
      let piece = output.fileHandleForReading.availableData
      try #require(!piece.isEmpty, "openssl s_server ended: \(text)")
      text += String(decoding: piece, as: UTF8.self)
      // `ACCEPT 127.0.0.1:38271`
      if let line = text.split(separator: "\n").first(where: { $0.hasPrefix("ACCEPT") }),
        text.contains("\n"), let port = line.split(separator: ":").last.flatMap({ Int($0) })
      {
        self.port = port
        break
      }
    }
  }

  deinit {
    try? life.fileHandleForWriting.close()
    process.waitUntilExit()
    try? FileManager.default.removeItem(atPath: folder)
  }
}

@Test(
  "certificates are verified, against an authority of one's own where one is named",
  .enabled(if: SecureServer.openssl != nil, "needs the openssl command"))
func verifiesCertificates() throws {
  let server = try SecureServer()
  let request = HTTPRequest(.get, "https://localhost:\(server.port)/")
  let error = #expect(throws: TransportError.self) { try HTTPClient().send(request) }
  #expect(error?.code == .tls)
  #expect(error?.isTransient == false)
  #expect(error?.advice?.contains("SSL_CERT_FILE") == true)

  var configuration = HTTPConfiguration()
  configuration.certificateFile = server.certificate
  let trusting = HTTPClient(configuration: configuration)
  #expect(try trusting.send(request).status == 200)
  // Trust in the authority does not make another host of this one.
  let wrongHost = HTTPRequest(.get, "https://127.0.0.1:\(server.port)/")
  #expect(throws: TransportError.self) { try trusting.send(wrongHost) }
}
