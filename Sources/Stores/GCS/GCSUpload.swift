import Core
import Kernels
import Transport

/// One put, across its attempts.
///
/// Each put leaves a nonce in the object's metadata. Where the server says that the condition does
/// not hold, the object is looked at: with this put's nonce, an earlier attempt succeeded and its
/// answer was lost (rule 20).
final class GCSUpload {
  private let store: GCSStore
  private let key: String
  private let name: String
  private let source: GCSSource
  private let checksum: String
  private let nonce = GCSUpload.makeNonce()
  /// `ifGenerationMatch`.
  private let generation: String?

  /// Where a session of an upload in parts is, and how many bytes the server has for sure.
  private var session: String?
  private var sent: Int64 = 0
  /// Whether the server is to be asked how far it got, before anything more is sent.
  private var isUncertain = false

  init(
    store: GCSStore, key: String, name: String, _ source: GCSSource, _ condition: PutCondition
  ) throws {
    self.store = store
    self.key = key
    self.name = name
    self.source = source
    generation = try store.conditionGeneration(condition, key)
    checksum = try source.checksum().gcsText
  }

  /// 128 random bits.
  static func makeNonce() -> String {
    (0..<2).map { _ in
      String(UInt64.random(in: 0...UInt64.max), radix: 16).paddedLeft(to: 16, with: "0")
    }.joined()
  }

  /// What is said of a new object besides its bytes.
  static func metadata(nonce: String, checksum: String? = nil) -> JSON {
    var members: [JSON.Member] = [.init("contentType", "application/octet-stream")]
    if let checksum { members.append(.init("crc32c", .string(checksum))) }
    members.append(.init("metadata", [GCSObject.nonceName: .string(nonce)]))
    return .object(members)
  }

  func run() throws -> Object {
    let service = store.service
    let isSmall = source.byteCount <= Int64(service.settings.partByteCount)
    let written: GCSObject = try service.policy.run(
      cancellation: .never, onRetry: { service.client.counters.add(retries: 1) }
    ) { _ in
      let start = sent
      do {
        if isSmall { return try sendAtOnce() }
        while true {
          switch try sendPart() {
          case nil: continue
          case .done(let object)?: return .done(object)
          case .again(let ending, let pause, _)?:
            return .again(ending, afterMilliseconds: pause, progressed: sent > start)
          }
        }
      } catch let error as TransportError {
        isUncertain = true
        return try error.outcome(progressed: sent > start)
      }
    }
    guard written.byteCount == source.byteCount, written.crc32c ?? checksum == checksum else {
      throw StoreError(
        .damaged, "the server has other bytes than it was sent",
        at: Place(file: store.uri(key)), advice: "run again")
    }
    return written.object(key: key)
  }

  private typealias Attempt = RetryPolicy.Attempt<GCSObject>

  private func url(_ type: String) -> String {
    let settings = store.service.settings
    var url =
      "\(settings.endpoint)/upload/storage/v1/b/\(percentEncoded(store.bucket))/o"
      + "?uploadType=\(type)&name=\(percentEncoded(name))&fields=\(GCSObject.fields)"
    if let generation { url += "&ifGenerationMatch=\(generation)" }
    if let kmsKey = settings.kmsKey { url += "&kmsKeyName=\(percentEncoded(kmsKey))" }
    return url
  }

  /// Metadata and bytes in one request (`multipart/related`, RFC 2387).
  private func sendAtOnce() throws -> Attempt {
    let boundary = GCSUpload.makeNonce()
    let metadata = GCSUpload.metadata(nonce: nonce, checksum: checksum)
    var body = Array(
      ("--\(boundary)\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n\(metadata)\r\n"
        + "--\(boundary)\r\nContent-Type: application/octet-stream\r\n\r\n").utf8)
    body += try source.part(0..<source.byteCount)
    body += "\r\n--\(boundary)--\r\n".utf8
    return try judge(
      HTTPRequest(
        .post, url("multipart"),
        headers: [("Content-Type", "multipart/related; boundary=\(boundary)")],
        body: .bytes(body)))
  }

