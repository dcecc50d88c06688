import Core
import Transport

extension HTTPStore {
  /// Streams a file. After a break the transfer goes on at the byte where it stopped, and only with
  /// bytes of the same version; `sink` gets each byte once.
  public func read(
    _ key: String, range: Range<Int64>?, ifMatch: Version?, cancellation: Cancellation,
    to sink: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> Object {
    try ObjectReading.read(
      HTTPReadSource(store: self, key: key), range: range, ifMatch: ifMatch,
      cancellation: cancellation, to: sink)
  }
}

/// A file of a web server, to be read.
private struct HTTPReadSource: ReadSource {
  let store: HTTPStore
  let key: String

  var policy: RetryPolicy { store.policy }
  var counters: TransferCounters { store.client.counters }
  var place: Place { Place(file: redactedURL(HTTPStore.encoded(store.uri(key)))) }

  func ask(
    _ range: Range<Int64>?, of version: Version?, _ cancellation: Cancellation,
    receive: (HTTPResponse, UnsafeRawBufferPointer) throws -> Void
  ) throws -> ReadAnswer {
    var request = store.request(.get, key)
    if let tag = WebVersion.strongTag(version) { request.headers.append(("If-Match", tag)) }
    request.range = range
    let response = try store.send(request, cancellation, receive: receive)
    return ReadAnswer(
      response: response,
      failure: response.isSuccess ? nil : store.failure(response, request.url),
      isTransient: response.isTransient)
  }

  func object(_ response: HTTPResponse) -> Object? { WebVersion.object(key, response) }

  func checksum(_ object: Object, _ response: HTTPResponse) -> ObjectChecksum? { nil }

  func head() throws -> Object? { try store.head(key) }

  func malformed() -> StoreError {
    StoreError(.failed, "the answer is not that of a web server", at: place)
  }
}
