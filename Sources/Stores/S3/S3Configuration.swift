import Core
import Transport

/// Where S3 is, and how objects are written there.
public struct S3Configuration: Sendable {
  /// An address that stands in for Amazon's, `http://127.0.0.1:9000`; nil for Amazon's own.
  public var endpoint: String?
  /// Where to start; a bucket's own region is learnt from its first answer.
  public var region = "us-east-1"
  /// `host/bucket/key` instead of `bucket.host/key`; nil to choose by the bucket's name.
  public var usesPathStyle: Bool?
  /// Whether Amazon's addresses are those validated by FIPS 140, and those that speak IPv6 as well.
  public var usesFIPS = false
  public var usesDualStack = false
  /// How often a request is made at most; nil for as often as all others.
  public var maximumAttempts: Int?
  /// A PEM file of the service's certificate authorities; nil for those of all servers.
  public var certificateFile: String?
  /// `AES256`, `aws:kms` or `aws:kms:dsse`; nil for the bucket's default.
  public var encryption: String?
  public var kmsKeyID: String?

  /// Files larger than this are uploaded in parts.
  public var partThreshold: Int64 = 16 << 20
  public var minimumPartByteCount: Int64 = 8 << 20
  /// Ranges and parts of one object under way at once.
  public var parallelism = 4
  /// Objects larger than this are read by several ranges at once; each of this size.
  public var blockByteCount: Int64 = 8 << 20

  /// Names a page of a listing; nil for the service's own number.
  var pageNameCount: Int?

  public init() {}

  /// Reads the standard variables and `AWS_S3_FORCE_PATH_STYLE`, `SLUICE_S3_SSE` and
  /// `SLUICE_S3_SSE_KMS_KEY_ID`.
  ///
  /// - Throws: `.badAddress` for settings that make no sense.
  public init(_ environment: AWSEnvironment) throws {
    endpoint = environment.endpoint("S3")
    region = environment.region ?? region
    usesPathStyle = environment.flag("AWS_S3_FORCE_PATH_STYLE")
    usesFIPS = environment.usesFIPS
    usesDualStack = environment.usesDualStack
    maximumAttempts = environment.maximumAttempts.map { Int($0) ?? 0 }
    certificateFile = environment.certificateFile
    encryption = environment.variable("SLUICE_S3_SSE")
    kmsKeyID = environment.variable("SLUICE_S3_SSE_KMS_KEY_ID")
    func refuse(_ message: String, _ advice: String) -> StoreError {
      StoreError(.badAddress, message, advice: advice, exitCode: 2)
    }
    if let endpoint, !endpoint.hasPrefix("http://"), !endpoint.hasPrefix("https://") {
      throw refuse(
        "the S3 endpoint \(redactedURL(endpoint)) is not a web address",
        "start AWS_ENDPOINT_URL with http:// or https://")
    }
    if let encryption, !["AES256", "aws:kms", "aws:kms:dsse"].contains(encryption) {
      throw refuse("SLUICE_S3_SSE is \(encryption)", "set it to AES256 or aws:kms")
    }
    if kmsKeyID != nil, encryption?.hasPrefix("aws:kms") != true {
      throw refuse(
        "SLUICE_S3_SSE_KMS_KEY_ID is set, and SLUICE_S3_SSE is not aws:kms",
        "set SLUICE_S3_SSE=aws:kms")
    }
    if let maximumAttempts, maximumAttempts < 1 {
      throw refuse("AWS_MAX_ATTEMPTS is not a number of attempts", "set it to 1 or more")
    }
    // A region is a part of a host's name.
    guard region.utf8.allSatisfy({ $0 != UInt8(ascii: "/") && $0 > 0x20 && $0 < 0x7F }) else {
      throw refuse("\(region) is not a region", "correct AWS_REGION")
    }
  }

  /// The headers that ask for encryption.
  var encryptionHeaders: [(name: String, value: String)] {
    guard let encryption else { return [] }
    var headers = [(name: "x-amz-server-side-encryption", value: encryption)]
    if let kmsKeyID {
      headers.append(("x-amz-server-side-encryption-aws-kms-key-id", kmsKeyID))
    }
    return headers
  }

  /// Whether the service is Amazon's own, which is known to hold conditions.
  var isAmazon: Bool { endpoint == nil }

  /// The URL of a bucket, without a slash at the end.
  func bucketURL(_ bucket: String, region: String) -> String {
    let base = endpoint ?? "https://\(amazonHost(region))"
    if isPathStyle(bucket) { return "\(base)/\(bucket)" }
    let start = base.firstRange(of: "://")!.upperBound
    return "\(base[..<start])\(bucket).\(base[start...])"
  }

  /// Amazon's own host for a region.
  func amazonHost(_ region: String) -> String {
    "s3\(usesFIPS ? "-fips" : "")\(usesDualStack ? ".dualstack" : "").\(region)."
      + S3Configuration.domain(region)
  }

  func isPathStyle(_ bucket: String) -> Bool {
    // Certificates are for one label before the host's name, and names of hosts have no capitals.
    let isHostName = bucket.utf8.allSatisfy {
      (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "-")
    }
    return usesPathStyle ?? (endpoint != nil || !isHostName)
  }

  private static func domain(_ region: String) -> String {
    region.hasPrefix("cn-") ? "amazonaws.com.cn" : "amazonaws.com"
  }
}
