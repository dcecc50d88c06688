import Core
import Foundation
import Kernels
import Synchronization
import TestSupport
import Testing
import Transport

@testable import Stores

/// How many requests for one object are under way, and how far they run ahead.
struct S3ParallelTests {
  /// Counts those that are being answered, and holds them until a few are.
  private final class Crowd: Sendable {
    private let monitor = Monitor((now: 0, most: 0, total: 0))
    private let wanted: Int

    /// - Parameter wanted: Each waits until so many were there at once; for a while, so that a client
    ///   that makes one request after the other ends, too.
    init(waitingFor wanted: Int) { self.wanted = wanted }

    var most: Int { monitor.wait { $0.most } }
    var total: Int { monitor.wait { $0.total } }

    func pass<T>(_ body: () -> T) -> T {
      monitor.change {
        $0.now += 1
        $0.total += 1
        $0.most = max($0.most, $0.now)
      }
      for _ in 0..<500 where most < wanted { usleep(10_000) }
      defer { monitor.change { $0.now -= 1 } }
      return body()
    }
  }

  @Test("a large object comes by several requests at once, as many as were asked for")
  func reads() throws {
    let bytes = noise(1_000_000)
    let crowd = Crowd(waitingFor: 3)
    let server = WebServer { request in
      // The first comes for the whole object, and is left after its first block.
      guard request.headers["range"] != nil else {
        return .file(bytes, etag: "\"1\"", for: request)
      }
      return crowd.pass { .file(bytes, etag: "\"1\"", for: request) }
    }
    defer { server.stop() }
    let store = try Moto.store(endpoint: server.address) {
      $0.blockByteCount = 50_000
      $0.parallelism = 3
    }
    // Where other tests are at it with as many requests as a process makes, there is one.
    for _ in 0..<500 where crowd.total == 0 {
      var read: [UInt8] = []
      _ = try store.read("x", range: nil, ifMatch: nil, cancellation: .never) { read += $0 }
      expectSame(read, bytes)
      if crowd.total == 0 { usleep(20_000) }
    }
    #expect(crowd.most == 3)
    #expect(crowd.total == 19)
    // None may be of another version.
    let blocks = server.requests.filter { $0.headers["range"] != nil }
    #expect(blocks.allSatisfy { $0.headers["if-match"] == "\"1\"" })
  }

  @Test("a reader that lags behind keeps the blocks waiting")
  func bounded() throws {
    let bytes = noise(2_000_000)
    let blocks = Mutex(0)
    let server = WebServer { request in
      if request.headers["range"] != nil { blocks.withLock { $0 += 1 } }
      return .file(bytes, etag: "\"1\"", for: request)
    }
    defer { server.stop() }
    let store = try Moto.store(endpoint: server.address) {
      $0.blockByteCount = 20_000
      $0.parallelism = 3
    }
    var furthest = 0
    for _ in 0..<500 where blocks.withLock({ $0 }) == 0 {
      var count = 0
      _ = try store.read("x", range: nil, ifMatch: nil, cancellation: .never) {
        count += $0.count
        if count % 400_000 == 0 {
          until {
            let asked = blocks.withLock { $0 }
            return asked == 0 || asked >= min(99, count / 20_000 + 2)
          }
          // Time enough for who would go further.
          usleep(100_000)
        }
        furthest = max(furthest, blocks.withLock { $0 } - count / 20_000)
      }
      #expect(count == 2_000_000)
      if blocks.withLock({ $0 }) == 0 { usleep(20_000) }
    }
    #expect(blocks.withLock { $0 } == 99)
    // One more than there are requests at once, ahead of the block that is given out.
    #expect((2...5).contains(furthest), "\(furthest)")
  }

  @Test("a large file goes up in several parts at once, as many as were asked for")
  func writes() throws {
    let crowd = Crowd(waitingFor: 3)
    let parts = Mutex<[Int: [UInt8]]>([:])
    let server = WebServer(keepsRequests: false) { request in
      switch request.method {
      case "POST" where request.target.hasSuffix("?uploads="):
        return WebServer.Reply(
          200,
          text: "<InitiateMultipartUploadResult><UploadId>u</UploadId>"
            + "</InitiateMultipartUploadResult>")
      case "PUT":
        return crowd.pass {
          let number =
            Int(
              request.target.split(separator: "partNumber=").last?.prefix { $0 != "&" } ?? "") ?? 0
          parts.withLock { $0[number] = request.body }
          return WebServer.Reply(200, [("ETag", "\"\(hexText(md5(request.body)))\"")])
        }
      default:
        let etag = parts.withLock { parts in
          PartsDigest.etag(of: parts.sorted { $0.key < $1.key }.flatMap { md5($0.value) })
        }
        return WebServer.Reply(
          200,
          text: "<CompleteMultipartUploadResult><ETag>\"\(etag)\"</ETag>"
            + "</CompleteMultipartUploadResult>")
      }
    }
    defer { server.stop() }
    let store = try Moto.store(endpoint: server.address) {
      $0.partThreshold = 1 << 20
      $0.minimumPartByteCount = 1 << 20
      $0.parallelism = 3
    }
    let bytes = noise(8 << 20 | 5)
    let scratch = Scratch()
    try Data(bytes).write(to: URL(filePath: scratch.path + "/f"))
    let object = try store.put("x", .file(path: scratch.path + "/f"), .always)
    #expect(object.byteCount == Int64(bytes.count))
    #expect(crowd.most == 3)
    let arrived = parts.withLock { $0.sorted { $0.key < $1.key } }
    #expect(arrived.map(\.key) == Array(1...9))
    expectSame(arrived.flatMap(\.value), bytes)
  }
}
