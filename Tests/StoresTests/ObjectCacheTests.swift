import Core
import Foundation
import Synchronization
import TestSupport
import Testing
import Transport

@testable import Stores

struct ObjectCacheTests {
  let scratch = Scratch()
  static let bytes = HTTPStoreTests.bytes

  var folder: String { scratch.path + "/cache" }

  func cache(_ maximum: Int64 = 1 << 30) -> ObjectCache {
    ObjectCache(directory: folder, maximumByteCount: maximum)
  }

  /// The same folder after the machine was started anew.
  var restarted: ObjectCache {
    ObjectCache(directory: folder, maximumByteCount: 1 << 30, boot: "another")
  }

  /// Objects that are there, finished or not, and not merely in use.
  var kept: [String] {
    scratch.files.filter { $0.hasPrefix("cache/") && !$0.contains("/.use-") }
  }

  func contents(_ copy: LocalCopy) -> [UInt8] {
    FileManager.default.contents(atPath: copy.path).map { Array($0) } ?? []
  }

  /// A server of objects named by their sizes, `/1000` being 1000 bytes.
  static func server(
    _ change: @escaping @Sendable (WebServer.Request, inout WebServer.Reply) -> Void = { _, _ in }
  ) -> WebServer {
    WebServer { request in
      let count = Int(request.target.dropFirst().prefix { $0.isNumber }) ?? 0
      var reply = WebServer.Reply.file(Array(bytes[..<count]), etag: "\"v1\"", for: request)
      change(request, &reply)
      return reply
    }
  }

  func object(_ key: String, size: Int64, version: String = "\"v1\"") -> Object {
    Object(key: key, byteCount: size, version: Version(version))
  }

  @Test("an object is fetched once", arguments: [0, 1, 300_000])
  func once(_ count: Int) throws {
    let server = Self.server()
    let store = webStore(server)
    let object = object("\(count)", size: Int64(count))
    var told: [Int64] = []
    let first = try cache().fetch(object, from: store) { told.append($0) }
    expectSame(contents(first), Self.bytes[..<count])
    #expect(told == told.sorted() && told.last == Int64(count))
    // Another cache on the same folder, as of another process.
    let second = try cache().fetch(object, from: store)
    expectSame(contents(second), Self.bytes[..<count])
    #expect(server.requests.count == 1)
    #expect(kept.count == 1)
    // Another version of the same key is another object.
    let newer = self.object("\(count)", size: Int64(count), version: "\"v2\"")
    expectFailure(.changed) { try cache().fetch(newer, from: store) }
    #expect(kept.count == 1)
  }

  @Test("local objects are given as they are, after a look at their version")
  func local() throws {
    scratch.write("x", "hello")
    let object = try #require(try scratch.store.head("x"))
    let copy = try cache().fetch(object, from: scratch.store)
    #expect(copy.path == scratch.path + "/x")
    copy.release()
    #expect(FileManager.default.fileExists(atPath: copy.path))
    #expect(!FileManager.default.fileExists(atPath: folder))
    scratch.write("x", "other")
    _ = try scratch.store.put("x", text: "other")
    expectFailure(.changed) { try cache().fetch(object, from: scratch.store) }
    try scratch.store.delete(["x"])
    expectFailure(.notFound) { try cache().fetch(object, from: scratch.store) }
  }

  @Test("rule 2: a changed object surfaces, and leaves nothing behind")
  func changed() throws {
    let server = Self.server { request, reply in
      if request.headers["if-match"] != nil { reply = .init(412) }
    }
    expectFailure(.changed) { try cache().fetch(object("5", size: 5), from: webStore(server)) }
    let gone = WebServer { _ in .init(404) }
    expectFailure(.notFound) { try cache().fetch(object("5", size: 5), from: webStore(gone)) }
    // The right version, but not the size that was listed.
    expectFailure(.damaged) {
      try cache().fetch(object("5", size: 6), from: webStore(Self.server()))
    }
    #expect(kept == [])
  }

