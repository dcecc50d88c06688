import Core
import Kernels
import Transport

/// A bucket of S3, or of what speaks its protocol, or the part of one below a prefix.
///
/// - A key is the text after the root and a slash, literally: nothing is decoded, and `//`, `..` and
///   spaces are names like others.
/// - A version is the ETag, in its quotes.
/// - What is safe to repeat is tried again, after pauses that grow; a conditional put whose answer
///   was lost is recognised by a nonce in the object's metadata.
/// - Empty objects whose names end in a slash stand for folders in web consoles; listings leave them
///   out.
public struct S3Store: Store {
  public let root: String
  let bucket: String
  /// What all keys of this store start with: empty, or ending in a slash.
  let base: String
  let service: S3Service
  let counter: MutationCounter

  /// - Parameters:
  ///   - bucket: Its name.
  ///   - prefix: What all keys start with, before a slash; empty for the whole bucket.
  public init(
    bucket: String, prefix: String = "", configuration: S3Configuration,
    credentials: any AWSCredentialSource, client: HTTPClient = .shared,
    policy: RetryPolicy = RetryPolicy(), counter: MutationCounter = .shared
  ) {
    self.init(
      bucket: bucket, prefix: prefix,
      service: S3Service(configuration, credentials: credentials, client: client, policy: policy),
      counter: counter)
  }

  init(
    bucket: String, prefix: String = "", service: S3Service, counter: MutationCounter = .shared
  ) {
    root = "s3://\(bucket)" + (prefix.isEmpty ? "" : "/\(prefix)")
    self.bucket = bucket
    base = prefix.isEmpty ? "" : prefix + "/"
    self.service = service
    self.counter = counter
  }

  public func localPath(_ key: String) -> String? { nil }

  /// The service's clock, by its last answer.
  public func now() -> Instant { service.clock.now }

  /// - Throws: `.badAddress` where there can be no object of that name.
  func request(_ method: HTTPRequest.Method, _ key: String) throws -> S3Request {
    S3Request(method: method, bucket: bucket, key: try name(of: key))
  }

  /// The whole name of a key in the bucket.
  ///
  /// - Throws: `.badAddress`.
  func name(of key: String) throws -> String {
    func refuse(_ why: String) -> StoreError {
      StoreError(.badAddress, why, at: Place(file: uri(key)), advice: "use another name")
    }
    let name = base + key
    guard !key.isEmpty else { throw refuse("an empty name") }
    guard name.utf8.count <= 1024 else { throw refuse("a name of more than 1,024 bytes") }
    guard !name.utf8.contains(0) else { throw refuse("a NUL byte in a name") }
    return name
  }

  /// Asks with HEAD. Where that is refused, a GET for the first byte tells why.
  public func head(_ key: String) throws -> Object? {
    let answer = try headAnswer(key)
    // A missing bucket looks alike.
    if answer.isMissing { return nil }
    guard answer.isSuccess else { throw try explained(answer, key) }
    return object(key, answer.response)
  }

  func headAnswer(_ key: String) throws -> S3Answer {
    try service.exchange(try request(.head, key))
  }

  private func explained(_ answer: S3Answer, _ key: String) throws -> StoreError {
    guard answer.code == nil else { return answer.failure(at: uri(key)) }
    struct Enough: Error {}
    var probe = try request(.get, key)
    probe.range = 0..<1
    let told = try? service.send(probe, .never) { _, _ in throw Enough() }
    return (told.flatMap { $0.isSuccess ? nil : $0 } ?? answer).failure(at: uri(key))
  }

  /// The object that an answer is about.
  func object(_ key: String, _ response: HTTPResponse) -> Object {
    Object(
      key: key, byteCount: WebVersion.totalByteCount(response) ?? Object.unknownByteCount,
      version: s3Version(response["etag"] ?? ""),
      modified: response["last-modified"].flatMap(httpDate))
  }
}
