import Core
import Foundation
import TestSupport
import Testing

@testable import Project

@Suite struct YAMLTests {
  static func mistakes(_ bytes: [UInt8]) -> [String] {
    YAMLParser.parse(bytes).mistakes.map { mistake in
      "\(mistake.mark.line):\(mistake.mark.column) \(mistake.message)"
        + (mistake.advice.map { "; \($0)" } ?? "")
    }
  }

  static func mistakes(_ text: String) -> [String] { mistakes(Array(text.utf8)) }

  @Test("keys and scalars know their line and column, in characters")
  func marks() throws {
    let text = """
      # comment
      a: 1
      é: "ü: x"
      list:
        - {b: [x, 'y y']}
        - |
          block
      """
    let root = try #require(YAMLParser.parse(Array(text.utf8)).document)
    func mark(_ line: Int, _ column: Int) -> YAMLNode.Mark { .init(line: line, column: column) }
    let entries = try #require(root.mapping)
    #expect(entries.map(\.key) == ["a", "é", "list"])
    #expect(entries.map(\.keyMark) == [mark(2, 1), mark(3, 1), mark(4, 1)])
    #expect(entries.map(\.value.mark) == [mark(2, 4), mark(3, 4), mark(5, 3)])
    #expect(entries[1].value.scalar?.text == "ü: x")
    #expect(entries[1].value.mark(atOffset: 3) == mark(3, 8))
    let list = try #require(root["list"]?.sequence)
    let inner = try #require(list[0]["b"]?.sequence)
    #expect(inner.map(\.mark) == [mark(5, 10), mark(5, 13)])
    #expect(inner.map { $0.scalar?.isPlain } == [true, false])
    #expect(list[1].scalar?.text == "block")
    #expect(list[1].mark(atOffset: 2) == list[1].mark, "a block's inside has no known column")
  }

  @Test(
    "null is what YAML 1.2 calls so",
    arguments: [
      ("", true), ("~", true), ("null", true), ("NULL", true), ("''", false), ("'null'", false),
      ("none", false), ("0", false),
    ])
  func null(_ text: String, _ isNull: Bool) throws {
    #expect(
      try #require(YAMLParser.parse(Array("a: \(text)".utf8)).document?["a"]).isNull == isNull)
  }

  @Test("what is no YAML is one error with its place")
  func mistakes() {
    let cases: [(String, [String])] = [
      (
        "a: 1\nb: [1, 2\n",
        [
          "3:1 not YAML: did not find expected ',' or ']' while parsing a flow sequence that starts on line 2"
        ]
      ),
      (
        "a: 1\n  b: 2\n",
        [
          "2:4 not YAML: a ':' that starts no value; indent keys alike, and quote text that holds ': '"
        ]
      ),
      (
        "a: b: c\n",
        [
          "1:5 not YAML: a ':' that starts no value; indent keys alike, and quote text that holds ': '"
        ]
      ),
      ("a:\n\tb: 1\n", ["2:1 a tab where YAML wants spaces"]),
      (
        "a: \"x\n",
        [
          "2:1 not YAML: found unexpected end of stream while scanning a quoted scalar that starts on line 1"
        ]
      ),
      (
        "a: 1\n---\nb: 2\n",
        ["2:1 a second document; a project file holds one; remove the '---' before it"]
      ),
      (
        "a: !!str 1\n",
        [
          "1:4 the YAML tag 'tag:yaml.org,2002:str'; project files use none; quote a value to make it text"
        ]
      ),
      (
        "? [a]\n: 1\n", ["1:3 a key that is not a word; keys are plain names, written before a ':'"]
      ),
      ("a: *x\n", ["1:4 '*x' names no '&x' above it"]),
      ("a: &x [*x]\n", ["1:8 '*x' names no '&x' above it"]),
      ("a: 1\nb: 2\na: 3\n", ["3:1 key 'a' stands here twice; it is first on line 1"]),
      ("%YAML 3.0\n---\na: 1\n", ["1:1 not YAML: found incompatible YAML document"]),
      (
        "a: @x\n",
        [
          "1:4 not YAML: found character that cannot start any token while scanning for the next token"
        ]
      ),
    ]
    for (text, expected) in cases {
      #expect(Self.mistakes(text) == expected, "\(text.debugDescription)")
    }
  }

