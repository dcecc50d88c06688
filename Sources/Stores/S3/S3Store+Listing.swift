import Core
import Transport

extension S3Store {
  /// Lists with `ListObjectsV2`, a thousand keys a page. A page that fails is asked for again.
  public func list(prefix: String, page: ([Object]) throws -> Void) throws {
    var token: String?
    var last: String?
    repeat {
      var request = S3Request(method: .get, bucket: bucket)
      request.query = [("list-type", "2"), ("prefix", base + prefix), ("encoding-type", "url")]
      if let token { request.query.append(("continuation-token", token)) }
      let answer = try service.exchange(request)
      guard answer.isSuccess else { throw answer.failure(at: uri(prefix)) }
      let listing = try S3Listing(answer.body, at: uri(prefix))
      token = listing.nextToken
      var objects: [Object] = []
      objects.reserveCapacity(listing.objects.count)
      for var object in listing.objects {
        let key = object.key
        guard key.utf8.starts(with: base.utf8) else {
          throw malformed("a key that was not asked for", prefix)
        }
        // Pages that overlap or come in another order would lose objects, or double them.
        if let last, !bytesPrecede(last, key) {
          throw malformed("keys that are not in ascending order", prefix)
        }
        last = key
        if object.byteCount == 0 && key.utf8.last == UInt8(ascii: "/") { continue }
        object.key = String(decoding: key.utf8.dropFirst(base.utf8.count), as: UTF8.self)
        objects.append(object)
      }
      if !objects.isEmpty { try page(objects) }
    } while token != nil
  }

  private func malformed(_ what: String, _ prefix: String) -> StoreError {
    StoreError(
      .failed, "the listing has \(what)", at: Place(file: uri(prefix)),
      advice: "use a service that lists as S3 does (directory buckets do not)")
  }
}

/// One page of a listing.
struct S3Listing {
  /// With whole keys.
  private(set) var objects: [Object] = []
  /// nil after the last page.
  private(set) var nextToken: String?

  init(_ body: [UInt8], at place: String) throws {
    var key = ""
    var byteCount: Int64?
    var etag: String?
    var modified: Instant?
    var isTruncated = false
    var isEncoded = false
    var isInContents = false
    var isListing = false
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
    if !isTruncated { nextToken = nil }
    self.objects = objects.map { key, byteCount, version, modified in
      let plain =
        isEncoded ? String(decoding: uriDecoded(key, plusIsSpace: true), as: UTF8.self) : key
      return Object(key: plain, byteCount: byteCount, version: version, modified: modified)
    }
  }
}
