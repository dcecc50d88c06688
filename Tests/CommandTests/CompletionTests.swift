import Foundation
import Testing

@testable import sluice

@Suite("Completions") struct CompletionTests {
  static func path(of program: String) -> String? {
    ["/bin", "/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"].map { "\($0)/\(program)" }
      .first { FileManager.default.isExecutableFile(atPath: $0) }
  }

  @Test(
    "bash completes verbs, flags, values, pipelines and shells",
    .enabled(if: path(of: "bash") != nil))
  func bashCompletes() throws {
    let project = FileManager.default.temporaryDirectory.appendingPathComponent(
      "completions-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: project) }
    for pipeline in ["pageviews", "denver"] {
      let folder = project.appendingPathComponent("pipelines/\(pipeline)/models")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      try "".write(
        to: project.appendingPathComponent("pipelines/\(pipeline)/pipeline.yaml"),
        atomically: true, encoding: .utf8)
    }
    try "".write(
      to: project.appendingPathComponent("sluice.yaml"), atomically: true, encoding: .utf8)

    func complete(_ words: String..., in folder: String = "/") throws -> Set<String> {
      let quoted = (["sluice"] + words).map(singleQuoted).joined(separator: " ")
      let script = """
        cd \(singleQuoted(folder))
        \(Shell.bash.completions)
        COMP_WORDS=(\(quoted)); COMP_CWORD=\(words.count); _sluice
        printf '%s\\n' "${COMPREPLY[@]}"
        """
      return Set(try bash(script).split(separator: "\n").map(String.init))
    }
    #expect(try complete("") == Set(Verb.allCases.map(\.name)))
    #expect(try complete("pl") == ["plan"])
    #expect(try complete("run", "--fo") == ["--force"])
    #expect(try complete("history", "--") == Set(Flag.flags(of: .history).map { "--\($0.name)" }))
    #expect(try complete("query", "--format", "") == ["table", "csv", "json"])
    #expect(try complete("query", "--format", "=", "c") == ["csv"])
    #expect(try complete("query", "--format", "=") == ["table", "csv", "json"])
    #expect(try complete("completions", "z") == ["zsh"])
    #expect(try complete("help", "co") == ["completions"])
    #expect(try complete("run", "", in: project.path) == ["pageviews", "denver"])
    #expect(
      try complete("run", "", in: project.path + "/pipelines/denver") == ["pageviews", "denver"])
    #expect(try complete("run", "--project", project.path, "p") == ["pageviews"])
    #expect(try complete("--project", "=", project.path, "run", "d") == ["denver"])
    #expect(try complete("--lake", "x", "run", "--thr") == ["--threads"])
    #expect(try complete("run", "--from", "") == [])
    #expect(try complete("run", "", in: "/") == [])
  }

  @Test(
    "are scripts that their shells can parse",
    arguments: Shell.allCases.filter { path(of: $0.rawValue) != nil })
  func parses(shell: Shell) throws {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent(
      "sluice-\(UUID().uuidString).\(shell.rawValue)")
    defer { try? FileManager.default.removeItem(at: file) }
    try shell.completions.write(to: file, atomically: true, encoding: .utf8)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Self.path(of: shell.rawValue)!)
    process.arguments = ["-n", file.path]
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
  }

  @Test("name every flag of every verb", arguments: Shell.allCases)
  func complete(shell: Shell) {
    let script = shell.completions
    for flag in Flag.all { #expect(script.contains(flag.name)) }
    for verb in Verb.allCases { #expect(script.contains(verb.name)) }
  }

  @Test(
    "quote words only where a shell needs it",
    arguments: [
      ("plain", "plain"), ("a=b", "a=b"), ("s3://b/x", "s3://b/x"), ("", "''"), ("a b", "'a b'"),
      ("it's", #"'it'\''s'"#), ("$x", "'$x'"), ("é", "'é'"), ("*", "'*'"),
    ])
  func quoting(word: String, quoted: String) throws {
    #expect(shellWord(word) == quoted)
    #expect(try bash("printf '%s' \(quoted)") == word)
  }
}
