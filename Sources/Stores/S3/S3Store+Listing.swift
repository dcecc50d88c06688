import Core
import Transport

extension S3Store {
  /// Lists with `ListObjectsV2`, a thousand keys a page; a large bucket by several requests at once.
  /// A page that fails or comes garbled is asked for again.
  public func list(prefix: String, page: ([Object]) throws -> Void) throws {
    let listing = BucketListing(prefix: base + prefix) { after, token in
      var request = S3Request(method: .get, bucket: bucket)
      request.query = [("list-type", "2"), ("prefix", base + prefix), ("encoding-type", "url")]
      if let count = service.configuration.pageNameCount {
        request.query.append(("max-keys", "\(count)"))
      }
      if let token { request.query.append(("continuation-token", token)) }
      if let after { request.query.append(("start-after", after)) }
      return try self.page(request, isNext: token != nil, at: uri(prefix))
    }
    try listing.visit(at: uri(prefix)) { objects in
      // Objects that stand for folders in web consoles are none.
      let wanted = objects.filter { $0.byteCount > 0 || $0.key.utf8.last != UInt8(ascii: "/") }
      if !wanted.isEmpty { try page(wanted.map { below($0) }) }
    }
  }

  /// - Throws: `ListingTokenRefused` where it was the token of a next page.
  private func page(_ request: S3Request, isNext: Bool, at place: String) throws -> ListingPage {
    try service.policy.run(
      cancellation: .never, onRetry: { service.client.counters.add(retries: 1) }
    ) { _ in
      let answer = try service.exchange(request)
      guard answer.isSuccess else {
        let failure = answer.failure(at: place)
        throw isNext && answer.response.status == 400 && answer.code == "InvalidArgument"
          ? ListingTokenRefused(failure: failure) : failure
      }
      do {
        return .done(try S3Listing(answer.body, at: place).page)
      } catch let error as StoreError where error.code == .damaged {
        return .again(.failure(error), afterMilliseconds: nil)
      }
    }
  }

  private func below(_ object: Object) -> Object {
    var object = object
    object.key = String(decoding: object.key.utf8.dropFirst(base.utf8.count), as: UTF8.self)
    return object
  }
}

/// One page of a listing.
struct S3Listing {
  private(set) var page = ListingPage()

  init(_ body: [UInt8], at place: String) throws {
    var key = ""
    var byteCount: Int64?
    var etag: String?
    var modified: Instant?
    var isTruncated = false
    var isEncoded = false
    var isInContents = false
    var isListing = false
    var nextToken: String?
    var objects: [(key: String, Int64, Version, Instant?)] = []
    do {
      try readXML(body) { name in
        if name == "Contents" {
          isInContents = true
          (key, byteCount, etag, modified) = ("", nil, nil, nil)
        }
      } ended: { name, text in
        switch name {
        case "Key" where isInContents: key = text
        case "Size" where isInContents: byteCount = Int64(text)
        case "ETag" where isInContents: etag = text
        case "LastModified" where isInContents: modified = isoInstant(text)
        case "Contents":
          isInContents = false
          objects.append((key, byteCount ?? -1, s3Version(etag ?? ""), modified))
        case "IsTruncated": isTruncated = text == "true"
        case "NextContinuationToken": nextToken = text
        case "EncodingType": isEncoded = text == "url"
        case "ListBucketResult": isListing = true
        default: break
        }
      }
    } catch let error as TransportError {
      throw StoreError(.damaged, error.message, at: Place(file: place), advice: "run again")
    }
    guard isListing, !isTruncated || nextToken?.isEmpty == false else {
      throw StoreError(
        .damaged, "the answer is not a listing, or ends without saying how it goes on",
        at: Place(file: place), advice: "check the endpoint")
    }
    if isTruncated { page.nextToken = nextToken }
    page.objects = objects.map { key, byteCount, version, modified in
      let plain =
        isEncoded ? String(decoding: uriDecoded(key, plusIsSpace: true), as: UTF8.self) : key
      return Object(key: plain, byteCount: byteCount, version: version, modified: modified)
    }
  }
}
