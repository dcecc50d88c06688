import Core
import Foundation
import Testing

@testable import Stores

struct LocalListingTests {
  let scratch = Scratch()
  var store: LocalStore { scratch.store }

  @Test("a listing is in byte order of whole keys, for every prefix")
  func order() throws {
    let keys = [
      "a.txt", "a/b", "a/b.c", "a0", "a-", "a/c/d", "a/c/e", "a/c.x", "B", "é", "z/é/1", "z/e",
      "ab/c",
    ]
    for key in keys { scratch.write(key) }
    for prefix in [
      "", "a", "a/", "a/c", "a/c/", "a/c/d", "ab", "B", "z/\u{E9}", "zz", "a/b.c", "\u{E9}", "a.",
    ] {
      let expected = keys.filter { $0.utf8.starts(with: prefix.utf8) }
        .sorted(by: bytesPrecede)
      #expect(try store.objects(below: prefix).map(\.key) == expected, "prefix \(prefix)")
    }
  }

  @Test("pages are bounded and follow each other")
  func pages() throws {
    for index in 0..<2_345 { scratch.write("flat/\(index)") }
    var sizes: [Int] = []
    var keys: [String] = []
    try store.list(prefix: "flat/") {
      sizes.append($0.count)
      keys += $0.map(\.key)
    }
    #expect(sizes == [1000, 1000, 345])
    #expect(keys == (0..<2_345).map { "flat/\($0)" }.sorted(by: bytesPrecede))
  }

  @Test(
    "a large folder, looked at by several threads, lists the same as one after the other",
    arguments: ["flat", "folders", "one folder of two", "deep"])
  func large(layout: String) throws {
    let keys = (0..<7_300).map { index -> String in
      switch layout {
      case "flat": "n/\(index)"
      case "folders": "n/f \(index % 90)/é+%\(index)"
      case "one folder of two": index < 10 ? "n/a/\(index)" : "n/b/\(index % 30)/\(index)"
      default: "n/\(index % 5)/x/\(index % 11).d/\(index % 2)/y/\(index)"
      }
    }
    for key in keys { scratch.write(key) }
    for prefix in ["", "n/", "n/1", "n/b/2"] {
      let expected = keys.filter { $0.utf8.starts(with: prefix.utf8) }.sorted(by: bytesPrecede)
      var sizes: [Int] = []
      var found: [String] = []
      try store.list(prefix: prefix) {
        sizes.append($0.count)
        found += $0.map(\.key)
      }
      #expect(found == expected)
      #expect(sizes.allSatisfy { $0 <= 2000 })
      struct Enough: Error {}
      var seen = 0
      guard expected.count > 6000 else { continue }
      #expect(throws: Enough.self) {
        try store.list(prefix: prefix) {
          seen += $0.count
          if seen > 5500 { throw Enough() }
        }
      }
    }
  }

  @Test("a page's failure ends the listing")
  func pageThrows() throws {
    for index in 0..<10 { scratch.write("\(index)") }
    #expect(throws: Cancelled.self) { try store.list(prefix: "") { _ in throw Cancelled() } }
  }

  @Test("links are followed, dangling and circular ones are not objects")
  func links() throws {
    scratch.write("real/x", "12345")
    let manager = FileManager.default
    func link(_ name: String, to target: String) throws {
      try manager.createSymbolicLink(
        atPath: "\(scratch.path)/\(name)", withDestinationPath: target)
    }
    try link("file", to: "real/x")
    try link("folder", to: "real")
    try link("dangling", to: "nowhere")
    try link("self", to: "self")
    try link("real/up", to: "..")
    let listed = try store.objects(below: "")
    #expect(listed.map(\.key) == ["file", "folder/x", "real/x"])
    #expect(listed.map(\.byteCount) == [5, 5, 5])
    #expect(try store.head("dangling") == nil)
    #expect(try store.head("self") == nil)
    // The listed version is the one a read gives.
    for object in listed {
      _ = try store.read(object.key, range: nil, ifMatch: object.version, cancellation: .never) {
        _ in
      }
    }
  }

  @Test("unfinished files are not listed")
  func temporaries() throws {
    scratch.write(".sluice-tmp-1-abc")
    scratch.write("a/.sluice-tmp.lock")
    scratch.write("a/.hidden")
    #expect(try store.objects(below: "").map(\.key) == ["a/.hidden"])
  }

  @Test("a name that is not UTF-8 is an error, not a hole")
  func invalidName() throws {
    scratch.write("ok")
    let path = scratch.path + "/bad-"
    let descriptor = (Array(path.utf8CString.dropLast()) + [-1, 0]).withUnsafeBufferPointer {
      open($0.baseAddress!, O_WRONLY | O_CREAT, 0o644)
    }
    try #require(descriptor >= 0)
    close(descriptor)
    let error = expectFailure(.badAddress) { try store.objects(below: "") }
    #expect(error?.place.file?.contains("bad-") == true)
    #expect(try store.objects(below: "o").map(\.key) == ["ok"])
  }

  @Test("a depth limit keeps the walk out of deeper folders")
  func depth() throws {
    for key in ["a", "b/c", "b/d/e", "b/d/f/g"] { scratch.write(key) }
    func keys(_ prefix: String, _ depth: Int) throws -> [String] {
      var keys: [String] = []
      try store.list(prefix: prefix, maximumDepth: depth) { keys += $0.map(\.key) }
      return keys
    }
    #expect(try keys("", 1) == ["a"])
    #expect(try keys("", 2) == ["a", "b/c"])
    #expect(try keys("b/", 3) == ["b/c", "b/d/e"])
    #expect(try keys("b/", 4) == ["b/c", "b/d/e", "b/d/f/g"])
  }
}