  @Test("a broken download is taken up where it stopped")
  func resumes() throws {
    let isDown = Mutex(true)
    let server = Self.server { request, reply in
      guard isDown.withLock({ $0 }) else { return }
      if request.headers["range"] == nil {
        reply.fault = .close(after: 200_000)
      } else {
        reply = .init(503)
      }
    }
    let object = object("300000", size: 300_000)
    expectFailure(.unreachable) { try cache().fetch(object, from: webStore(server)) }
    #expect(kept.count == 1 && kept[0].hasSuffix(".part"))
    isDown.withLock { $0 = false }
    var told: [Int64] = []
    let copy = try cache().fetch(object, from: webStore(server)) { told.append($0) }
    expectSame(contents(copy), Self.bytes)
    let start = try #require(told.first)
    #expect(start > 0)
    #expect(server.requests.last?.headers["range"] == "bytes=\(start)-")
    #expect(kept.count == 1 && !kept[0].hasSuffix(".part"))
  }

  @Test(
    "what was put together from two transfers is held to the store's checksum",
    arguments: StoreKind.all.filter { $0.testDescription != "folder" })
  func resumedDamaged(kind: StoreKind) throws {
    let base = try kind.store()
    let bytes = Array(Self.bytes[..<200_000])
    let object = try base.put("x", .bytes(bytes), .always)
    for isSpoilt in [true, false] {
      let store = FaultStore(
        wrapping: base, faults: [.init(.read, "x"): .breaks(after: 100_000, .unreachable)])
      expectFailure(.unreachable) { try cache().fetch(object, from: store) }
      let part = URL(fileURLWithPath: "\(scratch.path)/\(try #require(kept.first))")
      var half = try Data(contentsOf: part)
      #expect(half.count == 100_000)
      if isSpoilt {
        half[5] ^= 1
        let file = try FileHandle(forWritingTo: part)
        try file.write(contentsOf: half)
        try file.close()
        expectFailure(.damaged) { try cache().fetch(object, from: store) }
        #expect(kept == [])
      } else {
        let copy = try cache().fetch(object, from: store)
        expectSame(contents(copy), bytes)
      }
    }
  }

  @Test("a download left over from before the machine started is begun anew")
  func powerCut() throws {
    let store = FaultStore(
      wrapping: webStore(Self.server()),
      faults: [.init(.read, "20000"): .breaks(after: 9000, .unreachable)])
    let object = object("20000", size: 20_000)
    expectFailure(.unreachable) { try cache().fetch(object, from: store) }
    try tear(try #require(kept.first))
    let copy = try restarted.fetch(object, from: store)
    expectSame(contents(copy), Self.bytes[..<20_000])
  }

  @Test("of a few KiB there is all or nothing, whoever else is at it")
  func tiny() throws {
    let store = FaultStore(
      wrapping: webStore(Self.server()),
      faults: [.init(.read, "9000"): .breaks(after: 4000, .unreachable)])
    let object = object("9000", size: 9000)
    expectFailure(.unreachable) { try cache().fetch(object, from: store) }
    #expect(scratch.files.filter { $0.hasPrefix("cache/") } == [])
    let caches = (0..<2).map { _ in cache() }
    let results = concurrently(Array(0..<40), limit: 8) { index in
      let copy = try caches[index % 2].fetch(object, from: store)
      return FileManager.default.contents(atPath: copy.path).map { Array($0) }
    }
    for result in results { expectSame(try result.get() ?? [], Self.bytes[..<9000]) }
    #expect(kept.count == 1)
    // More than was listed is as wrong as less.
    expectFailure(.damaged) {
      try cache().fetch(self.object("9001", size: 9000), from: webStore(Self.server()))
    }
    #expect(kept.count == 1)
  }

  /// Leaves the file its length alone, as a power cut does where nobody waited for the disk.
  func tear(_ name: String) throws {
    let file = try FileHandle(forWritingTo: URL(fileURLWithPath: "\(scratch.path)/\(name)"))
    let count = try file.seekToEnd()
    try file.seek(toOffset: 0)
    try file.write(contentsOf: Data(count: Int(count)))
    try file.close()
  }

  @Test(
    "small files are not trusted once the machine was started anew",
    arguments: [1000, (1 << 20) - 1])
  func restart(_ count: Int) throws {
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 7) }
    let server = WebServer { WebServer.Reply.file(bytes, etag: "\"v1\"", for: $0) }
    let object = object("x", size: Int64(count))
    _ = try cache().fetch(object, from: webStore(server))
    #expect(server.requests.count == 1)
    try tear(try #require(kept.first))
    for _ in 0..<2 {
      expectSame(contents(try restarted.fetch(object, from: webStore(server))), bytes)
      #expect(server.requests.count == 2)
    }
  }

