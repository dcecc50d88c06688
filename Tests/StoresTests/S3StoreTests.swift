import Core
import Foundation
import Kernels
import TestSupport
import Testing
import Transport

@testable import Stores

/// S3 as moto's server has it.
@Suite(.enabled(if: Moto.isThere, Moto.whyNot))
struct S3StoreTests {
  let store: S3Store

  init() throws { store = try Moto.store() }

  static let keys = [
    "a", "a b", "a+b", "a%b", "a%20b", "%2F", "a//b", "/lead", "a/../b", "./.", "é/日本/🦊",
    "e\u{301}",
    "a&b=c?d#e", "'\"<>\\^`{|}", "a:b;c,d@e$f!g*h(i)~", "tab\there", "-_.~",
  ]

  @Test("keys of every kind are put, listed, read and removed", arguments: keys)
  func awkwardKeys(_ key: String) throws {
    let put = try store.put(key, text: "text of \(key)")
    #expect(try store.text(key) == "text of \(key)")
    let head = try #require(try store.head(key))
    #expect(head.key == key && head.version == put.version && head.byteCount == put.byteCount)
    let listed = try store.objects(below: "")
    #expect(listed.map { Array($0.key.utf8) } == [Array(key.utf8)])
    #expect(listed.first?.version == put.version)
    #expect(listed.first?.byteCount == put.byteCount)
    #expect(listed.first?.modified != nil)
    try store.delete([key])
    #expect(try store.head(key) == nil)
    #expect(try store.get(key) == nil)
    try store.delete([key])
  }

  @Test("a key of 1,024 bytes")
  func longKey() throws {
    let key = String(repeating: "k", count: 1024 - store.base.utf8.count)
    _ = try store.put(key, text: "x")
    #expect(try store.text(key) == "x")
    #expect(try store.objects(below: "k").map(\.key) == [key])
  }

  @Test("sizes around the edges", arguments: [0, 1, 65_535, 65_536, 300_000])
  func wholeObjects(_ count: Int) throws {
    let bytes = noise(count)
    let put = try store.put("x", .bytes(bytes), .always)
    #expect(put.version == Version("\"\(hexText(md5(bytes)))\""))
    #expect(put.byteCount == Int64(count))
    var read: [UInt8] = []
    let object = try store.read("x", range: nil, ifMatch: put.version, cancellation: .never) {
      read += $0
    }
    expectSame(read, bytes)
    #expect(object.version == put.version && object.byteCount == Int64(count))
    #expect(object.modified != nil)
  }

  @Test("ranges", arguments: [0..<1, 5..<10, 0..<1000, 990..<2000, 5..<Int64.max, 7..<7])
  func someBytes(_ range: Range<Int64>) throws {
    let bytes = noise(1000)
    let put = try store.put("x", .bytes(bytes), .always)
    var read: [UInt8] = []
    let object = try store.read("x", range: range, ifMatch: nil, cancellation: .never) {
      read += $0
    }
    expectSame(read, bytes[Int(range.lowerBound)..<Int(min(1000, range.upperBound))])
    #expect(object.byteCount == 1000 && object.version == put.version)
  }

  @Test("a range past the end is empty")
  func pastTheEnd() throws {
    let bytes = noise(10)
    let put = try store.put("x", .bytes(bytes), .always)
    for start in [10, 11] as [Int64] {
      let object = try store.read(
        "x", range: start..<Int64.max, ifMatch: put.version, cancellation: .never
      ) { _ in Issue.record("bytes") }
      #expect(object.byteCount == 10)
    }
    expectFailure(.changed) {
      try store.read("x", range: nil, ifMatch: Version("\"other\""), cancellation: .never) { _ in }
    }
    expectFailure(.notFound) {
      try store.read("y", range: nil, ifMatch: nil, cancellation: .never) { _ in }
    }
  }

  @Test("conditions of writes")
  func conditions() throws {
    let first = try store.put("x", text: "1", .absent)
    expectFailure(.conditionFailed) { try store.put("x", text: "2", .absent) }
    let second = try store.put("x", text: "2", .matches(first.version))
    expectFailure(.conditionFailed) { try store.put("x", text: "3", .matches(first.version)) }
    expectFailure(.conditionFailed) { try store.put("y", text: "3", .matches(second.version)) }
    #expect(try store.text("x") == "2")
    #expect(try store.objects(below: "").map(\.key) == ["x"])
  }

  @Test("listings come in byte order, page by page, below a prefix")
  func listing() throws {
    let names = (0..<1100).map { "p/\($0 % 3 == 0 ? "é" : "e")\($0)" }.sorted(by: bytesPrecede)
    for result in concurrently(names, limit: 4, { [store] in try store.put($0, text: "") }) {
      _ = try result.get()
    }
    _ = try store.put("q", text: "")
    _ = try store.put("p/folder/", text: "")
    var pages: [Int] = []
    var keys: [String] = []
    try store.list(prefix: "p/") {
      pages.append($0.count)
      keys += $0.map(\.key)
    }
    #expect(keys == names)
    #expect(pages.count == 2)
    #expect(try store.objects(below: "p/e1").allSatisfy { $0.key.hasPrefix("p/e1") })
    #expect(try store.objects(below: "nothing").isEmpty)
    try store.delete(names)
    #expect(try store.objects(below: "p/").isEmpty)
    #expect(try store.objects(below: "").map(\.key) == ["q"])
  }

