import Core
import Stores

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// An engine that can read parts of remote objects by itself.
public protocol RangeReading: Engine {
  /// Gives the engine what it takes to read an object.
  ///
  /// - Returns: Whether it can; else the object is to be brought to this machine.
  func canRead(_ address: String, with access: S3Access) throws -> Bool
}

/// How DuckDB reads objects of S3 by range: through its extension `httpfs`, which lies beside its
/// library, with what Sluice has found of credentials, endpoints and authorities (rule 25).
public struct S3Reading: Sendable {
  /// A PEM file of certificate authorities.
  public var certificateFile: String?

  /// - Parameter certificateFile: nil for the system's.
  public init(certificateFile: String? = nil) { self.certificateFile = certificateFile }

  /// Where systems keep their authorities: the extension's TLS was built for one of them.
  private static let systemFiles = [
    "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem",
  ]

  /// Loads the extension, before DuckDB's settings are locked.
  ///
  /// - Returns: False where it is not there.
  func load(on connection: DuckDBConnection) throws -> Bool {
    guard let file = DuckDBLibrary.extensionFile("httpfs"),
      (try? connection.run("LOAD \(file.quotedLiteral)")) != nil
    else { return false }
    // Secrets are kept in memory, and nowhere else; certificates are always verified.
    var settings = [
      "allow_persistent_secrets = false", "enable_server_cert_verification = true",
      "http_retries = 6",
    ]
    let certificates =
      certificateFile ?? S3Reading.systemFiles.first { access($0, R_OK) == 0 }
    if let certificates { settings.append("ca_cert_file = \(certificates.quotedLiteral)") }
    for setting in settings { try connection.run("SET GLOBAL \(setting)") }
    return true
  }
}

extension DuckDBEngine: RangeReading {
  public func canRead(_ address: String, with access: S3Access) throws -> Bool {
    guard settings.s3 != nil, S3Reading.isPlain(address),
      settings.allowedDirectories?.contains(where: { address.hasPrefix($0 + "/") }) != false
    else { return false }
    let instance = try instance()
    guard instance.readsS3 else { return false }
    return instance.secrets.withLock { known in
      if known[access.scope] == access { return true }
      // What DuckDB would say of a failure quotes the statement.
      guard (try? instance.connect().run(access.secretStatement)) != nil else { return false }
      known[access.scope] = access
      return true
    }
  }
}

extension S3Reading {
  /// Names of letters that no two clients encode in two ways.
  fileprivate static func isPlain(_ address: String) -> Bool {
    address.dropFirst("s3://".count).utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
      default: "-._/=".utf8.contains(byte)
      }
    }
  }
}

extension S3Access {
  /// Replaces what DuckDB knew of the scope.
  fileprivate var secretStatement: String {
    var options = [
      "TYPE s3", "SCOPE \((scope + "/").quotedLiteral)", "REGION \(region.quotedLiteral)",
      "URL_STYLE '\(usesPathStyle ? "path" : "vhost")'", "USE_SSL \(isSecure)",
    ]
    if let endpoint { options.append("ENDPOINT \(endpoint.quotedLiteral)") }
    for (name, value) in keys { options.append("\(name) \(value.quotedLiteral)") }
    return "CREATE OR REPLACE TEMPORARY SECRET \(scope.quotedName) "
      + "(\(options.joined(separator: ", ")))"
  }
}
