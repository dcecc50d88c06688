import Core
import Synchronization

/// Looks for credentials where AWS's own tools do, in their order, and gets new ones before those in
/// use expire:
///
/// 1. `AWS_NO_SIGN_REQUEST`: none, for public buckets.
/// 2. `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, perhaps with `AWS_SESSION_TOKEN`.
/// 3. `AWS_WEB_IDENTITY_TOKEN_FILE` with `AWS_ROLE_ARN`: a role from STS.
/// 4. The profile in the shared credentials and config files: keys, a web identity, or a role that
///    another profile takes on.
/// 5. A container's: `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` or `…_FULL_URI`.
/// 6. The machine's: instance metadata, version 2.
public final class AWSCredentialChain: AWSCredentialSource {
  let environment: AWSEnvironment
  let client: HTTPClient
  let policy: RetryPolicy
  let signer = SigV4(service: "sts")

  private struct State {
    var current: AWSCredentials?
    /// Whether the answer is known: nil credentials are one, too.
    var isKnown = false
  }
  // Held while credentials are fetched: one thread does it and the others wait for its result.
  private let state = Mutex(State())

  /// Credentials are replaced this long before they expire.
  private static let marginSeconds: Int64 = 300
  /// And must be, that long before.
  private static let lastSeconds: Int64 = 30

  public init(
    environment: AWSEnvironment, client: HTTPClient = .shared,
    policy: RetryPolicy = RetryPolicy(maximumAttempts: 4)
  ) {
    self.environment = environment
    self.client = client
    self.policy = policy
  }

  public func credentials(_ cancellation: Cancellation) throws -> AWSCredentials? {
    try state.withLock { state in
      let now = policy.clock.now()
      if state.isKnown {
        guard let current = state.current else { return nil }
        guard let end = current.expiration else { return current }
        if now.adding(seconds: Self.marginSeconds) < end { return current }
        do {
          state.current = try find(cancellation)
        } catch  where !(error is Cancelled) && now.adding(seconds: Self.lastSeconds) < end {
          // The old ones still hold; the next request tries again.
          return current
        }
        return state.current
      }
      let found = try find(cancellation)
      state = State(current: found, isKnown: true)
      return found
    }
  }

  public func expire(_ credentials: AWSCredentials) {
    state.withLock { if $0.current == credentials { $0 = State() } }
  }

  /// Why one place has no credentials.
  struct Absent: Error {
    let why: String
    init(_ why: String) { self.why = why }
  }

  private func find(_ cancellation: Cancellation) throws -> AWSCredentials? {
    if environment.flag("AWS_NO_SIGN_REQUEST") == true { return nil }
    var tried: [String] = []
    let places: [(String, (Cancellation) throws -> AWSCredentials)] = [
      ("the environment", fromEnvironment), ("web identity", fromWebIdentity),
      ("profile \(environment.profileName)", fromProfile), ("container", fromContainer),
      ("instance metadata", fromInstance),
    ]
    for (name, place) in places {
      do {
        return try place(cancellation)
      } catch let absent as Absent {
        tried.append("\(name): \(absent.why)")
      }
    }
    throw TransportError(
      .credentials, "no AWS credentials; tried \(tried.joined(separator: "; "))",
      advice: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or for a public "
        + "bucket AWS_NO_SIGN_REQUEST=1", exitCode: 2)
  }

  private func fromEnvironment(_ cancellation: Cancellation) throws -> AWSCredentials {
    guard let key = environment.variable("AWS_ACCESS_KEY_ID") else {
      throw Absent("AWS_ACCESS_KEY_ID is not set")
    }
    guard let secret = environment.variable("AWS_SECRET_ACCESS_KEY") else {
      throw broken("AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not")
    }
    return AWSCredentials(
      accessKeyID: key, secretAccessKey: secret,
      sessionToken: environment.variable("AWS_SESSION_TOKEN"))
  }

  private func fromWebIdentity(_ cancellation: Cancellation) throws -> AWSCredentials {
    guard let path = environment.variable("AWS_WEB_IDENTITY_TOKEN_FILE") else {
      throw Absent("AWS_WEB_IDENTITY_TOKEN_FILE is not set")
    }
    guard let role = environment.variable("AWS_ROLE_ARN") else {
      throw broken("AWS_WEB_IDENTITY_TOKEN_FILE is set and AWS_ROLE_ARN is not")
    }
    return try assumeRole(
      role, session: environment.variable("AWS_ROLE_SESSION_NAME"), tokenPath: path, cancellation)
  }

  private func fromProfile(_ cancellation: Cancellation) throws -> AWSCredentials {
    let name = environment.profileName
    guard environment.profile(name) != nil else {
      guard environment.variable("AWS_PROFILE") != nil else {
        throw Absent("not in \(environment.credentialsPath) or \(environment.configPath)")
      }
      throw broken(
        "the profile \(name) is neither in \(environment.credentialsPath) nor in "
          + environment.configPath)
    }
    return try fromProfile(name, [], cancellation)
  }

  private func fromProfile(
    _ name: String, _ passed: [String], _ cancellation: Cancellation
  ) throws -> AWSCredentials {
    guard let profile = environment.profile(name), !passed.contains(name) else {
      throw broken("the profile \(passed.last ?? name) leads to \(name), which cannot be used")
    }
    if let role = profile["role_arn"], let path = profile["web_identity_token_file"] {
      return try assumeRole(
        role, session: profile["role_session_name"], tokenPath: path, cancellation)
    }
    // A profile that names itself as its source means its own keys.
    if let role = profile["role_arn"], let source = profile["source_profile"],
      source != name || passed.isEmpty
    {
      let base = source == name ? try keys(profile, name) : nil
      return try assumeRole(
        role, profile, as: try base ?? fromProfile(source, passed + [name], cancellation),
        cancellation)
    }
    return try keys(profile, name)
  }

  private func keys(_ profile: [String: String], _ name: String) throws -> AWSCredentials {
    guard let key = profile["aws_access_key_id"] else {
      for setting in ["credential_process", "sso_session", "sso_start_url", "credential_source"]
      where profile[setting] != nil {
        throw TransportError(
          .credentials, "the profile \(name) gets its credentials by \(setting)",
          advice:
            "run: eval \"$(aws configure export-credentials --profile \(name) --format env)\"",
          exitCode: 2)
      }
      throw Absent("it has no aws_access_key_id")
    }
    guard let secret = profile["aws_secret_access_key"] else {
      throw broken("the profile \(name) has an aws_access_key_id and no aws_secret_access_key")
    }
    return AWSCredentials(
      accessKeyID: key, secretAccessKey: secret, sessionToken: profile["aws_session_token"])
  }

  func broken(_ message: String) -> TransportError { AWSCredentialChain.broken(message) }

  static func broken(_ message: String) -> TransportError {
    TransportError(
      .credentials, message, advice: "correct the settings, or remove them", exitCode: 2)
  }
}
