import Core
import Foundation
import Lake
import Project
import Testing

@testable import Pipelines

@Suite("word_index, files that wait for their number (rule 32)")
struct WordIndexWaitingTests {
  /// An index that numbers by name, with `1.txt` and files that wait for its number.
  static func project(_ waiting: String...) throws -> TestProject {
    let project = try WordIndexStormTests.project()
    try project.put(text: "owner all", "1.txt")
    try project.put(text: "other all", "2.txt")
    try project.run()
    for file in waiting {
      try project.put(text: "\(file.split(separator: ".")[1]) all", file)
      try project.run()
    }
    #expect(try project.search("all") == ["1.txt", "2.txt"])
    #expect(try setAside(in: project) == waiting.map { "duplicate_number|texts/\($0)" }.sorted())
    return project
  }

  static func setAside(in project: TestProject) throws -> [String] {
    try project.rows(
      "SELECT replace(rule, 'malformed:', ''), source_file FROM wordindex.quarantine ORDER BY ALL")
  }

  private func run(_ project: TestProject) throws {
    let report = try project.run(Selection(allowRemovals: true))
    #expect(report.status == .done, "\(report.failures)")
    #expect(try project.run().status == .unchanged)
  }

  @Test("where the file that had it goes, the one that came next is in its place")
  func gone() throws {
    let project = try Self.project("1.rst", "1.md")
    try project.drop(text: "1.txt")
    try run(project)
    #expect(try project.search("all") == ["1.rst", "2.txt"])
    #expect(
      try project.rows("SELECT rule, source_file, \"row\" FROM wordindex.quarantine") == [
        "malformed:duplicate_number|texts/1.md|"
          + "has the number 1, which 'texts/1.rst' has already"
      ])
    try project.drop(text: "1.rst")
    try run(project)
    #expect(try project.search("all") == ["1.md", "2.txt"])
    #expect(try project.rows("SELECT doc_id FROM wordindex.documents ORDER BY 1") == ["1", "2"])
    #expect(try Self.setAside(in: project) == [])
    // One that waits and goes leaves nothing behind.
    try project.put(text: "late all", "1.txt")
    try run(project)
    try project.drop(text: "1.txt")
    try run(project)
    #expect(try project.search("all") == ["1.md", "2.txt"])
    #expect(try Self.setAside(in: project) == [])
  }

  @Test(
    "where it is renamed, too",
    arguments: [("8.txt", ["1.md", "2.txt", "8.txt"]), ("01.txt", ["1.md", "2.txt"])])
  func renamed(_ name: String, _ found: [String]) throws {
    let project = try Self.project("1.md")
    try project.drop(text: "1.txt")
    try project.put(text: "owner all", name)
    try run(project)
    #expect(try project.search("all") == found)
    #expect(
      try Self.setAside(in: project) == (name == "01.txt" ? ["duplicate_number|texts/01.txt"] : []))
    #expect(try project.search("owner") == (name == "01.txt" ? [] : ["8.txt"]))
  }

  @Test("where it is no text any more, too; mended, it is the one that waits")
  func turnedBad() throws {
    let project = try Self.project("1.rst", "1.md")
    try project.write("texts/1.txt", [0])
    try project.write("texts/1.rst", [0])
    try run(project)
    #expect(try project.search("all") == ["1.md", "2.txt"])
    #expect(
      try Self.setAside(in: project) == ["binary|texts/1.txt", "duplicate_number|texts/1.rst"])
    try project.put(text: "owner all", "1.txt")
    try run(project)
    #expect(try project.search("all") == ["1.md", "2.txt"])
    #expect(
      try Self.setAside(in: project)
        == ["duplicate_number|texts/1.rst", "duplicate_number|texts/1.txt"])
    // The first in line turns out to be no text, and the next one gets the number.
    try project.drop(text: "1.md")
    try run(project)
    #expect(try project.search("all") == ["1.txt", "2.txt"])
    #expect(try Self.setAside(in: project) == ["binary|texts/1.rst"])
  }

  @Test("a file that is changed keeps its number, whatever comes with it")
  func changed() throws {
    let project = try Self.project("1.md")
    try project.put(text: "changed all", "1.txt")
    try project.put(text: "new all", "1.a")
    try project.put(text: "md changed all", "1.md")
    try run(project)
    #expect(try project.search("all") == ["1.txt", "2.txt"])
    #expect(try project.search("changed") == ["1.txt"])
    #expect(
      try Self.setAside(in: project)
        == ["duplicate_number|texts/1.a", "duplicate_number|texts/1.md"])
  }

  @Test(
    "one that is changed and nothing else does not take the number from the file that has it",
    arguments: [false, true])
  func changedAlone(_ ownerIsAloneInSegment: Bool) throws {
    let project = try Self.project("1.md")
    if ownerIsAloneInSegment {
      try project.put(text: "owner mended all", "1.txt")
      try run(project)
    }
    try project.put(text: "md changed all", "1.md")
    try run(project)
    #expect(try project.search("all") == ["1.txt", "2.txt"])
    #expect(try project.search("owner") == ["1.txt"])
    #expect(try project.search("changed") == [])
    #expect(
      try project.rows("SELECT doc_id, count(*) FROM wordindex.documents GROUP BY 1 ORDER BY 1")
        == ["1|1", "2|1"])
    #expect(try Self.setAside(in: project) == ["duplicate_number|texts/1.md"])
    try project.drop(text: "1.txt")
    try run(project)
    #expect(try project.search("changed") == ["1.md"])
  }

  @Test("one that was no text and goes does not stop those that have its number")
  func goneWithoutNumber() throws {
    let project = try WordIndexStormTests.project()
    let file = "pipelines/wordindex/models/index.yaml"
    let yaml = String(decoding: try project.read(file), as: UTF8.self)
    try project.write(file, yaml.replacing("doc_id: auto", with: "doc_id: number"))
    try project.put(text: "one all", "1.txt")
    try run(project)
    for name in ["5.bin", "5.dat"] {
      try project.write("texts/\(name)", [0])
      try run(project)
    }
    try project.put(text: "five all", "5.txt")
    try run(project)
    #expect(try Self.setAside(in: project) == ["binary|texts/5.bin", "binary|texts/5.dat"])
    try project.drop(text: "5.bin")
    try run(project)
    #expect(try project.search("all") == ["1.txt", "5.txt"])
    #expect(try Self.setAside(in: project) == ["binary|texts/5.dat"])
  }

  @Test("of two that come together, the one that is text has the number")
  func together() throws {
    let project = try Self.project()
    try project.write("texts/5.md", [0])
    try project.put(text: "five all", "5.txt")
    try run(project)
    #expect(try project.search("all") == ["1.txt", "2.txt", "5.txt"])
    #expect(try Self.setAside(in: project) == ["binary|texts/5.md"])
  }

  @Test("a run that dies anywhere leaves nobody waiting for a number that is free")
  func crashes() throws {
    for happens in [false, true] {
      var step = 1
      while true {
        let project = try Self.project("1.md", "2.md")
        try project.drop(text: "1.txt")
        try project.write("texts/2.txt", [0])
        let fate = DyingStore.Fate(after: step, happens: happens)
        project.wrapsLake = { DyingStore(base: $0, fate: fate) }
        _ = try? project.run(Selection(allowRemovals: true))
        project.wrapsLake = nil
        guard fate.isDead else { break }
        step += WordIndexStormTests.isLong ? 1 : 3
        let report = try project.run(Selection(allowRemovals: true))
        #expect(report.status == .done || report.status == .unchanged, "\(report.failures)")
        #expect(try project.search("all") == ["1.md", "2.md"], "step \(step)")
        #expect(
          try project.wordFiles() == ["md": ["1.md", "2.md"], "all": ["1.md", "2.md"]],
          "step \(step)")
        #expect(try Self.setAside(in: project) == ["binary|texts/2.txt"], "step \(step)")
        #expect(try project.run().status == .unchanged)
      }
      #expect(step > 10)
    }
  }
}
