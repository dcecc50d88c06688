import Core
import Kernels
import Transport

extension S3Store {
  /// Writes an object with one request, or a large one in parts that are uploaded several at once.
  ///
  /// Every byte is covered by a checksum that S3 verifies. 412 is resolved by reading back: the
  /// object may be this put's own, from an attempt whose answer was lost. 409 is tried again
  /// (rule 20).
  public func put(_ key: String, _ body: Body, _ condition: PutCondition) throws -> Object {
    _ = try name(of: key)
    return try counter.around("put", key) {
      // No version of S3's: no object has it, and the header might be left out.
      if case .matches(let version) = condition, version.rawValue.utf8.count < 3 {
        throw conditionFailed(key, "the object has another version")
      }
      if condition != .always { try probe(beside: key) }
      let source = try S3Body(body)
      guard source.byteCount <= service.configuration.partThreshold else {
        return try S3Upload(self, key, source, condition).run()
      }
      return try put(key, try source.bytes(), condition)
    }
  }

  private func put(
    _ key: String, _ bytes: [UInt8], _ condition: PutCondition
  ) throws -> Object {
    let digest = md5(bytes)
    var checksum = CRC32C()
    bytes.withUnsafeBytes { checksum.update($0) }
    let nonce = S3Nonce()
    var request = try request(.put, key)
    request.headers =
      [
        ("Content-Type", "application/octet-stream"), ("Content-MD5", base64(digest)),
        ("x-amz-checksum-crc32c", base64(checksum.bytes)),
      ] + service.configuration.encryptionHeaders
    if condition != .always {
      request.headers += [nonce.header] + condition.headers
    }
    request.body = .bytes(bytes)
    request.payload = { .bytes(bytes) }
    let answer = try service.exchange(request) { $0.isTransient || $0.isConflict }
    if let object = try settled(key, answer, condition, nonce) { return object }
    let object = written(key, Int64(bytes.count), answer.response)
    // S3 says what it stored, where it stores it as it is.
    if let stored = ObjectChecksum.md5(of: object.version, answer.response),
      stored != hexText(digest)
    {
      throw StoreError(
        .damaged, "S3 stored other bytes than it was sent", at: Place(file: uri(key)),
        advice: "run again")
    }
    return object
  }

  /// Judges the answer to the request that makes an object.
  ///
  /// - Returns: The object, where an earlier attempt turns out to have made it; nil where this one
  ///   did.
  func settled(
    _ key: String, _ answer: S3Answer, _ condition: PutCondition, _ nonce: S3Nonce
  ) throws -> Object? {
    if answer.isSuccess { return nil }
    // After a lost answer the same upload is not there any more, or its own object is in the way.
    if answer.response.status == 412 || answer.code == "NoSuchUpload" {
      let current = try headAnswer(key)
      if current.isSuccess, current.response[nonce.header.name] == nonce.header.value {
        return object(key, current.response)
      }
      if answer.response.status == 412 {
        throw conditionFailed(
          key,
          condition == .absent
            ? "the object exists already"
            : current.isSuccess ? "the object was replaced meanwhile" : "the object is gone")
      }
    }
    if case .matches = condition, answer.response.status == 404, answer.code == "NoSuchKey" {
      throw conditionFailed(key, "the object is gone")
    }
    throw answer.failure(at: uri(key))
  }

  func conditionFailed(_ key: String, _ what: String) -> StoreError {
    StoreError(
      .conditionFailed, "not written: \(what)", at: Place(file: uri(key)),
      advice: "read it again and decide anew")
  }

  /// The object that a successful put made.
  func written(_ key: String, _ byteCount: Int64, _ response: HTTPResponse) -> Object {
    Object(
      key: key, byteCount: byteCount, version: s3Version(response["etag"] ?? ""),
      modified: response["date"].flatMap(httpDate))
  }

  /// Finds out, before the first conditional put to a bucket that is not Amazon's, whether the
  /// service holds conditions: one that ignores them would lose commits (rule 20).
  ///
  /// - Parameter neighbour: Credentials may reach no further than its folder.
  /// - Throws: `.unsafe`.
  func probe(beside neighbour: String) throws {
    guard !service.isKnownSafe(bucket) else { return }
    let folder = neighbour.lastIndex(of: "/").map { String(neighbour[...$0]) } ?? ""
    let key = "\(folder).sluice-probe-\(S3Nonce().text)"
    func status(_ condition: PutCondition) throws -> S3Answer {
      var request = try request(.put, key)
      request.headers = condition.headers + service.configuration.encryptionHeaders
      request.body = .bytes([0x78])
      request.payload = { .bytes([0x78]) }
      return try service.exchange(request) { $0.isTransient || $0.isConflict }
    }
    let first = try status(.absent)
    // An attempt whose answer was lost has made the object: that is a condition held.
    guard first.isSuccess || first.response.status == 412 else {
      throw first.failure(at: uri(key))
    }
    defer { _ = try? service.exchange(try request(.delete, key)) }
    for condition in [.absent, .matches(Version("\"00000000000000000000000000000000\""))]
      as [PutCondition]
    {
      let answer = try status(condition)
      guard answer.response.status != 412 else { continue }
      guard answer.isSuccess || answer.response.status == 501 else {
        throw answer.failure(at: uri(key))
      }
      throw StoreError(
        .unsafe, "this service does not hold the conditions of writes (\(condition.name))",
        at: Place(file: root),
        advice: "use a service that does, for commits would overwrite each other", exitCode: 2)
    }
    service.markSafe(bucket)
  }
}

extension PutCondition {
  var headers: [(name: String, value: String)] {
    switch self {
    case .always: []
    case .absent: [("If-None-Match", "*")]
    case .matches(let version): [("If-Match", version.rawValue)]
    }
  }

  fileprivate var name: String { headers.first?.name ?? "" }
}

extension S3Answer {
  /// Another writer's request for the same key is under way.
  var isConflict: Bool { response.status == 409 && code != "BucketAlreadyExists" }
}

/// Tells the object of one put from all others.
struct S3Nonce {
  let text =
    String(UInt64.random(in: .min ... .max), radix: 36)
    + String(UInt64.random(in: .min ... .max), radix: 36)

  var header: (name: String, value: String) { ("x-amz-meta-sluice-nonce", text) }
}

extension CRC32C {
  /// Most significant first, as S3 sends it.
  var bytes: [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }
}
