import Core
import Foundation
import Synchronization
import TestSupport
import Testing
import Transport

@testable import Stores

/// moto's S3 server, one for all tests of the process; each test has a prefix of its own.
enum Moto {
  static let isThere = PythonTool.has("moto")
  static let whyNot = Comment(rawValue: PythonTool.whyNot)

  private static let server = Result { () throws -> (tool: PythonTool, port: Int) in
    let tool = try PythonTool("moto_server.py", ["bucket", "dotted.bucket"])
    guard let port = Int(try tool.firstLine()) else {
      throw PythonTool.Failed(description: "no port")
    }
    return (tool, port)
  }

  static func address() throws -> String { "http://127.0.0.1:\(try server.get().port)" }

  /// A store below a prefix that nobody else has.
  static func store(
    prefix: String = UUID().uuidString, endpoint: String? = nil, client: HTTPClient = HTTPClient(),
    _ change: (inout S3Configuration) -> Void = { _ in }
  ) throws -> S3Store {
    var configuration = S3Configuration()
    configuration.endpoint = try endpoint ?? address()
    change(&configuration)
    return S3Store(
      bucket: "bucket", prefix: prefix, configuration: configuration,
      credentials: FixedAWSCredentials(
        AWSCredentials(accessKeyID: "AK", secretAccessKey: "canary-secret-key")),
      client: client, policy: eagerPolicy, counter: MutationCounter())
  }
}

/// Stands between a store and moto, and spoils what a test says.
final class S3Proxy: Sendable {
  enum Fault: Sendable {
    /// Answered without asking the server.
    case answers(WebServer.Reply)
    /// The server is asked, and the client never hears of it.
    case losesAnswer
    /// The server's answer, spoilt.
    case spoils(@Sendable (inout WebServer.Reply) -> Void)
  }

  let server: WebServer
  var requests: [WebServer.Request] { server.requests }

  /// - Parameter schedule: Says what goes wrong with a request; nil lets it pass.
  init(_ schedule: @escaping @Sendable (WebServer.Request) -> Fault?) throws {
    let address = try Moto.address()
    server = WebServer { request in
      let fault = schedule(request)
      if case .answers(let reply) = fault { return reply }
      var reply = S3Proxy.forward(request, to: address)
      switch fault {
      case .losesAnswer: reply = WebServer.Reply(200, fault: .length(10))
      case .spoils(let spoil): spoil(&reply)
      default: break
      }
      return reply
    }
  }

  func store(
    client: HTTPClient = HTTPClient(), _ change: (inout S3Configuration) -> Void = { _ in }
  ) throws -> S3Store {
    try Moto.store(endpoint: server.address, client: client, change)
  }

  /// An error as S3 writes it.
  static func error(
    _ status: Int, _ code: String, _ headers: [(String, String)] = [], extra: String = ""
  ) -> Fault {
    .answers(
      WebServer.Reply(
        status, [("Content-Type", "application/xml")] + headers,
        text: "<?xml version=\"1.0\"?><Error><Code>\(code)</Code><Message>words</Message>\(extra)"
          + "</Error>"))
  }

  private static let client = HTTPClient()

  private static func forward(_ request: WebServer.Request, to address: String) -> WebServer.Reply {
    let hopByHop = ["host", "content-length", "expect", "connection", "transfer-encoding"]
    var forwarded = HTTPRequest(
      HTTPRequest.Method(rawValue: request.method)!, address + request.target,
      headers: request.headers.filter { !hopByHop.contains($0.key) }.map { ($0.key, $0.value) },
      body: request.body.isEmpty ? .none : .bytes(request.body))
    forwarded.isVerbatim = true
    var body: [UInt8] = []
    guard let response = try? client.send(forwarded, receive: { body += $1 }) else {
      return WebServer.Reply(502)
    }
    let headers = response.headers.filter {
      !["content-length", "connection", "transfer-encoding"].contains($0.name.lowercased())
    }
    let isHead = request.method == "HEAD"
    return WebServer.Reply(
      response.status, headers, body: response.isSuccess ? body : response.errorBody,
      fault: isHead ? response.contentLength.map { .length(Int($0)) } : nil)
  }
}

/// `count` bytes that do not repeat.
func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
  var state = seed
  let words = (0..<(count / 8 + 1)).map { _ in
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state ^ state >> 32
  }
  return words.withUnsafeBytes { Array($0.prefix(count)) }
}
