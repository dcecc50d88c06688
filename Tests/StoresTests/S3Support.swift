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
  typealias Fault = FaultProxy.Fault

  let proxy: FaultProxy
  var requests: [WebServer.Request] { proxy.requests }

  /// - Parameter schedule: Says what goes wrong with a request; nil lets it pass.
  init(_ schedule: @escaping @Sendable (WebServer.Request) -> Fault?) throws {
    proxy = FaultProxy(to: try Moto.address(), schedule)
  }

  func store(
    client: HTTPClient = HTTPClient(), _ change: (inout S3Configuration) -> Void = { _ in }
  ) throws -> S3Store {
    try Moto.store(endpoint: proxy.address, client: client, change)
  }

  /// An error as S3 writes it.
  static func error(
    _ status: Int, _ code: String, _ headers: [(String, String)] = [], extra: String = ""
  ) -> Fault {
    .answers(FaultProxy.s3Error(status, code, headers, extra: extra))
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
