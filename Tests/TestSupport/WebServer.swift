import Core
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A small web server on loopback whose answers, and failures, a test decides.
///
/// Each connection has a thread and is kept open between requests, as real servers do. A server lives
/// until it is stopped or the process ends.
public final class WebServer: Sendable {
  public struct Request: Sendable {
    public var method: String
    /// Path and query, as sent.
    public var target: String
    /// Names in lower case.
    public var headers: [String: String]
    public var body: [UInt8]
    /// 1 for the first request of that method and target, and so on.
    public var attempt: Int

    /// The bytes asked for with `Range: bytes=a-b`, cut at `count`; nil where none are.
    public func range(of count: Int) -> Range<Int>? {
      guard let text = headers["range"], text.hasPrefix("bytes=") else { return nil }
      let ends = text.dropFirst(6).split(separator: "-", omittingEmptySubsequences: false)
      guard ends.count == 2, let first = Int(ends[0]) else { return nil }
      let last = Int(ends[1]) ?? count - 1
      return first..<max(first, min(last + 1, count))
    }
  }

  public struct Reply: Sendable {
    public var status: Int
    public var headers: [(String, String)]
    public var body: [UInt8]
    public var fault: Fault?

    public init(
      _ status: Int, _ headers: [(String, String)] = [], body: [UInt8] = [], fault: Fault? = nil
    ) {
      self.status = status
      self.headers = headers
      self.body = body
      self.fault = fault
    }

    public init(
      _ status: Int, _ headers: [(String, String)] = [], text: String, fault: Fault? = nil
    ) {
      self.init(status, headers, body: Array(text.utf8), fault: fault)
    }

    /// Serves `bytes` as a good file server does: ranges, `If-Match`, `If-Range`, HEAD.
    public static func file(
      _ bytes: [UInt8], etag: String? = nil, modified: String? = nil, for request: Request,
      fault: Fault? = nil
    ) -> Reply {
      var headers = [("Accept-Ranges", "bytes")]
      if let etag { headers.append(("ETag", etag)) }
      if let modified { headers.append(("Last-Modified", modified)) }
      if let wanted = request.headers["if-match"], wanted != etag { return Reply(412, headers) }
      if let wanted = request.headers["if-unmodified-since"], wanted != modified {
        return Reply(412, headers)
      }
      let condition = request.headers["if-range"]
      guard let range = request.range(of: bytes.count),
        condition == nil || condition == etag || condition == modified
      else { return Reply(200, headers, body: bytes, fault: fault) }
      guard range.lowerBound < bytes.count else {
        return Reply(416, headers + [("Content-Range", "bytes */\(bytes.count)")])
      }
      headers.append(
        ("Content-Range", "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(bytes.count)"))
      return Reply(206, headers, body: Array(bytes[range]), fault: fault)
    }
  }

  /// What goes wrong while an answer is sent.
  public enum Fault: Sendable {
    /// The connection is reset after that many bytes of the body.
    case reset(after: Int)
    /// The connection is closed in good order after that many bytes of the body.
    case close(after: Int)
    /// Nothing more comes after that many bytes; the connection stays until the client goes away.
    case hang(after: Int)
    /// Not even a head comes, and the connection stays.
    case silence
    /// Not even a head comes: the connection is reset.
    case noAnswer
    /// What comes is no head.
    case garbage
    /// The head states another length than the body has.
    case length(Int)
    /// No length is stated; the end of the connection ends the body.
    case noLength
    case chunked
    /// Chunked, without the last chunk.
    case chunkedWithoutEnd
  }

  public let port: Int
  public var address: String { "http://127.0.0.1:\(port)" }

  private let listener: Int32
  private let answer: @Sendable (Request) -> Reply
  private let keepsRequests: Bool
  private struct State {
    var requests: [Request] = []
    /// By method and target.
    var attempts: [String: Int] = [:]
    var connections = 0
  }
  private let state = Mutex(State())

  /// - Parameters:
  ///   - keepsRequests: Whether `requests` is filled; storms of them need not be kept.
  ///   - answer: Called for each request, from several threads.
  public init(
    keepsRequests: Bool = true, _ answer: @escaping @Sendable (Request) -> Reply
  ) {
    self.keepsRequests = keepsRequests
    self.answer = answer
    signal(SIGPIPE, SIG_IGN)
    #if canImport(Glibc)
      listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    #else
      listener = socket(AF_INET, SOCK_STREAM, 0)
    #endif
    var place = sockaddr_in()
    place.sin_family = sa_family_t(AF_INET)
    place.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let listener = listener
    port = withUnsafeMutablePointer(to: &place) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        precondition(bind(listener, $0, size) == 0 && listen(listener, 64) == 0)
        getsockname(listener, $0, &size)
      }
      return Int(UInt16(bigEndian: pointer.pointee.sin_port))
    }
    // The thread keeps the server alive: a test need not.
    pthread_detach(
      startThread {
        // Closed here only: elsewhere its number could be another's by the next accept.
        defer { close(listener) }
        while true {
          let connection = accept(listener, nil, nil)
          guard connection >= 0 else { return }
          self.state.withLock { $0.connections += 1 }
          pthread_detach(startThread { self.serve(connection) })
        }
      })
  }

  /// Refuses connections from now on; those that are open stay.
  public func stop() { shutdown(listener, Int32(SHUT_RDWR)) }

  /// What was asked so far, in order of arrival.
  public var requests: [Request] { state.withLock { $0.requests } }
  public var connectionCount: Int { state.withLock { $0.connections } }

  private func serve(_ connection: Int32) {
    let stream = Stream(connection)
    while var request = stream.readRequest() {
      state.withLock { state in
        let attempt = state.attempts["\(request.method) \(request.target)", default: 0] + 1
        state.attempts["\(request.method) \(request.target)"] = attempt
        request.attempt = attempt
        if keepsRequests { state.requests.append(request) }
      }
      guard stream.write(answer(request), for: request) else { break }
    }
    stream.end()
  }
}

