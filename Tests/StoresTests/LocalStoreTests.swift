import Core
import Foundation
import Testing

@testable import Stores

struct LocalStoreTests {
  let scratch = Scratch()
  var store: LocalStore { scratch.store }

  static let oddKeys = [
    "a b", "a+b", "50%", "%41", "é/ü", "e\u{301}", "日本/語.txt", "#?*[x]", "-", "a\nb", "\\",
    String(repeating: "n", count: 255), String(repeating: "d/", count: 500) + "deep",
  ]

  @Test("a key comes back as it went in", arguments: oddKeys)
  func oddKeysRoundTrip(_ key: String) throws {
    let written = try store.put(key, text: "hello")
    let object = try #require(try store.head(key))
    #expect(object == written)
    #expect(sameBytes(object.key, key))
    #expect(object.byteCount == 5)
    #expect(try store.objects(below: "").map { Array($0.key.utf8) } == [Array(key.utf8)])
    #expect(try store.text(key) == "hello")
    #expect(store.localPath(key) == "\(scratch.path)/\(key)")
    try store.delete([key])
    #expect(try store.head(key) == nil)
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path) == [])
  }

  @Test(
    "a key that the file system would fold onto another is refused",
    arguments: [
      "", "/a", "a/", "a//b", ".", "..", "a/../b", "a/./b", "a\0b", ".sluice-tmp-1",
      "x/.sluice-tmp",
    ])
  func badKeys(_ key: String) throws {
    expectFailure(.badAddress) { try store.head(key) }
    expectFailure(.badAddress) { try store.put(key, text: "x") }
    expectFailure(.badAddress) { try store.delete([key]) }
    expectFailure(.badAddress) { try store.get(key) }
    #expect(scratch.files == [])
  }

  @Test("a name longer than the file system's limit is a bad address")
  func longName() throws {
    expectFailure(.badAddress) {
      try store.put(String(repeating: "n", count: 256), text: "x")
    }
  }

  @Test("NFC and NFD names are two objects")
  func normalisation() throws {
    _ = try store.put("\u{E9}", text: "composed")
    _ = try store.put("e\u{301}", text: "decomposed")
    #expect(try store.text("\u{E9}") == "composed")
    #expect(try store.text("e\u{301}") == "decomposed")
    #expect(try store.objects(below: "e").count == 1)
    #expect(try store.objects(below: "").count == 2)
  }

  @Test(
    "reads cut a range at the object's end",
    arguments: [
      (nil, "0123456789"), (0..<3, "012"), (3..<3, ""), (7..<100, "789"), (10..<20, ""),
      (50..<60, ""),
    ] as [(Range<Int64>?, String)])
  func ranges(_ range: Range<Int64>?, _ expected: String) throws {
    scratch.write("x", "0123456789")
    var bytes: [UInt8] = []
    let object = try store.read("x", range: range, ifMatch: nil, cancellation: .never) {
      bytes += $0
    }
    #expect(String(decoding: bytes, as: UTF8.self) == expected)
    #expect(object.byteCount == 10)
  }

  @Test(
    "a large object streams in pieces and is whole", arguments: [0, 1, 4095, 524_288, 1_500_001])
  func streaming(_ count: Int) throws {
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
    _ = try store.put("big", .bytes(bytes), .absent)
    var read: [UInt8] = []
    var largest = 0
    _ = try store.read("big", range: nil, ifMatch: nil, cancellation: .never) {
      read += $0
      largest = max(largest, $0.count)
    }
    expectSame(read, bytes)
    #expect(largest <= 512 << 10)
  }

  @Test("rule 2: a read carries the version, and another one is an error")
  func versions() throws {
    let first = try store.put("x", text: "one")
    let second = try store.put("x", text: "two")
    #expect(first.version != second.version)
    #expect(throws: Never.self) {
      try store.read("x", range: nil, ifMatch: second.version, cancellation: .never) { _ in }
    }
    expectFailure(.changed) {
      try store.read("x", range: nil, ifMatch: first.version, cancellation: .never) { _ in
        Issue.record("bytes of the wrong version")
      }
    }
  }

  @Test("rule 2: a file that changes under the reader is an error", arguments: [true, false])
  func changesWhileRead(_ grows: Bool) throws {
    scratch.write("x", String(repeating: "a", count: 2 << 20))
    let handle = try #require(FileHandle(forUpdatingAtPath: scratch.path + "/x"))
    expectFailure(.changed) {
      try store.read("x", range: nil, ifMatch: nil, cancellation: .never) { _ in
        if grows {
          try handle.seekToEnd()
          try handle.write(contentsOf: Data("b".utf8))
        } else {
          try handle.truncate(atOffset: 600_000)
        }
      }
    }
  }

  @Test("rule 2: a version says what the file's status says")
  func versionOfFile() throws {
    let object = try store.put("x", text: "abc")
    var status = stat()
    #expect(stat(store.root + "/x", &status) == 0)
    let version = try #require(object.version.ofLocalFile)
    #expect(version.byteCount == 3)
    #expect(version.inode == UInt64(status.st_ino))
    #expect(
      version.modifiedNanoseconds.floorDivided(by: 1000) == object.modified?.microseconds)
    for text in [
      "", "1-2", "1-2-", "1--2", "1-2-3-4", "a-2-3", "1-2-99999999999999999999", "-1-2-3",
    ] {
      #expect(Version(text).ofLocalFile == nil, "\(text)")
    }
  }

  @Test("rule 2: replacements within one tick of the clock have different versions")
  func replacedAtOnce() throws {
    var seen: Set<Version> = []
    for round in 0..<300 {
      seen.insert(try store.put("x", text: String(round % 10)).version)
    }
    #expect(seen.count == 300)
  }

  @Test("a read stops when it is cancelled")
  func cancelled() throws {
    scratch.write("x", String(repeating: "a", count: 3 << 20))
    let cancellation = Cancellation()
    var pieces = 0
    #expect(throws: Cancelled.self) {
      try store.read("x", range: nil, ifMatch: nil, cancellation: cancellation) { _ in
        pieces += 1
        cancellation.cancel()
      }
    }
    #expect(pieces == 1)
  }

  @Test("what is missing: nil, notFound, an empty listing, nothing to delete")
  func missing() throws {
    #expect(try store.head("no/such") == nil)
    #expect(try store.get("no/such") == nil)
    expectFailure(.notFound) {
      try store.read("no", range: nil, ifMatch: nil, cancellation: .never) { _ in }
    }
    #expect(try store.objects(below: "no/") == [])
    try store.delete(["no/such", "no"])
    scratch.write("file")
    #expect(try store.head("file/below") == nil)
    #expect(try store.objects(below: "file/") == [])
    try store.delete(["file/below"])
    #expect(LocalStore(root: scratch.path + "/none").uri("k") == scratch.path + "/none/k")
    #expect(try LocalStore(root: scratch.path + "/none").objects(below: "") == [])
  }

  @Test("a folder, or a device, where a file should be")
  func notObjects() throws {
    scratch.write("folder/x")
    mkfifo(scratch.path + "/pipe", 0o644)
    for key in ["folder", "pipe"] {
      let error = expectFailure(.notAnObject) { try store.head(key) }
      #expect(error?.place.file == scratch.path + "/" + key)
      expectFailure(.notAnObject) {
        try store.read(key, range: nil, ifMatch: nil, cancellation: .never) { _ in }
      }
      expectFailure(.notAnObject) { try store.put(key, text: "x", .always) }
    }
    for condition in [PutCondition.absent, .always, .matches(Version("1"))] {
      expectFailure(.notAnObject) { try store.put("folder", text: "x", condition) }
    }
    expectFailure(.notAnObject) { try store.delete(["folder"]) }
    let error = expectFailure(.notAnObject) { try store.put("folder/x/y", text: "x") }
    #expect(error?.place.file == scratch.path + "/folder/x")
    #expect(try store.objects(below: "").map(\.key) == ["folder/x"])
  }
}
