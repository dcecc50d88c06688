import Core
import Kernels
import Transport

extension GCSStore {
  /// Writes a whole object: in one request, or where it is large in parts of which nothing is seen
  /// before the last.
  public func put(_ key: String, _ body: Body, _ condition: PutCondition) throws -> Object {
    let name = try name(of: key)
    return try counter.around("put", key) {
      let source = try GCSSource(body)
      let upload = try GCSUpload(store: self, key: key, name: name, source, condition)
      return try upload.run()
    }
  }

  /// Removes objects, several at a time.
  public func delete(_ keys: [String]) throws {
    guard let first = keys.first else { return }
    let urls = try keys.map { ($0, try url(of: $0)) }
    let name = keys.count == 1 ? first : "\(first) (and \(keys.count - 1) more)"
    try counter.around("delete", name) {
      let results = concurrently(urls, limit: GCSStore.deleteConcurrency) { key, url in
        let (response, _) = try service.perform(
          HTTPRequest(.delete, url), about: uri(key), parse: { _ in true })
        // A lost answer to a delete that did succeed is one, too.
        if response.status == 404, !GCSFault(response).isBucketMissing { return }
        guard response.isSuccess else { throw service.failure(response, uri(key)) }
      }
      for result in results { try result.get() }
    }
  }

  private static let deleteConcurrency = 16

  /// Copies an object of this bucket within the server.
  ///
  /// - Throws: `.notFound`, `.changed` where the source is not `ifMatch`, `.conditionFailed`.
  public func copy(
    _ from: String, ifMatch: Version? = nil, to key: String, _ condition: PutCondition = .always
  ) throws -> Object {
    let target = try name(of: key)
    let source = try url(of: from)
    return try counter.around("copy", key) {
      guard let found = try metadata(from) else {
        throw service.failure(HTTPResponse(status: 404), uri(from))
      }
      if let ifMatch, ifMatch.rawValue != found.generation {
        throw StoreError(
          .changed, "the object is no longer the version that was listed",
          at: Place(file: uri(from)), advice: "list again")
      }
      let nonce = GCSUpload.makeNonce()
      var base =
        "\(source)/rewriteTo/b/\(percentEncoded(bucket))/o/\(percentEncoded(target))"
        + "?ifSourceGenerationMatch=\(found.generation)"
        + "&fields=done,rewriteToken,resource(\(GCSObject.fields))"
      if let generation = try conditionGeneration(condition, key) {
        base += "&ifGenerationMatch=\(generation)"
      }
      if let kmsKey = service.settings.kmsKey {
        base += "&destinationKmsKeyName=\(percentEncoded(kmsKey))"
      }
      let body = Array(GCSUpload.metadata(nonce: nonce).description.utf8)

      // A large object takes several calls, each going on where the last one stopped.
      var token: String?
      while true {
        let url = base + (token.map { "&rewriteToken=\(percentEncoded($0))" } ?? "")
        let (response, state) = try service.perform(
          HTTPRequest(
            .post, url, headers: [("Content-Type", "application/json; charset=UTF-8")],
            body: .bytes(body)), about: uri(key), isTransient: { $0.status == 409 },
          parse: GCSService.json { answer in
            let isOne = answer["done"]?.boolean == true || answer["rewriteToken"] != nil
            return isOne ? answer : Optional<JSON>.none
          })
        if response.status == 412 {
          if let own = try metadata(key), own.nonce == nonce { return own.object(key: key) }
          throw conditionFailed(key)
        }
        guard let state else { throw service.failure(response, uri(from)) }
        if state["done"]?.boolean == true {
          guard let copied = state["resource"].flatMap(GCSObject.init),
            copied.byteCount == found.byteCount, copied.crc32c == found.crc32c
          else { throw malformed(uri(key)) }
          return copied.object(key: key)
        }
        guard let next = state["rewriteToken"]?.string else { throw malformed(uri(key)) }
        token = next
      }
    }
  }

  /// What a condition is in the JSON API; nil for none.
  ///
  /// - Throws: `.conditionFailed` where the version is none of this store's.
  func conditionGeneration(_ condition: PutCondition, _ key: String) throws -> String? {
    switch condition {
    case .always: return nil
    case .absent: return "0"
    case .matches(let version):
      guard GCSStore.isGeneration(version.rawValue) else { throw conditionFailed(key) }
      return version.rawValue
    }
  }

  func conditionFailed(_ key: String) -> StoreError {
    StoreError(
      .conditionFailed, "not written: the object exists already, is gone or was replaced meanwhile",
      at: Place(file: uri(key)), advice: "read it again and decide anew")
  }
}
