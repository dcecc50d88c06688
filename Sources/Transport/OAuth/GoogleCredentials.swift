import Core
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Reads an environment variable; an empty one counts as not set.
public typealias Environment = @Sendable (_ name: String) -> String?

/// The process's environment.
public let processEnvironment: Environment = { name in
  getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
}

/// Who asks Google's services, found once when first needed, in the order of Google's own
/// libraries ("application default credentials"):
///
/// 1. the file that `GOOGLE_APPLICATION_CREDENTIALS` names: a service account's key, or a user's
///    log-in;
/// 2. the log-in that `gcloud auth application-default login` left, in `CLOUDSDK_CONFIG` or
///    `~/.config/gcloud`;
/// 3. the metadata server of a machine of Google's, at `GCE_METADATA_HOST` or its usual name, unless
///    `NO_GCE_CHECK` is `true`.
///
/// Where there is nothing of this, requests are anonymous, which suffices for public buckets. With
/// `SLUICE_GCS_ANONYMOUS=1` nothing is looked for.
public final class GoogleCredentials: Sendable {
  /// What was found.
  public struct Found: Sendable {
    /// nil for anonymous.
    public var tokens: TokenCache?
    /// The project that pays for requests and whose quota counts: `GOOGLE_CLOUD_QUOTA_PROJECT`, or
    /// the one in the credentials file.
    public var quotaProject: String?
    /// Where credentials were looked for, for the message that they are missing.
    public var tried: [String] = []
  }

  private let environment: Environment
  private let client: HTTPClient
  private let policy: RetryPolicy
  private let found = Mutex<Found?>(nil)

  public init(
    environment: @escaping Environment = processEnvironment, client: HTTPClient = .shared,
    policy: RetryPolicy = RetryPolicy()
  ) {
    self.environment = environment
    self.client = client
    self.policy = policy
  }

  /// No credentials, wherever there may be some.
  public static let anonymous = GoogleCredentials(
    environment: { $0 == "SLUICE_GCS_ANONYMOUS" ? "1" : nil })

  /// - Throws: `TransportError` `.credentials` (exit code 2) for a file that is named but of no use.
  public func find(cancellation: Cancellation = .never) throws -> Found {
    try found.withLock { found in
      if let found { return found }
      let new = try search(cancellation)
      found = new
      return new
    }
  }

  private func search(_ cancellation: Cancellation) throws -> Found {
    var found = Found()
    if let value = environment("SLUICE_GCS_ANONYMOUS"), value != "0" {
      found.tried.append("SLUICE_GCS_ANONYMOUS asks for anonymous access")
      return found
    }
    found.quotaProject = environment("GOOGLE_CLOUD_QUOTA_PROJECT")

    if let path = environment("GOOGLE_APPLICATION_CREDENTIALS") {
      try take(path, into: &found)
      return found
    }
    found.tried.append("GOOGLE_APPLICATION_CREDENTIALS is not set")

    let folder =
      environment("CLOUDSDK_CONFIG") ?? environment("HOME").map { $0 + "/.config/gcloud" }
    if let path = folder.map({ $0 + "/application_default_credentials.json" }) {
      if access(path, F_OK) == 0 {
        try take(path, into: &found)
        return found
      }
      found.tried.append("there is no \(path)")
    }

    if environment("NO_GCE_CHECK")?.lowercased() == "true" {
      found.tried.append("NO_GCE_CHECK forbids asking for a metadata server")
      return found
    }
    let metadata = MetadataTokens(
      host: environment("GCE_METADATA_HOST") ?? MetadataTokens.defaultHost,
      tokens: TokenEndpoint(client: GoogleCredentials.metadataClient, policy: policy))
    if try metadata.isPresent(cancellation: cancellation) {
      found.tokens = TokenCache(metadata, clock: policy.clock)
    } else {
      found.tried.append("no metadata server answers at \(metadata.host)")
    }
    return found
  }

  /// Without proxies, which cannot reach it, and impatient: it is near, or not there.
  private static let metadataClient = {
    var configuration = HTTPConfiguration()
    configuration.usesProxies = false
    configuration.connectMilliseconds = 2000
    configuration.stallMilliseconds = 5000
    return HTTPClient(configuration: configuration)
  }()

  private func take(_ path: String, into found: inout Found) throws {
    func refuse(_ why: String) -> TransportError {
      TransportError(
        .credentials, why, at: Place(file: path),
        advice: "name a service account's key file in GOOGLE_APPLICATION_CREDENTIALS, or run "
          + "gcloud auth application-default login", exitCode: 2)
    }
    guard let text = contents(path) else {
      throw refuse("cannot read these credentials: \(String(cString: strerror(errno)))")
    }
    guard let file = try? JSON(parsing: text) else { throw refuse("credentials that are not JSON") }
    func field(_ name: String) throws -> String {
      guard let value = file[name]?.string, !value.isEmpty else {
        throw refuse("credentials without \(name)")
      }
      return value
    }
    let endpoint = TokenEndpoint(client: client, policy: policy)
    let url = file["token_uri"]?.string ?? "https://oauth2.googleapis.com/token"
    let source: any TokenSource
    switch try field("type") {
    case "service_account":
      let pem = try field("private_key")
      Redaction.shared.register(pem)
      for line in pem.split(separator: "\n") where !line.hasPrefix("-----") {
        Redaction.shared.register(String(line))
      }
      guard let key = SigningKey(pem: pem) else {
        throw refuse("private_key is not an RSA key in PEM")
      }
      source = ServiceAccountTokens(
        email: try field("client_email"), keyID: file["private_key_id"]?.string, key: key,
        endpoint: url, path: path, tokens: endpoint)
    case "authorized_user":
      let secret = try field("client_secret")
      let refresh = try field("refresh_token")
      Redaction.shared.register(secret)
      Redaction.shared.register(refresh)
      source = UserTokens(
        clientID: try field("client_id"), clientSecret: secret, refreshToken: refresh,
        endpoint: url, path: path, tokens: endpoint)
    case let type:
      throw refuse(
        "credentials of the type \(type), where service_account or authorized_user is needed")
    }
    if found.quotaProject == nil { found.quotaProject = file["quota_project_id"]?.string }
    found.tokens = TokenCache(source, clock: policy.clock)
  }

  /// - Returns: nil with `errno` set where the file cannot be read.
  private func contents(_ path: String) -> [UInt8]? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 16 << 10)
    while true {
      let count = read(file, &block, block.count)
      if count < 0 { return nil }
      if count == 0 || bytes.count > 1 << 20 { return bytes }
      bytes += block[..<count]
    }
  }
}
