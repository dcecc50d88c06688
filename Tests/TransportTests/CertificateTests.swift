import Core
import Foundation
import TestSupport
import Testing

@testable import Transport

/// An HTTPS server with a certificate that nobody vouches for: OpenSSL's own test server.
private final class SecureServer {
  let certificate: TestCertificate
  let port: Int
  private let process: Process
  /// The server ends with this pipe, however the tests end.
  private let life: Pipe

  init() throws {
    let openssl = try #require(TestCertificate.openssl)
    let certificate = try TestCertificate(for: "DNS:localhost")
    let (process, life, output) = (Process(), Pipe(), Pipe())
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    // SIGTERM would not do: what Foundation starts inherits a mask that blocks it.
    process.arguments = [
      "-c", "\"$@\" < /dev/null & cat > /dev/null; kill -9 $!", "sh",
      openssl, "s_server", "-accept", "127.0.0.1:0", "-www", "-cert", certificate.path,
      "-key", certificate.keyPath,
    ]
    process.standardInput = life
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    (self.certificate, self.process, self.life) = (certificate, process, life)
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
  }
}

@Test(
  "certificates are verified, against an authority of one's own where one is named",
  .enabled(if: TestCertificate.openssl != nil, "\(TestCertificate.whyNot)"))
func verifiesCertificates() throws {
  let server = try SecureServer()
  let request = HTTPRequest(.get, "https://localhost:\(server.port)/")
  let error = #expect(throws: TransportError.self) { try HTTPClient().send(request) }
  #expect(error?.code == .tls)
  #expect(error?.isTransient == false)
  #expect(error?.advice?.contains("SSL_CERT_FILE") == true)

  var configuration = HTTPConfiguration()
  configuration.certificateFile = server.certificate.path
  let trusting = HTTPClient(configuration: configuration)
  #expect(try trusting.send(request).status == 200)
  // Trust in the authority does not make another host of this one.
  let wrongHost = HTTPRequest(.get, "https://127.0.0.1:\(server.port)/")
  #expect(throws: TransportError.self) { try trusting.send(wrongHost) }

  // Or one for single requests, as AWS's services may have.
  var own = request
  own.certificateFile = server.certificate.path
  #expect(try HTTPClient().send(own).status == 200)
}
