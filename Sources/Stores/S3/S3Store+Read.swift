import Core
import Transport

extension S3Store {
  /// Asks with HEAD for what S3 has; that of all bytes, also of objects in parts, where it does.
  public func checksum(of object: Object) throws -> ObjectChecksum? {
    var request = try request(.head, object.key)
    request.headers = [("x-amz-checksum-mode", "ENABLED")]
    let answer = try service.exchange(request)
    guard answer.isSuccess, s3Version(answer.response["etag"] ?? "") == object.version else {
      return nil
    }
    return ObjectChecksum(object.version, s3: answer.response)
  }

  /// Streams an object. After a break it goes on at the byte where it stopped, with the same version;
  /// `sink` gets each byte once and in order. A large object's later parts come by several requests
  /// at once, through a bounded number of buffers.
  ///
  /// - Throws: `.damaged` also where a whole object does not have its checksum.
  public func read(
    _ key: String, range: Range<Int64>?, ifMatch: Version?, cancellation: Cancellation,
    to sink: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> Object {
    try withoutActuallyEscaping(sink) { sink in
      let reading = S3Reading(store: self, key: key, range: range, ifMatch: ifMatch, sink: sink)
      var blocks: S3Blocks?
      defer { blocks?.stop() }
      reading.opened = { object, wanted in
        blocks = S3Blocks(self, object, wanted, cancellation)
        return blocks?.start ?? wanted.upperBound
      }
      let object = try reading.run(cancellation)
      try blocks?.deliver { try reading.deliver($0) }
      try reading.verify()
      return object
    }
  }
}

/// One stream of an object's bytes across its attempts.
final class S3Reading {
  /// Ends a transfer that has given all that is wanted.
  private struct Enough: Error {}

  /// Told the object and the wanted bytes of it when the first answer comes; says up to where this
  /// stream is to go.
  var opened: (_ object: Object, _ wanted: Range<Int64>) -> Int64 = { $1.upperBound }

  private let store: S3Store
  private let key: String
  private let sink: (UnsafeRawBufferPointer) throws -> Void
  private let isRanged: Bool
  /// Where the wanted bytes end; `Int64.max` means at the end of the object.
  private let end: Int64
  /// Where this stream ends, or hands over.
  private var limit: Int64
  /// The next byte that `sink` wants.
  private var position: Int64
  private var version: Version?
  private var object: Object?
  private var checksum: ObjectChecksum?
  /// Where the next byte of the current answer belongs; nil before its head was looked at.
  private var arriving: Int64?

  init(
    store: S3Store, key: String, range: Range<Int64>?, ifMatch: Version?,
    sink: @escaping (UnsafeRawBufferPointer) throws -> Void
  ) {
    self.store = store
    self.key = key
    self.sink = sink
    position = range?.lowerBound ?? 0
    end = range?.upperBound ?? .max
    limit = end
    isRanged = range != nil
    version = ifMatch
  }

  func run(_ cancellation: Cancellation) throws -> Object {
    let service = store.service
    return try service.policy.run(
      cancellation: cancellation, onRetry: { service.client.counters.add(retries: 1) }
    ) { _ in try attempt(cancellation) }
  }

  /// Passes on bytes that came by another way.
  func deliver(_ bytes: UnsafeRawBufferPointer) throws {
    checksum?.update(bytes)
    try sink(bytes)
  }

  func verify() throws {
    guard let checksum, !checksum.matches else { return }
    throw damaged("the bytes do not have the checksum of the object")
  }

  private func attempt(_ cancellation: Cancellation) throws -> RetryPolicy.Attempt<Object> {
    let start = position
    arriving = nil
    do {
      let answer = try store.service.send(try request(), cancellation) {
        // Checked here, too: much may arrive before the network is looked at again.
        try cancellation.check()
        try self.take($0, $1)
      }
      return try finish(answer, progressed: position > start)
    } catch is Enough {
      return .done(object!)
    } catch let error as TransportError {
      return try error.outcome(progressed: position > start)
    }
  }

  private func request() throws -> S3Request {
    var request = try store.request(.get, key)
    request.headers = [("x-amz-checksum-mode", "ENABLED")]
    if let version { request.headers.append(("If-Match", version.rawValue)) }
    // An empty range cannot be asked for; its first byte can, and is not passed on.
    if isRanged || position > 0 || limit != .max {
      request.range = position..<max(limit, position + 1)
    }
    return request
  }

  private func take(_ response: HTTPResponse, _ bytes: UnsafeRawBufferPointer) throws {
    var offset = try arriving ?? open(response)
    defer { arriving = offset }
    // A service may answer with the whole object, or start earlier than asked.
    let unwanted = Int(min(Int64(bytes.count), max(0, position - offset)))
    let wanted = Int(min(Int64(bytes.count - unwanted), max(0, limit - position)))
    offset += Int64(bytes.count)
    if wanted > 0 {
      try deliver(UnsafeRawBufferPointer(rebasing: bytes[unwanted..<(unwanted + wanted)]))
      position += Int64(wanted)
    }
    if position >= limit { throw Enough() }
  }

  /// Looks at the head of an answer before its first byte is taken.
  ///
  /// - Returns: The position in the object of the first byte of the body.
  private func open(_ response: HTTPResponse) throws -> Int64 {
    let current = store.object(key, response)
    if let version, current.version != version {
      throw StoreError(
        .changed, "the object is no longer the version that was listed",
        at: Place(file: store.uri(key)), advice: "list again")
    }
    var first: Int64 = 0
    if response.status == 206 {
      guard let start = WebVersion.firstByte(response), start <= position else {
        throw damaged("S3 sent another part of the object than it was asked for")
      }
      first = start
    }
    if object == nil {
      object = current
      version = current.version
      if !isRanged { checksum = ObjectChecksum(current.version, s3: response) }
      if current.byteCount >= 0, position < min(end, current.byteCount) {
        limit = opened(current, position..<min(end, current.byteCount))
      }
    }
    return first
  }

  private func finish(
    _ answer: S3Answer, progressed: Bool
  ) throws -> RetryPolicy.Attempt<Object> {
    let response = answer.response
    if response.status == 416 { return .done(try pastTheEnd(answer)) }
    guard answer.isSuccess else {
      let failure = answer.failure(at: store.uri(key))
      guard answer.isTransient else { throw failure }
      return .again(
        .failure(failure), afterMilliseconds: store.service.policy.retryAfter(response),
        progressed: progressed)
    }
    // An empty body never came to `take`.
    if arriving == nil { arriving = try open(response) }
    let object = object!
    guard object.byteCount >= 0 else { return .done(object) }
    let last = min(limit, object.byteCount)
    if position < last {
      let failure = damaged("S3 sent fewer bytes than the object has")
      return .again(.failure(failure), afterMilliseconds: nil, progressed: progressed)
    }
    if position > object.byteCount { throw damaged("S3 sent more bytes than the object has") }
    return .done(object)
  }

  /// The wanted range starts where the object ends, or later: no bytes.
  private func pastTheEnd(_ answer: S3Answer) throws -> Object {
    guard let current = try store.head(key), position >= current.byteCount else {
      throw answer.failure(at: store.uri(key))
    }
    if let version, current.version != version {
      throw S3Answer(HTTPResponse(status: 412)).failure(at: store.uri(key))
    }
    return current
  }

  private func damaged(_ message: String) -> StoreError {
    StoreError(.damaged, message, at: Place(file: store.uri(key)), advice: "run again")
  }
}
