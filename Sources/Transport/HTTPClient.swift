import CCurl
import Core
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// How a client behaves towards every server.
public struct HTTPConfiguration: Sendable {
  public var userAgent = "sluice"
  /// For name look-up, connection and TLS together.
  public var connectMilliseconds = 15_000
  /// How long nothing at all may arrive or leave.
  public var stallMilliseconds = 60_000
  public var maximumRedirects = 10
  /// Whether proxies named in the environment are used.
  public var usesProxies = true
  /// A PEM file of certificate authorities, instead of the system's.
  public var certificateFile: String?
  public var certificateFolder: String?
  /// A file of users and passwords by host, instead of `~/.netrc`.
  public var netrcFile: String?

  /// Reads `CURL_CA_BUNDLE`, `SSL_CERT_FILE` and `SSL_CERT_DIR`, as the `curl` command does, and
  /// `NETRC`; the `http_proxy` family is read by the library itself.
  public init() {
    func variable(_ name: String) -> String? {
      getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }
    certificateFile = variable("CURL_CA_BUNDLE") ?? variable("SSL_CERT_FILE")
    certificateFolder = variable("SSL_CERT_DIR")
    netrcFile = variable("NETRC")
  }
}

/// Speaks HTTP through libcurl. Safe to use from any thread; every call blocks its own.
///
/// Connections are kept and used again; names and TLS sessions are shared between threads. TLS
/// certificates are always verified. Responses are taken as they are: no content encoding is asked
/// for, and none undone.
public final class HTTPClient: Sendable {
  /// The process's client.
  public static let shared = HTTPClient()

  public let configuration: HTTPConfiguration
  /// What went over the wire so far.
  public let counters = TransferCounters()

  /// Made by the first request: setting up TLS takes longer than a run with nothing to do.
  private let caches = Mutex<SharedCaches?>(nil)
  private let idle = Mutex<[Line]>([])

  private static let maximumIdle = 64

  public init(configuration: HTTPConfiguration = HTTPConfiguration()) {
    self.configuration = configuration
  }

  /// Makes one request, without retries, and waits for the whole answer.
  ///
  /// - Parameter receive: Gets the body of a 2xx answer piece by piece, on the calling thread, with
  ///   the head that came before it. What it throws ends the transfer and is thrown on.
  /// - Returns: The answer, whatever its status.
  /// - Throws: `TransportError` where no whole answer came; `Cancelled`.
  public func send(
    _ request: HTTPRequest, cancellation: Cancellation = .never,
    receive: (HTTPResponse, UnsafeRawBufferPointer) throws -> Void = { _, _ in }
  ) throws -> HTTPResponse {
    try cancellation.check()
    let line = idle.withLock { $0.popLast() } ?? Line(sharedCaches())
    defer {
      idle.withLock { if $0.count < HTTPClient.maximumIdle { $0.append(line) } }
    }
    counters.add(requests: 1)
    return try withoutActuallyEscaping(receive) { receive in
      let exchange = try Exchange(request, configuration, counters, receive)
      return try line.perform(exchange, cancellation)
    }
  }

  private func sharedCaches() -> SharedCaches {
    caches.withLock { caches in
      if let caches { return caches }
      let made = SharedCaches()
      caches = made
      return made
    }
  }

  /// Makes a request until it gets an answer that is not transient, and keeps the body in memory.
  /// A request that is not idempotent is made once.
  public func fetch(
    _ request: HTTPRequest, policy: RetryPolicy = RetryPolicy(),
    cancellation: Cancellation = .never
  ) throws -> (response: HTTPResponse, body: [UInt8]) {
    try policy.run(cancellation: cancellation, onRetry: { counters.add(retries: 1) }) { _ in
      var body: [UInt8] = []
      do {
        let response = try send(request, cancellation: cancellation) { body += $1 }
        if response.isTransient && request.method.isIdempotent {
          return .again(.answer((response, body)), afterMilliseconds: policy.retryAfter(response))
        }
        return .done((response, body))
      } catch let error as TransportError where error.isTransient && request.method.isIdempotent {
        return .again(.failure(error), afterMilliseconds: nil)
      }
    }
  }
}

/// Counts what went over the wire, for run records.
public final class TransferCounters: Sendable {
  public struct Snapshot: Sendable, Hashable {
    public var requests = 0
    /// Requests made because an earlier one failed.
    public var retries = 0
    /// Bytes of bodies.
    public var bytesReceived: Int64 = 0
    public var bytesSent: Int64 = 0
  }

  // Without a lock: counted up by all threads, for every piece of every transfer.
  private let requests = Atomic<Int>(0)
  private let retries = Atomic<Int>(0)
  private let bytesReceived = Atomic<Int64>(0)
  private let bytesSent = Atomic<Int64>(0)

  public init() {}

  /// Of transfers under way, one number may be of a moment later than another.
  public var snapshot: Snapshot {
    Snapshot(
      requests: requests.load(ordering: .relaxed), retries: retries.load(ordering: .relaxed),
      bytesReceived: bytesReceived.load(ordering: .relaxed),
      bytesSent: bytesSent.load(ordering: .relaxed))
  }

  public func add(
    requests: Int = 0, retries: Int = 0, bytesReceived: Int64 = 0, bytesSent: Int64 = 0
  ) {
    if requests != 0 { self.requests.wrappingAdd(requests, ordering: .relaxed) }
    if retries != 0 { self.retries.wrappingAdd(retries, ordering: .relaxed) }
    if bytesReceived != 0 { self.bytesReceived.wrappingAdd(bytesReceived, ordering: .relaxed) }
    if bytesSent != 0 { self.bytesSent.wrappingAdd(bytesSent, ordering: .relaxed) }
  }
}
