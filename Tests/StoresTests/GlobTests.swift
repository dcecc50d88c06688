import Core
import Foundation
import TestSupport
import Testing

@testable import Stores

struct GlobTests {
  static let cases: [(pattern: String, yes: [String], no: [String])] = [
    ("*", ["a", "a.b", "é", "_x"], ["a/b", ".a"]),
    ("*.csv", ["a.csv", "a.csv.csv", "-.csv"], [".csv", "a.csv.gz", "a/b.csv", "a.CSV", "csv"]),
    (".*", [".a", "."], ["a", "a/.b"]),
    ("a?c", ["abc", "aéc", "a日c", "a.c"], ["ac", "abbc", "a/c"]),
    ("?", ["a", "é", "日", "\u{1F600}"], [".", "ab", "/", "e\u{301}", ""]),
    ("[a-cx]", ["a", "b", "c", "x"], ["d", "-", "", "ab"]),
    ("[!a-c]", ["d", "é"], ["a", ".", "/"]),
    ("[^a]", ["b"], ["a"]),
    ("[]x]", ["]", "x"], ["["]),
    ("[a-]", ["a", "-"], ["b"]),
    ("[*?]", ["*", "?"], ["a"]),
    ("[à-ü]", ["é"], ["a", "z"]),
    ("x[.]y", ["x.y"], ["xy"]),
    ("[.]x", [], [".x"]),
    ("{a,b}", ["a", "b"], ["c", "a,b", "{a,b}"]),
    ("{a,b/c}*.x", ["a.x", "ay.x", "b/c.x", "b/cd.x"], ["b.x", "a/c.x"]),
    ("{a,{b,c}d}e", ["ae", "bde", "cde"], ["de", "be"]),
    ("x{,y}", ["x", "xy"], ["xyy"]),
    ("{2024-01,2024-02}-??/*.gz", ["2024-01-31/a.gz"], ["2024-03-01/a.gz", "2024-01-1/a.gz"]),
    ("**", ["a", "a/b", "a/b/c.d"], [".a", "a/.b", "a/.b/c", ""]),
    ("a/**", ["a/b", "a/b/c"], ["a", "a/", "ab", "b/a/c", "a/.b"]),
    ("**/a", ["a", "b/a", "b/c/a"], ["ba", "b/ca", ".b/a", "a/b"]),
    ("a/**/b", ["a/b", "a/c/b", "a/c/d/b"], ["ab", "a/cb", "a/b/c", "a/.c/b"]),
    ("**/a*/**/*.b", ["a/x.b", "q/ax/y/z.b", "a/c/a1/c/d.b"], ["a.b", "x/y.b", "a/.b.b/a1/d.b"]),
    ("**/.h/*", [".h/a", "x/.h/a"], ["x/.i/.h/a"]),
    ("a**b", ["ab", "axb", "axxb"], ["a/b", "ax/b"]),
    ("*a*a*a*a*b", ["aaaab", "xaxaxaxaxb"], [String(repeating: "a", count: 200)]),
    ("*/b/*", ["a/b/c"], ["a/b", "b/c", "a/b/c/d", "a/x/b/c"]),
    ("*b/*b", ["b/b", "bb/ab", "abab/abb"], ["ba/b", "b/ba"]),
    ("a b+c%20*", ["a b+c%20", "a b+c%20d"], ["a b c d"]),
  ]

