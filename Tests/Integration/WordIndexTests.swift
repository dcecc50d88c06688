import Core
import Foundation
import Stores
import Testing

/// The shipped pipeline `wordindex`, as people run it.
@Suite(
  "Word indexes, end to end",
  .enabled(if: Repository.canRun, Comment(rawValue: Repository.whyNot)),
  .enabled(if: Python.hasVenv, Comment(rawValue: Python.whyNoVenv)))
struct WordIndexTests {
  private func project() throws -> PageviewsProject {
    let project = try PageviewsProject()
    try Texts.write(to: project)
    return project
  }

  /// Names of the files that a search writes, without folders.
  private func search(
    _ project: PageviewsProject, _ arguments: String..., variables: [String: String] = [:]
  ) throws -> [String] {
    let outcome = try project.run(["search", "wordindex"] + arguments, variables: variables)
    try #require(outcome.exitCode == 0, "\(outcome)")
    return outcome.standardOutput.split(separator: "\n").map { line in
      String(line.split(separator: "/").last ?? "")
    }
  }

  /// What differs between the lake and an independent computation, and the numbers of both.
  private func compare(
    _ project: PageviewsProject, _ folder: String, variables: [String: String]
  ) throws -> String {
    let words = try project.run(
      ["query", "--format", "json", "SELECT word, files FROM wordindex.word_files"],
      variables: variables)
    let documents = try project.run(
      ["query", "--format", "json", "SELECT file, size, tokens FROM wordindex.documents"],
      variables: variables)
    try #require(words.exitCode == 0 && documents.exitCode == 0, "\(words) \(documents)")
    let tables = try project.root.write(words.output + documents.output, to: "tables.jsonl")
    let names = try project.listing(folder).keys.map { "\(folder)/\($0)" }
    let output = try Python.run("oracle_wordindex.py", [project.root.path, tables.path] + names)
    return String(decoding: output, as: UTF8.self)
  }

  @Test(
    "a real collection is indexed as an independent computation has it",
    .enabled(if: Repository.hasSharedData, Comment(rawValue: Repository.whyNoSharedData)))
  func newsgroups() throws {
    let project = try project()
    let posts = project.root.appending(path: "posts")
    try FileManager.default.createDirectory(at: posts, withIntermediateDirectories: true)
    let tar = Process()
    tar.executableURL = URL(filePath: "/usr/bin/env")
    tar.arguments = [
      "tar", "-xzf",
      Repository.sharedData.appending(path: "newsgroups/mini_newsgroups.tar.gz").path,
      "-C", posts.path,
    ]
    try tar.run()
    tar.waitUntilExit()
    try #require(tar.terminationStatus == 0)
    let variables = ["WORDINDEX_FILES": posts.path + "/**"]
    let outcome = try project.run(["run", "wordindex"], variables: variables)
    try #require(outcome.exitCode == 0, "\(outcome)")
    let differences = try compare(project, "posts", variables: variables)
    #expect(differences.split(separator: "\n").count == 1, "\(differences)")

    // The numbers of posts repeat across groups: so they are no document IDs.
    let ids = try project.run(
      [
        "query", "--format", "csv",
        "SELECT min(doc_id), max(doc_id), count(*) FROM wordindex.documents",
      ],
      variables: variables)
    #expect(ids.standardOutput.split(separator: "\n").last == "1,2000,2000", "\(ids)")
    let again = try project.run(["run", "wordindex", "--json"], variables: variables)
    #expect(try again.json().last?["status"] == "unchanged")
  }

