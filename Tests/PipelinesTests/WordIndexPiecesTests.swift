import Core
import Foundation
import Lake
import Project
import Testing

@testable import Pipelines

@Suite("word_index, collections that are taken piece by piece")
struct WordIndexPiecesTests {
  /// Sixty texts, of which a rebuild takes 25 at a time.
  private func project(_ name: (Int) -> String) throws -> (TestProject, WordOracle) {
    let project = try WordIndex.project()
    project.limits = BatchLimits(fileCount: 1, byteCount: 1 << 30)
    var oracle = WordOracle()
    for number in 1...60 {
      oracle.texts[name(number)] = "all w\(number % 7) only\(number)"
      try project.put(text: oracle.texts[name(number)]!, name(number))
    }
    return (project, oracle)
  }

  @Test(
    "a rebuild goes through the collection piece by piece, in one commit", arguments: [true, false])
  func rebuild(_ areNumbers: Bool) throws {
    let (project, oracle) = try project { areNumbers ? "\($0).txt" : "file\($0).txt" }
    let report = try project.run()
    #expect(report.status == .done, "\(report.failures)")
    #expect(try project.manifest()?.version == 1)
    #expect(try project.wordFiles() == oracle.wordFiles)
    let ids = try project.rows("SELECT doc_id, file FROM wordindex.documents ORDER BY 1")
    let words = try project.wordIDs()

    let rebuilt = try project.run(Selection(fullRefresh: true))
    #expect(rebuilt.status == .done, "\(rebuilt.failures)")
    #expect(rebuilt.units.first?.rowCount == 60)
    let manifest = try #require(try project.manifest())
    #expect(manifest.version == 2 && manifest.documentCount == 60)
    #expect(manifest.segments.filter { $0.liveCount > 0 }.count == 3)
    #expect(try project.wordFiles() == oracle.wordFiles)
    #expect(try project.rows("SELECT doc_id, file FROM wordindex.documents ORDER BY 1") == ids)
    #expect(try project.wordIDs() == words)
    #expect(try project.search("all").count == 60)
    #expect(try project.run().status == .unchanged)
  }

  @Test("a rebuild numbers all files anew where their names do not number them any more")
  func renumbered() throws {
    var (project, oracle) = try project { "\($0).txt" }
    try project.run()
    oracle.texts["notes.txt"] = "all notes"
    try project.put(text: "all notes", "notes.txt")
    // What another file's name was is no number of its own.
    oracle.texts["5.md"] = oracle.texts.removeValue(forKey: "5.txt")
    try project.remove("texts/5.txt")
    try project.put(text: oracle.texts["5.md"]!, "5.md")
    #expect(try project.run().units.first?.quarantined == 1)

    let rebuilt = try project.run(Selection(fullRefresh: true))
    #expect(rebuilt.status == .done, "\(rebuilt.failures)")
    #expect(try project.manifest()?.numbering == .assigned)
    #expect(try project.wordFiles() == oracle.wordFiles)
    let numbers = "SELECT count(*), count(DISTINCT doc_id), max(doc_id) FROM wordindex.documents"
    #expect(try project.rows(numbers) == ["61|61|61"])
    #expect(try project.search("notes") == ["notes.txt"])
    #expect(try project.run().status == .unchanged)
    try project.put(text: "later", "later.txt")
    try project.run()
    #expect(try project.rows("SELECT max(doc_id) FROM wordindex.documents") == ["62"])
  }

  @Test("what files' names take up in memory is not there for words, but for a part that always is")
  func memory() {
    #expect(IndexBatch.memory(of: 4 << 30, among: 1000) > 4_200_000_000)
    let few = IndexBatch.memory(of: 256 << 20, among: 10)
    let many = IndexBatch.memory(of: 256 << 20, among: 100_000)
    #expect(few < 200 << 20 && few - many == 700 * 99_990)
    #expect(IndexBatch.memory(of: 256 << 20, among: 10_000_000) == 64 << 20)
  }

  @Test("two files of one number are found wherever they are")
  func duplicates() throws {
    let (project, _) = try project { "\($0).txt" }
    try project.run()
    let file = "pipelines/wordindex/models/index.yaml"
    let yaml = String(decoding: try project.read(file), as: UTF8.self)
    try project.write(file, yaml.replacingOccurrences(of: "doc_id: auto", with: "doc_id: number"))
    try project.put(text: "a", "0009.txt")
    let failed = try project.run(Selection(fullRefresh: true))
    #expect(failed.status == .failed)
    let failure = try #require(failed.units.first?.failure)
    #expect(
      failure.message.contains("texts/0009.txt") && failure.message.contains("texts/9.txt"),
      "\(failure)")
  }

  @Test("what has to be fetched is indexed in groups that have room in the cache")
  func groups() throws {
    let project = try WordIndex.project()
    let file = "pipelines/wordindex/pipeline.yaml"
    let yaml = String(decoding: try project.read(file), as: UTF8.self)
    try project.write(
      file,
      yaml.replacingOccurrences(of: "    format: text ", with: "    land: true\n    format: text "))
    try project.write(
      "sluice.yaml",
      "lake: lake\ncache: {max: 1KB}\nengine: {use: duckdb, threads: 2, spill: .sluice/spill}\n")
    var oracle = WordOracle()
    for number in 1...6 {
      oracle.texts["\(number).txt"] =
        "all only\(number) " + String(repeating: "filler ", count: 40)
      try project.put(text: oracle.texts["\(number).txt"]!, "\(number).txt")
    }
    let report = try project.run()
    #expect(report.status == .done, "\(report.failures)")
    let manifest = try #require(try project.manifest())
    #expect(manifest.version == 1)
    #expect(manifest.segments.map(\.sequence) == [1, 2, 3, 4, 5, 6])
    #expect(manifest.nextSequence == 7)
    #expect(try project.wordFiles() == oracle.wordFiles)
    let ids = try project.wordIDs()
    #expect(Set(ids.values) == Set(1...Int64(ids.count)))
    #expect(try project.search("all NOT only3").count == 5)
    #expect(try project.run().status == .unchanged)
  }
}
