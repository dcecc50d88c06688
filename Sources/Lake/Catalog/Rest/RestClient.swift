import Core
import Stores
import Synchronization
import Transport

/// Asks an Iceberg REST catalog.
///
/// Protocol: https://github.com/apache/iceberg/blob/main/open-api/rest-catalog-open-api.yaml
final class RestClient: Sendable {
  /// An answer, of whatever status.
  struct Answer {
    var status: Int
    var body: JSON
    /// The server's own words; nil where it said nothing.
    var message: String?
    /// `NoSuchTableException` and the like.
    var type: String?

    var isSuccess: Bool { (200..<300).contains(status) }
    /// The server does not say whether it has done what was asked.
    var isUnknown: Bool { status >= 500 || status == 408 || status == 429 }
  }

  private let settings: RestSettings
  private let client: HTTPClient
  private let policy: RetryPolicy
  private let tokens: TokenCache?
  private let signer: SigV4?
  private let aws: (any AWSCredentialSource)?
  /// The path below the address, learnt from the catalog's configuration.
  private let base = Mutex<String?>(nil)

  init(
    _ settings: RestSettings, client: HTTPClient, policy: RetryPolicy,
    aws: (any AWSCredentialSource)?
  ) {
    var settings = settings
    while settings.uri.hasSuffix("/") { settings.uri.removeLast() }
    if settings.uri.hasSuffix("/v1") { settings.uri.removeLast(3) }
    self.settings = settings
    self.client = client
    self.policy = policy
    self.aws = aws
    switch settings.identity {
    case .client(let id, let secret, let endpoint, let scope):
      tokens = TokenCache(
        ClientCredentialsTokens(
          clientID: id, clientSecret: secret,
          endpoint: endpoint ?? settings.uri + "/v1/oauth/tokens", scope: scope, client: client,
          policy: policy), clock: policy.clock)
      signer = nil
    case .aws(let service, _):
      tokens = nil
      signer = SigV4(service: service)
    case .bearer(let token):
      Redaction.shared.register(token)
      (tokens, signer) = (nil, nil)
    case .nobody: (tokens, signer) = (nil, nil)
    }
  }

  var address: String { redactedURL(settings.uri) }

  /// Asks below the catalog's prefix. GETs are tried again; POSTs are made once.
  ///
  /// - Parameter path: `namespaces/…`, encoded.
  /// - Throws: `TransportError`; `LakeError` `.denied` for an identity that the catalog refuses.
  func ask(
    _ method: HTTPRequest.Method, _ path: String, body: JSON? = nil,
    headers: [(name: String, value: String)] = []
  ) throws -> Answer {
    try send(method, try root() + path, body, headers)
  }

  /// The address that paths are below, asked for once.
  private func root() throws -> String {
    if let known = base.withLock({ $0 }) { return known }
    var query = ""
    if let warehouse = settings.warehouse { query = "?warehouse=\(percentEncoded(warehouse))" }
    let answer = try send(.get, settings.uri + "/v1/config" + query, nil, [])
    guard answer.isSuccess else { throw refused(answer, "the catalog's configuration") }
    let told =
      answer.body["overrides"]?["prefix"]?.string ?? settings.prefix
      ?? answer.body["defaults"]?["prefix"]?.string
    let middle = told.map { prefix in
      // A prefix may have several parts.
      prefix.split(separator: "/").map { percentEncoded(String($0)) }.joined(separator: "/") + "/"
    }
    let root = settings.uri + "/v1/" + (middle ?? "")
    base.withLock { $0 = root }
    return root
  }

  private func send(
    _ method: HTTPRequest.Method, _ url: String, _ body: JSON?,
    _ headers: [(name: String, value: String)]
  ) throws -> Answer {
    var answer = try sendOnce(method, url, body, headers)
    // A token may have been withdrawn before its time.
    if answer.status == 401 || answer.status == 419, let tokens {
      tokens.forget(try tokens.current())
      answer = try sendOnce(method, url, body, headers)
    }
    if answer.status == 401 || answer.status == 403 {
      throw LakeError(
        .denied,
        "the catalog refuses: \(answer.message ?? "HTTP \(answer.status)")",
        at: Place(file: redactedURL(url)), advice: "check what 'catalog' says in sluice.yaml")
    }
    return answer
  }

  private func sendOnce(
    _ method: HTTPRequest.Method, _ url: String, _ body: JSON?,
    _ headers: [(name: String, value: String)]
  ) throws -> Answer {
    let bytes = body.map { Array($0.description.utf8) } ?? []
    var request = HTTPRequest(
      method, url, headers: [("Accept", "application/json")] + headers,
      body: bytes.isEmpty ? .none : .bytes(bytes))
    if !bytes.isEmpty { request.headers.append(("Content-Type", "application/json")) }
    switch settings.identity {
    case .bearer(let token): request.headers.append(("Authorization", "Bearer \(token)"))
    case .client:
      if let tokens { request.headers.append(("Authorization", "Bearer \(try tokens.current())")) }
    case .aws(_, let region):
      if let signer, let credentials = try aws?.credentials(.never) {
        request.isVerbatim = true
        signer.sign(
          &request, as: credentials, region: region, payload: .bytes(bytes),
          at: policy.clock.now())
      }
    case .nobody: break
    }
    let (response, received) = try client.fetch(request, policy: policy)
    let text = response.isSuccess ? received : response.errorBody
    let json = text.isEmpty ? JSON.null : (try? JSON(parsing: text)) ?? .null
    if response.isSuccess, !text.isEmpty, json.isNull {
      throw LakeError(
        .damaged, "the catalog's answer is not JSON", at: Place(file: redactedURL(url)),
        advice: "check the catalog's address")
    }
    return Answer(
      status: response.status, body: json, message: json["error"]?["message"]?.string,
      type: json["error"]?["type"]?.string)
  }

  /// What an answer that nothing can be made of stands for.
  func refused(_ answer: Answer, _ what: String) -> LakeError {
    LakeError(
      .refused,
      "the catalog does not give \(what): \(answer.message ?? "HTTP \(answer.status)")",
      at: Place(file: address))
  }
}