  @Test("bytes that are no text are an error with its place")
  func bytes() {
    #expect(Self.mistakes(Array("a: 1\nb: é".utf8) + [0xFF]) == ["2:5 bytes that are not UTF-8"])
    #expect(Self.mistakes(Array("a: ".utf8) + [0xC3]) == ["1:4 bytes that are not UTF-8"])
    #expect(
      Self.mistakes(Array("a: ".utf8) + [0xED, 0xA0, 0x80]) == ["1:4 bytes that are not UTF-8"])
    #expect(Self.mistakes("a: x\u{0}") == ["1:5 the control character U+0000"])
    #expect(Self.mistakes("a:\n  b: \u{1B}[0m") == ["2:6 the control character U+001B"])
    #expect(Self.mistakes([0xFF, 0xFE, 0x61, 0]) == ["1:1 UTF-16; project files are UTF-8"])
    #expect(
      Self.mistakes([UInt8](repeating: 0x20, count: (1 << 20) + 1)) == ["1:1 larger than 1 MiB"])
    #expect(Self.mistakes([0xEF, 0xBB, 0xBF] + Array("a: 1".utf8)) == [])
    #expect(Self.mistakes("a: 1\r\nb: 2\r\n") == [])
  }

  @Test("aliases are copies") func aliases() throws {
    let root = try #require(YAMLParser.parse(Array("a: &x {b: 1}\nc: *x\n".utf8)).document)
    #expect(root["c"]?["b"]?.scalar?.text == "1")
  }

  @Test("nesting and growth are bounded") func bounds() {
    let deep = String(repeating: "[", count: 65) + String(repeating: "]", count: 65)
    #expect(Self.mistakes(deep) == ["1:65 nested deeper than 64 levels"])
    let fine = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
    #expect(Self.mistakes(fine) == [])
    #expect(
      Self.mistakes(String(repeating: "[", count: 1 << 20)) == ["1:65 nested deeper than 64 levels"]
    )
    // Ten levels of ten aliases each: 10^10 values from a few hundred bytes.
    var bomb = "a0: &a0 [x]\n"
    for level in 1...10 {
      let aliases = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
      bomb += "a\(level): &a\(level) [\(aliases)]\n"
    }
    let found = Self.mistakes(bomb)
    #expect(found.count == 1)
    #expect(found[0].hasSuffix("more than 100000 values, aliases included"))
    let many = "a:\n" + String(repeating: "- x\n", count: 100_001)
    #expect(Self.mistakes(many).count == 1)
  }

  @Test("${…} may stand unquoted inside [ ] and { }, at its true column")
  func shielded() throws {
    let text = "a: {b: ${X:-[1, {2}]}, c: [${Y}, z]}\nd: \"${Z\"\ne: ${V\n"
    let (document, mistakes) = YAMLParser.parse(Array(text.utf8))
    #expect(mistakes.isEmpty)
    let root = try #require(document)
    #expect(root["a"]?["b"]?.scalar?.text == "${X:-[1, {2}]}")
    let list = try #require(root["a"]?["c"]?.sequence)
    #expect(list.map { $0.scalar?.text } == ["${Y}", "z"])
    #expect(list.map(\.mark.column) == [28, 34])
    #expect(root["d"]?.scalar?.text == "${Z")
    #expect(root["e"]?.scalar?.text == "${V")
    // Whoever uses the characters that stand in keeps them.
    let own = YAMLParser.parse(Array("a: \u{E0F0}x$\n".utf8)).document
    #expect(own?["a"]?.scalar?.text == "\u{E0F0}x$")
  }

  @Test("any bytes at all give a tree or a mistake") func noise() {
    var generator = Seeded(7)
    let alphabet = Array("ab: -[]{},\n\"'#&*!|>%@`$ \t\r~?1é\u{0}".utf8) + [0xFF]
    for _ in 0..<3000 {
      let count = Int(generator.next() % 40)
      let bytes = (0..<count).map { _ in alphabet[Int(generator.next() % UInt64(alphabet.count))] }
      let (document, mistakes) = YAMLParser.parse(bytes)
      #expect(document != nil || !mistakes.isEmpty)
      for mistake in mistakes { #expect(mistake.mark.line >= 1 && mistake.mark.column >= 1) }
    }
  }
}
