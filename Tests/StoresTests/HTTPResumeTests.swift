import Core
import Foundation
import Synchronization
import TestSupport
import Testing
import Transport

@testable import Stores

/// Breaks in the middle of a body.
struct HTTPResumeTests {
  static let bytes = HTTPStoreTests.bytes

  static let faults: [WebServer.Fault] = [
    .reset(after: 60_000), .close(after: 60_000), .hang(after: 60_000),
  ]
  static let validators: [(etag: String?, modified: String?)] = [
    ("\"v\"", nil), ("W/\"v\"", nil), (nil, HTTPStoreTests.modified),
  ]

  func read(
    _ store: some Store, _ range: Range<Int64>? = nil
  ) throws -> (bytes: [UInt8], object: Object) {
    var bytes: [UInt8] = []
    let object = try store.read("x", range: range, ifMatch: nil, cancellation: .never) {
      bytes += $0
    }
    return (bytes, object)
  }

  @Test("a transfer goes on where it broke off", arguments: faults, validators)
  func resumes(_ fault: WebServer.Fault, _ validator: (etag: String?, modified: String?)) throws {
    // Each answer breaks, more often than there are tries: progress is what counts.
    let server = WebServer {
      .file(
        Self.bytes, etag: validator.etag, modified: validator.modified, for: $0,
        fault: ($0.range(of: 300_000) ?? 0..<300_000).count > 60_000 ? fault : nil)
    }
    let (bytes, object) = try read(webStore(server))
    expectSame(bytes, Self.bytes)
    #expect(object.byteCount == 300_000)
    #expect(server.requests.count >= 5)
    #expect(server.requests[0].headers["range"] == nil)
    #expect(server.requests.dropFirst().allSatisfy { $0.headers["range"] != nil })
    let strong = validator.etag == "\"v\""
    #expect(
      server.requests.dropFirst().allSatisfy { ($0.headers["if-match"] == "\"v\"") == strong })