/// One connection of a `WebServer`.
private final class Stream {
  private let descriptor: Int32
  private var buffer: [UInt8] = []

  init(_ descriptor: Int32) {
    self.descriptor = descriptor
    // Else a body waits until the head before it is acknowledged.
    var isOn: Int32 = 1
    setsockopt(
      descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &isOn, socklen_t(MemoryLayout<Int32>.size))
  }

  func end() { close(descriptor) }

  private func fill() -> Bool {
    var bytes = [UInt8](repeating: 0, count: 64 << 10)
    let count = recv(descriptor, &bytes, bytes.count, 0)
    guard count > 0 else { return false }
    buffer += bytes[..<count]
    return true
  }

  func readRequest() -> WebServer.Request? {
    let blank = Array("\r\n\r\n".utf8)
    while buffer.firstRange(of: blank) == nil {
      guard fill() else { return nil }
      // A TLS handshake: answered in plain text, as web servers do.
      if buffer[0] == 0x16 {
        _ = send(Array("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n".utf8))
        return nil
      }
    }
    let end = buffer.firstRange(of: blank)!
    let lines = String(decoding: buffer[..<end.lowerBound], as: UTF8.self)
      .split(separator: "\r\n")
    buffer.removeSubrange(..<end.upperBound)
    let first = lines[0].split(separator: " ")
    var headers: [String: String] = [:]
    for line in lines.dropFirst() {
      let parts = line.split(separator: ":", maxSplits: 1)
      guard parts.count == 2 else { continue }
      headers[parts[0].lowercased()] = String(parts[1].drop { $0 == " " })
    }
    if headers["expect"] != nil { _ = send(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)) }
    let count = headers["content-length"].flatMap { Int($0) } ?? 0
    while buffer.count < count { guard fill() else { return nil } }
    let body = Array(buffer[..<count])
    buffer.removeSubrange(..<count)
    return WebServer.Request(
      method: String(first[0]), target: String(first[1]), headers: headers, body: body, attempt: 0)
  }

  /// - Returns: Whether the connection is fit for another request.
  func write(_ reply: WebServer.Reply, for request: WebServer.Request) -> Bool {
    var length: Int? = reply.body.count
    var isChunked = false
    switch reply.fault {
    case .silence:
      waitForClient()
      return false
    case .noAnswer:
      reset()
      return false
    case .garbage:
      _ = send(Array("more than there is".utf8))
      return false
    case .length(let stated): length = stated
    case .noLength: length = nil
    case .chunked, .chunkedWithoutEnd: (length, isChunked) = (nil, true)
    default: break
    }
    var head = "HTTP/1.1 \(reply.status) Test\r\n"
    for (name, value) in reply.headers { head += "\(name): \(value)\r\n" }
    if let length { head += "Content-Length: \(length)\r\n" }
    if isChunked { head += "Transfer-Encoding: chunked\r\n" }
    guard send(Array((head + "\r\n").utf8)) else { return false }
    guard request.method != "HEAD" else { return true }
    let body = reply.body

    switch reply.fault {
    case nil: return send(body)
    case .length(let stated):
      _ = send(body)
      return stated == body.count
    case .noLength:
      _ = send(body)
      return false
    case .chunked, .chunkedWithoutEnd:
      for start in stride(from: 0, to: body.count, by: 10_000) {
        let piece = body[start..<min(start + 10_000, body.count)]
        _ = send(Array("\(String(piece.count, radix: 16))\r\n".utf8) + piece + Array("\r\n".utf8))
      }
      if case .chunkedWithoutEnd = reply.fault { return false }
      return send(Array("0\r\n\r\n".utf8))
    case .close(let count):
      _ = send(Array(body.prefix(count)))
      return false
    case .hang(let count):
      _ = send(Array(body.prefix(count)))
      waitForClient()
      return false
    case .reset(let count):
      _ = send(Array(body.prefix(count)))
      // What is still on its way would be thrown away with the reset.
      waitUntilRead()
      reset()
      return false
    case .silence, .noAnswer, .garbage: return false
    }
  }

  /// Makes the coming `close` a reset.
  private func reset() {
    var linger = linger(l_onoff: 1, l_linger: 0)
    setsockopt(
      descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
  }

  private func waitForClient() {
    var byte: UInt8 = 0
    while recv(descriptor, &byte, 1, 0) > 0 {}
  }

  /// Waits until the other side's system has acknowledged everything, or is not going to.
  private func waitUntilRead() {
    #if canImport(Glibc)
      var pending: Int32 = 1
      for _ in 0..<2000 where ioctl(descriptor, UInt(0x5411), &pending) == 0 && pending > 0 {
        usleep(1000)
      }
    #endif
  }

  private func send(_ bytes: [UInt8]) -> Bool {
    var done = 0
    while done < bytes.count {
      let count = bytes[done...].withUnsafeBytes {
        #if canImport(Glibc)
          Glibc.send(descriptor, $0.baseAddress!, $0.count, Int32(MSG_NOSIGNAL))
        #else
          Darwin.send(descriptor, $0.baseAddress!, $0.count, 0)
        #endif
      }
      guard count > 0 else { return false }
      done += count
    }
    return true
  }
}
