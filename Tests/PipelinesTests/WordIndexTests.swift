import Core
import Foundation
import Lake
import Project
import Stores
import Testing

@testable import Pipelines

@Suite("word_index, end to end")
struct WordIndexTests {
  @Test("a collection becomes three tables and an index, and the second run does nothing")
  func build() throws {
    let project = try WordIndex.project()
    try project.put(text: "b a", "1.txt")
    try project.put(text: "A, a; Ünï_2!", "2.txt")
    try project.put(text: "", "3.txt")
    let report = try project.run()
    #expect(report.status == .done, "\(report.failures)")
    #expect(report.units.first?.rowCount == 3)
    #expect(
      try project.rows("SELECT word_id, word FROM wordindex.words ORDER BY 1")
        == ["1|a", "2|b", "3|ünï_2"])
    #expect(
      try project.rows(
        "SELECT doc_id, file, size, tokens, segment FROM wordindex.documents ORDER BY 1")
        == ["1|texts/1.txt|3|2|1", "2|texts/2.txt|14|3|1", "3|texts/3.txt|0|0|1"])
    #expect(
      try project.rows("SELECT * FROM wordindex.postings ORDER BY 1")
        == ["1|[1, 2]|1", "2|[1]|1", "3|[2]|1"])
    #expect(
      try project.wordFiles() == ["a": ["1.txt", "2.txt"], "b": ["1.txt"], "ünï_2": ["2.txt"]])
    #expect(try project.search("a") == ["1.txt", "2.txt"])
    #expect(try project.search("ÜNÏ*") == ["2.txt"])

    let before = try project.lakeListing()
    #expect(try project.workspace().plan(Selection()).isEmpty)
    #expect(try project.run().status == .unchanged)
    #expect(try project.lakeListing() == before)
  }

  @Test("rule 32: words and files keep their numbers for ever, whatever comes and goes")
  func stableNumbers() throws {
    let project = try WordIndex.project()
    for (file, text) in [("1.txt", "b a"), ("2.txt", "A"), ("9.txt", "zoo a")] {
      try project.put(text: text, file)
    }
    try project.run()
    #expect(try project.wordIDs() == ["a": 1, "b": 2, "zoo": 3])
    try project.put(text: "c a", "3.txt")
    try project.drop(text: "1.txt")
    try project.run(Selection(allowRemovals: true))
    #expect(try project.wordIDs() == ["a": 1, "b": 2, "zoo": 3, "c": 4])
    #expect(
      try project.wordFiles() == [
        "a": ["2.txt", "3.txt", "9.txt"], "c": ["3.txt"], "zoo": ["9.txt"],
      ])
    #expect(try project.search("a NOT zoo") == ["2.txt", "3.txt"])
    // A word that is nowhere any more comes back under its number, and so does a file.
    try project.put(text: "b aa", "1.txt")
    try project.put(text: "A b", "2.txt")
    try project.run()
    #expect(try project.wordIDs() == ["a": 1, "b": 2, "zoo": 3, "c": 4, "aa": 5])
    #expect(try project.search("b") == ["1.txt", "2.txt"])
    #expect(
      try project.rows("SELECT doc_id FROM wordindex.documents ORDER BY 1") == ["1", "2", "3", "9"])
    // A rebuild keeps them, too.
    let report = try project.run(Selection(fullRefresh: true))
    #expect(report.status == .done, "\(report.failures)")
    #expect(try project.wordIDs() == ["a": 1, "b": 2, "zoo": 3, "c": 4, "aa": 5])
    #expect(
      try project.wordFiles()
        == [
          "a": ["2.txt", "3.txt", "9.txt"], "aa": ["1.txt"], "b": ["1.txt", "2.txt"],
          "c": ["3.txt"], "zoo": ["9.txt"],
        ])
    #expect(try project.search("a OR b") == ["1.txt", "2.txt", "3.txt", "9.txt"])
  }

  @Test("rule 33: a posting counts where its document is of no later segment")
  func livePostings() throws {
    let project = try WordIndex.project()
    for number in 1...6 { try project.put(text: "all only\(number)", "\(number).txt") }
    try project.run()
    try project.put(text: "all changed", "2.txt")
    try project.drop(text: "3.txt")
    try project.run()
    #expect(
      try project.rows(
        "SELECT doc_ids, segment FROM wordindex.postings p JOIN wordindex.words w USING (word_id) "
          + "WHERE word = 'all' ORDER BY 2") == ["[1, 2, 3, 4, 5, 6]|1", "[2]|2"])
    #expect(
      try project.rows("SELECT doc_id, segment FROM wordindex.documents ORDER BY 1")
        == ["1|1", "2|2", "4|1", "5|1", "6|1"])
    #expect(
      try project.wordFiles()["all"] == ["1.txt", "2.txt", "4.txt", "5.txt", "6.txt"])
    #expect(try project.search("only2 OR only3") == [])
  }

  @Test(
    "rule 32: documents are numbered by name where every name is a number",
    arguments: [
      (["1.txt", "2.b.c", "07"], ["1", "2", "7"]), (["1.txt", "1.md"], ["1", "2"]),
      (["1.txt", "001.txt"], ["1", "2"]), (["1.txt", "4294967295"], ["1", "4294967295"]),
      (["1.txt", "4294967296"], ["1", "2"]), (["1.txt", "b.txt"], ["1", "2"]),
      (["0.txt"], ["0"]), (["-1"], ["1"]), (["1 2"], ["1"]),
    ])
  func numbering(_ files: [String], _ ids: [String]) throws {
    let project = try WordIndex.project()
    for file in files { try project.put(text: "a", file) }
    let report = try project.run()
    #expect(report.status == .done, "\(report.failures)")
    #expect(try project.rows("SELECT doc_id FROM wordindex.documents ORDER BY 1") == ids)
  }

  @Test("rule 32: files that come later and do not fit the numbers are set aside")
  func misfits() throws {
    let project = try WordIndex.project()
    try project.put(text: "one", "1.txt")
    try project.run()
    try project.put(text: "name", "name.txt")
    try project.put(text: "same", "1.md")
    try project.put(text: "two", "2.txt")
    try project.put(text: "large", "99999999999.txt")
    let report = try project.run()
    #expect(report.status == .done, "\(report.failures)")
    #expect(report.units.first?.quarantined == 3)
    #expect(
      try project.rows(
        "SELECT rule, source_file, source_row, batch FROM wordindex.quarantine ORDER BY ALL") == [
          "malformed:duplicate_number|texts/1.md|1|2",
          "malformed:no_number|texts/99999999999.txt|1|2",
          "malformed:no_number|texts/name.txt|1|2",
        ])
    #expect(try project.search("one OR two OR name OR same OR large") == ["1.txt", "2.txt"])
    #expect(try project.run().status == .unchanged)
    // What goes from the collection goes from quarantine.
    try project.drop(text: "name.txt")
    try project.run(Selection(allowRemovals: true))
    #expect(try project.rows("SELECT count(*) FROM wordindex.quarantine") == ["2"])
  }

  @Test("rule 32: with doc_id: number, two files of one number are an error that names both")
  func duplicates() throws {
    let project = try WordIndex.project()
    let file = "pipelines/wordindex/models/index.yaml"
    let yaml = String(decoding: try project.read(file), as: UTF8.self)
    try project.write(file, yaml.replacingOccurrences(of: "doc_id: auto", with: "doc_id: number"))
    try project.put(text: "a", "7.txt")
    try project.put(text: "b", "07.md")
    let report = try project.run()
    #expect(report.status == .failed)
    let failure = try #require(report.units.first?.failure)
    #expect(failure.message.contains("07.md") && failure.message.contains("7.txt"))
    try project.drop(text: "07.md")
    try project.put(text: "c", "8.txt")
    let next = try project.run(Selection(allowRemovals: true))
    #expect(next.status == .done, "\(next.failures)")
    #expect(try project.search("a OR c") == ["7.txt", "8.txt"])
  }

  @Test("files that are no text are set aside, with their reason, or stop the run")
  func badFiles() throws {
    let project = try WordIndex.project()
    let packed = gzip(Array("packed words".utf8))
    try project.put(text: "fine", "1.txt")
    try project.write("texts/2.txt", [0x61, 0, 0x62])
    try project.write("texts/3.txt", Array(packed.dropLast(4)))
    try project.write("texts/4.txt", packed)
    try project.write("texts/5.txt", [0x63, 0x61, 0x66, 0xE9])
    let report = try project.run()
    #expect(report.status == .done, "\(report.failures)")
    #expect(
      try project.rows("SELECT rule, source_file FROM wordindex.quarantine ORDER BY 2")
        == ["malformed:binary|texts/2.txt", "malformed:damaged|texts/3.txt"])
    #expect(try project.search("fine OR packed OR café") == ["1.txt", "4.txt", "5.txt"])
    // Mended, they come in.
    try project.put(text: "mended", "2.txt")
    try project.write("texts/3.txt", packed)
    try project.run()
    #expect(try project.rows("SELECT count(*) FROM wordindex.quarantine") == ["0"])
    #expect(try project.search("mended OR packed") == ["2.txt", "3.txt", "4.txt"])
    // A good file that turns bad is not in the index any more.
    try project.write("texts/1.txt", [0])
    try project.run()
    #expect(try project.search("fine") == [])

    let file = "pipelines/wordindex/pipeline.yaml"
    let yaml = String(decoding: try project.read(file), as: UTF8.self)
    try project.write(
      file,
      yaml.replacingOccurrences(of: "binary: quarantine", with: "binary: fail")
        .replacingOccurrences(of: "fallback_encoding: latin-1", with: "fallback_encoding: none"))
    let failed = try project.run(Selection(fullRefresh: true))
    #expect(failed.status == .failed)
    #expect(failed.units.first?.failure?.place.file?.hasSuffix("texts/1.txt") == true)
    try project.put(text: "fine", "1.txt")
    #expect(try project.run(Selection(fullRefresh: true)).status == .done)
    #expect(
      try project.rows("SELECT rule, source_file FROM wordindex.quarantine")
        == ["malformed:encoding|texts/5.txt"])
  }

  @Test("a changed tokenizer is a changed definition; rebuilt, the index follows it")
  func definition() throws {
    let project = try WordIndex.project()
    try project.put(text: "The Sea and THE ship", "1.txt")
    try project.run()
    let file = "pipelines/wordindex/models/index.yaml"
    let yaml = String(decoding: try project.read(file), as: UTF8.self)
    // A default spelled out, or a comment, changes nothing.
    try project.write(
      file, yaml.replacingOccurrences(of: "      min_length: 1   ", with: "      #"))
    #expect(try project.run().status == .unchanged)
    try project.write(
      file, yaml.replacingOccurrences(of: "stop_words: []", with: "stop_words: [The, and]"))
    let stopped = try project.run()
    #expect(stopped.units.first?.failure?.qualifiedCode == "pipeline.definitionChanged")
    #expect(try project.search("the") == ["1.txt"])
    let report = try project.run(Selection(fullRefresh: true))
    #expect(report.status == .done, "\(report.failures)")
    #expect(try project.wordFiles() == ["sea": ["1.txt"], "ship": ["1.txt"]])
    #expect(throws: (any Error).self) { try project.search("the") }
    #expect(try project.search("the sea") == ["1.txt"])
  }

  @Test("pages of results together are all results")
  func paging() throws {
    let project = try WordIndex.project()
    for number in 1...25 {
      try project.put(text: number % 2 == 0 ? "even all" : "odd all all", "\(number).txt")
    }
    try project.run()
    let all = try project.search("all")
    #expect(all.count == 25)
    let pages = try stride(from: 0, to: 30, by: 7).flatMap {
      try project.search("all", limit: 7, offset: Int64($0))
    }
    #expect(pages == all)
    let answer = try project.workspace().search(
      SearchRequest(index: "wordindex.index", query: "all NOT even", limit: 0))
    #expect(answer.total == 13 && answer.hits.isEmpty)
    let ranked = try project.workspace().search(
      SearchRequest(index: "index", query: "all", limit: 3, isRanked: true))
    #expect(ranked.total == 25)
    #expect(ranked.hits.map(\.documentID) == [1, 3, 5])
    let scores = ranked.hits.compactMap(\.score)
    #expect(scores.count == 3 && scores == scores.sorted(by: >))
    for (name, query, code) in [
      ("wordindx", "a", "pipeline.unknownName"), ("wordindex", "(a", "operator.badQuery"),
    ] {
      do {
        _ = try project.workspace().search(SearchRequest(index: name, query: query))
        Issue.record("\(query) was answered")
      } catch {
        let failure = error as? any AnyFailure
        #expect(failure?.qualifiedCode == code && failure?.exitCode == 2, "\(error)")
      }
    }
  }

  @Test("a flipped byte in a segment is noticed, not believed")
  func flippedByte() throws {
    let project = try WordIndex.project()
    for number in 1...50 { try project.put(text: "word\(number) common", "\(number).txt") }
    try project.run()
    let segment = try #require(try project.manifest()?.segments.first?.file.name)
    let path = "lake/" + LakeLayout.indexFile(WordIndex.id, segment)
    let sound = try project.read(path)
    for offset in stride(from: 0, to: sound.count, by: max(1, sound.count / 40)) {
      var bytes = sound
      bytes[offset] ^= 0x10
      try project.write(path, bytes)
      do {
        let found = try (1...50).map { try project.search("word\($0) common") }
        #expect(found == (1...50).map { ["\($0).txt"] }, "byte \(offset)")
      } catch {
        #expect((error as? any AnyFailure)?.qualifiedCode.hasSuffix("damaged") == true, "\(error)")
      }
    }
    try project.write(path, Array(sound.dropLast(7)))
    #expect(throws: (any Error).self) { try project.search("common") }
  }

  @Test("what is forgotten is consumed again: a file, or all of them")
  func forget() throws {
    let project = try WordIndex.project()
    try project.put(text: "one", "1.txt")
    try project.put(text: "two", "2.txt")
    #expect(try !project.workspace().forget("wordindex.index").isDone)
    try project.run()
    try project.put(text: "same", "2.md")
    try project.run()
    #expect(try project.rows("SELECT source_file FROM wordindex.quarantine") == ["texts/2.md"])
    try project.drop(text: "2.txt")
    try project.run(Selection(allowRemovals: true))
    #expect(try project.search("same") == ["2.md"])
    #expect(try project.run().status == .unchanged)
    #expect(try project.workspace().forget("wordindex.index", files: ["texts/2.md"]).isDone)
    let report = try project.run()
    #expect(report.units.first?.rowsRead == 1, "\(report.failures)")
    #expect(try project.search("same") == ["2.md"])
    #expect(try project.rows("SELECT count(*) FROM wordindex.quarantine") == ["0"])

    #expect(try project.workspace().forget("wordindex.index").isDone)
    let rebuilt = try project.run()
    #expect(rebuilt.units.first?.rowsRead == 2, "\(rebuilt.failures)")
    #expect(try project.wordIDs() == ["one": 1, "two": 2, "same": 3])
    #expect(try project.wordFiles() == ["one": ["1.txt"], "same": ["2.md"]])
    #expect(try project.run().status == .unchanged)
  }

  @Test("the twin in SQL gives the same three tables")
  func twin() throws {
    let project = try WordIndex.project()
    for (number, text) in [
      "The harbour wakes; the HARBOUR sleeps", "", "Ünï_2 ünï_2 naïve 東京 x²", "a_b-c d'e 3.14",
      String(repeating: "y", count: 300) + " short", "Ελλάδα ΣΟΦΟΣ",
    ].enumerated() {
      try project.put(text: text, "\(number + 1).txt")
    }
    try project.write("texts/7.txt", [0x61, 0])
    try project.write("texts/8.txt", [0x63, 0x61, 0x66, 0xE9])
    try project.write("texts/9.txt", gzip(Array("packed".utf8)))
    let queries = [
      "SELECT * FROM wordindex.words ORDER BY ALL",
      "SELECT * FROM wordindex.documents ORDER BY ALL",
      "SELECT * FROM wordindex.postings ORDER BY ALL",
      "SELECT * FROM wordindex.word_files ORDER BY ALL",
      "SELECT rule, source_file FROM wordindex.quarantine ORDER BY ALL",
    ]
    let twin = try project.run(Selection(twin: true))
    #expect(twin.status == .done, "\(twin.failures)")
    let tables = try queries.map { try project.rows($0) }
    #expect(tables.allSatisfy { !$0.isEmpty })
    #expect(try project.run(Selection(twin: true)).status == .unchanged)
    #expect(try project.manifest() == nil)

    // The operator takes over, and the twin again.
    let native = try project.run()
    #expect(native.status == .done, "\(native.failures)")
    #expect(try queries.map { try project.rows($0) } == tables)
    #expect(try project.search("harbour") == ["1.txt"])
    #expect(try project.run(Selection(twin: true)).status == .unchanged)
    let forced = try project.run(Selection(force: true, twin: true))
    #expect(forced.status == .done, "\(forced.failures)")
    #expect(try queries.map { try project.rows($0) } == tables)
    // The tables are not the index's now; it brings them up again, with the numbers that words have.
    try project.put(text: "aardvark", "10.txt")
    let last = try project.run()
    #expect(last.status == .done, "\(last.failures)")
    let ids = try project.wordIDs()
    #expect(ids["aardvark"] == Int64(ids.count))
    #expect(try project.wordFiles()["harbour"] == ["1.txt"])
    #expect(try project.run().status == .unchanged)
  }
}
