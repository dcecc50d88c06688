import Core
import Transport

/// Google Cloud Storage behind its JSON API (https://cloud.google.com/storage/docs/json_api): who
/// asks, where, and what its answers mean.
final class GCSService: Sendable {
  let settings: GCSSettings
  let credentials: GoogleCredentials
  let client: HTTPClient
  let policy: RetryPolicy
  let pace: Pace
  let clock: ServerClock

  init(
    settings: GCSSettings, credentials: GoogleCredentials, client: HTTPClient, policy: RetryPolicy
  ) {
    self.settings = settings
    self.credentials = credentials
    self.client = client
    self.policy = policy
    pace = Pace(clock: policy.clock)
    clock = ServerClock(own: policy.clock)
  }

  /// Makes one request in the name of whoever the credentials stand for; one more where the server
  /// does not like the token any longer.
  ///
  /// - Throws: `StoreError` `.denied` without credentials of use; `TransportError`; `Cancelled`.
  func send(
    _ request: HTTPRequest, cancellation: Cancellation,
    receive: (HTTPResponse, UnsafeRawBufferPointer) throws -> Void = { _, _ in }
  ) throws -> HTTPResponse {
    let found = try withCredentials { try credentials.find(cancellation: cancellation) }
    var mayRenew = true
    while true {
      var request = request
      var token: String?
      // The server itself names where parts of an upload go: nobody else is to get the token.
      if request.url.hasPrefix(settings.endpoint + "/") {
        token = try withCredentials { try found.tokens?.current(cancellation: cancellation) }
        if let token { request.headers.append(("Authorization", "Bearer \(token)")) }
        if let project = found.quotaProject {
          request.headers.append(("x-goog-user-project", project))
        }
      }
      try pace.wait(cancellation)
      let response = try client.send(request, cancellation: cancellation, receive: receive)
      clock.learn(from: response)
      pace.note(isThrottled: GCSService.isThrottled(response))
      guard response.status == 401, mayRenew, let token else { return response }
      found.tokens?.forget(token)
      mayRenew = false
    }
  }

  /// Makes a request until its answer is not transient, and takes the body of a 2xx answer apart.
  ///
  /// - Parameters:
  ///   - uri: What it is about.
  ///   - isTransient: What else than the usual is worth another try.
  ///   - parse: Gives nil for what the service never says; it is asked again then.
  /// - Returns: The last answer, whatever its status; what `parse` gave, where it is 2xx.
  func perform<T>(
    _ request: HTTPRequest, about uri: String, cancellation: Cancellation = .never,
    isTransient: (HTTPResponse) -> Bool = { _ in false }, parse: ([UInt8]) -> T?
  ) throws -> (response: HTTPResponse, value: T?) {
    try policy.run(cancellation: cancellation, onRetry: { client.counters.add(retries: 1) }) { _ in
      var body: [UInt8] = []
      do {
        let response = try send(request, cancellation: cancellation) { body += $1 }
        if response.isSuccess {
          guard let value = parse(body) else {
            return .again(.failure(GCSService.malformed(uri)), afterMilliseconds: nil)
          }
          return .done((response, value))
        }
        guard GCSService.isTransient(response) || isTransient(response) else {
          return .done((response, nil))
        }
        return .again(.answer((response, nil)), afterMilliseconds: policy.retryAfter(response))
      } catch let error as TransportError {
        return try error.outcome()
      }
    }
  }

  /// Takes JSON apart.
  static func json<T>(_ read: @escaping (JSON) -> T?) -> ([UInt8]) -> T? {
    { (try? JSON(parsing: $0)).flatMap(read) }
  }

  static func malformed(_ uri: String) -> StoreError {
    StoreError(
      .failed, "the answer is not one of Google Cloud Storage", at: Place(file: uri),
      advice: "check SLUICE_GCS_ENDPOINT, STORAGE_EMULATOR_HOST and the proxy settings")
  }

  /// Whether the same request may succeed later. Too many requests are sometimes called 403.
  static func isTransient(_ response: HTTPResponse) -> Bool {
    response.isTransient || isThrottled(response)
  }

  /// Whether the server asks for fewer requests.
  private static func isThrottled(_ response: HTTPResponse) -> Bool {
    if [429, 503].contains(response.status) { return true }
    guard response.status == 403 else { return false }
    return ["rateLimitExceeded", "userRateLimitExceeded"].contains(GCSFault(response).reason)
  }

  private func withCredentials<T>(_ body: () throws -> T) throws -> T {
    do {
      return try body()
    } catch let error as TransportError where error.code == .credentials {
      throw StoreError(
        .denied, error.message, at: error.place, advice: error.advice, exitCode: error.exitCode)
    }
  }

  /// The failure that an answer without what was asked for stands for.
  ///
  /// - Parameter uri: The object's or the bucket's address.
  func failure(_ response: HTTPResponse, _ uri: String) -> StoreError {
    let fault = GCSFault(response)
    let (code, message, advice): (StoreError.Code, String, String?) =
      switch response.status {
      case 404 where fault.isBucketMissing:
        (.notFound, "there is no such bucket", "check the bucket's name, or create it")
      case 404: (.notFound, "there is no such object", nil)
      case 401, 403: denied(fault)
      case 412: (.conditionFailed, "the object is not in the state that was expected", nil)
      case _ where GCSService.isTransient(response):
        (.unreachable, "Google Cloud Storage keeps failing", "run again later")
      default: (.failed, "Google Cloud Storage refuses the request", nil)
      }
    let detail = fault.message.map { ": \($0)" } ?? ""
    return StoreError(
      code, "\(message) (HTTP \(response.status)\(detail))", at: Place(file: uri), advice: advice)
  }

  private func denied(_ fault: GCSFault) -> (StoreError.Code, String, String?) {
    guard let found = try? credentials.find() else { return (.denied, "access is denied", nil) }
    if let source = found.tokens?.source {
      return (
        .denied, "access is denied to \(source.description)",
        "give it a role such as Storage Object User on the bucket"
      )
    }
    let tried = found.tried.isEmpty ? "" : ", and no credentials were found: "
    return (
      .denied, "access is denied to everybody\(tried)\(found.tried.joined(separator: "; "))",
      "name a service account's key file in GOOGLE_APPLICATION_CREDENTIALS, or run gcloud auth "
        + "application-default login"
    )
  }
}

/// What an answer says is wrong: `{"error": {"message": …, "errors": [{"reason": …}]}}`, or plain
/// text, as uploads and downloads may have it.
struct GCSFault {
  var message: String?
  var reason: String?

  init(_ response: HTTPResponse) {
    if let error = (try? JSON(parsing: response.errorBody))?["error"] {
      message = error["message"]?.string
      reason = error["errors"]?.array?.first?["reason"]?.string
    } else if response["content-type"]?.lowercased().contains("html") != true {
      let text = String(decoding: response.errorBody.prefix(300), as: UTF8.self)
        .split(whereSeparator: { $0.isWhitespace }).joined(separator: " ")
      message = text.isEmpty ? nil : text
    }
  }

  var isBucketMissing: Bool {
    message?.lowercased().contains("bucket does not exist") == true
  }

  /// Bytes that were damaged on their way up.
  var isChecksumMismatch: Bool {
    guard let message = message?.lowercased() else { return false }
    return (message.contains("crc32c") || message.contains("md5"))
      && message.contains("doesn't match")
  }
}
