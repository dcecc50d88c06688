import Core
import Transport

extension S3Store {
  /// Asks with HEAD for what S3 has; of objects in parts also that of their parts' checksums.
  public func checksum(of object: Object) throws -> ObjectChecksum? {
    var request = try request(.head, object.key)
    request.headers = [("x-amz-checksum-mode", "ENABLED")]
    let answer = try service.exchange(request)
    guard answer.isSuccess, s3Version(answer.response["etag"] ?? "") == object.version else {
      return nil
    }
    return checksum(object, answer.response)
  }

  func checksum(_ object: Object, _ response: HTTPResponse) -> ObjectChecksum? {
    ObjectChecksum(object, s3: response) { parts(of: object, count: $0, response) }
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
      let reading = ObjectReading(
        S3ReadSource(store: self, key: key), range: range, ifMatch: ifMatch, sink: sink)
      var blocks: S3Blocks?
      defer { blocks?.stop() }
      reading.opened = { object, wanted in
        blocks = S3Blocks(self, object, wanted, cancellation)
        return blocks?.start
      }
      let object = try reading.run(cancellation)
      try blocks?.deliver { try reading.deliver($0) }
      try reading.verify()
      return object
    }
  }
}

/// An object of S3, to be read.
struct S3ReadSource: ReadSource {
  let store: S3Store
  let key: String

  var policy: RetryPolicy { store.service.policy }
  var counters: TransferCounters { store.service.client.counters }
  var place: Place { Place(file: store.uri(key)) }

  func ask(
    _ range: Range<Int64>?, of version: Version?, _ cancellation: Cancellation,
    receive: (HTTPResponse, UnsafeRawBufferPointer) throws -> Void
  ) throws -> ReadAnswer {
    var request = try store.request(.get, key)
    request.headers = [("x-amz-checksum-mode", "ENABLED")]
    if let version { request.headers.append(("If-Match", version.rawValue)) }
    request.range = range
    let answer = try store.service.send(request, cancellation, receive: receive)
    return ReadAnswer(
      response: answer.response,
      failure: answer.isSuccess ? nil : answer.failure(at: store.uri(key)),
      isTransient: answer.isTransient)
  }

  func object(_ response: HTTPResponse) -> Object? { store.object(key, response) }

  func checksum(_ object: Object, _ response: HTTPResponse) -> ObjectChecksum? {
    store.checksum(object, response)
  }

  func head() throws -> Object? { try store.head(key) }

  func malformed() -> StoreError {
    StoreError(
      .failed, "the answer is not one of S3", at: place, advice: "check the endpoint's address")
  }
}