  @Test("patterns match whole keys", arguments: cases)
  func matching(_ pattern: String, _ yes: [String], _ no: [String]) throws {
    let glob = try Glob("/root/" + pattern)
    for key in yes { #expect(matches(glob, key), "\(pattern) and \(key)") }
    for key in no { #expect(!matches(glob, key), "\(pattern) and \(key)") }
  }

  /// Whether a key below `/root` matches: the literal start of a pattern belongs to the root.
  private func matches(_ glob: Glob, _ key: String) -> Bool {
    let path = "/root/\(key)"
    guard path.hasPrefix(glob.root + "/") else { return false }
    let inRoot = String(path.dropFirst(glob.root.count + 1))
    let isMatch = glob.matches(inRoot)
    #expect(!isMatch || inRoot.utf8.starts(with: glob.prefix.utf8))
    return isMatch
  }

  /// Matches by trying everything.
  private func matchesNaively(_ pattern: ArraySlice<Character>, _ key: ArraySlice<Character>)
    -> Bool
  {
    guard let first = pattern.first else { return key.isEmpty }
    let rest = pattern.dropFirst()
    switch first {
    case "*" where rest.first == "*":
      // Here `**` is always followed by a slash.
      let behind = rest.dropFirst(2)
      if matchesNaively(behind, key) { return true }
      guard let slash = key.firstIndex(of: "/") else { return false }
      return matchesNaively(pattern, key[(slash + 1)...])
    case "*":
      if matchesNaively(rest, key) { return true }
      guard let next = key.first, next != "/" else { return false }
      return matchesNaively(pattern, key.dropFirst())
    case "?":
      guard let next = key.first, next != "/" else { return false }
      return matchesNaively(rest, key.dropFirst())
    default:
      return key.first == first && matchesNaively(rest, key.dropFirst())
    }
  }

  @Test("a naive matcher agrees on random patterns and keys", arguments: 0..<20)
  func againstNaive(_ seed: UInt64) throws {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1
    func random(_ count: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % UInt64(count))
    }
    func text(_ choices: [String], _ maximum: Int) -> String {
      (0...random(maximum)).map { _ in choices[random(choices.count)] }.joined()
    }
    var matches = 0
    for _ in 0..<500 {
      // Segments joined by slashes; a segment is `**`, or a mixture.
      let segments = (0...random(3)).map { _ in
        random(4) == 0 ? "**" : text(["a", "b", "*", "?"], 3).replacing("**", with: "*")
      }
      // `**` at the end means something else, so an ordinary segment follows.
      let pattern = (segments + [text(["a", "b", "*"], 2).replacing("**", with: "*")])
        .joined(separator: "/").replacing("***", with: "*")
      let key = (0...random(4)).map { _ in text(["a", "b"], 2) }.joined(separator: "/")
      guard !pattern.contains("***"), pattern.contains(where: { "*?".contains($0) }) else {
        continue
      }
      let expected = matchesNaively(Array(pattern)[...], Array(key)[...])
      matches += expected ? 1 : 0
      let isMatch = self.matches(try Glob("/root/" + pattern), key)
      #expect(isMatch == expected, "\(pattern) and \(key)")
    }
    #expect(matches > 10)
  }

  @Test(
    "an address is taken apart at its first wildcard",
    arguments: [
      ("/data/x*.csv", "/data", "x"), ("/data//a/./b/../c*", "/data/a", "c"), ("/*", "", ""),
      ("rel/a?", "/base/rel", "a"), ("../*", "", ""), ("file:///d%20e/f%2A*", "/d e", "f*"),
      ("/a b%20c/*", "/a b%20c", ""), ("/a/{b,c}/d", "/a", ""), ("/a/b.csv", "/a", "b.csv"),
      ("file:/a/b%5B.csv", "/a", "b[.csv"), ("https://h/x/*?a=[b]", "https://h", "x/*?a=[b]"),
      ("./x", "/base", "x"),
    ])
  func parts(_ address: String, _ root: String, _ prefix: String) throws {
    let glob = try Glob(address, relativeTo: "/base")
    #expect(glob.root == root)
    #expect(glob.prefix == prefix)
  }

  @Test("a base folder's own brackets are no pattern")
  func literalBase() throws {
    let glob = try Glob("*.csv", relativeTo: "/data[1]/{x}")
    #expect(glob.root == "/data[1]/{x}")
    #expect(try !Glob("a.csv", relativeTo: "/data[1]").hasWildcard)
  }

  @Test(
    "what is no pattern is an error of configuration",
    arguments: [
      "/a/[b", "/a/[", "/a/{b", "/a/{b,{c}", "/a/[z-a]", "/a/[a/b]", "", "rel", "s3://",
      "htp://x/*", "/a/" + String(repeating: "{a,b}", count: 11), "file:///a/%zz*", "file://host/*",
    ])
  func errors(_ address: String) {
    let error = expectFailure(.badAddress) { try Glob(address) }
    #expect(error?.exitCode == 2)
  }

  @Test(
    "wildcards are seen without a full reading",
    arguments: [
      ("/a/b", false), ("/a/*", true), ("a?", true), ("[", true), ("{", true), ("file:/a*", true),
      ("file:/a%2A", false), ("https://h/a?b=[c]*", false),
    ])
  func wildcards(_ address: String, _ expected: Bool) {
    #expect(Glob.hasWildcard(address) == expected)
  }

  @Test("listing gives full addresses in byte order")
  func listing() throws {
    let scratch = Scratch()
    for name in ["a.csv", "b/a.csv", "b/x.txt", "b/c/é.csv", "a/z.csv", ".git/a.csv"] {
      scratch.write(name)
    }
    func addresses(_ glob: String) throws -> [String] {
      var all: [String] = []
      try StoreOpener().list(glob: glob, relativeTo: scratch.path) { page in
        for (address, object) in page {
          #expect(address.hasSuffix(object.key))
          all.append(String(address.dropFirst(scratch.path.count + 1)))
          let (store, key) = try StoreOpener().locate(address)
          #expect(try store.head(key)?.version == object.version)
        }
      }
      return all
    }
    #expect(try addresses("*.csv") == ["a.csv"])
    #expect(try addresses("**/*.csv") == ["a.csv", "a/z.csv", "b/a.csv", "b/c/é.csv"])
    #expect(try addresses("{b,a}/*.csv") == ["a/z.csv", "b/a.csv"])
    #expect(try addresses("b/**") == ["b/a.csv", "b/c/é.csv", "b/x.txt"])
    #expect(try addresses("a.csv") == ["a.csv"])
    #expect(try addresses("none.csv") == [])
    #expect(try addresses("none/*") == [])
    #expect(try addresses("file:b/%61.csv") == ["b/a.csv"])
    let error = expectFailure(.notAnObject) { try addresses("b") }
    #expect(error?.advice?.contains("/*") == true)
  }

  @Test("a web address is one object, whatever it looks like")
  func web() throws {
    let server = WebServer { .file([1, 2, 3], etag: "\"v\"", for: $0) }
    var addresses: [String] = []
    try StoreOpener().list(glob: server.address + "/a*?b=[c]") { addresses += $0.map(\.address) }
    #expect(addresses == [server.address + "/a*?b=[c]"])
    #expect(server.requests[0].target == "/a*?b=[c]")
  }

  @Test(
    "an address that is meant has a key below the root, and any other has none",
    arguments: [
      ("/data/*.csv", "/data/a.csv", "a.csv"), ("/data/*.csv", "/data//x/../a.csv", "a.csv"),
      ("/data/*.csv", "/data/x/a.csv", nil), ("/data/*.csv", "/data", nil),
      ("/data/*.csv", "/data2/a.csv", nil), ("/data/a.csv", "/data/a.csv", "a.csv"),
      ("/data/a.csv", "/data/b.csv", nil), ("/*", "/a", "a"),
      ("/data/**/*.csv", "file:///data/x%20y/a.csv", "x y/a.csv"),
      ("gs://b/in/*.csv", "gs://b/in/a b+%20.csv", "in/a b+%20.csv"),
      ("gs://b/in/*.csv", "gs://b/in//a.csv", nil), ("gs://b/in/*.csv", "gs://c/in/a.csv", nil),
      ("gs://b/**", "gs://b//a", "/a"), ("gs://b/in/*.csv", "/in/a.csv", nil),
      ("https://h/x/a?b", "https://H/x/a?b", "x/a?b"), ("https://h/x", "https://h/y", nil),
    ] as [(String, String, String?)])
  func keys(_ glob: String, _ address: String, _ key: String?) throws {
    #expect(try Glob(glob).key(of: StoreURI(address)) == key)
  }
}