  @Test(
    "word lists, one word a line, say which lists hold a word",
    .enabled(if: Repository.hasSharedData, Comment(rawValue: Repository.whyNoSharedData)))
  func wordLists() throws {
    let project = try project()
    let lists = try copy("words", to: project)
    let variables = ["WORDINDEX_FILES": lists + "/*"]
    let outcome = try project.run(["run", "wordindex"], variables: variables)
    try #require(outcome.exitCode == 0, "\(outcome)")
    let differences = try compare(project, "words", variables: variables)
    #expect(differences.split(separator: "\n").count == 1, "\(differences)")
    // The fifth file is a gzip that is cut off.
    #expect(
      try search(project, "fabrication", variables: variables)
        == ["vocab.enron.txt", "vocab.nips.txt", "vocab.nytimes.txt"])
    #expect(
      try search(project, "eyebrow", variables: variables)
        == ["vocab.enron.txt", "vocab.nytimes.txt"])
    #expect(try search(project, "eyre", variables: variables) == ["vocab.nytimes.txt"])
    let rules = try project.run(
      ["query", "--format", "csv", "SELECT rule, source_file FROM wordindex.quarantine"],
      variables: variables)
    #expect(
      rules.standardOutput.contains("malformed:damaged,words/docword.kos.truncated.txt.gz"))
  }

  @Test(
    "real files of SGML, one of them with a byte that is not UTF-8, are as computed apart",
    .enabled(if: Repository.hasSharedData, Comment(rawValue: Repository.whyNoSharedData)))
  func reuters() throws {
    let project = try project()
    let variables = ["WORDINDEX_FILES": try copy("reuters", to: project) + "/*"]
    let outcome = try project.run(["run", "wordindex"], variables: variables)
    try #require(outcome.exitCode == 0, "\(outcome)")
    let differences = try compare(project, "reuters", variables: variables)
    #expect(differences.split(separator: "\n").count == 1, "\(differences)")
    #expect(try search(project, "reut2 OR reuters", "--count", variables: variables) == ["5"])
  }

  /// A folder of the shared data as a folder of the project.
  private func copy(_ folder: String, to project: PageviewsProject) throws -> String {
    let copy = project.root.appending(path: folder)
    try FileManager.default.copyItem(
      at: Repository.sharedData.appending(path: folder), to: copy)
    return copy.path
  }

  @Test("source, lake and search in a bucket, from a machine with nothing on it")
  func bucket() throws {
    for kind in ObjectServer.Kind.allCases {
      let server = try ObjectServer(kind)
      var variables = server.variables
      variables["WORDINDEX_FILES"] = server.address("texts/*")
      variables["SLUICE_LAKE"] = server.address("lake")
      let texts = try server.store("texts")
      for number in 1...30 {
        _ = try texts.put(
          "\(number).txt", .bytes(Array("all of them w\(number % 3)".utf8)), .always)
      }
      let project = try project()
      let outcome = try project.run(["run", "wordindex"], variables: variables)
      try #require(outcome.exitCode == 0, "\(kind): \(outcome)")
      #expect(
        try search(project, "w2 AND all", variables: variables)
          == stride(from: 2, through: 30, by: 3).map { "\($0).txt" }, "\(kind)")

      _ = try texts.put("2.txt", .bytes(Array("changed".utf8)), .always)
      try texts.delete(["5.txt"])
      let other = try self.project()
      let update = try other.run(["run", "wordindex"], variables: variables)
      try #require(update.exitCode == 0, "\(kind): \(update)")
      #expect(
        try search(other, "w2", variables: variables)
          == stride(from: 8, through: 30, by: 3).map { "\($0).txt" }, "\(kind)")
      #expect(try search(other, "chang*", variables: variables) == ["2.txt"], "\(kind)")
      let again = try other.run(["run", "wordindex", "--json"], variables: variables)
      #expect(try again.json().last?["status"] == "unchanged", "\(kind)")
    }
  }

  @Test("odd files: empty, one word a million times, one line without an end, no names at all")
  func oddFiles() throws {
    let project = try project()
    let sample = "pipelines/wordindex/sample"
    for number in 1...7 { try Texts.put(project, number, "") }
    try project.root.write(
      Array(repeating: Array("same ".utf8), count: 1_000_000).joined(), to: "\(sample)/8.txt")
    // A line of 64 MB, through a run that has less memory than that for words.
    let line = (0..<8_000_000).map { _ in "abc_123 " }.joined()
    try project.root.write(line, to: "\(sample)/9.txt")
    try Texts.put(project, 10, String(repeating: "x", count: 300) + " \u{FEFF}mark")
    let outcome = try project.run(["run", "wordindex", "--memory", "256MB"])
    try #require(outcome.exitCode == 0, "\(outcome)")
    let tokens = try project.query(
      "SELECT doc_id, tokens FROM wordindex.documents WHERE tokens > 0 ORDER BY 1")
    #expect(tokens.map { $0["tokens"] } == [1_000_000, 8_000_000, 1])
    #expect(try search(project, "same") == ["8.txt"])
    #expect(try search(project, "abc* NOT same") == ["9.txt"])
    #expect(try search(project, "mark") == ["10.txt"])
  }

  @Test("what people type wrongly is told with its place")
  func mistakes() throws {
    let project = try project()
    let unbuilt = try project.run(["search", "wordindex", "a"])
    #expect(
      unbuilt.exitCode == 1 && unbuilt.standardError.contains("is not built yet"), "\(unbuilt)")
    try project.mustRun(["run", "wordindex"])
    for (arguments, part) in [
      (["wordindx", "a"], "did you mean 'wordindex'?"), (["wordindex", "a AND"], "search:1:"),
      (["wordindex", "(a"], "search:1:"), (["wordindex", ""], "search:1:"),
      (["wordindex", "*"], "search:1:"),
    ] {
      let outcome = try project.run(["search"] + arguments)
      #expect(outcome.exitCode == 2 && outcome.standardError.contains(part), "\(outcome)")
    }
    // Found nowhere is an answer.
    let nothing = try project.run(["search", "wordindex", "nowhere"])
    #expect(nothing.exitCode == 0 && nothing.output == [], "\(nothing)")
  }
}
