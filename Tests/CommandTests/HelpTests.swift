import Foundation
import Testing

@testable import sluice

@Suite("Help and reference") struct HelpTests {
  @Test(
    "fits 80 columns, except examples, and names every flag of the verb", arguments: Verb.allCases)
  func pages(verb: Verb) {
    let text = Help.text(on: verb, style: .plain)
    let examples = verb.definition.examples.map { "  \($0.line)" }
    for line in text.split(separator: "\n") where !examples.contains(String(line)) {
      #expect(displayWidth(line) <= 88, "\(line)")
    }
    for flag in Flag.flags(of: verb) { #expect(text.contains("--\(flag.name)")) }
    #expect(text.hasPrefix("sluice \(verb.name): "))
  }

  @Test("lists every verb in the overview")
  func overview() {
    let text = Help.text(on: nil, style: .plain)
    for verb in Verb.allCases { #expect(text.contains("  \(verb.name) ")) }
    #expect(!text.contains("\u{1B}"))
    #expect(Help.text(on: nil, style: Style(isColored: true)).contains("\u{1B}[1m"))
  }

  @Test("has examples that the parser accepts", arguments: Verb.allCases)
  func examples(verb: Verb) throws {
    for example in verb.definition.examples {
      for command in example.line.components(separatedBy: " && ") {
        guard let words = try shellWords(command), words[0] == "sluice" else { continue }
        switch try parseArguments(Array(words.dropFirst())) {
        case .verb(let parsed, _, _): #expect(parsed == verb || command.contains("run"))
        case .help: #expect(verb == .help)
        case .version: Issue.record("version")
        }
      }
    }
  }

  /// docs/cli.md says what the definitions say. After a change of these, run the test with
  /// SLUICE_UPDATE_DOCS=1, which writes the file.
  @Test("docs/cli.md is what the definitions make of it")
  func reference() throws {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("docs/cli.md")
    if ProcessInfo.processInfo.environment["SLUICE_UPDATE_DOCS"] != nil {
      try Reference.markdown.write(to: file, atomically: true, encoding: .utf8)
    }
    #expect(try String(contentsOf: file, encoding: .utf8) == Reference.markdown)
  }

  @Test("wraps at spaces")
  func wrapping() {
    #expect(wrapped("", width: 5) == "")
    #expect(wrapped("a bb ccc", width: 4) == "a bb\nccc\n")
    #expect(wrapped("a bb ccc", width: 3) == "a\nbb\nccc\n")
    #expect(wrapped("longer than that", width: 4) == "longer\nthan\nthat\n")
    #expect(wrapped("日本 語", width: 4) == "日本\n語\n")
  }
}

/// The words of a simple command line, as bash splits them up to a pipe or redirection.
func shellWords(_ line: String) throws -> [String]? {
  let cut = line.components(separatedBy: " | ")[0].components(separatedBy: " > ")[0]
  let output = try bash("printf '%s\\0' \(cut)")
  return output.split(separator: "\0", omittingEmptySubsequences: false).dropLast().map(String.init)
}

/// What bash prints.
func bash(_ script: String) throws -> String {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/bin/bash")
  process.arguments = ["-c", script]
  let pipe = Pipe()
  process.standardOutput = pipe
  try process.run()
  let data = pipe.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  return String(decoding: data, as: UTF8.self)
}