  @Test("what was put here is not trusted either, once the machine was started anew")
  func inserted() throws {
    let server = Self.server()
    scratch.write("own", String(repeating: "x", count: 5))
    let object = object("5", size: 5)
    cache().insert(scratch.path + "/own", as: object, of: webStore(server))
    #expect(contents(try cache().fetch(object, from: webStore(server))) == Array("xxxxx".utf8))
    #expect(server.requests.isEmpty)
    let copy = try restarted.fetch(object, from: webStore(server))
    expectSame(contents(copy), Self.bytes[..<5])
  }

  @Test("the object used longest ago makes room")
  func eviction() throws {
    let server = Self.server()
    let store = webStore(server)
    let cache = cache(2500)
    func fetch(_ key: String) throws {
      let copy = try cache.fetch(object(key, size: 1000), from: store)
      #expect(contents(copy).count == 1000)
      // The file system's clock has ticks of some milliseconds.
      usleep(20_000)
    }
    try fetch("1000?a")
    try fetch("1000?b")
    try fetch("1000?a")
    try fetch("1000?c")
    #expect(kept.count == 2)
    #expect(server.requests.count == 3)
    try fetch("1000?a")
    #expect(server.requests.count == 3)
    try fetch("1000?b")
    #expect(server.requests.count == 4)
    #expect(kept.count == 2)
  }

  @Test("what is in use stays, even beyond the bound, and goes afterwards")
  func pinning() throws {
    let store = webStore(Self.server())
    let cache = cache(1500)
    let copies = try (0..<5).map {
      try cache.fetch(object("1000?\($0)", size: 1000), from: store)
    }
    #expect(Set(copies.map(\.path)).count == 5)
    for copy in copies { expectSame(contents(copy), Self.bytes[..<1000]) }
    for copy in copies { copy.release() }
    _ = try cache.fetch(object("1000?x", size: 1000), from: store)
    #expect(kept.count == 1)
    #expect(!FileManager.default.fileExists(atPath: copies[0].path))
    copies[0].release()
  }

  @Test("what has landed makes room, though it is here as its origin's and as the lake's")
  func landed() throws {
    let server = Self.server()
    let cache = cache(2500)
    let copy = try cache.fetch(object("1000", size: 1000), from: webStore(server))
    cache.insert(copy.path, as: object("landed", size: 1000), of: webStore(server))
    #expect(kept.count == 2)
    _ = try cache.fetch(object("2000", size: 2000), from: webStore(server))
    #expect(kept.count == 3)
    copy.release()
    _ = try cache.fetch(object("2001", size: 2001), from: webStore(server))
    #expect(kept.count == 1)
  }

  @Test("a copy outlives its cache, and leaves no trace when it goes")
  func lifetime() throws {
    var copy: LocalCopy? = try cache().fetch(object("7", size: 7), from: webStore(Self.server()))
    #expect(contents(try #require(copy)).count == 7)
    copy = nil
    let names = try FileManager.default.contentsOfDirectory(atPath: folder)
    #expect(names.filter { $0.hasPrefix(".use-") } == [])
  }

