import Core

/// Where an Iceberg REST catalog is, and who asks.
public struct RestSettings: Sendable, Hashable {
  public enum Identity: Sendable, Hashable {
    case nobody
    case bearer(String)
    /// OAuth 2 client credentials; without a token endpoint, the catalog's own.
    case client(id: String, secret: String, endpoint: String?, scope: String)
    /// AWS Signature Version 4 with the usual credentials, for Glue (`glue`) and S3 Tables
    /// (`s3tables`).
    case aws(service: String, region: String)
  }

  /// Without `/v1`.
  public var uri: String
  /// What the catalog calls the place of its tables; nil for its default.
  public var warehouse: String?
  /// A part of the paths; nil takes what the catalog says.
  public var prefix: String?
  public var identity: Identity

  public init(
    uri: String, warehouse: String? = nil, prefix: String? = nil, identity: Identity = .nobody
  ) {
    self.uri = uri
    self.warehouse = warehouse
    self.prefix = prefix
    self.identity = identity
  }
}
