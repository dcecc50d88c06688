import Core
import Kernels
import Synchronization
import Transport

/// One object on its way in parts. Nothing of it is visible before the last step.
struct S3Upload {
  private let store: S3Store
  private let key: String
  private let body: S3Body
  private let condition: PutCondition
  private let nonce = S3Nonce()

  private static let maximumPartCount: Int64 = 10_000
  /// Says of how many bytes the parts were: who reads the object can then verify its ETag.
  static let partHeader = "x-amz-meta-sluice-part"

  /// A part as the service has it.
  private struct Part {
    var tag: String
    var digest: [UInt8]
  }

  init(_ store: S3Store, _ key: String, _ body: S3Body, _ condition: PutCondition) {
    self.store = store
    self.key = key
    self.body = body
    self.condition = condition
  }

  /// - Throws: As `put` does; the upload is then given up, and its parts with it.
  func run() throws -> Object {
    // Gigabytes for a condition that is broken already would be a pity.
    switch condition {
    case .always: break
    case .absent:
      if try store.head(key) != nil {
        throw store.conditionFailed(key, "the object exists already")
      }
    case .matches(let version):
      let current = try store.head(key)
      guard current?.version == version else {
        throw store.conditionFailed(
          key, current == nil ? "the object is gone" : "the object was replaced meanwhile")
      }
    }
    return try store.service.policy.run(
      cancellation: .never, onRetry: { store.service.client.counters.add(retries: 1) }
    ) { _ in
      let id = try start()
      do {
        let parts = try send(id)
        try body.checkUnchanged()
        let answer = try complete(id, parts.map(\.tag))
        if answer.isConflict {
          // S3 wants the whole upload again.
          abort(id)
          return .again(.failure(answer.failure(at: store.uri(key))), afterMilliseconds: nil)
        }
        let earlier = try store.settled(key, answer, condition, nonce)
        return .done(try earlier ?? made(answer, of: parts))
      } catch {
        abort(id)
        throw error
      }
    }
  }

  /// The byte range of each part: 8 to 64 MiB, more only where there would be too many.
  static func parts(of byteCount: Int64, minimum: Int64) -> [Range<Int64>] {
    let mebibyte: Int64 = 1 << 20
    let share = (byteCount / 256 + mebibyte - 1) / mebibyte * mebibyte
    let least = (byteCount + maximumPartCount - 1) / maximumPartCount
    let size = max(minimum, min(share, 64 << 20), (least + mebibyte - 1) / mebibyte * mebibyte)
    return stride(from: 0, to: byteCount, by: Int(size)).map {
      $0..<min($0 + size, byteCount)
    }
  }

  private var ranges: [Range<Int64>] {
    S3Upload.parts(
      of: body.byteCount, minimum: store.service.configuration.minimumPartByteCount)
  }

  private func start() throws -> String {
    var request = try store.request(.post, key)
    request.query = [("uploads", "")]
    request.headers =
      [
        ("Content-Type", "application/octet-stream"), nonce.header,
        (S3Upload.partHeader, "\(ranges[0].count)"),
      ]
      + store.service.configuration.encryptionHeaders
    let answer = try store.service.exchange(request)
    guard answer.isSuccess else { throw answer.failure(at: store.uri(key)) }
    guard let id = try? xmlTexts(answer.body)["UploadId"], !id.isEmpty else {
      throw StoreError(
        .failed, "the service does not say under which ID to upload",
        at: Place(file: store.uri(key)), advice: "check the endpoint")
    }
    return id
  }

  /// - Returns: The parts, in order.
  private func send(_ id: String) throws -> [Part] {
    let stopping = Cancellation()
    let tags = concurrently(
      Array(ranges.enumerated().map { (number: $0.offset + 1, range: $0.element) }),
      limit: store.service.configuration.parallelism
    ) { part -> Part in
      try stopping.check()
      do {
        return try send(part.number, part.range, id, stopping)
      } catch {
        stopping.cancel()
        throw error
      }
    }
    // The failure that stopped the others, not one of those that were stopped.
    for tag in tags {
      if case .failure(let error) = tag, !(error is Cancelled) { throw error }
    }
    return try tags.map { try $0.get() }
  }

  private func send(
    _ number: Int, _ range: Range<Int64>, _ id: String, _ cancellation: Cancellation
  ) throws -> Part {
    let digest = try body.digest(.md5, range)
    var request = try store.request(.put, key)
    request.query = [("partNumber", "\(number)"), ("uploadId", id)]
    request.headers = [("Content-MD5", base64(digest))]
    request.body = body.body(range)
    request.payload = { .sha256(hexText(try body.digest(.sha256, range))) }
    let answer = try store.service.exchange(request, cancellation: cancellation)
    guard answer.isSuccess else { throw answer.failure(at: store.uri(key)) }
    guard let tag = answer.response["etag"] else {
      throw StoreError(
        .failed, "the service gives no ETag for a part", at: Place(file: store.uri(key)),
        advice: "check the endpoint")
    }
    return Part(tag: tag, digest: digest)
  }

  private func complete(_ id: String, _ tags: [String]) throws -> S3Answer {
    let parts = tags.enumerated().map {
      "<Part><PartNumber>\($0.offset + 1)</PartNumber><ETag>\(xmlEscaped($0.element))</ETag></Part>"
    }
    let text =
      "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
      + parts.joined() + "</CompleteMultipartUpload>"
    let bytes = Array(text.utf8)
    var request = try store.request(.post, key)
    request.query = [("uploadId", id)]
    request.headers = [("Content-Type", "application/xml")] + condition.headers
    request.body = .bytes(bytes)
    request.payload = { .bytes(bytes) }
    return try store.service.exchange(request)
  }

  /// - Throws: `.damaged` where the parts are there as they were sent, and the whole is not.
  private func made(_ answer: S3Answer, of parts: [Part]) throws -> Object {
    guard let tag = try? xmlTexts(answer.body)["ETag"] else {
      throw StoreError(
        .failed, "the service does not say what it made of the parts",
        at: Place(file: store.uri(key)), advice: "check the endpoint")
    }
    let text = tag.filter { $0 != "\"" }.lowercased()
    if PartsDigest.partCount(of: text) != nil, ObjectChecksum.isPlain(answer.response),
      parts.allSatisfy({ $0.tag.filter { $0 != "\"" } == hexText($0.digest) }),
      text != PartsDigest.etag(of: parts.flatMap(\.digest))
    {
      throw StoreError(
        .damaged, "the service made something else of the parts than they were",
        at: Place(file: store.uri(key)), advice: "run again")
    }
    return Object(
      key: key, byteCount: body.byteCount, version: s3Version(tag),
      modified: answer.response["date"].flatMap(httpDate))
  }

  /// Frees the parts; a lifecycle rule of the bucket does it where this fails.
  private func abort(_ id: String) {
    guard var request = try? store.request(.delete, key) else { return }
    request.query = [("uploadId", id)]
    _ = try? store.service.exchange(request)
  }
}
