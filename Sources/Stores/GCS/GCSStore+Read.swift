import Core
import Kernels
import Transport

extension GCSStore {
  public func checksum(of object: Object) throws -> ObjectChecksum? {
    guard let found = try metadata(object.key), found.generation == object.version.rawValue else {
      return nil
    }
    return found.crc32c.map { ObjectChecksum(crc32c: $0) }
  }

  /// Streams an object. After a break the transfer goes on at the byte where it stopped, of the
  /// same generation; `sink` gets each byte once. A whole object is checked against its CRC-32C.
  public func read(
    _ key: String, range: Range<Int64>?, ifMatch: Version?, cancellation: Cancellation,
    to sink: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> Object {
    let url = try url(of: key)
    return try withoutActuallyEscaping(sink) { sink in
      let reading = GCSReading(
        store: self, key: key, url: url, range: range, ifMatch: ifMatch, sink: sink)
      let service = service
      return try service.policy.run(
        cancellation: cancellation, onRetry: { service.client.counters.add(retries: 1) }
      ) { _ in try reading.attempt(cancellation) }
    }
  }
}

/// One read across its attempts.
private final class GCSReading {
  private let store: GCSStore
  private let key: String
  private let url: String
  private let sink: (UnsafeRawBufferPointer) throws -> Void
  /// Where the wanted bytes end; `Int64.max` means at the object's end.
  private let end: Int64
  private let isRanged: Bool
  private let first: Int64
  /// The next byte that `sink` wants.
  private var position: Int64
  /// The generation that every answer must have; the first answer's where none was asked for.
  private var generation: String?
  private var object: Object?
  /// What the server says of the whole object's bytes.
  private var expected: String?
  private var checksum = CRC32C()
  /// Whether the current answer's head was looked at.
  private var isOpen = false

  init(
    store: GCSStore, key: String, url: String, range: Range<Int64>?, ifMatch: Version?,
    sink: @escaping (UnsafeRawBufferPointer) throws -> Void
  ) {
    self.store = store
    self.key = key
    self.url = url
    self.sink = sink
    first = range?.lowerBound ?? 0
    position = first
    end = range?.upperBound ?? .max
    isRanged = range != nil
    generation = ifMatch?.rawValue
  }

  func attempt(_ cancellation: Cancellation) throws -> RetryPolicy.Attempt<Object> {
    let start = position
    isOpen = false
    guard generation.map(GCSStore.isGeneration) != false else { throw changed() }
    do {
      let response = try store.service.send(request(), cancellation: cancellation) {
        // Much may come before the client looks.
        try cancellation.check()
        try self.take($0, $1)
      }
      return try finish(response, progressed: position > start, cancellation)
    } catch let error as TransportError {
      return try error.outcome(progressed: position > start)
    }
  }

  private func request() -> HTTPRequest {
    var url = url + "?alt=media"
    if let generation { url += "&ifGenerationMatch=\(generation)" }
    // Else the server would decompress what was stored as gzip.
    var request = HTTPRequest(.get, url, headers: [("Accept-Encoding", "gzip")])
    // An empty range cannot be asked for; its first byte can, and is not passed on.
    if isRanged || position > 0 { request.range = position..<max(end, position + 1) }
    return request
  }

  private func take(_ response: HTTPResponse, _ bytes: UnsafeRawBufferPointer) throws {
    if !isOpen { try open(response) }
    let count = Int(min(Int64(bytes.count), max(0, end - position)))
    guard count > 0 else { return }
    let wanted = UnsafeRawBufferPointer(rebasing: bytes[..<count])
    if first == 0 { checksum.update(wanted) }
    try sink(wanted)
    position += Int64(count)
  }

  /// Looks at the head of an answer before its first byte is taken.
  private func open(_ response: HTTPResponse) throws {
    guard let current = response["x-goog-generation"] else { throw store.malformed(store.uri(key)) }
    if let generation, generation != current { throw changed() }
    let start = response.status == 206 ? WebVersion.firstByte(response) : 0
    guard start == position else {
      throw damaged("the server sent another part of the object than it was asked for")
    }
    // A 206 states the whole size itself; a 200 is all there is.
    let total =
      WebVersion.totalByteCount(response)
      ?? response["x-goog-stored-content-length"].flatMap { Int64($0) }
    guard let total else { throw store.malformed(store.uri(key)) }
    isOpen = true
    generation = current
    expected = GCSReading.checksum(in: response)
    object = Object(
      key: key, byteCount: total, version: Version(current),
      modified: response["last-modified"].flatMap(httpDate))
  }

  /// `crc32c=AAAAAA==` among the values of `x-goog-hash`, which may come as one header or two.
  private static func checksum(in response: HTTPResponse) -> String? {
    for (name, value) in response.headers where name.lowercased() == "x-goog-hash" {
      for part in value.split(separator: ",") {
        let part = part.drop { $0 == " " }
        if part.hasPrefix("crc32c=") { return String(part.dropFirst(7)) }
      }
    }
    return nil
  }

  /// Judges an answer that came whole.
  private func finish(
    _ response: HTTPResponse, progressed: Bool, _ cancellation: Cancellation
  ) throws -> RetryPolicy.Attempt<Object> {
    if response.status == 416 { return .done(try pastTheEnd(response, cancellation)) }
    if response.status == 412 { throw changed() }
    guard response.isSuccess else {
      // With a generation of its own, an object that is gone was changed.
      if response.status == 404, position > first, !GCSFault(response).isBucketMissing {
        throw changed()
      }
      let failure = store.service.failure(response, store.uri(key))
      guard GCSService.isTransient(response) else { throw failure }
      return .again(
        .failure(failure), afterMilliseconds: store.service.policy.retryAfter(response),
        progressed: progressed)
    }
    // An empty body never came to `take`.
    if !isOpen { try open(response) }
    let object = object!
    if position < min(end, object.byteCount) {
      let failure = damaged("the server sent fewer bytes than the object has")
      return .again(.failure(failure), afterMilliseconds: nil, progressed: progressed)
    }
    if end == .max, position > object.byteCount {
      throw damaged("the server sent more bytes than the object has")
    }
    if first == 0, position == object.byteCount, let expected, checksum.gcsText != expected {
      throw damaged("the bytes received do not have the object's checksum")
    }
    return .done(object)
  }

  /// The wanted range starts where the object ends, or later: no bytes.
  private func pastTheEnd(
    _ response: HTTPResponse, _ cancellation: Cancellation
  ) throws -> Object {
    guard let current = try store.metadata(key, cancellation: cancellation) else {
      throw generation == nil
        ? store.service.failure(HTTPResponse(status: 404), store.uri(key)) : changed()
    }
    if let generation, generation != current.generation { throw changed() }
    guard position >= current.byteCount else {
      throw store.service.failure(response, store.uri(key))
    }
    return current.object(key: key)
  }

  private func changed() -> StoreError {
    StoreError(
      .changed, "the object is no longer the version that was listed",
      at: Place(file: store.uri(key)), advice: "list again")
  }

  private func damaged(_ message: String) -> StoreError {
    StoreError(.damaged, message, at: Place(file: store.uri(key)), advice: "run again later")
  }
}

extension GCSStore {
  /// Whether the text can be a generation: another store's version, or 0 for "absent", is none.
  static func isGeneration(_ text: String) -> Bool {
    Int64(text).map { $0 > 0 } == true
  }
}
