import Core
import Synchronization
import Transport

/// One request to S3, before it has a host and a signature.
struct S3Request {
  var method: HTTPRequest.Method
  var bucket: String
  /// The whole key; nil for requests about the bucket.
  var key: String?
  /// Not encoded.
  var query: [(name: String, value: String)] = []
  var headers: [(name: String, value: String)] = []
  var body = HTTPRequest.Body.none
  /// The body's SHA-256, computed when the request is signed for a connection without TLS.
  var payload: () throws -> SigV4.Payload = { .empty }
  var range: Range<Int64>?
}

/// What all stores of one endpoint share: credentials, the clock's error, the pace, and the regions
/// of buckets.
final class S3Service: Sendable {
  /// Amazon's, or what the environment puts in its place.
  ///
  /// - Parameter credentials: nil for those that the environment names.
  static func fromEnvironment(
    _ environment: AWSEnvironment, credentials: (any AWSCredentialSource)? = nil,
    client: HTTPClient, policy: RetryPolicy
  ) throws -> S3Service {
    let configuration = try S3Configuration(environment)
    var policy = policy
    policy.maximumAttempts = configuration.maximumAttempts ?? policy.maximumAttempts
    return S3Service(
      configuration,
      credentials: credentials ?? AWSCredentialChain(environment: environment, client: client),
      client: client, policy: policy)
  }

  let configuration: S3Configuration
  let client: HTTPClient
  let policy: RetryPolicy
  let pace: Pace
  let clock: ServerClock
  private let source: any AWSCredentialSource
  private let signer = SigV4(service: "s3")

  private struct State {
    /// Whether the service refuses what is signed by this machine's clock.
    var isSkewed = false
    var regions: [String: String] = [:]
    /// Buckets that were seen to hold conditions.
    var safe: Set<String> = []
  }
  private let state = Mutex(State())

  init(
    _ configuration: S3Configuration, credentials: any AWSCredentialSource,
    client: HTTPClient = .shared, policy: RetryPolicy = RetryPolicy()
  ) {
    self.configuration = configuration
    self.client = client
    self.policy = policy
    pace = Pace(clock: policy.clock)
    clock = ServerClock(own: policy.clock)
    source = credentials
  }

  /// Makes a request until there is an answer that stays; its body is kept in memory.
  ///
  /// - Parameters:
  ///   - again: Called with an answer; true asks for another try where that is possible.
  func exchange(
    _ request: S3Request, cancellation: Cancellation = .never,
    again: (S3Answer) -> Bool = { $0.isTransient }
  ) throws -> S3Answer {
    try policy.run(cancellation: cancellation, onRetry: { client.counters.add(retries: 1) }) { _ in
      do {
        var body: [UInt8] = []
        let answer = try send(request, cancellation) {
          body += $1
        } body: {
          defer { body = [] }
          return body
        }
        guard again(answer) else { return .done(answer) }
        return .again(.answer(answer), afterMilliseconds: policy.retryAfter(answer.response))
      } catch let error as TransportError {
        return try error.outcome(progressed: false)
      }
    }
  }

  /// Makes a request once, or once more for each thing that can be mended at once: the region, the
  /// credentials, the clock.
  ///
  /// - Parameter body: The body that `receive` collected, if it did.
  /// - Throws: `TransportError`, `Cancelled`, and what `receive` throws.
  func send(
    _ request: S3Request, _ cancellation: Cancellation,
    receive: (HTTPResponse, UnsafeRawBufferPointer) throws -> Void,
    body: () -> [UInt8] = { [] }
  ) throws -> S3Answer {
    var mended: Set<String> = []
    while true {
      let credentials = try credentials(cancellation)
      try pace.wait(cancellation)
      let signed = try signed(request, as: credentials)
      let response = try client.send(signed, cancellation: cancellation, receive: receive)
      let answer = S3Answer(response, body: body())
      clock.learn(from: response)
      pace.note(isThrottled: answer.isThrottled)
      guard !answer.isSuccess, let mend = mend(answer, request, credentials, cancellation),
        mended.insert(mend).inserted
      else { return answer }
      client.counters.add(retries: 1)
    }
  }

  func credentials(_ cancellation: Cancellation) throws -> AWSCredentials? {
    do {
      return try source.credentials(cancellation)
    } catch let error as TransportError {
      throw StoreError(
        .denied, error.message, at: error.place, advice: error.advice, exitCode: error.exitCode)
    }
  }

  /// Learns from an answer what was wrong with the request.
  ///
  /// - Returns: What is better now; nil where nothing is.
  private func mend(
    _ answer: S3Answer, _ request: S3Request, _ credentials: AWSCredentials?,
    _ cancellation: Cancellation
  ) -> String? {
    // HEAD has no body to tell why.
    if request.method == .head, [400, 403].contains(answer.response.status) {
      var probe = request
      probe.method = .get
      probe.range = 0..<1
      guard let told = try? self.told(probe, as: credentials, cancellation) else { return nil }
      return mend(told, probe, credentials, cancellation)
    }
    if let region = answer.region, region != self.region(of: request.bucket),
      [301, 307, 400, 403].contains(answer.response.status)
    {
      state.withLock { $0.regions[request.bucket] = region }
      return "region"
    }
    if answer.isExpired, let credentials {
      source.expire(credentials)
      return "credentials"
    }
    if answer.isSkewed, answer.response["date"] != nil {
      clock.learn(from: answer.response)
      state.withLock { $0.isSkewed = true }
      return "clock"
    }
    return nil
  }

  private func told(
    _ probe: S3Request, as credentials: AWSCredentials?, _ cancellation: Cancellation
  ) throws -> S3Answer {
    struct Enough: Error {}
    return S3Answer(
      try client.send(try signed(probe, as: credentials), cancellation: cancellation) { _, _ in
        throw Enough()
      })
  }

  func region(of bucket: String) -> String {
    state.withLock { $0.regions[bucket] } ?? configuration.region
  }

  private func signed(_ request: S3Request, as credentials: AWSCredentials?) throws -> HTTPRequest {
    let (region, isSkewed) = state.withLock {
      ($0.regions[request.bucket] ?? configuration.region, $0.isSkewed)
    }
    var url = configuration.bucketURL(request.bucket, region: region)
    url += "/" + uriEncoded(request.key ?? "", keepsSlashes: true)
    if !request.query.isEmpty {
      url +=
        "?"
        + request.query.map { "\(uriEncoded($0.name))=\(uriEncoded($0.value))" }
        .joined(separator: "&")
    }
    var http = HTTPRequest(
      request.method, url, headers: request.headers, body: request.body, range: request.range)
    http.isVerbatim = true
    http.certificateFile = configuration.certificateFile
    if let credentials {
      // TLS protects the body on its way; without it the signature does.
      let isSecure = url.hasPrefix("https:")
      let payload: SigV4.Payload
      switch request.body {
      case .none: payload = .empty
      default: payload = isSecure ? .unsigned : try request.payload()
      }
      let now = isSkewed ? clock.now : policy.clock.now()
      signer.sign(&http, as: credentials, region: region, payload: payload, at: now)
    }
    return http
  }

  // MARK: - Conditions

  func isKnownSafe(_ bucket: String) -> Bool {
    configuration.isAmazon || state.withLock { $0.safe.contains(bucket) }
  }

  func markSafe(_ bucket: String) { state.withLock { _ = $0.safe.insert(bucket) } }
}
