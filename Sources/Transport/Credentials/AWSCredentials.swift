import Core

/// Keys to AWS, or to what speaks its protocols.
///
/// Making one registers the secret parts with `Redaction`, and no description holds them.
public struct AWSCredentials: Sendable, Hashable, CustomStringConvertible, CustomReflectable {
  public let accessKeyID: String
  package let secretAccessKey: String
  package let sessionToken: String?
  /// nil where they hold until they are replaced.
  public let expiration: Instant?

  public init(
    accessKeyID: String, secretAccessKey: String, sessionToken: String? = nil,
    expiration: Instant? = nil
  ) {
    self.accessKeyID = accessKeyID
    self.secretAccessKey = secretAccessKey
    self.sessionToken = sessionToken
    self.expiration = expiration
    Redaction.shared.register(secretAccessKey)
    if let sessionToken { Redaction.shared.register(sessionToken) }
  }

  public var description: String { "the AWS key \(accessKeyID)" }
  public var customMirror: Mirror { Mirror(self, children: ["accessKeyID": accessKeyID]) }
}

/// Where requests get their credentials from, afresh for each one.
public protocol AWSCredentialSource: Sendable {
  /// - Returns: Credentials that hold; nil for requests without a signature.
  /// - Throws: `TransportError` `.credentials` where there are none; `Cancelled`.
  func credentials(_ cancellation: Cancellation) throws -> AWSCredentials?

  /// Drops credentials that a server said have expired.
  func expire(_ credentials: AWSCredentials)
}

/// Always the same.
public struct FixedAWSCredentials: AWSCredentialSource {
  private let fixed: AWSCredentials?

  /// - Parameter credentials: nil for public buckets.
  public init(_ credentials: AWSCredentials?) { fixed = credentials }

  public func credentials(_ cancellation: Cancellation) throws -> AWSCredentials? { fixed }
  public func expire(_ credentials: AWSCredentials) {}
}
