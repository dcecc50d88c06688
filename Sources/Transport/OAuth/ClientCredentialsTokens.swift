import Core

/// A program's own log-in: its ID and secret are exchanged for an access token (RFC 6749, 4.4).
public struct ClientCredentialsTokens: TokenSource {
  private let clientID: String
  private let clientSecret: String
  private let endpoint: String
  private let scope: String?
  private let tokens: TokenEndpoint

  /// - Parameter endpoint: The address of the token endpoint.
  public init(
    clientID: String, clientSecret: String, endpoint: String, scope: String?,
    client: HTTPClient, policy: RetryPolicy
  ) {
    self.clientID = clientID
    self.clientSecret = clientSecret
    self.endpoint = endpoint
    self.scope = scope
    tokens = TokenEndpoint(client: client, policy: policy)
    Redaction.shared.register(clientSecret)
  }

  public var description: String { "client \(clientID) (\(redactedURL(endpoint)))" }

  public func fetch(cancellation: Cancellation) throws -> AccessToken {
    var form = [
      (name: "grant_type", value: "client_credentials"), ("client_id", clientID),
      ("client_secret", clientSecret),
    ]
    if let scope { form.append(("scope", scope)) }
    do {
      return try tokens.post(endpoint, form, cancellation: cancellation)
    } catch let refusal as TokenEndpoint.Refusal {
      throw TransportError(
        refusal, for: self, advice: "check the credential and the address of the token endpoint")
    }
  }
}
