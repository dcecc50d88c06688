import Core
import Kernels
import TestSupport
import Testing

@testable import Formats

@Suite struct JSONLinesTests {
  private func splitOne(_ line: [UInt8], names: [String]) -> [[UInt8]]? {
    line.withUnsafeBufferPointer { text in
      let table = splitJSONLines(text, names: names.map { Array($0.utf8) })
      guard table.rows.count == 1, table.misfits.isEmpty else { return nil }
      return names.indices.map { field in
        let span = table.span(row: 0, field: field)
        let bytes = UnsafeBufferPointer(
          rebasing: text[Int(span.offset)..<Int(span.offset) + span.count])
        guard span.hasDoubledQuotes else { return Array(bytes) }
        var plain: [UInt8] = []
        return appendUnescapedJSON(bytes, to: &plain) ? plain : []
      }
    }
  }

  /// Lines that are nearly JSON: pieces of it in any order.
  private static let pieces = [
    "{", "}", "[", "]", ":", ",", "\"a\"", "\"b\"", "\"\\u00e9\"", "\"\\n\\\"\"", "\"x", "\\", "1",
    "-0",
    "0.5", "1e9", "01", ".5", "1.", "-", "true", "false", "null", "nul", " ", "\t", "\"\u{1}\"",
    "é",
    "{\"a\":1}", "[1,2]", "\"a\":", "\"b\":",
  ]

  @Test("a line is taken exactly when the C library reads it", arguments: 0..<50 as Range<UInt64>)
  func twin(_ seed: UInt64) {
    var random = Seeded(seed)
    var taken = 0
    for _ in 0..<400 {
      var line = ""
      if Int.random(in: 0..<3, using: &random) == 0 {
        for _ in 0..<Int.random(in: 0...8, using: &random) {
          line += Self.pieces.randomElement(using: &random)!
        }
      } else {
        // Mostly right: a valid line with one thing changed.
        var tokens = [
          "{", "\"a\"", ":", "{\"b\": [1, {}, \"x\"]}", ",", "\"b\"", ":", "-1.5e3", "}",
        ]
        let index = Int.random(in: 0..<tokens.count, using: &random)
        tokens[index] = Self.pieces.randomElement(using: &random)!
        line = tokens.joined(separator: ["", " "].randomElement(using: &random)!)
      }
      let json = try? JSON(parsing: line)
      let isObject = json?.members != nil
      let found = splitOne(Array(line.utf8), names: ["a", "b"])
      #expect((found != nil) == isObject, "\(line)")
      guard let json, let found else { continue }
      taken += 1
      for (name, text) in zip(["a", "b"], found) {
        // The library keeps the last of members of one name, as we do.
        if case .string(let wanted)? = json.members?.last(where: { $0.name == name })?.value {
          #expect(String(decoding: text, as: UTF8.self) == wanted, "\(line)")
        }
      }
    }
    #expect(taken > 10)
  }

  @Test("members by name, in any order, with escapes; other members are passed over")
  func values() throws {
    let format = DelimitedFormat.jsonLines(
      columns: columns([
        "n": .bigint, "s": .string, "d": .date, "x": .double, "b": .boolean,
        "p": .decimal(precision: 5, scale: 2),
      ]))
    let text = #"""
      {"n": 1, "s": "a", "d": "2024-02-29", "x": 1.5e1, "b": true, "p": 1.25}
      {"s":"é\u00e9\ud83d\ude00\n\"\\\/","n":"-5","other":{"n":[1,2,{"s":"}"}]},"b":"no"}
        { "s" : null , "n" : 9223372036854775807 } 
      {"s": {"k": [1, null]}, "n": null}
      {"\u0073": 12.50, "n": 1, "n": 2}
      {}
      """#
    let (rows, rejected) = try read(text, format)
    #expect(rejected.isEmpty)
    #expect(
      rows == [
        [
          .integer(1), .string("a"), .date(19782), .double(15), .boolean(true),
          .decimal(unscaled: 125, scale: 2),
        ],
        [.integer(-5), .string("éé😀\n\"\\/"), .null, .null, .boolean(false), .null],
        [.integer(.max), .null, .null, .null, .null, .null],
        [.null, .string(#"{"k": [1, null]}"#), .null, .null, .null, .null],
        [.integer(2), .string("12.50"), .null, .null, .null, .null],
        [.null, .null, .null, .null, .null, .null],
      ])
  }

  @Test("rule 34: lines that are no object, or do not fit, are set aside with line and reason")
  func misfits() throws {
    let format = DelimitedFormat.jsonLines(columns: columns(["n": .bigint, "s": .string]))
    let bad: [(line: [UInt8], reason: String)] = [
      (Array("[1]".utf8), "json"), (Array("{\"n\": 1".utf8), "json"), (Array("null".utf8), "json"),
      (Array("{\"n\": 1} {\"n\": 2}".utf8), "json"), (Array("{\"n\": 01}".utf8), "json"),
      (Array("{\"s\": \"\\x\"}".utf8), "json"), (Array("{\"s\": \"\u{0}\"}".utf8), "json"),
      (Array("{\"s\": \"\\ud800\"}".utf8), "utf8"),
      (Array("{\"s\": \"\\udc00\\ud800\"}".utf8), "utf8"),
      (Array("{\"s\": \"".utf8) + [0xFF] + Array("\"}".utf8), "utf8"),
      (Array("{\"n\": 1.0}".utf8), "not_bigint(n)"), (Array("{\"n\": \"\"}".utf8), "not_bigint(n)"),
      (Array("{\"n\": 9223372036854775808}".utf8), "not_bigint(n)"),
      (Array(String(repeating: "[", count: 100_000).utf8), "json"),
      (Array("{\"n\": \(String(repeating: "[", count: 100_000))".utf8), "json"),
    ]
    var text: [UInt8] = []
    for (line, _) in bad { text += line + Array("\r\n{\"n\": 1, \"s\": \"x\"}\n\n".utf8) }
    for size in [64 << 10, 1 << 20] {
      let (rows, rejected) = try read(text, format, blockByteCount: size)
      #expect(rows.count == bad.count)
      #expect(rejected.count == bad.count)
      for (index, (found, bad)) in zip(rejected, bad).enumerated() {
        #expect(found.hasPrefix("\(3 * index + 1):\(bad.reason):"), "\(found.prefix(80))")
      }
    }
    // An array's brackets nested not too deep are read.
    let nested = String(repeating: "[", count: 150) + String(repeating: "]", count: 150)
    #expect(try read("{\"s\": \(nested)}", format).rows == [[.null, .string(nested)]])
  }

  @Test("columns that JSON lines cannot hold are refused with exit code 2")
  func refused() {
    for type in [FieldType.binary, .list(element: Field(name: "element", type: .int))] {
      let error = #expect(throws: FormatError.self) {
        try DelimitedFormat.jsonLines(columns: columns(["x": type])).validate()
      }
      #expect(error?.exitCode == 2)
    }
  }
}
