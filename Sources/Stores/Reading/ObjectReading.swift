import Core
import Transport

/// How one store is asked for an object's bytes, and what its answers mean.
protocol ReadSource {
  var policy: RetryPolicy { get }
  var counters: TransferCounters { get }
  /// The object, for messages.
  var place: Place { get }

  /// Makes one request.
  ///
  /// - Parameters:
  ///   - range: nil for the whole object. The store may answer with more.
  ///   - version: What the answer must be of; nil for any.
  func ask(
    _ range: Range<Int64>?, of version: Version?, _ cancellation: Cancellation,
    receive: (HTTPResponse, UnsafeRawBufferPointer) throws -> Void
  ) throws -> ReadAnswer

  /// The object that a good answer is about; nil where the answer is not one of the store.
  func object(_ response: HTTPResponse) -> Object?

  /// What the answer states of the bytes of the whole object.
  func checksum(_ object: Object, _ response: HTTPResponse) -> ObjectChecksum?

  func head() throws -> Object?

  /// What to say of an answer that is not one of the store.
  func malformed() -> StoreError
}

/// One answer to a read.
struct ReadAnswer {
  let response: HTTPResponse
  /// What is wrong; nil where the answer is good.
  let failure: StoreError?
  let isTransient: Bool
}

/// One stream of an object's bytes across its attempts: after a break it goes on at the byte where it
/// stopped, and only with bytes of the same version.
final class ObjectReading<Source: ReadSource> {
  /// Ends a transfer that has given all that is wanted, and would give more.
  private struct Enough: Error {}

  /// Told the object and the wanted bytes of it when the first answer comes; says up to where this
  /// stream is to go, where others do the rest.
  var opened: (_ object: Object, _ wanted: Range<Int64>) -> Int64? = { _, _ in nil }

  private let source: Source
  private let sink: (UnsafeRawBufferPointer) throws -> Void
  private let first: Int64
  /// Where the wanted bytes end; `Int64.max` means at the end of the object.
  private let end: Int64
  private let isRanged: Bool
  /// Where this stream ends, or hands over.
  private var limit: Int64
  /// The next byte that `sink` wants.
  private var position: Int64
  /// The version that every answer must have; that of the first answer where none was asked for.
  private var version: Version?
  private var object: Object?
  private var checksum: ObjectChecksum?
  /// Where the next byte of the current answer belongs, and where its body ends; nil before its head
  /// was looked at.
  private var arriving: (offset: Int64, end: Int64)?

  init(
    _ source: Source, range: Range<Int64>?, ifMatch: Version?,
    sink: @escaping (UnsafeRawBufferPointer) throws -> Void
  ) {
    self.source = source
    self.sink = sink
    first = range?.lowerBound ?? 0
    position = first
    end = range?.upperBound ?? .max
    limit = end
    isRanged = range != nil
    version = ifMatch
  }

  /// - Returns: The object that was read.
  /// - Throws: `.changed` where it has another version by now; what the source's failures are;
  ///   `.damaged` for too many bytes; `Cancelled`.
  func run(_ cancellation: Cancellation) throws -> Object {
    try source.policy.run(
      cancellation: cancellation, onRetry: { source.counters.add(retries: 1) }
    ) { _ in try attempt(cancellation) }
  }

  /// Passes on bytes that came by another way.
  func deliver(_ bytes: UnsafeRawBufferPointer) throws {
    checksum?.update(bytes)
    try sink(bytes)
  }

  /// To be called once all bytes were delivered.
  ///
  /// - Throws: `.damaged` where a whole object does not have its checksum.
  func verify() throws {
    guard let checksum, try !checksum.matches else { return }
    throw damaged("the bytes received do not have the object's checksum")
  }

  private func attempt(_ cancellation: Cancellation) throws -> RetryPolicy.Attempt<Object> {
    let start = position
    arriving = nil
    do {
      // An empty range cannot be asked for; its first byte can, and is not passed on.
      let isPart = isRanged || position > 0 || limit != .max
      let range = isPart ? position..<max(limit, position + 1) : nil
      let answer = try source.ask(range, of: version, cancellation) {
        // Checked here, too: much may arrive before the network is looked at again.
        try cancellation.check()
        try self.take($0, $1)
      }
      return try finish(answer, progressed: position > start)
    } catch is Enough {
      return .done(object!)
    } catch is Malformed {
      return try again(source.malformed(), progressed: false)
    } catch let error as TransportError {
      guard
        case .again(.failure(let failure), let pause, let progressed) =
          try error.outcome(progressed: position > start) as RetryPolicy.Attempt<Object>
      else { throw error }
      return try again(failure, afterMilliseconds: pause, progressed: progressed)
    }
  }