  @Test("large files go up in parts and come down by blocks", arguments: [false, true])
  func multipart(_ isFile: Bool) throws {
    let store = try Moto.store {
      $0.partThreshold = 6 << 20
      $0.minimumPartByteCount = 5 << 20
      $0.blockByteCount = 512 << 10
    }
    let bytes = noise(10 << 20 | 123)
    let scratch = Scratch()
    let path = scratch.path + "/x"
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    let put = try store.put("big", isFile ? .file(path: path) : .bytes(bytes), .absent)
    #expect(put.version.rawValue.hasSuffix("-3\""))
    #expect(put.byteCount == Int64(bytes.count))
    #expect(try store.head("big")?.version == put.version)
    for range in [nil, 1_000_000..<Int64.max, 5..<9_000_000] as [Range<Int64>?] {
      var read: [UInt8] = []
      let object = try store.read("big", range: range, ifMatch: put.version, cancellation: .never) {
        read += $0
      }
      let wanted = range.map { Int($0.lowerBound)..<Int(min($0.upperBound, Int64(bytes.count))) }
      #expect(md5(read) == md5(Array(bytes[wanted ?? 0..<bytes.count])))
      #expect(object.byteCount == Int64(bytes.count))
    }
    expectFailure(.conditionFailed) { try store.put("big", .bytes(bytes), .absent) }
    let again = try store.put("big", .bytes(noise(7 << 20, seed: 2)), .matches(put.version))
    #expect(again.version != put.version)
    expectFailure(.conditionFailed) { try store.put("big", .bytes(bytes), .matches(put.version)) }
  }

  @Test("a reader that gives up ends a read by blocks")
  func givingUp() throws {
    struct Enough: Error {}
    let store = try Moto.store { $0.blockByteCount = 64 << 10 }
    _ = try store.put("x", .bytes(noise(4 << 20)), .always)
    var count = 0
    #expect(throws: Enough.self) {
      try store.read("x", range: nil, ifMatch: nil, cancellation: .never) {
        count += $0.count
        if count > 1 << 20 { throw Enough() }
      }
    }
    let cancellation = Cancellation()
    #expect(throws: Cancelled.self) {
      try store.read("x", range: nil, ifMatch: nil, cancellation: cancellation) { _ in
        cancellation.cancel()
      }
    }
  }

  @Test(
    "parts of an upload cover it once",
    arguments: [1, 5, 100, 20_000, 600_000, 5_000_000] as [Int64])
  func cover(_ mebibytes: Int64) {
    let byteCount = mebibytes << 20 | 7
    let parts = S3Upload.parts(of: byteCount, minimum: 8 << 20)
    #expect(parts.count <= 10_000)
    #expect(parts.first?.lowerBound == 0 && parts.last?.upperBound == byteCount)
    #expect(zip(parts, parts.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
    #expect(parts.dropLast().allSatisfy { $0.count >= 8 << 20 })
    #expect(mebibytes > 600_000 || parts.allSatisfy { $0.count <= 64 << 20 })
  }

  @Test("a copy inside the bucket")
  func copying() throws {
    let put = try store.put("a b+é", text: "x")
    let copied = try store.copy("a b+é", to: "c%d", ifMatch: put.version)
    #expect(copied.version == put.version)
    #expect(try store.text("c%d") == "x")
    expectFailure(.notFound) { try store.copy("nothing", to: "z") }
  }

  @Test("mutating calls are counted")
  func counting() throws {
    _ = try store.put("x", text: "1", .absent)
    _ = try store.head("x")
    try store.delete(["x", "y"])
    #expect(store.counter.total == 2)
  }

  @Test("a bucket that is not there")
  func noBucket() throws {
    let other = S3Store(bucket: "missing", service: store.service)
    let error = expectFailure(.notFound) { try other.put("x", text: "") }
    #expect(error?.message.contains("bucket") == true && error?.exitCode == 2)
    expectFailure(.notFound) { try other.objects(below: "") }
  }

  @Test("encryption is asked for, and version and checksum are those of the object")
  func encryption() throws {
    for encryption in ["AES256", "aws:kms"] {
      let store = try Moto.store { $0.encryption = encryption }
      _ = try store.put("x", text: "1", .absent)
      let answer = try store.headAnswer("x")
      #expect(answer.response["x-amz-server-side-encryption"] == encryption)
      #expect(try store.text("x") == "1")
    }
  }

  @Test("addresses and patterns")
  func addresses() throws {
    for name in ["in/a.csv", "in/b.csv", "in/deep/c.csv", "in/d.txt"] {
      _ = try store.put(name, text: name)
    }
    let address = try Moto.address()
    let opener = StoreOpener(
      client: HTTPClient(),
      environment: {
        [
          "AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": "AK",
          "AWS_SECRET_ACCESS_KEY": "canary-secret-key",
        ][$0]
      })
    var found: [String] = []
    try opener.list(glob: "\(store.root)/in/*.csv") { found += $0.map(\.address) }
    #expect(found == ["\(store.root)/in/a.csv", "\(store.root)/in/b.csv"])
    found = []
    try opener.list(glob: "\(store.root)/in/**/*.csv") { found += $0.map(\.address) }
    #expect(found.count == 3)
    let (located, key) = try opener.locate("\(store.root)/in/d.txt")
    #expect(try located.text(key) == "in/d.txt")
    #expect(try opener.open(store.root).text("in/a.csv") == "in/a.csv")
  }
}