  /// Makes a request after which the object may be there.
  private func judge(_ request: HTTPRequest) throws -> Attempt {
    var body: [UInt8] = []
    let response = try store.service.send(request, cancellation: .never) { body += $1 }
    return try judge(response, body)
  }

  private func judge(_ response: HTTPResponse, _ body: [UInt8]) throws -> Attempt {
    if response.isSuccess {
      if let object = (try? JSON(parsing: body)).flatMap(GCSObject.init) { return .done(object) }
      isUncertain = true
      return .again(.failure(store.malformed(store.uri(key))), afterMilliseconds: nil)
    }
    if response.status == 412 {
      if let found = try store.metadata(key), found.nonce == nonce { return .done(found) }
      throw store.conditionFailed(key)
    }
    let failure = store.service.failure(response, store.uri(key))
    // Another writer is at work on the same name (409), or bytes were damaged on the way (400).
    guard
      GCSService.isTransient(response) || response.status == 409
        || (response.status == 400 && GCSFault(response).isChecksumMismatch)
    else { throw failure }
    isUncertain = true
    return .again(
      .failure(failure), afterMilliseconds: store.service.policy.retryAfter(response))
  }

  // MARK: Large objects, in parts

  /// Makes the next request of an upload in parts: opens the session, asks how far it got, or sends
  /// a part.
  ///
  /// - Returns: nil where there is more to send.
  private func sendPart() throws -> Attempt? {
    guard let session else { return try openSession() }
    let total = source.byteCount
    var request = HTTPRequest(.put, session)
    // After a break the server may have any part of what was on its way.
    var end = total
    if isUncertain {
      request.headers = [("Content-Range", "bytes */\(total)")]
    } else {
      end = min(total, sent + Int64(store.service.settings.partByteCount))
      request.headers = [("Content-Range", "bytes \(sent)-\(end - 1)/\(total)")]
      request.body = .bytes(try source.part(sent..<end))
    }
    var body: [UInt8] = []
    let response = try store.service.send(request, cancellation: .never) { body += $1 }
    switch response.status {
    case 308:
      guard let count = GCSUpload.receivedCount(response), count <= end else {
        throw store.malformed(store.uri(key))
      }
      // All is there, but no object yet; or nothing of what was sent.
      let isStuck = count == total || (!isUncertain && count <= sent)
      sent = count
      isUncertain = count == total
      guard isStuck else { return nil }
      return .again(
        .failure(store.service.failure(HTTPResponse(status: 503), store.uri(key))),
        afterMilliseconds: nil)
    case 404, 410:
      // The session is gone; all starts anew. What it may have written says so by its nonce.
      forgetSession()
      return .again(
        .failure(store.service.failure(response, store.uri(key))), afterMilliseconds: nil)
    case 400 where GCSFault(response).isChecksumMismatch:
      forgetSession()
      return try judge(response, body)
    default: return try judge(response, body)
    }
  }

  private func forgetSession() {
    session = nil
    sent = 0
    isUncertain = false
  }

  private func openSession() throws -> Attempt? {
    let metadata = GCSUpload.metadata(nonce: nonce, checksum: checksum)
    let response = try store.service.send(
      HTTPRequest(
        .post, url("resumable"),
        headers: [
          ("Content-Type", "application/json; charset=UTF-8"),
          ("X-Upload-Content-Type", "application/octet-stream"),
          ("X-Upload-Content-Length", String(source.byteCount)),
        ], body: .bytes(Array(metadata.description.utf8))), cancellation: .never)
    guard response.isSuccess else { return try judge(response, []) }
    guard let location = response["location"] else {
      return .again(.failure(store.malformed(store.uri(key))), afterMilliseconds: nil)
    }
    session = location
    sent = 0
    isUncertain = false
    return nil
  }

  /// The number of bytes that a 308 confirms: `Range: bytes=0-262143`, and nothing for none.
  private static func receivedCount(_ response: HTTPResponse) -> Int64? {
    guard let range = response["range"] else { return 0 }
    guard range.hasPrefix("bytes=0-"), let last = Int64(range.dropFirst(8)) else { return nil }
    return last + 1
  }
}
