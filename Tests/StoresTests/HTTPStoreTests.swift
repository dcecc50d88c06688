import Core
import Foundation
import Synchronization
import TestSupport
import Testing
import Transport

@testable import Stores

/// A client that gives up on silence soon; not so soon that a busy machine looks like silence.
let impatientClient = {
  var configuration = HTTPConfiguration()
  configuration.stallMilliseconds = 2000
  return HTTPClient(configuration: configuration)
}()

/// Retries at once.
let eagerPolicy = RetryPolicy(
  maximumAttempts: 4,
  clock: Clock(now: { Instant(seconds: 1_700_000_000) }, sleep: { _, _ in }), random: { 0 })

func webStore(_ server: WebServer, path: String = "") -> HTTPStore {
  HTTPStore(root: server.address + path, client: impatientClient, policy: eagerPolicy)
}

struct HTTPStoreTests {
  static let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 7 >> 2) }
  static let modified = "Sun, 06 Nov 1994 08:49:37 GMT"

  @Test("head tells size, version and time")
  func head() throws {
    let server = WebServer { .file(Self.bytes, etag: "\"v1\"", modified: Self.modified, for: $0) }
    let object = try #require(try webStore(server, path: "/base/").head("a/b.gz"))
    #expect(object.key == "a/b.gz")
    #expect(object.byteCount == 300_000)
    #expect(object.version == Version("\"v1\""))
    #expect(object.modified == Instant(seconds: 784_111_777))
    #expect(server.requests.map(\.method) == ["HEAD"])
    #expect(server.requests[0].target == "/base/a/b.gz")
  }

  @Test(
    "versions: ETag, weak ETag, else time and length, else length",
    arguments: [
      ("\"a\"", modified, "\"a\""), ("W/\"a\"", modified, "W/\"a\""),
      (nil, modified, "modified:\(modified);300000"), (nil, nil, "length:300000"),
    ])
  func versions(_ etag: String?, _ modified: String?, _ expected: String) throws {
    let server = WebServer { .file(Self.bytes, etag: etag, modified: modified, for: $0) }
    let store = webStore(server)
    #expect(try store.head("x")?.version == Version(expected))
    for range in [nil, 5..<10, 0..<300_000, 299_990..<400_000] as [Range<Int64>?] {
      var read: [UInt8] = []
      let object = try store.read(
        "x", range: range, ifMatch: Version(expected), cancellation: .never
      ) { read += $0 }
      #expect(object.version == Version(expected))
      #expect(object.byteCount == 300_000)
      let wanted = range.map { Int($0.lowerBound)..<min(300_000, Int($0.upperBound)) }
      expectSame(read, Self.bytes[wanted ?? 0..<300_000])
    }
    expectFailure(.changed) {
      try store.read("x", range: nil, ifMatch: Version("\"other\""), cancellation: .never) { _ in
        Issue.record("bytes of the wrong version")
      }
    }
  }

  @Test("a server that refuses HEAD is asked for one byte", arguments: [400, 403, 405, 501])
  func headRefused(_ status: Int) throws {
    for bytes in [Self.bytes, []] {
      let server = WebServer {
        $0.method == "HEAD" ? .init(status) : .file(bytes, etag: "\"v\"", for: $0)
      }
      let object = try #require(try webStore(server).head("x"))
      #expect(object.byteCount == Int64(bytes.count))
      #expect(server.requests.map(\.method) == ["HEAD", "GET"])
      #expect(server.requests[1].headers["range"] == "bytes=0-0")
    }
  }

  @Test("a server that refuses HEAD and ignores ranges is not read to the end")
  func headWithoutRanges() throws {
    let server = WebServer {
      $0.method == "HEAD"
        ? .init(405)
        : .init(200, [("ETag", "\"v\"")], body: [UInt8](repeating: 7, count: 50_000_000))
    }
    let client = HTTPClient()
    let store = HTTPStore(root: server.address, client: client, policy: eagerPolicy)
    #expect(try store.head("x")?.byteCount == 50_000_000)
    #expect(client.counters.snapshot.bytesReceived < 5_000_000)
  }

  @Test("a size that the server does not state is unknown")
  func unknownSize() throws {
    let server = WebServer { _ in .init(200, [("ETag", "\"v\"")], body: Self.bytes, fault: .chunked)
    }
    let store = webStore(server)
    #expect(try store.head("x")?.byteCount == Object.unknownByteCount)
    expectSame(try store.get("x")?.bytes ?? [], Self.bytes)
  }

  @Test(
    "statuses become failures",
    arguments: [
      (401, .denied), (403, .denied), (407, .denied), (400, .failed), (418, .failed),
      (412, .changed), (500, .unreachable), (503, .unreachable), (429, .unreachable),
    ] as [(Int, StoreError.Code)])
  func statuses(_ status: Int, _ code: StoreError.Code) throws {
    let server = WebServer { _ in .init(status, text: "because  of\nthat") }
    let store = HTTPStore(
      root: server.address, credentials: "me:hidden-word", client: impatientClient,
      policy: eagerPolicy)
    let error = expectFailure(code) { try store.get("x?token=hidden-too") }
    #expect(error?.message.contains("HTTP \(status): because of that") == true)
    #expect(error?.description.contains("hidden") == false)
    #expect(error?.place.file == server.address + "/x?token=***")
    if code != .changed { expectFailure(code) { try store.head("y") } }
  }

  @Test("404 and 410 are no object", arguments: [404, 410])
  func missing(_ status: Int) throws {
    let server = WebServer { _ in .init(status) }
    let store = webStore(server)
    #expect(try store.head("x") == nil)
    #expect(try store.get("x") == nil)
    expectFailure(.notFound) {
      try store.read("x", range: 0..<5, ifMatch: nil, cancellation: .never) { _ in }
    }
  }

  @Test(
    "keys are the text of a URL; what a URL cannot hold is encoded",
    arguments: [
      ("a b", "/a%20b"), ("a%20b", "/a%20b"), ("a+b", "/a+b"), ("100%", "/100%25"),
      ("é", "/%C3%A9"), ("a//b", "/a//b"), ("x?q=1&r=a b", "/x?q=1&r=a%20b"), ("a#b", "/a%23b"),
      ("x?$limit=5", "/x?$limit=5"), ("%zz", "/%25zz"), ("a\r\nb", "/a%0D%0Ab"),
    ])
  func keys(_ key: String, _ target: String) throws {
    let server = WebServer { .file(Array($0.target.utf8), etag: "\"v\"", for: $0) }
    #expect(try webStore(server).text(key) == target)
  }

  @Test("it reads only")
  func readOnly() {
    let store = HTTPStore(root: "http://127.0.0.1:9")
    #expect(expectFailure(.denied) { try store.put("x", text: "y") }?.exitCode == 2)
    expectFailure(.denied) { try store.delete(["x"]) }
    expectFailure(.badAddress) { try store.objects(below: "x") }
    #expect(store.localPath("x") == nil)
    #expect(throws: Never.self) { try store.delete([]) }
  }

  @Test("an empty file, and ranges past the end")
  func empty() throws {
    let server = WebServer {
      .file($0.target == "/empty" ? [] : [1, 2, 3], etag: "\"v\"", for: $0)
    }
    let store = webStore(server)
    #expect(try store.get("empty")?.bytes == [])
    for (key, range) in [("empty", 0..<5), ("x", 3..<9), ("x", 50..<60), ("x", 1..<1)] {
      let object = try store.read(
        key, range: Int64(range.lowerBound)..<Int64(range.upperBound), ifMatch: Version("\"v\""),
        cancellation: .never
      ) { _ in Issue.record("bytes from nowhere") }
      #expect(object.byteCount == (key == "empty" ? 0 : 3))
    }
  }

  @Test("a read can be cancelled")
  func cancelled() throws {
    let cancellation = Cancellation()
    let server = WebServer { .file(Self.bytes, etag: "\"v\"", for: $0, fault: .hang(after: 1000)) }
    #expect(throws: Cancelled.self) {
      try webStore(server).read("x", range: nil, ifMatch: nil, cancellation: cancellation) { _ in
        cancellation.cancel()
      }
    }
  }
}
