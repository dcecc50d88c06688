import Core
import Foundation
import TestSupport
import Testing
import Transport

@testable import Stores

/// Places that cannot be written to.
@Suite(.enabled(if: PrivateMount.isPossible, "needs unshare -rm"))
struct FullAndReadOnlyTests {
  let scratch = Scratch()

  private func names(_ path: String) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: path).sorted()
  }

  @Test("a full disk: a clear failure, nothing half-written, and the rest unharmed")
  func fullDisk() throws {
    let disk = try PrivateMount(smallDiskOf: 1 << 20)
    let store = LocalStore(root: disk.path + "/lake", counter: MutationCounter())
    let old = try store.put("a", text: "old")
    let large = [UInt8](repeating: 7, count: 2 << 20)
    let file = scratch.path + "/large"
    try Data(large).write(to: URL(fileURLWithPath: file))
    for body in [Body.bytes(large), .file(path: file)] {
      for condition in [PutCondition.absent, .always, .matches(old.version)] {
        let key = condition == .absent ? "b/c" : "a"
        let error = expectFailure(.full) { try store.put(key, body, condition) }
        #expect(error?.place.file == disk.path + "/lake/" + key)
        #expect(error?.advice?.contains("free space") == true)
        #expect(error?.exitCode == 1)
      }
    }
    #expect(try names(disk.path).filter { $0.contains("tmp") } == [])
    #expect(try store.head("a") == old)
    #expect(try store.text("a") == "old")
    _ = try store.put("b/c", text: "small", .absent)
    #expect(try store.text("b/c") == "small")
  }

  @Test("a read-only lake can be read, and says what it is when written to")
  func readOnly() throws {
    scratch.write("a/b", "hello")
    let mount = try PrivateMount(readOnly: scratch.path)
    let store = LocalStore(root: mount.path, counter: MutationCounter())
    let object = try #require(try store.head("a/b"))
    #expect(try store.objects(below: "") == [object])
    #expect(try store.text("a/b") == "hello")
    for condition in [PutCondition.absent, .always, .matches(object.version)] {
      let error = expectFailure(.denied) { try store.put("a/b", text: "x", condition) }
      #expect(error?.place.file == mount.path + "/a/b")
      #expect(error?.message.contains("Read-only") == true)
      #expect(error?.advice?.contains("read-only") == true)
      expectFailure(.denied) { try store.put("new/x", text: "x", condition) }
    }
    expectFailure(.denied) { try store.delete(["a/b"]) }
    #expect(try store.head("a/b") == object)
  }

  @Test("a cache on a full disk makes room, and else fails without leftovers")
  func cache() throws {
    let disk = try PrivateMount(smallDiskOf: 1 << 20)
    let server = WebServer {
      .file([UInt8](repeating: 7, count: Int($0.target.dropFirst(2))!), etag: "\"v\"", for: $0)
    }
    let cache = ObjectCache(directory: disk.path + "/cache", maximumByteCount: 1 << 30)
    func fetch(_ key: String) throws -> LocalCopy {
      try cache.fetch(
        Object(key: key, byteCount: Int64(key.dropFirst())!, version: Version("\"v\"")),
        from: webStore(server))
    }
    for key in ["a600000", "b600000", "c600000"] {
      let copy = try fetch(key)
      #expect(FileManager.default.contents(atPath: copy.path)?.count == 600_000)
    }
    #expect(try names(cache.directory).count { !$0.hasPrefix(".") } == 1)
    let error = expectFailure(.full) { try fetch("d2000000") }
    #expect(error?.place.file == cache.directory)
    #expect(try names(cache.directory).count { !$0.hasPrefix(".") } == 0)
    _ = try fetch("a600000")
  }

  @Test("a full disk has room again once what is on its way there was evicted")
  func settling() throws {
    let disk = try PrivateMount(smallDiskOf: 4 << 20)
    let bytes = [UInt8](repeating: 7, count: 5 << 19)
    let server = WebServer { .file(bytes, etag: "\"v\"", for: $0) }
    // Has the file open until some time after it was evicted.
    let cache = ObjectCache(directory: disk.path + "/cache", maximumByteCount: 1 << 30) { file in
      until { (try? file.status().st_nlink) == 0 }
      // The first try to go on finds no room yet.
      usleep(5000)
    }
    for key in ["a", "b"] {
      _ = try cache.fetch(
        Object(key: key, byteCount: Int64(bytes.count), version: Version("\"v\"")),
        from: webStore(server))
      // The thread has begun.
      usleep(50_000)
    }
  }
}
