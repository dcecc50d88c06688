import Core
import Foundation
import Synchronization
import Testing

@testable import Stores

/// What every store promises, whatever is behind it.
struct StoreContractTests {
  static let oddKeys = [
    "a b", "a+b", "50%", "%41", "é/ü", "e\u{301}", "日本/語.txt", "#?*[x]", "-", "\\", "a&b=c;d",
    "\"quoted\"'", "~!@$^()_{}|<>,.:", "x/.hidden", String(repeating: "d/", count: 400) + "deep",
  ]
  static let bucketKeys = [
    "a//b", "/a", "a/", "a/../b", "./a", String(repeating: "n", count: 980), "😀",
    String(repeating: "é", count: 480),
  ]

  @Test("a key comes back as it went in", arguments: StoreKind.all)
  func oddKeys(_ kind: StoreKind) throws {
    let store = try kind.store()
    let keys = Self.oddKeys + (kind.takesAnyKey ? Self.bucketKeys : [])
    for key in keys {
      let written = try store.put(key, text: "in \(key)")
      #expect(sameBytes(written.key, key))
      #expect(written.byteCount == Int64("in \(key)".utf8.count))
      let object = try #require(try store.head(key))
      #expect(kind.agree(object, written))
      #expect(try store.text(key) == "in \(key)")
      #expect(store.uri(key) == store.root + "/" + key)
    }
    let listed = try store.objects(below: "")
    #expect(
      listed.map { Array($0.key.utf8) } == keys.sorted(by: bytesPrecede).map { Array($0.utf8) })
    try store.delete(keys)
    #expect(try store.objects(below: "") == [])
  }

  @Test("several are put at once, each only where there is none", arguments: StoreKind.all)
  func several(_ kind: StoreKind) throws {
    let store = try kind.store()
    let names = (0..<20).map { "several/\($0)" }
    try store.put(new: names.map { ($0, Array("in \($0)".utf8)) })
    for name in names { #expect(try store.text(name) == "in \(name)") }
    expectFailure(.conditionFailed) {
      try store.put(new: [("x", Array("x".utf8)), (names[3], Array("y".utf8))])
    }
    #expect(try store.text(names[3]) == "in \(names[3])")
    try store.put(new: [])
  }

  @Test("what is put in turn is not seen before it, nor if that fails", arguments: StoreKind.all)
  func inTurn(_ kind: StoreKind) throws {
    struct Stopped: Error {}
    let store = try kind.store()
    var seen: [String] = []
    _ = try store.put("turns/a", .bytes(Array("a".utf8)), .absent) {
      seen = try store.objects(below: "").map(\.key)
    }
    #expect(seen == [])
    #expect(try store.text("turns/a") == "a")
    #expect(throws: Stopped.self) {
      try store.put("turns/b", .bytes(Array("b".utf8)), .absent) { throw Stopped() }
    }
    var isReady = false
    expectFailure(.conditionFailed) {
      try store.put("turns/a", .bytes(Array("c".utf8)), .absent) { isReady = true }
    }
    #expect(isReady)
    #expect(try store.objects(below: "").map(\.key) == ["turns/a"])
    #expect(try store.text("turns/a") == "a")
  }

  @Test(
    "what is fleeting is found like all else, and keeps to conditions", arguments: StoreKind.all)
  func fleeting(_ kind: StoreKind) throws {
    let store = try kind.store()
    let first = try store.putFleeting("claims/a", .bytes(Array("one".utf8)), .absent)
    expectFailure(.conditionFailed) {
      try store.putFleeting("claims/a", .bytes(Array("two".utf8)), .absent)
    }
    _ = try store.putFleeting("claims/a", .bytes(Array("three".utf8)), .matches(first.version))
    expectFailure(.conditionFailed) {
      try store.putFleeting("claims/a", .bytes(Array("four".utf8)), .matches(first.version))
    }
    #expect(try store.text("claims/a") == "three")
    #expect(try store.objects(below: "").map(\.key) == ["claims/a"])
    try store.delete(["claims/a"])
    #expect(try store.objects(below: "") == [])
  }

  @Test("no key at all, and ones that cannot be", arguments: StoreKind.all)
  func badKeys(_ kind: StoreKind) throws {
    let store = try kind.store()
    for key in ["", "a\0b"] + [String(repeating: "n/", count: 2100)] {
      expectFailure(.badAddress) { try store.head(key) }
      expectFailure(.badAddress) { try store.put(key, text: "x") }
      expectFailure(.badAddress) { try store.delete([key]) }
      expectFailure(.badAddress) { try store.get(key) }
    }
    #expect(try store.objects(below: "") == [])
  }

  @Test("put, head, listing and read agree on an object", arguments: StoreKind.all)
  func agreement(_ kind: StoreKind) throws {
    let store = try kind.store()
    let written = try store.put("a/b", text: "hello", .absent)
    #expect(written.modified != nil)
    #expect(kind.agree(try store.head("a/b"), written))
    let listed = try store.objects(below: "")
    #expect(listed.count == 1 && kind.agree(listed.first, written))
    let read = try store.read("a/b", range: nil, ifMatch: nil, cancellation: .never) { _ in }
    #expect(read.key == "a/b")
    #expect(read.byteCount == 5)
    #expect(read.version == written.version)
  }

  @Test(
    "listings are in byte order and below the prefix, page after page", arguments: StoreKind.all)
  func listing(_ kind: StoreKind) throws {
    let store = try kind.store()
    var keys = ["a.txt", "a/b", "a/b.c", "a/bc/d", "a0", "b", "é", "e\u{301}", "z/\u{FFFD}"]
    keys += (0..<20).map { "many/\($0 * 7 % 20)" }
    for result in concurrently(keys, limit: 4, { try store.put($0, text: $0) }) {
      _ = try result.get()
    }
    for prefix in ["", "a", "a/", "a/b", "a/bc/d", "many/1", "e", "none", "a/b/"] {
      var pages = 0
      var found: [String] = []
      try store.list(prefix: prefix) { page in
        #expect(!page.isEmpty)
        pages += 1
        found += page.map(\.key)
      }
      let expected = keys.filter { $0.utf8.starts(with: prefix.utf8) }.sorted(by: bytesPrecede)
      #expect(found.map { Array($0.utf8) } == expected.map { Array($0.utf8) }, "\(prefix)")
      if expected.isEmpty { #expect(pages == 0) }
    }
    struct Enough: Error {}
    #expect(throws: Enough.self) { try store.list(prefix: "") { _ in throw Enough() } }
  }

  @Test("reads cut a range at the object's end", arguments: StoreKind.all)
  func ranges(_ kind: StoreKind) throws {
    let store = try kind.store()
    let written = try store.put("x", text: "0123456789")
    let cases: [(Range<Int64>?, String)] = [
      (nil, "0123456789"), (0..<3, "012"), (0..<10, "0123456789"), (3..<3, ""), (7..<100, "789"),
      (10..<20, ""), (50..<60, ""), (0..<0, ""), (5..<Int64.max, "56789"),
    ]
    for (range, expected) in cases {
      for version in [nil, written.version] {
        var bytes: [UInt8] = []
        let object = try store.read("x", range: range, ifMatch: version, cancellation: .never) {
          bytes += $0
        }
        #expect(String(decoding: bytes, as: UTF8.self) == expected, "\(String(describing: range))")
        #expect(object.byteCount == 10)
        #expect(object.version == written.version)
      }
    }
  }

  @Test(
    "objects of all sizes, from memory and from files", arguments: StoreKind.all,
    [0, 1, 262_143, 262_144, 262_145, 1_000_003])
  func sizes(_ kind: StoreKind, _ count: Int) throws {
    let store = try kind.store()
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
    let scratch = Scratch()
    try Data(bytes).write(to: URL(filePath: scratch.path + "/source"))
    for (key, body) in [("m", Body.bytes(bytes)), ("f", .file(path: scratch.path + "/source"))] {
      let object = try store.put(key, body, .absent)
      #expect(object.byteCount == Int64(count))
      var read: [UInt8] = []
      var largest = 0
      _ = try store.read(key, range: nil, ifMatch: object.version, cancellation: .never) {
        read += $0
        largest = max(largest, $0.count)
      }
      expectSame(read, bytes)
      #expect(largest <= 1 << 20)
    }
    #expect(scratch.files == ["source"])
  }

  @Test("a body's file that is missing is named, and nothing is written", arguments: StoreKind.all)
  func missingBody(_ kind: StoreKind) throws {
    let store = try kind.store()
    let error = expectFailure(.notFound) {
      try store.put("x", .file(path: "/no/such/file"), .always)
    }
    #expect(error?.place.file == "/no/such/file")
    expectFailure(.notAnObject) { try store.put("x", .file(path: "/tmp"), .always) }
    #expect(try store.objects(below: "") == [])
  }

  @Test("rule 20: absent, the first one wins", arguments: StoreKind.all)
  func absent(_ kind: StoreKind) throws {
    let store = try kind.store()
    let first = try store.put("a/b", text: "one", .absent)
    let error = expectFailure(.conditionFailed) { try store.put("a/b", text: "two", .absent) }
    #expect(error?.place.file == store.uri("a/b"))
    #expect(try store.text("a/b") == "one")
    #expect(kind.agree(try store.head("a/b"), first))
    try store.delete(["a/b"])
    _ = try store.put("a/b", text: "three", .absent)
    #expect(try store.text("a/b") == "three")
  }

  @Test("rule 20: matches, only over the version that was seen", arguments: StoreKind.all)
  func matches(_ kind: StoreKind) throws {
    let store = try kind.store()
    for version in ["1-1-1", "0", "12345", "\"etag\"", ""] {
      expectFailure(.conditionFailed) { try store.put("x", text: "0", .matches(Version(version))) }
    }
    #expect(try store.head("x") == nil)
    let first = try store.put("x", text: "one")
    let second = try store.put("x", text: "two", .matches(first.version))
    #expect(first.version != second.version)
    expectFailure(.conditionFailed) { try store.put("x", text: "three", .matches(first.version)) }
    #expect(kind.agree(try store.head("x"), second))
    #expect(try store.text("x") == "two")
    try store.delete(["x"])
    expectFailure(.conditionFailed) { try store.put("x", text: "four", .matches(second.version)) }
    #expect(try store.head("x") == nil)
  }

  @Test("rule 20: of many that create at once, one wins", arguments: StoreKind.all)
  func raceToCreate(_ kind: StoreKind) throws {
    let store = try kind.store()
    for round in 0..<5 {
      let results = concurrently(Array(0..<8), limit: 8) {
        try store.put("race/\(round)", text: "writer \($0)", .absent)
      }
      let winners = results.indices.filter { (try? results[$0].get()) != nil }
      #expect(winners.count == 1)
      #expect(try store.text("race/\(round)") == "writer \(winners[0])")
      for (index, result) in results.enumerated() where index != winners[0] {
        expectFailure(.conditionFailed) { try result.get() }
      }
    }
  }

  @Test("rule 20: increments by compare-and-swap are not lost", arguments: StoreKind.all)
  func raceToSwap(_ kind: StoreKind) throws {
    let store = try kind.store()
    _ = try store.put("n", text: "0")
    let results = concurrently(Array(0..<4), limit: 4) { _ in
      for _ in 0..<10 {
        while true {
          let (bytes, object) = try store.get("n")!
          let next = Int(String(decoding: bytes, as: UTF8.self))! + 1
          do {
            _ = try store.put("n", text: String(next), .matches(object.version))
            break
          } catch let error as StoreError where error.code == .conditionFailed {}
        }
      }
    }
    for result in results { try result.get() }
    #expect(try store.text("n") == "40")
  }

  @Test("rule 2: a read carries the version, and another one is an error", arguments: StoreKind.all)
  func versions(_ kind: StoreKind) throws {
    let store = try kind.store()
    let first = try store.put("x", text: kind.hasETags ? "sane" : "same")
    let second = try store.put("x", text: "same")
    #expect(first.version != second.version)
    for version in [first.version, Version("another store's")] {
      for range in [nil, 0..<2, 50..<60] as [Range<Int64>?] {
        expectFailure(.changed) {
          try store.read("x", range: range, ifMatch: version, cancellation: .never) { _ in
            Issue.record("bytes of the wrong version")
          }
        }
      }
    }
  }

  @Test(
    "what is missing: nil, notFound, an empty listing, nothing to delete", arguments: StoreKind.all)
  func missing(_ kind: StoreKind) throws {
    let store = try kind.store()
    #expect(try store.head("no/such") == nil)
    #expect(try store.get("no/such") == nil)
    for range in [nil, 0..<5] as [Range<Int64>?] {
      expectFailure(.notFound) {
        try store.read("no", range: range, ifMatch: nil, cancellation: .never) { _ in }
      }
    }
    #expect(try store.objects(below: "no/") == [])
    try store.delete(["no/such", "no"])
    try store.delete([])
    _ = try store.put("file", text: "x")
    #expect(try store.head("file/below") == nil)
    try store.delete(["file", "file", "no"])
    #expect(try store.objects(below: "") == [])
  }

  @Test("a read stops when it is cancelled", arguments: StoreKind.all)
  func cancelled(_ kind: StoreKind) throws {
    let store = try kind.store()
    _ = try store.put("x", .bytes([UInt8](repeating: 1, count: 3 << 20)), .always)
    let cancellation = Cancellation()
    var count = 0
    #expect(throws: Cancelled.self) {
      try store.read("x", range: nil, ifMatch: nil, cancellation: cancellation) {
        count += $0.count
        cancellation.cancel()
      }
    }
    #expect(count < 3 << 20)
  }

  @Test("many objects are removed at once", arguments: StoreKind.all)
  func deletesMany(_ kind: StoreKind) throws {
    let store = try kind.store()
    let keys = (0..<40).map { "many/\($0)" }
    for result in concurrently(keys + ["kept"], limit: 8, { try store.put($0, text: "x") }) {
      _ = try result.get()
    }
    try store.delete(keys)
    #expect(try store.objects(below: "").map(\.key) == ["kept"])
  }
}
