import Core
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Stores

struct LocalWritingTests {
  let scratch = Scratch()
  var store: LocalStore { scratch.store }

  @Test("absent: the first one wins, and no torn or temporary file is left")
  func absent() throws {
    let first = try store.put("a/b", text: "one", .absent)
    expectFailure(.conditionFailed) { try store.put("a/b", text: "two", .absent) }
    #expect(try store.text("a/b") == "one")
    #expect(try store.head("a/b") == first)
    #expect(scratch.files == ["a/b"])
  }

  @Test("an object that waits for its turn is seen from then on, as old as that, or never")
  func waits() throws {
    var turn = Instant(microseconds: 0)
    var early: Object?
    let put = try store.put("a/b", .bytes([1]), .absent) {
      early = try store.head("a/b")
      // Longer than the file system's clock stands still.
      Thread.sleep(forTimeInterval: 0.05)
      turn = store.now()
    }
    #expect(early == nil)
    let found = try #require(try store.head("a/b"))
    #expect(found == put)
    let modified = try #require(found.modified)
    #expect(modified > Instant(microseconds: turn.microseconds - 20_000))
    struct Stopped: Error {}
    #expect(throws: Stopped.self) {
      try store.put("c/d", .bytes([1]), .absent) { throw Stopped() }
    }
    #expect(scratch.files == ["a/b"])
    #expect(!FileManager.default.fileExists(atPath: scratch.path + "/c"))
  }

  @Test("matches: only over the version that was seen")
  func matches() throws {
    expectFailure(.conditionFailed) { try store.put("x", text: "0", .matches(Version("1-1-1"))) }
    #expect(scratch.files == [])
    let first = try store.put("x", text: "one")
    let second = try store.put("x", text: "two", .matches(first.version))
    expectFailure(.conditionFailed) { try store.put("x", text: "three", .matches(first.version)) }
    #expect(try store.head("x") == second)
    #expect(try store.text("x") == "two")
    try store.delete(["x"])
    expectFailure(.conditionFailed) { try store.put("x", text: "four", .matches(second.version)) }
    #expect(scratch.files == [])
  }

  @Test("of many that create at once, one wins")
  func raceToCreate() throws {
    let store = store
    for round in 0..<20 {
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
    #expect(scratch.files.count == 20)
  }

  @Test("rule 20: increments by compare-and-swap are not lost")
  func raceToSwap() throws {
    let store = store
    _ = try store.put("n", text: "0")
    let lost = Atomic<Int>(0)
    let results = concurrently(Array(0..<8), limit: 8) { _ in
      for _ in 0..<25 {
        while true {
          let (bytes, object) = try store.get("n")!
          let next = Int(String(decoding: bytes, as: UTF8.self))! + 1
          do {
            _ = try store.put("n", text: String(next), .matches(object.version))
            break
          } catch let error as StoreError where error.code == .conditionFailed {
            lost.add(1, ordering: .relaxed)
          }
        }
      }
    }
    for result in results { try result.get() }
    #expect(try store.text("n") == "200")
    #expect(scratch.files == ["n"])
  }

  @Test("readers see whole files while writers replace them")
  func noTornReads() throws {
    let store = store
    let size = 300_000
    _ = try store.put("x", .bytes([UInt8](repeating: 0, count: size)), .always)
    let results = concurrently(Array(0..<4), limit: 4) { index in
      for round in 1...30 {
        if index < 2 {
          let byte = UInt8(index * 100 + round)
          _ = try store.put("x", .bytes([UInt8](repeating: byte, count: size)), .always)
        } else if let (bytes, object) = try store.get("x") {
          guard bytes.count == size, object.byteCount == size, Set(bytes).count == 1 else {
            throw StoreError(.damaged, "torn")
          }
        }
      }
    }
    for result in results { try result.get() }
  }

  @Test("folders that writers need and deleters remove at the same time")
  func raceWithFolderRemoval() throws {
    let store = store
    let results = concurrently(Array(0..<6), limit: 6) { index in
      for round in 0..<60 {
        let key = "a/b/c/\(index)"
        _ = try store.put(key, text: "\(round)", .absent)
        guard try store.text(key) == "\(round)" else { throw StoreError(.damaged, "lost") }
        try store.delete([key])
      }
    }
    for result in results { try result.get() }
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path) == [])
  }

  @Test("deleting removes folders that become empty, and no others")
  func emptyFolders() throws {
    for key in ["a/b/c/1", "a/b/2", "d/3"] { scratch.write(key) }
    try store.delete(["a/b/c/1", "d/3"])
    #expect(
      try FileManager.default.subpathsOfDirectory(atPath: scratch.path).sorted() == [
        "a", "a/b", "a/b/2",
      ])
    try store.delete(["a/b/2"])
    #expect(FileManager.default.fileExists(atPath: scratch.path))
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path) == [])
  }

  @Test("a file's body is copied, and stays", arguments: [0, 1, 70_000, 3_000_000])
  func fileBody(_ count: Int) throws {
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 13 >> 3) }
    let source = scratch.path + "/source"
    try Data(bytes).write(to: URL(fileURLWithPath: source))
    let object = try store.put("copy", .file(path: source), .absent)
    #expect(object.byteCount == Int64(count))
    expectSame(try store.get("copy")?.bytes ?? [], bytes)
    // What happens to the source is not seen in the object.
    try Data([1, 2, 3]).write(to: URL(fileURLWithPath: source))
    #expect(try store.head("copy") == object)
    #expect(FileManager.default.fileExists(atPath: source))
  }

  @Test("a body's file that is missing or a folder is named, and nothing is written")
  func missingBody() throws {
    let error = expectFailure(.notFound) {
      try store.put("x", .file(path: scratch.path + "/none"), .always)
    }
    #expect(error?.place.file == scratch.path + "/none")
    expectFailure(.notAnObject) { try store.put("x", .file(path: scratch.path), .always) }
    #expect(scratch.files == [])
  }

  @Test("temporary files of dead writers go after an hour, others stay")
  func staleFiles() throws {
    let old = Date.past(4000)
    for (name, date) in [
      (".sluice-tmp-1-old", old), (".sluice-tmp-2-live", old), (".sluice-tmp-3-new", Date()),
      ("plain", old),
    ] {
      scratch.write("f/" + name)
      try FileManager.default.setAttributes(
        [.modificationDate: date], ofItemAtPath: "\(scratch.path)/f/\(name)")
    }
    let writer = open(scratch.path + "/f/.sluice-tmp-2-live", O_RDONLY)
    defer { close(writer) }
    #expect(flock(writer, LOCK_EX) == 0)
    let temporary = try store.temporaryFiles()
    #expect(
      temporary.map(\.object.key)
        == ["f/.sluice-tmp-1-old", "f/.sluice-tmp-2-live", "f/.sluice-tmp-3-new"])
    #expect(temporary.map(\.isAbandoned) == [true, false, true])
    _ = try store.put("f/x", text: "x")
    #expect(
      Set(scratch.files) == ["f/.sluice-tmp-2-live", "f/.sluice-tmp-3-new", "f/plain", "f/x"])
  }

  @Test("rule 37: mutating calls are numbered, whatever store they are made to")
  func counting() throws {
    let trace = scratch.path + "-trace"
    defer { unlink(trace) }
    var deaths: [Int] = []
    for text in ["before:3", "after:3"] {
      let folder = Scratch()
      let died = Mutex<[String]?>(nil)
      let counter = MutationCounter(
        kill: MutationCounter.Kill(text), tracePath: trace,
        die: { died.withLock { $0 = folder.files.sorted() } })
      let store = LocalStore(root: folder.path, isDurable: false, counter: counter)
      _ = try store.put("a", text: "1")
      _ = try store.get("a")
      expectFailure(.conditionFailed) { try store.put("a", text: "1", .absent) }
      try store.delete(["a", "b"])
      counter.around("compute", "/data/x") {}
      deaths.append(died.withLock { $0 }?.count ?? -1)
      #expect(counter.total == 4)
    }
    #expect(deaths == [1, 0])
    let lines = try String(contentsOfFile: trace, encoding: .utf8).split(separator: "\n")
    #expect(lines.count == 8)
    #expect(
      lines.prefix(4) == [
        "1\tput\ta", "2\tput\ta", "3\tdelete\ta (and 1 more)", "4\tcompute\t/data/x",
      ])
  }

  @Test(
    "rule 37: what is no kill is refused",
    arguments: ["", "before", "before:0", "during:1", "after:x", "after:1:2"])
  func badKill(_ text: String) {
    #expect(MutationCounter.Kill(text) == nil)
  }

  @Test("rule 37: the kill is a SIGKILL")
  func realKill() async {
    await #expect(processExitsWith: .signal(SIGKILL)) {
      setenv("SLUICE_TEST_KILL", "before:2", 1)
      let folder = NSTemporaryDirectory() + "/kill-\(UUID().uuidString)"
      let store = LocalStore(root: folder)
      _ = try store.put("a", .bytes([]), .always)
      _ = try store.put("b", .bytes([]), .always)
    }
  }
}
