import Core
import Foundation
import TestSupport
import Testing
import Transport

@testable import Stores

/// Tokens and passwords for web sources, and who gets to see them.
struct HTTPCredentialsTests {
  static func file(_ text: String) -> @Sendable (WebServer.Request) -> WebServer.Reply {
    { .file(Array(text.utf8), etag: "\"v\"", for: $0) }
  }

  func opener(_ variables: [String: String], netrc: String? = nil) -> StoreOpener {
    var configuration = HTTPConfiguration()
    configuration.netrcFile = netrc ?? "/no/such/netrc"
    return StoreOpener(
      client: HTTPClient(configuration: configuration), policy: eagerPolicy,
      environment: { variables[$0] })
  }

  @Test(
    "a token is for the hosts that are named",
    arguments: [
      ("https://h/x", "h", true), ("https://h:443/x", "h", true), ("https://H/x", "a.b, h", true),
      ("https://h:8443/x", "h:8443", true), ("https://h/x", "https://h/", true),
      ("http://h/x", "http://h", true), ("http://h/x", "h", false),
      ("http://h:443/x", "h", false),
      ("https://h:8443/x", "h", false), ("https://sub.h/x", "h", false),
      ("https://hh/x", "h", false), ("https://h/x", "http://h", false),
    ])
  func hosts(_ address: String, _ hosts: String, _ isMeant: Bool) throws {
    let variables = ["SLUICE_HTTP_TOKEN": "canary-bearer", "SLUICE_HTTP_TOKEN_HOST": hosts]
    let store = try #require(try opener(variables).open(address) as? HTTPStore)
    #expect(store.token == (isMeant ? "canary-bearer" : nil))
    #expect(Redaction.shared.redact("is canary-bearer") == "is ***")
  }

  @Test("a token without a host is an error of configuration", arguments: [nil, "", " , "])
  func noHost(_ host: String?) {
    let opener = opener([
      "SLUICE_HTTP_TOKEN": "canary-bearer", "SLUICE_HTTP_TOKEN_HOST": host ?? "",
    ])
    let error = expectFailure(.badAddress) { try opener.open("https://h/x") }
    #expect(error?.exitCode == 2)
    #expect(error?.advice?.contains("SLUICE_HTTP_TOKEN_HOST") == true)
    #expect(throws: Never.self) { try opener.open("/local") }
  }

  @Test("a token is sent with every request, and not on to another host")
  func redirect() throws {
    let elsewhere = WebServer(Self.file("elsewhere"))
    let server = WebServer {
      $0.target == "/x"
        ? .init(302, [("Location", "\(elsewhere.address)/y")]) : Self.file("here")($0)
    }
    let opener = opener([
      "SLUICE_HTTP_TOKEN": "canary-bearer", "SLUICE_HTTP_TOKEN_HOST": server.address,
    ])
    let store = try opener.open(server.address)
    #expect(try store.text("z") == "here")
    #expect(try store.head("z") != nil)
    #expect(try store.text("x") == "elsewhere")
    #expect(server.requests.count == 3)
    #expect(server.requests.allSatisfy { $0.headers["authorization"] == "Bearer canary-bearer" })
    #expect(elsewhere.requests.count == 1)
    #expect(elsewhere.requests[0].headers["authorization"] == nil)
  }

  @Test("user and password come from .netrc, by host, and are not sent on to another host")
  func netrc() throws {
    let scratch = Scratch()
    scratch.write("netrc", "machine 127.0.0.1 login me password canary-netrc\n")
    let elsewhere = WebServer(Self.file("elsewhere"))
    let server = WebServer {
      $0.target == "/x"
        ? .init(302, [("Location", "http://localhost:\(elsewhere.port)/y")])
        : Self.file("here")($0)
    }
    let expected = "Basic " + Data("me:canary-netrc".utf8).base64EncodedString()
    let store = try opener([:], netrc: scratch.path + "/netrc").open(server.address)
    #expect(try store.text("z") == "here")
    #expect(try store.text("x") == "elsewhere")
    #expect(server.requests.allSatisfy { $0.headers["authorization"] == expected })
    #expect(elsewhere.requests.count == 1)
    #expect(elsewhere.requests[0].headers["authorization"] == nil)

    // What the address or the environment says is preferred.
    let named = "http://you:other-word@127.0.0.1:\(server.port)"
    _ = try opener([:], netrc: scratch.path + "/netrc").open(named).text("z")
    #expect(
      server.requests.last?.headers["authorization"]
        == "Basic " + Data("you:other-word".utf8).base64EncodedString())
    let variables = [
      "SLUICE_HTTP_TOKEN": "canary-bearer", "SLUICE_HTTP_TOKEN_HOST": server.address,
    ]
    _ = try opener(variables, netrc: scratch.path + "/netrc").open(server.address).text("z")
    #expect(server.requests.last?.headers["authorization"] == "Bearer canary-bearer")
  }

  @Test("another entry of .netrc, one without a password, gets nobody's password")
  func netrcWithoutPassword() throws {
    let scratch = Scratch()
    scratch.write(
      "netrc", "machine 127.0.0.1 login me password canary-netrc\nmachine localhost login you\n")
    let elsewhere = WebServer(Self.file("elsewhere"))
    let server = WebServer { _ in
      .init(302, [("Location", "http://localhost:\(elsewhere.port)/y")])
    }
    _ = try opener([:], netrc: scratch.path + "/netrc").open(server.address).text("x")
    let sent = elsewhere.requests.first?.headers["authorization"] ?? ""
    let text = Data(base64Encoded: String(sent.dropFirst(6))).map {
      String(decoding: $0, as: UTF8.self)
    }
    #expect(text?.contains("canary-netrc") != true)
  }

  @Test("who is refused hears where credentials go")
  func refusalNamesTheVariables() throws {
    let server = WebServer { _ in .init(401) }
    let error = expectFailure(.denied) { try opener([:]).open(server.address).head("x") }
    #expect(error?.advice?.contains("SLUICE_HTTP_TOKEN") == true)
    #expect(error?.advice?.contains(".netrc") == true)
  }
}
