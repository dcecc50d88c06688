import Core
import Transport

/// A bucket of Google Cloud Storage, or what is below a prefix in one: `gs://bucket/prefix`.
///
/// - Keys are taken literally. An object's whole name has 1 to 1,024 bytes of UTF-8 without line
///   breaks, and is not `.` or `..`.
/// - A version is the generation, a number that the server gives to each write of a key.
/// - Transient failures are retried; a transfer that breaks off goes on where it stopped. A write
///   whose answer was lost is recognised by a nonce in the object's metadata (rule 20).
/// - Bytes are those that were stored: nothing is decompressed on the way.
public struct GCSStore: Store {
  public let root: String
  let bucket: String
  /// What the names of all objects of this store start with; empty, or ends in a slash.
  let prefix: String
  let service: GCSService
  let counter: MutationCounter

  private static let pageSize = 1000

  /// - Parameters:
  ///   - bucket: Its name.
  ///   - prefix: Without a slash at its end; empty for the whole bucket.
  public init(
    bucket: String, prefix: String = "", settings: GCSSettings = GCSSettings(),
    credentials: GoogleCredentials, client: HTTPClient = .shared,
    policy: RetryPolicy = RetryPolicy(), counter: MutationCounter = .shared
  ) {
    self.bucket = bucket
    self.prefix = prefix.isEmpty ? "" : prefix + "/"
    root = prefix.isEmpty ? "gs://\(bucket)" : "gs://\(bucket)/\(prefix)"
    // An emulator may be anybody.
    service = GCSService(
      settings: settings, credentials: settings.isEmulator ? .anonymous : credentials,
      client: client, policy: policy)
    self.counter = counter
  }

  public func localPath(_ key: String) -> String? { nil }

  /// The server's clock, by its last answer.
  public func now() -> Instant { service.clock.now }

  public func head(_ key: String) throws -> Object? {
    try metadata(key)?.object(key: key)
  }

  /// Lists a thousand names a page; a large bucket by several requests at once.
  public func list(prefix: String, page: ([Object]) throws -> Void) throws {
    let base =
      "\(service.settings.endpoint)/storage/v1/b/\(percentEncoded(bucket))/o"
      + "?prefix=\(percentEncoded(self.prefix + prefix))&maxResults=\(GCSStore.pageSize)"
      + "&fields=nextPageToken,items(name,size,generation,updated)"
    let listing = BucketListing(prefix: self.prefix + prefix) { after, token in
      var url = base
      if let token { url += "&pageToken=\(percentEncoded(token))" }
      if let after { url += "&startOffset=\(percentEncoded(after))" }
      let (response, found) = try service.perform(
        HTTPRequest(.get, url), about: uri(prefix), parse: GCSService.json(GCSStore.page))
      guard var found else {
        let failure = service.failure(response, root)
        throw token != nil && [400, 410].contains(response.status)
          ? ListingTokenRefused(failure: failure) : failure
      }
      // The offset itself belongs to what comes before.
      if let after { found.objects.removeAll { !bytesPrecede(after, $0.key) } }
      return found
    }
    try listing.visit(at: uri(prefix)) { objects in
      // The prefix itself may be the name of an object, as consoles make them for folders.
      let count = self.prefix.utf8.count
      let below = objects.filter { $0.key.utf8.count > count }.map { object in
        var object = object
        object.key = String(decoding: object.key.utf8.dropFirst(count), as: UTF8.self)
        return object
      }
      if !below.isEmpty { try page(below) }
    }
  }

  private static func page(_ answer: JSON) -> ListingPage? {
    let items = answer["items"]?.array ?? []
    let found = items.compactMap(GCSObject.init)
    guard answer.members != nil, found.count == items.count else { return nil }
    return ListingPage(
      objects: found.map { $0.object(key: $0.name) }, nextToken: answer["nextPageToken"]?.string)
  }

  /// The whole name of a key in the bucket.
  ///
  /// - Throws: `.badAddress` where there can be no object of that name.
  func name(of key: String) throws -> String {
    func refuse(_ why: String) -> StoreError {
      StoreError(.badAddress, why, at: Place(file: uri(key)), advice: "use another name")
    }
    let name = prefix + key
    guard !key.isEmpty else { throw refuse("an empty name") }
    guard name.utf8.count <= 1024 else { throw refuse("a name of more than 1,024 bytes") }
    guard !name.utf8.contains(where: { $0 == 0x0A || $0 == 0x0D || $0 == 0 }) else {
      throw refuse("a line break or NUL byte in a name")
    }
    guard name != ".", name != ".." else { throw refuse("a name that is . or ..") }
    return name
  }

  /// The address of an object in the JSON API.
  func url(of key: String) throws -> String {
    let name = percentEncoded(try name(of: key))
    return "\(service.settings.endpoint)/storage/v1/b/\(percentEncoded(bucket))/o/\(name)"
  }

  /// - Returns: nil where there is no such object.
  func metadata(_ key: String, cancellation: Cancellation = .never) throws -> GCSObject? {
    let url = try url(of: key) + "?fields=\(GCSObject.fields)"
    let (response, found) = try service.perform(
      HTTPRequest(.get, url), about: uri(key), cancellation: cancellation,
      parse: GCSService.json(GCSObject.init))
    if response.status == 404, !GCSFault(response).isBucketMissing { return nil }
    guard let found else { throw service.failure(response, uri(key)) }
    return found
  }

  func malformed(_ uri: String) -> StoreError { GCSService.malformed(uri) }
}
