import Kernels
import Synchronization
import Transport

/// Stands between a client and a server, and spoils what a test says.
///
/// It is stricter than the servers behind it: a body that does not have the checksums its head states
/// is answered `BadDigest`, as S3 does.
public final class FaultProxy: Sendable {
  public enum Fault: Sendable {
    /// Answered without asking the server.
    case answers(WebServer.Reply)
    /// The server is asked, and the client never hears of it.
    case losesAnswer
    /// The server is asked, and the client hears something else.
    case replacesAnswer(WebServer.Reply)
    /// The server's answer, spoilt.
    case spoils(@Sendable (inout WebServer.Reply) -> Void)
    /// The request, changed on its way, and then perhaps its answer.
    case changes(
      @Sendable (inout WebServer.Request) -> Void,
      spoil: @Sendable (inout WebServer.Reply) -> Void = { _ in })
  }

  private let server: WebServer
  public var address: String { server.address }
  public var requests: [WebServer.Request] { server.requests }

  /// - Parameters:
  ///   - address: The server's, `http://127.0.0.1:9000`.
  ///   - schedule: Says what goes wrong with a request; nil lets it pass.
  public init(
    to address: String, keepsRequests: Bool = true,
    _ schedule: @escaping @Sendable (WebServer.Request) -> Fault?
  ) {
    server = WebServer(keepsRequests: keepsRequests) { request in
      switch schedule(request) {
      case nil: return FaultProxy.forward(request, to: address)
      case .answers(let reply): return reply
      case .losesAnswer:
        _ = FaultProxy.forward(request, to: address)
        return WebServer.Reply(200, fault: .noAnswer)
      case .replacesAnswer(let reply):
        _ = FaultProxy.forward(request, to: address)
        return reply
      case .spoils(let spoil):
        var reply = FaultProxy.forward(request, to: address)
        spoil(&reply)
        return reply
      case .changes(let change, let spoil):
        var changed = request
        change(&changed)
        var reply = FaultProxy.forward(changed, to: address)
        spoil(&reply)
        return reply
      }
    }
  }

  public func stop() { server.stop() }

  /// An error as S3 writes it.
  ///
  /// - Parameter extra: More XML beside code and message.
  public static func s3Error(
    _ status: Int, _ code: String, _ headers: [(String, String)] = [], extra: String = ""
  ) -> WebServer.Reply {
    WebServer.Reply(
      status, [("Content-Type", "application/xml")] + headers,
      text: "<?xml version=\"1.0\"?><Error><Code>\(code)</Code><Message>words</Message>\(extra)"
        + "</Error>")
  }

  /// An error as Google's JSON API writes it.
  public static func googleError(
    _ status: Int, _ reason: String, _ message: String = "words"
  ) -> WebServer.Reply {
    WebServer.Reply(
      status, [("Content-Type", "application/json; charset=UTF-8")],
      text: "{\"error\": {\"code\": \(status), \"message\": \"\(message)\", \"errors\": "
        + "[{\"reason\": \"\(reason)\", \"message\": \"\(message)\"}]}}")
  }

  // MARK: - Passing on

  private static let client = HTTPClient()
  private static let hopByHop: Set = [
    "content-length", "expect", "connection", "transfer-encoding",
  ]

  private static func forward(_ request: WebServer.Request, to address: String) -> WebServer.Reply {
    guard isSound(request) else { return s3Error(400, "BadDigest") }
    // The host stays the proxy's, so that a server that names its own address names the proxy.
    var forwarded = HTTPRequest(
      HTTPRequest.Method(rawValue: request.method)!, address + request.target,
      headers: request.headers.filter { !hopByHop.contains($0.key) }.map { ($0.key, $0.value) },
      body: request.body.isEmpty ? .none : .bytes(request.body))
    forwarded.isVerbatim = true
    var body: [UInt8] = []
    guard let response = try? client.send(forwarded, receive: { body += $1 }) else {
      return WebServer.Reply(502)
    }
    let headers = response.headers.filter { !hopByHop.contains($0.name.lowercased()) }
    let isHead = request.method == "HEAD"
    return WebServer.Reply(
      response.status, headers, body: response.isSuccess ? body : response.errorBody,
      fault: isHead ? response.contentLength.map { .length(Int($0)) } : nil)
  }

  private static func isSound(_ request: WebServer.Request) -> Bool {
    if let stated = request.headers["content-md5"], stated != base64(md5(request.body)) {
      return false
    }
    if let stated = request.headers["x-amz-checksum-crc32c"] {
      var sum = CRC32C()
      request.body.withUnsafeBytes { sum.update($0) }
      return stated == base64(withUnsafeBytes(of: sum.value.bigEndian) { Array($0) })
    }
    return true
  }
}