  /// Bytes already given away cannot be taken back: the rest must be sure to fit them.
  private func again(
    _ failure: any Error, afterMilliseconds: Int64? = nil, progressed: Bool
  ) throws -> RetryPolicy.Attempt<Object> {
    if position > first, let version, !version.isReliable { throw failure }
    return .again(.failure(failure), afterMilliseconds: afterMilliseconds, progressed: progressed)
  }

  private func take(_ response: HTTPResponse, _ bytes: UnsafeRawBufferPointer) throws {
    var (offset, bodyEnd) = try arriving ?? open(response)
    defer { arriving = (offset, bodyEnd) }
    // A server may answer with the whole object, or start earlier than asked.
    let unwanted = Int(min(Int64(bytes.count), max(0, position - offset)))
    let wanted = Int(min(Int64(bytes.count - unwanted), max(0, limit - position)))
    offset += Int64(bytes.count)
    if wanted > 0 {
      try deliver(UnsafeRawBufferPointer(rebasing: bytes[unwanted..<(unwanted + wanted)]))
      position += Int64(wanted)
    }
    // Only where more is to come: to break off costs the connection.
    if position >= limit, offset < bodyEnd { throw Enough() }
  }

  /// An answer that comes from somebody else.
  private struct Malformed: Error {}

  /// Looks at the head of an answer before its first byte is taken.
  ///
  /// - Returns: The positions in the object of the body's first byte and of its end.
  private func open(_ response: HTTPResponse) throws -> (offset: Int64, end: Int64) {
    guard let current = source.object(response) else { throw Malformed() }
    if let version, current.version != version { throw changed() }
    var start: Int64 = 0
    if response.status == 206 {
      guard let stated = WebVersion.firstByte(response), stated <= position else {
        throw damaged("the server sent another part of the object than it was asked for")
      }
      start = stated
    }
    if object == nil {
      version = current.version
      let last = current.byteCount < 0 ? end : min(end, current.byteCount)
      if first == 0, last == current.byteCount || !isRanged {
        checksum = source.checksum(current, response)
      }
      if current.byteCount >= 0, position < last {
        limit = opened(current, position..<last) ?? limit
      }
    }
    object = current
    return (start, response.contentLength.map { start + min($0, .max - start) } ?? .max)
  }

  /// Judges an answer that came whole.
  private func finish(
    _ answer: ReadAnswer, progressed: Bool
  ) throws -> RetryPolicy.Attempt<Object> {
    if answer.response.status == 416 { return .done(try pastTheEnd(answer)) }
    if let failure = answer.failure {
      // What was there a moment ago is not missing, but another version.
      if failure.code == .notFound, position > first { throw changed() }
      guard answer.isTransient else { throw failure }
      return try again(
        failure, afterMilliseconds: source.policy.retryAfter(answer.response),
        progressed: progressed)
    }
    // An empty body never came to `take`.
    if arriving == nil { arriving = try open(answer.response) }
    let object = object!
    guard object.byteCount >= 0 else { return .done(object) }
    if position < min(limit, object.byteCount) {
      // In an answer that is whole by its own length.
      let failure = damaged("the server sent fewer bytes than the object has")
      return try again(failure, progressed: progressed)
    }
    if position > object.byteCount, position > first {
      throw damaged("the server sent more bytes than the object has")
    }
    return .done(object)
  }

  /// The wanted range starts where the object ends, or later: no bytes.
  private func pastTheEnd(_ answer: ReadAnswer) throws -> Object {
    if let object, position == object.byteCount { return object }
    guard let current = try source.head() else {
      if version != nil { throw changed() }
      throw StoreError(.notFound, "there is no such object", at: source.place)
    }
    if let version, current.version != version { throw changed() }
    guard current.byteCount >= 0, position >= current.byteCount else {
      throw answer.failure ?? damaged("the server refuses a part of the object that it has")
    }
    return current
  }

  private func changed() -> StoreError {
    StoreError(
      .changed, "the object is no longer the version that was listed", at: source.place,
      advice: "list again")
  }

  private func damaged(_ message: String) -> StoreError {
    StoreError(.damaged, message, at: source.place, advice: "run again later")
  }
}

extension ObjectReading {
  /// Reads in one stream, and verifies.
  static func read(
    _ source: Source, range: Range<Int64>?, ifMatch: Version?, cancellation: Cancellation,
    to sink: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> Object {
    try withoutActuallyEscaping(sink) { sink in
      let reading = ObjectReading(source, range: range, ifMatch: ifMatch, sink: sink)
      let object = try reading.run(cancellation)
      try reading.verify()
      return object
    }
  }
}
