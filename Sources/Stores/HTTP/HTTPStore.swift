import Core
import Transport

/// Files of a web server, for reading.
///
/// - A key is the rest of the address as it is written in a URL, query included: `%20` stays `%20`
///   and `//` stays. What a URL cannot hold (spaces, non-ASCII, `"<>\^{|}`, a `%` that encodes
///   nothing, `#`) is percent-encoded on the way out, so that `a b` and `a%20b` fetch the same
///   file.
/// - A version is the ETag, or modification time with length; see `WebVersion`.
/// - Transient failures are retried, and a transfer that breaks off goes on where it stopped, as
///   long as the server still has the same version.
public struct HTTPStore: Store {
  public let root: String
  let credentials: String?
  let token: String?
  let client: HTTPClient
  let policy: RetryPolicy
  let pace: Pace
  let clock: ServerClock

  /// - Parameters:
  ///   - root: Scheme, host and perhaps the start of a path, without user and password.
  ///   - credentials: `user:password`; where nil, `.netrc` may have some.
  ///   - token: Sent as `Authorization: Bearer`, where there are no `credentials`. Like those it is
  ///     not sent on to another host by a redirect.
  public init(
    root: String, credentials: String? = nil, token: String? = nil, client: HTTPClient = .shared,
    policy: RetryPolicy = RetryPolicy()
  ) {
    var root = root[...]
    while root.utf8.last == UInt8(ascii: "/") { root.removeLast() }
    self.root = String(root)
    self.credentials = credentials
    self.token = token
    self.client = client
    self.policy = policy
    pace = Pace(clock: policy.clock)
    clock = ServerClock(own: policy.clock)
  }

  /// The server's clock, by its last answer.
  public func now() -> Instant { clock.now }

  /// Makes one request in its turn.
  func send(
    _ request: HTTPRequest, _ cancellation: Cancellation,
    receive: (HTTPResponse, UnsafeRawBufferPointer) throws -> Void
  ) throws -> HTTPResponse {
    try pace.wait(cancellation)
    let response = try client.send(request, cancellation: cancellation, receive: receive)
    clock.learn(from: response)
    pace.note(isThrottled: [429, 503].contains(response.status))
    return response
  }

  /// Asks with HEAD, or where the server does not like that, with GET for the first byte.
  ///
  /// - Returns: nil for 404 and 410. The size is `Object.unknownByteCount` where the server does
  ///   not state one.
  public func head(_ key: String) throws -> Object? {
    var request = request(.head, key)
    var response = try exchange(request)
    // Signed addresses are often good for GET alone, and then answer 403.
    let isRefused = [400, 403, 405, 501].contains(response.status)
    if isRefused || (response.isSuccess && response.contentLength == nil) {
      request.method = .get
      request.range = 0..<1
      response = try exchange(request)
    }
    if response.status == 404 || response.status == 410 { return nil }
    // The first byte of an empty file is out of range.
    guard response.isSuccess || WebVersion.totalByteCount(response) == 0 else {
      throw failure(response, request.url)
    }
    return WebVersion.object(key, response)
  }

  public func list(prefix: String, page: ([Object]) throws -> Void) throws {
    throw StoreError(
      .badAddress, "a web server has no listing", at: Place(file: redactedURL(uri(prefix))),
      advice: "name each file by its address, without wildcards", exitCode: 2)
  }

  public func put(_ key: String, _ body: Body, _ condition: PutCondition) throws -> Object {
    throw readOnly(key)
  }

  public func delete(_ keys: [String]) throws {
    if let key = keys.first { throw readOnly(key) }
  }

  public func localPath(_ key: String) -> String? { nil }

  func request(_ method: HTTPRequest.Method, _ key: String) -> HTTPRequest {
    var request = HTTPRequest(method, HTTPStore.encoded(uri(key)), credentials: credentials)
    if credentials == nil {
      if let token {
        request.headers.append(("Authorization", "Bearer \(token)"))
      } else {
        request.usesNetrc = true
      }
    }
    return request
  }

  /// Makes a request for what comes before any body, with retries.
  private func exchange(_ request: HTTPRequest) throws -> HTTPResponse {
    struct Enough: Error {}
    return try policy.run(cancellation: .never, onRetry: { client.counters.add(retries: 1) }) { _ in
      var head: HTTPResponse?
      do {
        let response = try send(request, .never) { response, _ in
          head = response
          throw Enough()
        }
        return outcome(of: response)
      } catch is Enough {
        clock.learn(from: head!)
        return .done(head!)
      } catch let error as TransportError {
        return try error.outcome()
      }
    }
  }

  /// What an answer means for the retries. A transient one that stays is an answer, too.
  func outcome(of response: HTTPResponse) -> RetryPolicy.Attempt<HTTPResponse> {
    guard response.isTransient else { return .done(response) }
    return .again(.answer(response), afterMilliseconds: policy.retryAfter(response))
  }

  /// The failure that an answer without the object stands for.
  func failure(_ response: HTTPResponse, _ url: String) -> StoreError {
    let (code, message, advice): (StoreError.Code, String, String?) =
      switch response.status {
      case 404, 410: (.notFound, "there is no such file", nil)
      case 401, 403:
        (
          .denied, "the server denies access",
          "check the address, and the credentials for it in SLUICE_HTTP_TOKEN or .netrc"
        )
      case 407: (.denied, "the proxy wants credentials", "put them into the proxy's address")
      case 412: (.changed, "the file is no longer the version that was listed", "list again")
      case _ where response.isTransient:
        (.unreachable, "the server keeps failing", "run again later")
      default: (.failed, "the server does not hand out the file", nil)
      }
    return StoreError(
      code, "\(message) (HTTP \(response.status)\(HTTPStore.excerpt(response)))",
      at: Place(file: redactedURL(url)), advice: advice)
  }

  /// The first words of a plain-text error; pages for browsers say little.
  private static func excerpt(_ response: HTTPResponse) -> String {
    guard response["content-type"]?.lowercased().contains("html") != true else { return "" }
    let text = String(decoding: response.errorBody.prefix(300), as: UTF8.self)
      .split(whereSeparator: { $0.isWhitespace }).joined(separator: " ")
    return text.isEmpty ? "" : ": \(text.prefix(200))"
  }

  private func readOnly(_ key: String) -> StoreError {
    StoreError(
      .denied, "web addresses can only be read", at: Place(file: redactedURL(uri(key))),
      advice: "choose a folder to write to", exitCode: 2)
  }

  /// Percent-encodes what a URL cannot hold and leaves the rest alone.
  static func encoded(_ url: String) -> String {
    var bytes: [UInt8] = []
    let all = Array(url.utf8)
    for (index, byte) in all.enumerated() {
      let isPlain: Bool
      switch byte {
      case UInt8(ascii: "%"):
        isPlain = all[(index + 1)...].prefix(2).count { isHexDigit($0) } == 2
      case 0x00...0x20, 0x7F...0xFF: isPlain = false
      default: isPlain = !"\"<>\\^`{|}#".utf8.contains(byte)
      }
      if isPlain {
        bytes.append(byte)
      } else {
        let digits = String(byte, radix: 16, uppercase: true).paddedLeft(to: 2, with: "0")
        bytes += "%\(digits)".utf8
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// Whether the byte is one of `0-9A-Fa-f`.
func isHexDigit(_ byte: UInt8) -> Bool {
  switch byte {
  case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
    UInt8(ascii: "A")...UInt8(ascii: "F"):
    true
  default: false
  }
}
