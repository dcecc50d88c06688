import Core

/// A request for a token (RFC 6749), and its answer.
struct TokenEndpoint: Sendable {
  var client: HTTPClient
  var policy: RetryPolicy

  struct Refusal: Error {
    /// `invalid_grant` and the like; the status where the answer is not as specified.
    var reason: String
    var details: String?
    /// The server's clock.
    var date: Instant?
    /// Who refuses.
    var url: String
  }

  /// Posts a form. A token asked for twice does no harm, so that transient failures are retried.
  ///
  /// - Throws: `Refusal` where the server answers without a token; `TransportError` `.unreachable`
  ///   where it keeps failing.
  func post(
    _ url: String, _ form: [(name: String, value: String)], cancellation: Cancellation
  ) throws -> AccessToken {
    let body = form.map { "\($0.name)=\(percentEncoded($0.value))" }.joined(separator: "&")
    return try ask(
      HTTPRequest(
        .post, url, headers: [("Content-Type", "application/x-www-form-urlencoded")],
        body: .bytes(Array(body.utf8))), cancellation: cancellation)
  }

  func ask(_ request: HTTPRequest, cancellation: Cancellation) throws -> AccessToken {
    try policy.run(cancellation: cancellation, onRetry: { client.counters.add(retries: 1) }) { _ in
      var body: [UInt8] = []
      do {
        let response = try client.send(request, cancellation: cancellation) { body += $1 }
        if response.isSuccess { return .done(try token(body, url: request.url)) }
        guard response.isTransient else { throw refusal(response, request.url) }
        let failure = TransportError(
          .unreachable, "no access token: the server keeps failing (HTTP \(response.status))",
          at: Place(file: redactedURL(request.url)), advice: "run again later")
        return .again(.failure(failure), afterMilliseconds: policy.retryAfter(response))
      } catch let error as TransportError where error.isTransient {
        return .again(.failure(error), afterMilliseconds: nil)
      }
    }
  }

  private func token(_ body: [UInt8], url: String) throws -> AccessToken {
    guard let answer = try? JSON(parsing: body), let value = answer["access_token"]?.string,
      !value.isEmpty
    else {
      throw TransportError(
        .credentials, "the answer holds no access token", at: Place(file: redactedURL(url)))
    }
    Redaction.shared.register(value)
    let seconds = answer["expires_in"]?.integer ?? 3600
    return AccessToken(
      value: value, expires: policy.clock.now().adding(seconds: max(0, min(seconds, 1 << 30))))
  }

  private func refusal(_ response: HTTPResponse, _ url: String) -> Refusal {
    let answer = try? JSON(parsing: response.errorBody)
    let isSpecified = answer?["error"]?.string != nil
    return Refusal(
      reason: answer?["error"]?.string ?? "HTTP \(response.status)",
      details: isSpecified ? answer?["error_description"]?.string : nil,
      date: response["date"].flatMap(httpDate), url: redactedURL(url))
  }
}

extension TransportError {
  /// The failure that a refused request for a token stands for.
  init(_ refusal: TokenEndpoint.Refusal, for source: any TokenSource, advice: String) {
    let details = refusal.details.map { ": \($0)" } ?? ""
    self.init(
      .credentials, "no access token for \(source.description): \(refusal.reason)\(details)",
      at: Place(file: refusal.url), advice: advice)
  }
}

/// Percent-encodes all but RFC 3986's unreserved characters.
public func percentEncoded(_ text: String) -> String {
  let digits = Array("0123456789ABCDEF".utf8)
  var bytes: [UInt8] = []
  for byte in text.utf8 {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
      UInt8(ascii: "_"), UInt8(ascii: "~"):
      bytes.append(byte)
    default: bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
    }
  }
  return String(decoding: bytes, as: UTF8.self)
}
