import Core

/// A service account, by its key file: a token it signs itself is exchanged for an access token
/// (RFC 7523).
struct ServiceAccountTokens: TokenSource {
  let email: String
  let keyID: String?
  let key: SigningKey
  let endpoint: String
  let path: String
  let tokens: TokenEndpoint

  static let scope = "https://www.googleapis.com/auth/devstorage.read_write"
  private static let lifetimeSeconds: Int64 = 3600

  var description: String { "service account \(email) (\(path))" }

  func fetch(cancellation: Cancellation) throws -> AccessToken {
    let now = tokens.policy.clock.now()
    do {
      do {
        return try exchange(at: now, cancellation)
      } catch let refusal as TokenEndpoint.Refusal {
        // A clock that goes wrong here makes tokens of another time; the server's is right.
        guard refusal.reason == "invalid_grant", let date = refusal.date,
          abs(date.microseconds - now.microseconds) > 30_000_000
        else { throw refusal }
        return try exchange(at: date, cancellation)
      }
    } catch let refusal as TokenEndpoint.Refusal {
      throw TransportError(
        refusal, for: self,
        advice: "check that the account and its key still exist, and this machine's clock")
    }
  }

  private func exchange(at now: Instant, _ cancellation: Cancellation) throws -> AccessToken {
    let seconds = now.microseconds / 1_000_000
    let claims: JSON = [
      "iss": .string(email), "scope": .string(ServiceAccountTokens.scope),
      "aud": .string(endpoint), "iat": .integer(seconds),
      "exp": .integer(seconds + ServiceAccountTokens.lifetimeSeconds),
    ]
    guard let assertion = key.token(claims: claims, id: keyID) else {
      throw TransportError(
        .credentials, "the private key cannot sign", at: Place(file: path),
        advice: "create a new key for the service account", exitCode: 2)
    }
    Redaction.shared.register(assertion)
    return try tokens.post(
      endpoint,
      [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", assertion),
      ], cancellation: cancellation)
  }
}

/// A person's log-in, as `gcloud auth application-default login` leaves it.
struct UserTokens: TokenSource {
  let clientID: String
  let clientSecret: String
  let refreshToken: String
  let endpoint: String
  let path: String
  let tokens: TokenEndpoint

  var description: String { "the user's log-in (\(path))" }

  func fetch(cancellation: Cancellation) throws -> AccessToken {
    do {
      return try tokens.post(
        endpoint,
        [
          ("grant_type", "refresh_token"), ("refresh_token", refreshToken),
          ("client_id", clientID), ("client_secret", clientSecret),
        ], cancellation: cancellation)
    } catch let refusal as TokenEndpoint.Refusal {
      throw TransportError(
        refusal, for: self, advice: "log in again: gcloud auth application-default login")
    }
  }
}

/// The service account of the machine, asked for at the address that only the machine itself sees.
struct MetadataTokens: TokenSource {
  let host: String
  let tokens: TokenEndpoint

  static let defaultHost = "metadata.google.internal"

  var description: String { "the machine's service account (metadata server \(host))" }

  func fetch(cancellation: Cancellation) throws -> AccessToken {
    let url = "http://\(host)/computeMetadata/v1/instance/service-accounts/default/token"
    do {
      return try tokens.ask(
        HTTPRequest(.get, url, headers: [("Metadata-Flavor", "Google")]),
        cancellation: cancellation)
    } catch let refusal as TokenEndpoint.Refusal {
      throw TransportError(
        refusal, for: self, advice: "give the machine a service account with access to storage")
    }
  }

  /// Whether there is a metadata server: elsewhere the name does not resolve, or nobody answers.
  func isPresent(cancellation: Cancellation) throws -> Bool {
    let request = HTTPRequest(
      .get, "http://\(host)/computeMetadata/v1/", headers: [("Metadata-Flavor", "Google")])
    do {
      return try tokens.client.send(request, cancellation: cancellation)["metadata-flavor"]
        == "Google"
    } catch is TransportError {
      return false
    }
  }
}
