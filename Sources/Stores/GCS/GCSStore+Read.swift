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
    try ObjectReading.read(
      GCSReadSource(store: self, key: key, url: url(of: key)), range: range, ifMatch: ifMatch,
      cancellation: cancellation, to: sink)
  }
}

/// An object of Google Cloud Storage, to be read.
private struct GCSReadSource: ReadSource {
  let store: GCSStore
  let key: String
  let url: String

  var policy: RetryPolicy { store.service.policy }
  var counters: TransferCounters { store.service.client.counters }
  var place: Place { Place(file: store.uri(key)) }

  func ask(
    _ range: Range<Int64>?, of version: Version?, _ cancellation: Cancellation,
    receive: (HTTPResponse, UnsafeRawBufferPointer) throws -> Void
  ) throws -> ReadAnswer {
    var url = url + "?alt=media"
    if let version {
      guard GCSStore.isGeneration(version.rawValue) else { throw changed() }
      url += "&ifGenerationMatch=\(version.rawValue)"
    }
    // Else the server would decompress what was stored as gzip.
    let request = HTTPRequest(.get, url, headers: [("Accept-Encoding", "gzip")], range: range)
    let response = try store.service.send(request, cancellation: cancellation, receive: receive)
    return ReadAnswer(
      response: response, failure: failure(response),
      isTransient: GCSService.isTransient(response))
  }

  private func failure(_ response: HTTPResponse) -> StoreError? {
    if response.isSuccess { return nil }
    return response.status == 412 ? changed() : store.service.failure(response, store.uri(key))
  }

  func object(_ response: HTTPResponse) -> Object? {
    // A 206 states the whole size itself; a 200 is all there is.
    let total =
      WebVersion.totalByteCount(response)
      ?? response["x-goog-stored-content-length"].flatMap { Int64($0) }
    guard let generation = response["x-goog-generation"], let total else { return nil }
    return Object(
      key: key, byteCount: total, version: Version(generation),
      modified: response["last-modified"].flatMap(httpDate))
  }

  /// `crc32c=AAAAAA==` among the values of `x-goog-hash`, which may come as one header or two.
  func checksum(_ object: Object, _ response: HTTPResponse) -> ObjectChecksum? {
    for (name, value) in response.headers where isSameHeader(name, "x-goog-hash") {
      for part in value.split(separator: ",") {
        let part = part.drop { $0 == " " }
        if part.hasPrefix("crc32c=") { return ObjectChecksum(crc32c: String(part.dropFirst(7))) }
      }
    }
    return nil
  }

  func head() throws -> Object? { try store.head(key) }

  func malformed() -> StoreError { store.malformed(store.uri(key)) }

  private func changed() -> StoreError {
    StoreError(
      .changed, "the object is no longer the version that was listed", at: place,
      advice: "list again")
  }
}

extension GCSStore {
  /// Whether the text can be a generation: another store's version, or 0 for "absent", is none.
  static func isGeneration(_ text: String) -> Bool {
    Int64(text).map { $0 > 0 } == true
  }
}
