import Core
import Transport

/// An answer of S3, with what its body says where it is an error.
struct S3Answer {
  let response: HTTPResponse
  /// The body of a good answer.
  let body: [UInt8]
  /// S3's own name for what is wrong: `NoSuchKey`; nil where there is none, as after HEAD.
  let code: String?
  let message: String?
  /// Where the bucket is, in answers that say that it is elsewhere.
  let region: String?

  init(_ response: HTTPResponse, body: [UInt8] = []) {
    self.response = response
    self.body = body
    var texts: [String: String] = [:]
    if !response.isSuccess || S3Answer.isError(body) {
      texts = (try? xmlTexts(response.isSuccess ? body : response.errorBody)) ?? [:]
    }
    code = texts["Code"]
    message = texts["Message"]
    region = response["x-amz-bucket-region"] ?? texts["Region"]
  }

  /// Long operations send their status before they know how they end.
  private static func isError(_ body: [UInt8]) -> Bool {
    guard !body.isEmpty, body.count < 64 << 10, body.firstRange(of: Array("<Error>".utf8)) != nil
    else {
      return false
    }
    var root: String?
    try? readXML(body, started: { root = root ?? $0 }, ended: { _, _ in })
    return root == "Error"
  }

  var isSuccess: Bool { response.isSuccess && code == nil }
  var isMissing: Bool { response.status == 404 && code != "NoSuchBucket" && code != "NoSuchUpload" }

  /// Too many requests, for this key or in all.
  var isThrottled: Bool {
    if response.status == 429 || response.status == 503 { return true }
    guard let code else { return false }
    return ["SlowDown", "Throttling", "RequestLimitExceeded", "ServiceUnavailable"].contains(code)
  }

  /// Whether the same request may succeed later. `BadDigest` and its like mean that the bytes were
  /// changed on their way.
  var isTransient: Bool {
    response.isTransient || isThrottled
      || [
        "InternalError", "RequestTimeout", "OperationAborted", "BadDigest", "InvalidDigest",
        "IncompleteBody", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch",
      ].contains(code)
  }

  var isExpired: Bool {
    ["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"].contains(code)
  }
  var isSkewed: Bool { ["RequestTimeTooSkewed", "RequestExpired"].contains(code) }

  /// The failure that an answer other than the wanted one stands for.
  func failure(at place: String) -> StoreError {
    let words = [code, message.map { String($0.prefix(300)) }].compactMap { $0 }
    let said =
      "HTTP \(response.status)" + (words.isEmpty ? "" : ", \(words.joined(separator: ": "))")
    let (kind, what, advice, isConfiguration) = meaning
    return StoreError(
      kind, "\(what) (\(said))", at: Place(file: place), advice: advice,
      exitCode: isConfiguration ? 2 : 1)
  }

  private var meaning: (StoreError.Code, String, String?, Bool) {
    switch (code, response.status) {
    case ("NoSuchBucket", _):
      (.notFound, "there is no such bucket", "check the bucket's name and the endpoint", true)
    case ("InvalidBucketName", _):
      (.badAddress, "no bucket can have this name", "correct the address", true)
    case ("KeyTooLongError", _):
      (.badAddress, "the key is longer than 1,024 bytes", "choose a shorter name", true)
    case ("InvalidAccessKeyId", _):
      (.denied, "S3 does not know the access key", "check AWS_ACCESS_KEY_ID or the profile", true)
    case ("SignatureDoesNotMatch", _):
      (
        .denied, "S3 does not accept the signature",
        "check AWS_SECRET_ACCESS_KEY or the profile", true
      )
    case _ where isExpired:
      (.denied, "the credentials have expired", "log in again, or renew AWS_SESSION_TOKEN", false)
    case _ where isSkewed:
      (.denied, "this machine's clock is wrong", "set the clock", false)
    case ("InvalidObjectState", _):
      (.denied, "the object is archived", "restore it from its storage class first", false)
    case ("AccessDenied", _), (_, 401), (_, 403):
      (
        .denied, "S3 denies access",
        "check the permissions of the credentials in use (without s3:ListBucket S3 answers this "
          + "for objects that are not there, too)", false
      )
    case (_, 301), (_, 307), (_, 308):
      (.failed, "the bucket is in another region", "set AWS_REGION to the bucket's region", true)
    case ("NoSuchKey", _), (nil, 404): (.notFound, "there is no such object", nil, false)
    case (_, 412):
      (.changed, "the object is no longer the version that was listed", "list again", false)
    case _ where isThrottled:
      (.unreachable, "S3 asks for fewer requests", "run again later", false)
    case _ where isTransient: (.unreachable, "S3 keeps failing", "run again later", false)
    default: (.failed, "S3 refuses the request", nil, false)
    }
  }
}

/// An ETag as a version: in its quotes, which some services leave out.
func s3Version(_ etag: String) -> Version {
  Version(etag.hasPrefix("\"") || etag.hasPrefix("W/") ? etag : "\"\(etag)\"")
}
