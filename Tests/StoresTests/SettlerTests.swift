import Core
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Stores

/// How large copies come to the disk after they were given out.
struct SettlerTests {
  let scratch = Scratch()
  static let count = 1 << 20
  static let bytes = [UInt8](repeating: 7, count: count)
  let server = WebServer { WebServer.Reply.file(SettlerTests.bytes, etag: "\"v1\"", for: $0) }

  /// A disk that is as slow as a test wants.
  final class Disk: Sendable {
    private let state = Mutex<(allowed: Int, begun: Int)>((0, 0))
    var begun: Int { state.withLock { $0.begun } }

    func allow(_ count: Int) { state.withLock { $0.allowed += count } }

    func synchronize(_ file: OpenFile) {
      let number = state.withLock { state in
        state.begun += 1
        return state.begun
      }
      until { state.withLock { $0.allowed >= number } }
    }
  }

  func cache(
    boot: String = "one", maximum: Int64 = 1 << 30,
    _ synchronize: @escaping Settler.Synchronizing = bringToDisk
  ) -> ObjectCache {
    ObjectCache(
      directory: scratch.path + "/cache", maximumByteCount: maximum, boot: boot,
      synchronize: synchronize)
  }

  func fetch(_ key: String, _ cache: ObjectCache) throws {
    let object = Object(
      key: key, byteCount: Int64(SettlerTests.count), version: Version("\"v1\""))
    let copy = try cache.fetch(object, from: webStore(server))
    let isSame = FileManager.default.contents(atPath: copy.path) == Data(SettlerTests.bytes)
    #expect(isSame)
  }

  /// The names of what is kept; all of them lasting ones where none has a dot.
  var names: [String] {
    scratch.files.filter { $0.hasPrefix("cache/") && !$0.contains("/.use-") }.sorted()
  }
  var isSettled: Bool { !names.contains { $0.contains(".") } }

  @Test("a large copy is there at once, and after the machine's next start if it got to the disk")
  func settles() throws {
    let disk = Disk()
    defer { disk.allow(1 << 30) }
    try fetch("x", cache { disk.synchronize($0) })
    until { disk.begun == 1 }
    // For another process, too.
    try fetch("x", cache { disk.synchronize($0) })
    #expect(server.requests.count == 1)
    #expect(names.count == 1 && !isSettled)
    // A power cut.
    try fetch("x", cache(boot: "two") { disk.synchronize($0) })
    #expect(server.requests.count == 2)
    disk.allow(9)
    until { isSettled }
    #expect(names.count == 1)
    try fetch("x", cache(boot: "three"))
    #expect(server.requests.count == 2)
  }

  @Test("what a process has left behind is settled by the next one", arguments: ["x", "y"])
  func leftBehind(_ next: String) throws {
    try fetch("x", cache())
    until { isSettled }
    let name = try #require(names.first)
    let (lasting, quick) = ("\(scratch.path)/\(name)", "\(scratch.path)/\(name).one")
    #expect(rename(lasting, quick) == 0)
    // Whether it fetches the same or something else.
    try fetch(next, cache())
    until { names.contains(name) && isSettled }
    #expect(names.contains(name))
    // Not what was left behind when the machine stopped.
    #expect(rename(lasting, quick) == 0)
    try fetch("z", cache(boot: "two"))
    until { names.count == (next == "x" ? 2 : 3) && names.contains { !$0.contains(".") } }
    #expect(!names.contains(name))
    #expect(names.contains(name + ".one"))
  }

  @Test("what the disk does not take is dropped")
  func refused() throws {
    try fetch("x", cache { _ throws(Errno) in throw Errno(EIO) })
    until { names.isEmpty }
    #expect(names == [])
    try fetch("x", cache())
    #expect(server.requests.count == 2)
  }

  @Test("the name goes to the bytes that are on the disk, not to others that were fetched since")
  func fetchedAgain() throws {
    let disk = Disk()
    defer { disk.allow(1 << 30) }
    let cache = cache(maximum: Int64(SettlerTests.count) * 3 / 2) { disk.synchronize($0) }
    try fetch("x", cache)
    until { disk.begun == 1 }
    let name = try #require(names.first)
    // Makes room for each other.
    try fetch("y", cache)
    #expect(!names.contains(name))
    try fetch("x", cache)
    #expect(names == [name])
    #expect(server.requests.count == 3)
    disk.allow(1)
    until { disk.begun == 2 }
    #expect(names == [name])
    disk.allow(9)
    until { isSettled }
    #expect(names.count == 1)
  }

  @Test("what was put here is settled, too")
  func inserted() throws {
    try Data(SettlerTests.bytes).write(to: URL(fileURLWithPath: scratch.path + "/own"))
    let object = Object(
      key: "x", byteCount: Int64(SettlerTests.count), version: Version("\"v1\""))
    cache().insert(scratch.path + "/own", as: object, of: webStore(server))
    until { isSettled }
    try fetch("x", cache(boot: "two"))
    #expect(server.requests.isEmpty)
  }
}
