import Foundation
import Testing

@testable import Core

@Suite("JSON")
struct JSONTests {
  @Test(
    "what is parsed is written back the same",
    arguments: [
      "null", "true", "-9223372036854775808", "9223372036854775807", "1.5", #""""#,
      #"{"b":1,"a":[1,{"c":null}],"é":"\u0000\n\"\\"}"#, "[]", "{}", #""\u0007""#,
    ])
  func roundTrip(text: String) throws {
    #expect(try JSON(parsing: text).description == text)
  }

  @Test("random values survive, and Foundation reads them the same")
  func random() throws {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<200 {
      let value = Self.value(depth: 3, &generator)
      #expect(try JSON(parsing: value.description) == value)
      #expect(try JSON(parsing: value.text(indented: true)) == value)
      let object = try JSONSerialization.jsonObject(
        with: Data(value.description.utf8), options: [.fragmentsAllowed])
      let again = try JSONSerialization.data(
        withJSONObject: object, options: [.fragmentsAllowed])
      // Foundation does not keep the order of members, so it is sorted away.
      #expect(Self.sorted(try JSON(parsing: [UInt8](again))) == Self.sorted(value))
    }
  }

  @Test(
    "text that is not JSON says where",
    arguments: [("", 1), ("{", 1), ("{\"a\":1,}", 1), ("[1\n2]", 2), ("\"\u{1}\"", 1), ("1 2", 1)])
  func broken(text: String, line: Int) {
    #expect {
      try JSON(parsing: text)
    } throws: { error in
      (error as? JSONError)?.line == line
    }
  }

  @Test("infinities, which JSON lacks, are written as text")
  func infinities() {
    #expect(JSON.number(.infinity).description == #""inf""#)
    #expect(JSON.number(.nan).description == #""nan""#)
  }

  private static func value(depth: Int, _ generator: inout SystemRandomNumberGenerator) -> JSON {
    switch Int.random(in: 0..<(depth > 0 ? 7 : 5), using: &generator) {
    case 0: .null
    case 1: .boolean(.random(using: &generator))
    case 2: .integer(.random(in: .min ... .max, using: &generator))
    case 3: .number(Double(Int.random(in: -1000...1000, using: &generator)) + 0.5)
    case 4: .string(text(&generator))
    case 5: .array((0..<3).map { _ in value(depth: depth - 1, &generator) })
    default:
      .object(
        (0..<3).map { index in
          .init("\(index)" + text(&generator), value(depth: depth - 1, &generator))
        })
    }
  }

  private static func text(_ generator: inout SystemRandomNumberGenerator) -> String {
    let alphabet: [Character] = ["a", "\"", "\\", "\n", "é", "😀", "\u{1}", "/", " "]
    return String((0..<4).map { _ in alphabet.randomElement(using: &generator)! })
  }

  private static func sorted(_ value: JSON) -> JSON {
    switch value {
    case .array(let items): .array(items.map(sorted))
    case .object(let members):
      .object(members.map { .init($0.name, sorted($0.value)) }.sorted { $0.name < $1.name })
    default: value
    }
  }
}