    let part = try read(webStore(server), 100_000..<280_000)
    expectSame(part.bytes, Self.bytes[100_000..<280_000])
  }

  @Test("where the server ignores ranges, what is known already is skipped", arguments: faults)
  func withoutRanges(_ fault: WebServer.Fault) throws {
    let server = WebServer {
      .init(200, [("ETag", "\"v\"")], body: Self.bytes, fault: $0.attempt < 3 ? fault : nil)
    }
    expectSame(try read(webStore(server)).bytes, Self.bytes)
    expectSame(try read(webStore(server), 10..<250_000).bytes, Self.bytes[10..<250_000])
  }

  @Test("rule 2: bytes of two versions are never mixed", arguments: faults, validators)
  func changesBetween(_ fault: WebServer.Fault, _ validator: (etag: String?, modified: String?))
    throws
  {
    let server = WebServer {
      // New once the client has something of the old one.
      let isNew = $0.headers["range"] != nil
      return .file(
        isNew ? Self.bytes.reversed() : Self.bytes,
        etag: validator.etag.map { isNew ? $0.replacingOccurrences(of: "v", with: "w") : $0 },
        modified: validator.modified.map {
          isNew ? $0.replacingOccurrences(of: "6", with: "7") : $0
        },
        for: $0, fault: isNew ? nil : fault)
    }
    var bytes: [UInt8] = []
    expectFailure(.changed) {
      try webStore(server).read("x", range: nil, ifMatch: nil, cancellation: .never) { bytes += $0 }
    }
    expectSame(bytes, Self.bytes[..<bytes.count])
    #expect(server.requests.last?.headers["range"] != nil)
  }

  @Test("a server that names no version is not trusted to have the rest of the same file")
  func unversioned() throws {
    let server = WebServer {
      .file(Self.bytes, for: $0, fault: $0.attempt == 1 ? .close(after: 60_000) : nil)
    }
    expectFailure(.unreachable) { try read(webStore(server)) }
    #expect(server.requests.count == 1)
    // Nothing was given away yet: the second try is a first one.
    let late = WebServer {
      .file(Self.bytes, for: $0, fault: $0.attempt == 1 ? .close(after: 0) : nil)
    }
    expectSame(try read(webStore(late)).bytes, Self.bytes)
  }

  @Test("a burst of 503 in the middle is waited out, and one without end is not")
  func overload() throws {
    let naps = Mutex<[Int64]>([])
    let policy = RetryPolicy(
      maximumAttempts: 4,
      clock: Clock(
        now: { Instant(seconds: 0) }, sleep: { pause, _ in naps.withLock { $0.append(pause) } }),
      random: { 0 })
    let answers = Atomic<Int>(0)
    let server = WebServer {
      switch answers.add(1, ordering: .relaxed).newValue {
      case 2, 3: .init(503, [("Retry-After", "7")])
      case 1: .file(Self.bytes, etag: "\"v\"", for: $0, fault: .close(after: 60_000))
      default: .file(Self.bytes, etag: "\"v\"", for: $0)
      }
    }
    let client = HTTPClient()
    let store = HTTPStore(root: server.address, client: client, policy: policy)
    expectSame(try read(store).bytes, Self.bytes)
    // The last is the store's own pace, which slowed down.
    #expect(naps.withLock { $0 } == [100, 7000, 7000, 10])
    #expect(client.counters.snapshot.retries == 3)
    #expect(client.counters.snapshot.requests == 4)
    #expect(client.counters.snapshot.bytesReceived == 300_000)

    let down = WebServer { _ in .init(503) }
    expectFailure(.unreachable) { try read(webStore(down)) }
    #expect(down.requests.count == 4)
  }

  @Test(
    "a server that makes no progress is given up on",
    arguments: [
      .reset(after: 0), .close(after: 0), .hang(after: 0), .silence,
    ] as [WebServer.Fault])
  func noProgress(_ fault: WebServer.Fault) throws {
    let server = WebServer { .file(Self.bytes, etag: "\"v\"", for: $0, fault: fault) }
    var configuration = HTTPConfiguration()
    configuration.stallMilliseconds = 1000
    let client = HTTPClient(configuration: configuration)
    let store = HTTPStore(root: server.address, client: client, policy: eagerPolicy)
    let error = expectFailure(.unreachable) { try read(store) }
    #expect(error?.place.file == server.address + "/x")
    #expect(client.counters.snapshot.requests == 4)
    #expect(client.counters.snapshot.retries == 3)
  }

  @Test("bytes beyond the stated length are not the file")
  func overLong() throws {
    let server = WebServer { _ in
      .init(200, [("ETag", "\"v\"")], body: Self.bytes, fault: .length(1000))
    }
    let (bytes, object) = try read(webStore(server))
    expectSame(bytes, Self.bytes[..<1000])
    #expect(object.byteCount == 1000)
  }

  @Test(
    "a part that is not the one asked for is damage",
    arguments: [
      "bytes 5-9/300000", "bytes 1000-1004/300000", "pages 1-2/3", "", "bytes */300000",
    ])
  func wrongPart(_ contentRange: String) throws {
    let server = WebServer { _ in
      .init(206, [("ETag", "\"v\""), ("Content-Range", contentRange)], text: "56789")
    }
    expectFailure(.damaged) { try read(webStore(server), 3..<8) }
  }

  @Test("a part that is shorter than asked for is completed")
  func shortPart() throws {
    let server = WebServer { request in
      let range = request.range(of: 300_000) ?? 0..<300_000
      let part = range.prefix(100_000)
      return .init(
        206,
        [
          ("ETag", "\"v\""), ("Content-Range", "bytes \(part.first!)-\(part.last!)/300000"),
        ], body: Array(Self.bytes[part]))
    }
    expectSame(try read(webStore(server), 5..<299_999).bytes, Self.bytes[5..<299_999])
    #expect(server.requests.count == 3)
  }

  @Test("what a redirect leads to is taken up again after a break, by way of the redirect")
  func redirected() throws {
    let mirror = WebServer {
      .file(
        Self.bytes, etag: "\"v\"", for: $0,
        fault: $0.headers["range"] == nil ? .close(after: 60_000) : nil)
    }
    let server = WebServer { [address = mirror.address] request in
      WebServer.Reply(
        request.attempt % 2 == 1 ? 302 : 307, [("Location", address + "/mirror" + request.target)])
    }
    let (bytes, object) = try read(webStore(server))
    expectSame(bytes, Self.bytes)
    #expect(object.version == Version("\"v\"") && object.key == "x")
    #expect(server.requests.count == 2 && mirror.requests.count == 2)
    let last = try #require(mirror.requests.last)
    #expect(last.target == "/mirror/x")
    #expect(
      last.headers["range"] == "bytes=60000-" || last.headers["range"] == "bytes=60000-299999")
    #expect(last.headers["if-match"] == "\"v\"")
  }
}
