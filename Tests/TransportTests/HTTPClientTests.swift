import Core
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Transport

struct HTTPClientTests {
  let client = HTTPClient()

  /// A client that gives up on silence after milliseconds.
  static let impatient = {
    var configuration = HTTPConfiguration()
    configuration.stallMilliseconds = 1000
    return HTTPClient(configuration: configuration)
  }()

  static let big = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 7 >> 2) }

  func expectFailure(
    _ code: TransportError.Code, _ request: HTTPRequest, client: HTTPClient = HTTPClient(),
    sourceLocation: SourceLocation = #_sourceLocation
  ) -> TransportError? {
    do {
      let response = try client.send(request)
      Issue.record("answered \(response.status)", sourceLocation: sourceLocation)
    } catch let error as TransportError {
      #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
      return error
    } catch {
      Issue.record("\(error)", sourceLocation: sourceLocation)
    }
    return nil
  }

  @Test(
    "head, status and body arrive", arguments: [nil, .chunked, .noLength] as [WebServer.Fault?])
  func get(_ framing: WebServer.Fault?) throws {
    let server = WebServer { _ in
      .init(
        200, [("ETag", "\"a:b\""), ("X-Twice", "1"), ("x-twice", "2")], body: Self.big,
        fault: framing)
    }
    var body: [UInt8] = []
    let response = try client.send(HTTPRequest(.get, server.address + "/x?y=1")) {
      #expect($0.status == 200)
      #expect($0["etag"] == "\"a:b\"")
      body += $1
    }
    let isSame = body == Self.big
    #expect(isSame)
    #expect(response.byteCount == 300_000)
    #expect(response["X-TWICE"] == "1")
    #expect(response.headers.filter { $0.name.lowercased() == "x-twice" }.count == 2)
    #expect(response.url == server.address + "/x?y=1")
    let request = server.requests[0]
    #expect(request.method == "GET")
    #expect(request.target == "/x?y=1")
    #expect(request.headers["user-agent"] == "sluice")
    #expect(request.headers["accept-encoding"] == "identity")
    #expect(client.counters.snapshot.requests == 1)
    #expect(client.counters.snapshot.bytesReceived == 300_000)
  }

  @Test("an error's body is kept for the message and not given to the receiver")
  func errorBody() throws {
    let server = WebServer { _ in .init(403, text: String(repeating: "no! ", count: 10_000)) }
    let response = try client.send(HTTPRequest(.get, server.address)) { _, _ in
      Issue.record("a body")
    }
    #expect(response.status == 403)
    #expect(response.errorBody.count == 16 << 10)
    #expect(response.byteCount == 40_000)
  }

  @Test("HEAD has no body and keeps the connection")
  func head() throws {
    let server = WebServer { _ in .init(200, body: Self.big) }
    for _ in 0..<3 {
      let response = try client.send(HTTPRequest(.head, server.address))
      #expect(response.contentLength == 300_000)
      #expect(response.byteCount == 0)
    }
    #expect(server.connectionCount == 1)
  }

  @Test(
    "a range is asked for",
    arguments: [
      (0..<1, "bytes=0-0"), (5..<10, "bytes=5-9"),
      (7..<Int64.max, "bytes=7-"),
    ])
  func range(_ range: Range<Int64>, _ expected: String) throws {
    let server = WebServer { .file(Array("0123456789".utf8), for: $0) }
    var body: [UInt8] = []
    let response = try client.send(HTTPRequest(.get, server.address, range: range)) { body += $1 }
    #expect(response.status == 206)
    let all = Array("0123456789".utf8)
    #expect(body == Array(all[Int(range.lowerBound)..<min(10, Int(range.upperBound))]))
    #expect(server.requests[0].headers["range"] == expected)
  }

  @Test("bodies are sent, from memory and from a file", arguments: [0, 1, 3_000_000])
  func upload(_ count: Int) throws {
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 13 >> 3) }
    let path = NSTemporaryDirectory() + "/upload-\(UUID().uuidString)"
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    defer { try? FileManager.default.removeItem(atPath: path) }
    let server = WebServer { _ in .init(201) }
    for method in [HTTPRequest.Method.put, .post] {
      for body in [HTTPRequest.Body.bytes(bytes), .file(path: path)] {
        let response = try client.send(
          HTTPRequest(method, server.address, headers: [("If-None-Match", "*")], body: body))
        #expect(response.status == 201)
        let request = try #require(server.requests.last)
        #expect(request.method == method.rawValue)
        let isSame = request.body == bytes
        #expect(isSame)
        #expect(request.headers["if-none-match"] == "*")
      }
    }
    _ = try client.send(HTTPRequest(.delete, server.address))
    #expect(server.requests.last?.method == "DELETE")
    #expect(client.counters.snapshot.bytesSent == Int64(4 * count))
  }

  @Test("a body whose file is missing")
  func missingBody() throws {
    let request = HTTPRequest(.put, "http://127.0.0.1:9", body: .file(path: "/no/such"))
    let error = expectFailure(.body, request)
    #expect(error?.place.file == "/no/such")
  }

  @Test("redirects are followed, a limited number of times, without their bodies")
  func redirects() throws {
    let server = WebServer { request in
      let hops = Int(request.target.dropFirst()) ?? 0
      guard hops > 0 else { return .init(200, text: "here") }
      return .init(302, [("Location", "/\(hops - 1)")], text: "elsewhere")
    }
    var body = ""
    let response = try client.send(HTTPRequest(.get, server.address + "/10")) {
      body += String(decoding: $1, as: UTF8.self)
    }
    #expect(body == "here")
    #expect(response.url == server.address + "/0")
    #expect(
      expectFailure(.redirects, HTTPRequest(.get, server.address + "/11"))?.isTransient == false)
  }

  @Test("a redirect to a file of this machine is not followed")
  func redirectToFile() {
    let server = WebServer { _ in .init(302, [("Location", "file:///etc/passwd")]) }
    _ = expectFailure(.badURL, HTTPRequest(.get, server.address))
  }

  @Test("a password is not sent to another host, and appears nowhere")
  func credentials() throws {
    let elsewhere = WebServer { _ in .init(200) }
    let server = WebServer { _ in
      .init(302, [("Location", "http://localhost:\(elsewhere.port)/")])
    }
    let response = try client.send(
      HTTPRequest(.get, server.address, credentials: "user:pa ss"))
    #expect(
      server.requests[0].headers["authorization"]
        == "Basic " + Data("user:pa ss".utf8).base64EncodedString())
    #expect(elsewhere.requests[0].headers["authorization"] == nil)
    #expect(!response.url.contains("pa"))
  }

  static let breaks: [(WebServer.Fault, TransportError.Code)] = [
    (.reset(after: 100_000), .interrupted),
    (.reset(after: 0), .interrupted),
    (.close(after: 100_000), .interrupted),
    (.close(after: 0), .interrupted),
    (.length(300_001), .interrupted),
    (.chunkedWithoutEnd, .interrupted),
    (.hang(after: 100_000), .timedOut),
    (.hang(after: 0), .timedOut),
    (.silence, .timedOut),
    (.noAnswer, .interrupted),
    (.garbage, .interrupted),
  ]

  @Test("an answer that is not whole is an error", arguments: breaks)
  func broken(_ fault: WebServer.Fault, _ code: TransportError.Code) throws {
    let server = WebServer { _ in .init(200, body: Self.big, fault: fault) }
    let client = code == .timedOut ? Self.impatient : HTTPClient()
    let error = expectFailure(code, HTTPRequest(.get, server.address), client: client)
    #expect(error?.isTransient == true)
    #expect(error?.place.file == server.address)
  }

  @Test("bytes beyond the stated length are not the body")
  func overLong() throws {
    let server = WebServer { _ in .init(200, text: "0123456789", fault: .length(4)) }
    var body: [UInt8] = []
    _ = try client.send(HTTPRequest(.get, server.address)) { body += $1 }
    #expect(body == Array("0123".utf8))
  }

  @Test("nobody there, no such host, no such protocol, no address at all")
  func unreachable() throws {
    let server = WebServer { _ in .init(200) }
    server.stop()
    #expect(
      expectFailure(.unreachable, HTTPRequest(.get, server.address))?.advice != nil)
    // Too long for a label: no server is asked, and none can be slow to answer.
    let label = String(repeating: "h", count: 64)
    _ = expectFailure(.unresolved, HTTPRequest(.get, "http://\(label).invalid/"))
    _ = expectFailure(.badURL, HTTPRequest(.get, "file:///etc/passwd"))
    _ = expectFailure(.badURL, HTTPRequest(.get, "http://a b/"))
  }

  @Test("plain HTTP where TLS is expected is a TLS error, and not tried again")
  func tls() throws {
    let server = WebServer { _ in .init(200) }
    let error = expectFailure(.tls, HTTPRequest(.get, "https://127.0.0.1:\(server.port)/"))
    #expect(error?.isTransient == false)
  }

  @Test("a line break cannot smuggle a header in")
  func injection() {
    let server = WebServer { _ in .init(200) }
    _ = expectFailure(.failed, HTTPRequest(.get, server.address, headers: [("A", "b\r\nC: d")]))
    #expect(server.requests.isEmpty)
  }

  @Test("a receiver's error ends the transfer and comes out as it is")
  func receiverThrows() throws {
    struct Full: Error {}
    let server = WebServer { _ in .init(200, body: Self.big) }
    var pieces = 0
    #expect(throws: Full.self) {
      try client.send(HTTPRequest(.get, server.address)) { _, _ in
        pieces += 1
        throw Full()
      }
    }
    #expect(pieces == 1)
  }

  @Test("cancellation wakes a transfer that waits, and one that has not begun")
  func cancellation() throws {
    let cancellation = Cancellation()
    let server = WebServer { _ in
      cancellation.cancel()
      return .init(200, fault: .silence)
    }
    for _ in 0..<2 {
      #expect(throws: Cancelled.self) {
        try client.send(HTTPRequest(.get, server.address), cancellation: cancellation)
      }
    }
    #expect(server.requests.count == 1)
  }

  @Test("many threads share a client and its connections")
  func concurrent() throws {
    let server = WebServer { .init(200, text: $0.target) }
    let client = client
    let results = concurrently(Array(0..<200), limit: 8) { index in
      var body = ""
      _ = try client.send(HTTPRequest(.get, "\(server.address)/\(index)")) {
        body += String(decoding: $1, as: UTF8.self)
      }
      return body
    }
    #expect(try results.map { try $0.get() } == (0..<200).map { "/\($0)" })
    #expect(server.connectionCount <= 8)
    #expect(client.counters.snapshot.requests == 200)
  }

  @Test("a failed transfer does not spoil the next")
  func reuseAfterFailure() throws {
    let server = WebServer {
      $0.attempt % 2 == 1
        ? .init(200, text: "abc", fault: .close(after: 1)) : .init(200, text: "abc")
    }
    for round in 0..<6 {
      var body: [UInt8] = []
      let result = Result {
        try client.send(HTTPRequest(.get, server.address)) { body += $1 }
      }
      if round % 2 == 0 {
        #expect(throws: TransportError.self) { try result.get() }
      } else {
        #expect(try result.get().byteCount == 3)
        #expect(body == Array("abc".utf8))
      }
    }
  }
}
