import Core
import Foundation
import TestSupport
import Testing

/// Who a web server is and who asks, as the environment of the command says: authorities, passwords,
/// tokens, and proxies that encrypted requests go through.
@Suite(
  "Access to web sources",
  .enabled(if: Repository.canRun, Comment(rawValue: Repository.whyNot)),
  .enabled(if: Python.isThere, "needs python3"))
struct WebAccessTests {
  private static let hour = "2024-01-01T05"
  private static let run = ["run", "pageviews", "--from", hour]

  private func project() throws -> PageviewsProject {
    let project = try PageviewsProject()
    try project.stage(Self.hour, "aa A 3 0\n")
    return project
  }

  /// A folder for a server's certificate; nil where no openssl makes one.
  private func certificates() throws -> Scratch? {
    let programs = ["/usr/bin/openssl", "/usr/local/bin/openssl", "/opt/homebrew/bin/openssl"]
    guard programs.contains(where: { FileManager.default.isExecutableFile(atPath: $0) }) else {
      try Test.cancel("needs the openssl command")
    }
    return try Scratch()
  }

  @Test("a server's certificate is held to the authorities of the environment, and to no others")
  func authorities() throws {
    guard let folder = try certificates(), let others = try certificates() else { return }
    let project = try project()
    let server = try DumpsServer(project.input, certificateIn: folder.url)
    let other = try DumpsServer(project.input, certificateIn: others.url)
    let file = folder.url.appending(path: "certificate.pem").path
    let wrong = others.url.appending(path: "certificate.pem").path
    #expect(other.port != server.port)
    let url = ["PAGEVIEWS_URL": server.url]
    #expect(server.url.hasPrefix("https://"))
    for refused in [[:], ["SSL_CERT_FILE": wrong], ["CURL_CA_BUNDLE": wrong]] {
      let outcome = try project.run(Self.run, variables: url.merging(refused) { $1 })
      #expect(outcome.exitCode == 1, "\(refused): \(outcome)")
      #expect(outcome.standardError.contains("certificate"), "\(outcome)")
      #expect(outcome.standardError.contains("SSL_CERT_FILE"), "\(outcome)")
    }
    #expect(server.requests().isEmpty)
    let trusting = [
      ["SSL_CERT_FILE": file], ["CURL_CA_BUNDLE": file],
      ["CURL_CA_BUNDLE": file, "SSL_CERT_FILE": wrong], ["SSL_CERT_DIR": folder.url.path],
    ]
    for variables in trusting {
      let project = try self.project()
      let outcome = try project.run(Self.run, variables: url.merging(variables) { $1 })
      #expect(outcome.exitCode == 0, "\(variables): \(outcome)")
    }
    #expect(server.requests().count { $0.hasPrefix("GET ") } == trusting.count)
    #expect(other.requests().isEmpty)
  }

  @Test("what is encrypted goes through a proxy as it is, to the server whose certificate is known")
  func tunnel() throws {
    guard let folder = try certificates() else { return }
    let project = try project()
    let server = try DumpsServer(project.input, certificateIn: folder.url)
    let proxy = try ForwardProxy()
    let outcome = try project.run(
      Self.run,
      variables: [
        "PAGEVIEWS_URL": server.url, "https_proxy": "http://127.0.0.1:\(proxy.port)",
        "SSL_CERT_FILE": folder.url.appending(path: "certificate.pem").path,
      ])
    #expect(outcome.exitCode == 0, "\(outcome)")
    #expect(server.requests().contains { $0.hasPrefix("GET ") && $0.contains(" 200 ") })
    let asked = proxy.requests()
    #expect(!asked.isEmpty && Set(asked) == ["CONNECT 127.0.0.1:\(server.port)"], "\(asked)")
  }

  @Test("user and password come from ~/.netrc, or from the file that NETRC names")
  func netrc() throws {
    let secret = "canary-9Jq2netrc"
    for isHome in [true, false] {
      let project = try project()
      let server = try DumpsServer(project.input, login: "me:\(secret)")
      let url = ["PAGEVIEWS_URL": server.url]
      let refused = try project.run(Self.run, variables: url)
      #expect(refused.exitCode == 1 && refused.standardError.contains(".netrc"), "\(refused)")
      let home = project.root.deletingLastPathComponent()
      let file = try home.write(
        "machine example.org login you password other\n"
          + "machine 127.0.0.1 login me password \(secret)\n", to: isHome ? ".netrc" : "logins")
      let outcome = try project.run(
        Self.run, variables: isHome ? url : url.merging(["NETRC": file.path]) { $1 })
      #expect(outcome.exitCode == 0, "\(outcome)")
      for text in [refused.description, outcome.description] { #expect(!text.contains(secret)) }
      #expect(try tellTales(secret, project).allSatisfy { !$0.hasPrefix("lake/") })
    }
  }

  @Test("a bearer token is for the hosts that are named, and is told nobody")
  func token() throws {
    let secret = "canary-5kT8bearer"
    let project = try project()
    let path = "/" + PageviewsProject.dumpPath(Self.hour)
    let bytes = [UInt8](try Data(contentsOf: project.staged(Self.hour)))
    let server = WebServer { request in
      guard request.headers["authorization"] == "Bearer \(secret)" else {
        return WebServer.Reply(401, text: "who are you")
      }
      return request.target == path
        ? .file(bytes, etag: "\"1\"", for: request) : WebServer.Reply(404)
    }
    defer { server.stop() }
    let variables = ["PAGEVIEWS_URL": server.address, "SLUICE_HTTP_TOKEN": secret]
    for (host, code) in [("", 1), ("example.org", 1), (server.address, 0)] as [(String, Int32)] {
      let outcome = try project.run(
        Self.run, variables: variables.merging(["SLUICE_HTTP_TOKEN_HOST": host]) { $1 })
      #expect(outcome.exitCode == code, "'\(host)': \(outcome)")
      #expect((code == 0) != outcome.standardError.contains("SLUICE_HTTP_TOKEN"), "\(outcome)")
      #expect(!outcome.description.contains(secret), "\(outcome)")
    }
    #expect(server.requests.contains { $0.headers["authorization"] != nil })
    #expect(try tellTales(secret, project) == [])
  }

  /// The files of a project that hold a secret.
  private func tellTales(_ secret: String, _ project: PageviewsProject) throws -> [String] {
    try project.listing().keys.filter { path in
      guard let bytes = try? Data(contentsOf: project.root.appending(path: path)) else {
        return false
      }
      return bytes.firstRange(of: Array(secret.utf8)) != nil
    }
  }
}
