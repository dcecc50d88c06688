import Core
import Transport

/// What a reader of its own needs to read objects of S3 as this process reads them.
///
/// No description holds the secret parts.
public struct S3Access: Sendable, Hashable, CustomStringConvertible, CustomReflectable {
  /// The addresses that it is for: `s3://bucket` or a prefix below it.
  public let scope: String
  /// nil for requests without a signature.
  let credentials: AWSCredentials?
  public let region: String
  /// Host and port, without a scheme; nil for Amazon's own.
  public let endpoint: String?
  public let isSecure: Bool
  public let usesPathStyle: Bool

  /// `KEY_ID`, `SECRET` and perhaps `SESSION_TOKEN`; none for requests without a signature.
  public var keys: [(name: String, value: String)] {
    guard let credentials else { return [] }
    return [("KEY_ID", credentials.accessKeyID), ("SECRET", credentials.secretAccessKey)]
      + (credentials.sessionToken.map { [("SESSION_TOKEN", $0)] } ?? [])
  }

  public var description: String { "\(scope) by \(credentials?.description ?? "nobody")" }
  public var customMirror: Mirror { Mirror(self, children: ["scope": scope]) }
}

extension StoreOpener {
  /// What it takes to read an object of S3 without this process.
  ///
  /// - Returns: nil for what is not in S3, and where requests go ways that others may not know: by a
  ///   proxy, to an endpoint with a path of its own, with authorities in a folder.
  /// - Throws: `StoreError` `.denied` without credentials; `.badAddress`; `Cancelled`.
  public func s3Access(to address: String, cancellation: Cancellation) throws -> S3Access? {
    let uri = try StoreURI(address)
    guard uri.kind == .s3, !usesProxy, trustsOnlyFiles else { return nil }
    let (bucket, _) = uri.bucketAndPrefix(of: try uri.split().root)
    let lent = lender(of: uri.description)
    let service = try (lent?.opener ?? self).amazon()
    return try service.access(
      to: bucket, scope: lent?.prefix ?? "s3://\(bucket)", cancellation: cancellation)
  }

  private var usesProxy: Bool {
    ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"].contains {
      environment($0)?.isEmpty == false
    }
  }

  private var trustsOnlyFiles: Bool {
    client.configuration.certificateFolder == nil || s3CertificateFile != nil
  }

  /// The PEM file of the certificate authorities that requests to S3 go by; nil for the system's.
  public var s3CertificateFile: String? {
    AWSEnvironment(variable: environment).certificateFile ?? client.configuration.certificateFile
  }
}

extension S3Service {
  fileprivate func access(
    to bucket: String, scope: String, cancellation: Cancellation
  ) throws -> S3Access? {
    let region = region(of: bucket)
    // Amazon's usual addresses are known to others.
    let isUsual = !configuration.usesFIPS && !configuration.usesDualStack
    var endpoint = isUsual ? nil : configuration.amazonHost(region)[...]
    if let address = configuration.endpoint {
      let host = address[address.firstRange(of: "://")!.upperBound...]
      endpoint = host.hasSuffix("/") ? host.dropLast() : host
      if endpoint?.contains("/") == true { return nil }
    }
    return S3Access(
      scope: scope, credentials: try credentials(cancellation), region: region,
      endpoint: endpoint.map { String($0) },
      isSecure: configuration.endpoint?.hasPrefix("http://") != true,
      usesPathStyle: configuration.isPathStyle(bucket))
  }
}
