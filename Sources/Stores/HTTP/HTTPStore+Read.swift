import Core
import Transport

extension HTTPStore {
  /// Streams a file. After a break the transfer goes on at the byte where it stopped, and only with
  /// bytes of the same version; `sink` gets each byte once.
  public func read(
    _ key: String, range: Range<Int64>?, ifMatch: Version?, cancellation: Cancellation,
    to sink: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> Object {
    try withoutActuallyEscaping(sink) { sink in
      let reading = Reading(store: self, key: key, range: range, ifMatch: ifMatch, sink: sink)
      return try policy.run(
        cancellation: cancellation, onRetry: { client.counters.add(retries: 1) }
      ) { _ in try reading.attempt(cancellation) }
    }
  }
}

/// One read across its attempts.
private final class Reading {
  /// Ends a transfer that has given all that is wanted.
  private struct Enough: Error {}

  private let store: HTTPStore
  private let key: String
  private let url: String
  private let sink: (UnsafeRawBufferPointer) throws -> Void
  /// Where the wanted bytes end; `Int64.max` means at the end of the file.
  private let end: Int64
  private let isRanged: Bool
  /// The first byte wanted.
  private let first: Int64
  /// The next byte that `sink` wants.
  private var position: Int64
  /// The version that every answer must have; that of the first answer where none was asked for.
  private var version: Version?
  private var object: Object?
  /// Where the next byte of the current answer belongs; nil before its head was looked at.
  private var arriving: Int64?

  init(
    store: HTTPStore, key: String, range: Range<Int64>?, ifMatch: Version?,
    sink: @escaping (UnsafeRawBufferPointer) throws -> Void
  ) {
    self.store = store
    self.key = key
    self.sink = sink
    url = HTTPStore.encoded(store.uri(key))
    first = range?.lowerBound ?? 0
    position = first
    end = range?.upperBound ?? .max
    isRanged = range != nil
    version = ifMatch
  }

  func attempt(_ cancellation: Cancellation) throws -> RetryPolicy.Attempt<Object> {
    let start = position
    arriving = nil
    do {
      let response = try store.client.send(request(), cancellation: cancellation) {
        try self.take($0, $1)
      }
      return try finish(response, progressed: position > start)
    } catch is Enough {
      return .done(object!)
    } catch let error as TransportError {
      return try next(try error.outcome(progressed: position > start))
    }
  }

  /// Bytes already given away cannot be taken back: the rest must be sure to fit them.
  private func next(_ attempt: RetryPolicy.Attempt<Object>) throws -> RetryPolicy.Attempt<Object> {
    if position > first, let version, !WebVersion.isReliable(version),
      case .again(.failure(let failure), _, _) = attempt
    {
      throw failure
    }
    return attempt
  }

  private func request() -> HTTPRequest {
    var request = store.request(.get, key)
    if let tag = WebVersion.strongTag(version) { request.headers.append(("If-Match", tag)) }
    // An empty range cannot be asked for; its first byte can, and is not passed on.
    if isRanged || position > 0 { request.range = position..<max(end, position + 1) }
    return request
  }

  /// Takes a piece of an answer with status 2xx.
  private func take(_ response: HTTPResponse, _ bytes: UnsafeRawBufferPointer) throws {
    var offset = try arriving ?? open(response)
    defer { arriving = offset }
    // A server may answer with the whole file, or start earlier than asked.
    let unwanted = Int(min(Int64(bytes.count), max(0, position - offset)))
    let wanted = Int(min(Int64(bytes.count - unwanted), max(0, end - position)))
    offset += Int64(bytes.count)
    if wanted > 0 {
      try sink(UnsafeRawBufferPointer(rebasing: bytes[unwanted..<(unwanted + wanted)]))
      position += Int64(wanted)
    }
    if position >= end { throw Enough() }
  }

  /// Looks at the head of an answer before its first byte is taken.
  ///
  /// - Returns: The position in the file of the first byte of the body.
  private func open(_ response: HTTPResponse) throws -> Int64 {
    let current = WebVersion.object(key, response)
    if let version, current.version != version {
      throw StoreError(
        .changed, "the file is no longer the version that was listed",
        at: Place(file: redactedURL(url)), advice: "list again")
    }
    version = current.version
    object = current
    guard response.status == 206 else { return 0 }
    guard let start = WebVersion.firstByte(response), start <= position else {
      throw damaged("the server sent another part of the file than it was asked for")
    }
    return start
  }

  /// Judges an answer that came whole.
  private func finish(
    _ response: HTTPResponse, progressed: Bool
  ) throws -> RetryPolicy.Attempt<Object> {
    if response.status == 416 { return .done(try pastTheEnd(response)) }
    guard response.isSuccess else {
      guard response.isTransient else { throw store.failure(response, url) }
      return try next(
        .again(
          .failure(store.failure(response, url)),
          afterMilliseconds: store.policy.retryAfter(response), progressed: progressed))
    }
    // An empty body never came to `take`.
    if arriving == nil { arriving = try open(response) }
    let object = object!
    guard object.byteCount >= 0 else { return .done(object) }
    if position < min(end, object.byteCount) {
      // Fewer bytes than the file has, in an answer that is whole by its own length.
      let failure = damaged("the server sent fewer bytes than the file has")
      return try next(.again(.failure(failure), afterMilliseconds: nil, progressed: progressed))
    }
    if end == .max, position > object.byteCount {
      throw damaged("the server sent more bytes than the file has")
    }
    return .done(object)
  }

  /// The wanted range starts where the file ends, or later: no bytes.
  private func pastTheEnd(_ response: HTTPResponse) throws -> Object {
    if let object, position == object.byteCount { return object }
    guard let total = WebVersion.totalByteCount(response), position >= total,
      let current = try store.head(key)
    else { throw store.failure(response, url) }
    if let version, current.version != version {
      throw store.failure(HTTPResponse(status: 412), url)
    }
    return current
  }

  private func damaged(_ message: String) -> StoreError {
    StoreError(.damaged, message, at: Place(file: redactedURL(url)), advice: "run again later")
  }
}