  @Test("what a dead process had in use is freed")
  func deadUser() throws {
    let store = webStore(Self.server())
    _ = try cache().fetch(object("1000", size: 1000), from: store)
    let name = try #require(kept.first)
    let dead = folder + "/.use-1-dead"
    mkdir(dead, 0o755)
    link("\(scratch.path)/\(name)", dead + "/1")
    #expect(FileManager.default.createFile(atPath: dead + "/lock", contents: nil))
    _ = try cache(1000).fetch(object("900", size: 900), from: store)
    #expect(!FileManager.default.fileExists(atPath: dead))
    #expect(kept.count == 1 && kept[0] != name)
  }

  @Test("many threads and caches at once download each object once")
  func concurrent() throws {
    let server = Self.server()
    let store = webStore(server)
    let caches = (0..<3).map { _ in cache() }
    let objects = (0..<6).map { object("20000?\($0)", size: 20_000) }
    let results = concurrently(Array(0..<60), limit: 12) { index in
      let copy = try caches[index % 3].fetch(objects[index % 6], from: store)
      return FileManager.default.contents(atPath: copy.path).map { Array($0) }
    }
    for result in results { expectSame(try result.get() ?? [], Self.bytes[..<20_000]) }
    #expect(server.requests.count == 6)
    #expect(kept.count == 6)
  }

  @Test("threads that fight over too small a cache all get what they asked for")
  func thrashing() throws {
    let store = webStore(Self.server())
    let caches = (0..<2).map { _ in cache(2000) }
    let results = concurrently(Array(0..<80), limit: 8) { index in
      let size = 500 + index % 7 * 100
      let object = Object(
        key: "\(size)?\(index % 7)", byteCount: Int64(size), version: Version("\"v1\""))
      let copy = try caches[index % 2].fetch(object, from: store)
      return FileManager.default.contents(atPath: copy.path)?.count == size
    }
    for result in results { #expect(try result.get()) }
  }

  @Test("an object without a reliable version is fetched each time and not kept")
  func unversioned() throws {
    let server = WebServer { .init(200, text: "answer \($0.attempt)", fault: .chunked) }
    let store = webStore(server)
    let object = try #require(try store.head("x"))
    #expect(object.byteCount == Object.unknownByteCount)
    let copy = try cache().fetch(object, from: store)
    let text = String(decoding: contents(copy), as: UTF8.self)
    let other = try cache().fetch(object, from: store)
    #expect(String(decoding: contents(other), as: UTF8.self) != text)
    #expect(kept == [])
    copy.release()
    #expect(!FileManager.default.fileExists(atPath: copy.path))
  }

  @Test("a damaged file is noticed by its size and fetched again")
  func damagedFile() throws {
    let server = Self.server()
    _ = try cache().fetch(object("9", size: 9), from: webStore(server))
    scratch.write(try #require(kept.first), "short")
    let copy = try cache().fetch(object("9", size: 9), from: webStore(server))
    #expect(contents(copy).count == 9)
    #expect(server.requests.count == 2)
  }

  @Test("waiting for another's download can be cancelled")
  func cancelWaiting() throws {
    let cancellation = Cancellation()
    let other = Cancellation()
    let server = Self.server { _, reply in reply.fault = .hang(after: 1000) }
    let store = HTTPStore(root: server.address)
    let cache = cache()
    let object = object("300000", size: 300_000)
    let results = concurrently([0, 1], limit: 2) { index in
      if index == 0 {
        // Downloads, until its caller has had enough.
        _ = try cache.fetch(object, from: store, cancellation: other)
      } else {
        while server.requests.isEmpty { usleep(1000) }
        let helper = startThread {
          usleep(50_000)
          cancellation.cancel()
        }
        defer {
          pthread_join(helper, nil)
          other.cancel()
        }
        _ = try cache.fetch(object, from: store, cancellation: cancellation)
      }
    }
    for result in results { #expect(throws: Cancelled.self) { try result.get() } }
  }
}
