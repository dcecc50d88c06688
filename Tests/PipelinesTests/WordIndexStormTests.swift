import Core
import Foundation
import Lake
import Project
import Stores
import Synchronization
import TestSupport
import Testing

@testable import Pipelines

@Suite("word_index under crashes and races")
struct WordIndexStormTests {
  /// 200 batches where `SLUICE_TEST_LONG` is 1.
  static let isLong = ProcessInfo.processInfo.environment["SLUICE_TEST_LONG"] == "1"

  /// What changes at random, and what must then be found.
  struct Collection {
    /// All files; several may have one number, and some are binary.
    var files: [String: String] = [:]
    var random: Seeded
    /// The files that are in the index.
    var oracle = WordOracle()
    /// Files that were gone or binary at some time since the last check: their number may have come
    /// free.
    var left = Set<String>()
    /// Each word's number, once it has one.
    var known: [String: Int64] = [:]

    init(random: Seeded) { self.random = random }

    mutating func number(below bound: Int) -> Int { Int.random(in: 0..<bound, using: &random) }

    mutating func text() -> String {
      let count = number(below: 12)
      return (0..<count).map { _ in
        // A few common words and many rare ones.
        let most = [5, 40, 2000][number(below: 3)]
        return "w\(number(below: most))"
      }.joined(separator: " ")
    }

    /// - Parameter endings: More than one where files may have to wait for their number.
    mutating func change(
      _ project: TestProject, most: Int, endings: [String] = ["txt", "txt", "md", "rst"]
    ) throws {
      for _ in 0...number(below: most) {
        let file = "\(number(below: 60)).\(endings[number(below: endings.count)])"
        if files[file] != nil, number(below: 3) == 0 {
          files[file] = nil
          left.insert(file)
          try project.drop(text: file)
        } else {
          let isBinary = number(below: 10) == 0
          if isBinary { left.insert(file) }
          let text = isBinary ? "\0" : text()
          files[file] = text
          try project.put(text: text, file)
        }
      }
    }

    static func number(of file: String) -> Int { Int(file.prefix { $0 != "." })! }

    /// Rule 32: of the texts with one number one is in the index, and it stays there.
    mutating func checkNumbers(_ project: TestProject, _ what: Comment) throws {
      let live = try project.rows("SELECT doc_id, file FROM wordindex.documents").map {
        let cells = $0.split(separator: "|")
        return (id: Int(cells[0])!, file: String(cells[1].dropFirst("texts/".count)))
      }
      for (id, file) in live {
        #expect(Self.number(of: file) == id, "\(file), \(what)")
        #expect(files[file].map { $0 != "\0" } == true, "\(file), \(what)")
      }
      let texts = files.filter { $0.value != "\0" }
      #expect(live.map(\.id).sorted() == Set(texts.keys.map(Self.number)).sorted(), what)
      let now = Set(live.map(\.file))
      #expect(
        Set(oracle.texts.keys).subtracting(left).subtracting(now).isEmpty, "numbers taken, \(what)")
      #expect(
        try project.rows("SELECT source_file FROM wordindex.quarantine ORDER BY 1")
          == Set(files.keys).subtracting(now).map { "texts/\($0)" }.sorted(), what)
      oracle.texts = files.filter { now.contains($0.key) }
      left = []
    }

    /// Compares everything that can be asked.
    mutating func check(_ project: TestProject, _ what: Comment) throws {
      try checkNumbers(project, what)
      let expected = oracle.wordFiles
      #expect(try project.wordFiles() == expected, what)
      let numbers = try project.wordIDs()
      for (word, number) in known { #expect(numbers[word] == number, "\(word), \(what)") }
      #expect(Set(numbers.values) == Set(1...Int64(max(1, numbers.count))) || numbers.isEmpty, what)
      #expect(Set(expected.keys).subtracting(numbers.keys).isEmpty, what)
      known = numbers
      for _ in 0..<3 {
        let (a, b) = ("w\(number(below: 40))", "w\(number(below: 5))")
        let both = Set(expected[a] ?? []).intersection(expected[b] ?? [])
        #expect(Set(try project.search("\(a) AND \(b)")) == both, what)
        let only = Set(expected[b] ?? []).subtracting(expected[a] ?? [])
        #expect(Set(try project.search("\(b) NOT \(a)")) == only, what)
      }
    }
  }

  /// In which a run that died leaves no claim that the next one would wait for.
  static func project() throws -> TestProject {
    let project = try WordIndex.project()
    try project.write(
      "sluice.yaml",
      "lake: lake\nleases: false\nengine: {use: duckdb, threads: 2, spill: .sluice/spill}\n")
    return project
  }

  @Test("after random batches with crashes, the index is as if built anew; numbers never change")
  func randomBatches() throws {
    let project = try Self.project()
    let seed = UInt64.random(in: 0...999_999)
    var collection = Collection(random: Seeded(seed))
    try collection.change(project, most: 40, endings: ["txt"])
    try project.run(Selection(allowRemovals: true))
    try collection.check(project, "the first, seed \(seed)")
    var deaths = 0
    for batch in 1...(WordIndexStormTests.isLong ? 200 : 12) {
      try collection.change(project, most: 6)
      let fate = DyingStore.Fate(
        after: 1 + collection.number(below: 25), happens: collection.number(below: 2) == 0)
      project.wrapsLake = { DyingStore(base: $0, fate: fate) }
      _ = try? project.run(Selection(allowRemovals: true))
      if fate.isDead { deaths += 1 }
      project.wrapsLake = nil
      if collection.number(below: 2) == 0 { try collection.change(project, most: 2) }
      let report = try project.run(Selection(allowRemovals: true))
      #expect(
        report.status == .done || report.status == .unchanged, "\(report.failures), seed \(seed)")
      try collection.check(project, "batch \(batch), seed \(seed)")
    }
    #expect(deaths >= 3)
    // Merging does not change what is found.
    _ = try project.workspace().maintain(pipelines: [])
    try collection.check(project, "maintained, seed \(seed)")
    #expect(try project.run().status == .unchanged)

    // The same files in a lake of their own.
    let fresh = try WordIndex.project()
    for (file, text) in collection.oracle.texts { try fresh.put(text: text, file) }
    try fresh.run()
    #expect(try fresh.wordFiles() == project.wordFiles())
  }

  @Test("rule 16: what a run that died after its commit left undone, the next one finishes")
  func laggards() throws {
    for happens in [false, true] {
      var died = Set<String>()
      var step = 1
      while true {
        let project = try Self.project()
        try project.put(text: "a b", "1.txt")
        try project.run()
        try project.put(text: "b c", "2.txt")
        try project.put(text: "c", "1.txt")
        let fate = DyingStore.Fate(after: step, happens: happens)
        project.wrapsLake = { DyingStore(base: $0, fate: fate) }
        _ = try? project.run()
        project.wrapsLake = nil
        guard fate.isDead else { break }
        step += WordIndexStormTests.isLong ? 1 : 3

        // Whatever the tables are at, together they are at one version of the index.
        let files = try project.wordFiles()
        let old = ["a": ["1.txt"], "b": ["1.txt"]]
        let new = ["b": ["2.txt"], "c": ["1.txt", "2.txt"]]
        #expect(files == old || files == new, "step \(step)")
        let unit = try project.workspace().plan(Selection()).pipelines[0].units[0]
        let isPublished = try project.search("c") == ["1.txt", "2.txt"]
        died.insert("\(isPublished) \(files == new)")
        if isPublished && files == old {
          #expect(unit.action == .run(.tablesBehind), "step \(step)")
        }
        let report = try project.run()
        #expect(report.status == .done || report.status == .unchanged, "\(report.failures)")
        #expect(try project.wordFiles() == new, "step \(step)")
        #expect(try project.search("c") == ["1.txt", "2.txt"], "step \(step)")
        #expect(try project.run().status == .unchanged)
      }
      // It has died before the commit, between it and the tables, and after them.
      #expect(died.isSuperset(of: ["false false", "true false", "true true"]), "\(died)")
    }
  }

  @Test("two runs at once publish every file once", arguments: [true, false])
  func race(_ hasLeases: Bool) throws {
    let project = try hasLeases ? WordIndex.project() : Self.project()
    var oracle = WordOracle()
    for round in 1...3 {
      for file in 1...8 {
        let text = "round\(round) file\(file) all"
        oracle.texts["\(round * 10 + file).txt"] = text
        try project.put(text: text, "\(round * 10 + file).txt")
      }
      let workspaces = [try project.workspace(), try project.workspace(), try project.workspace()]
      let reports = try concurrently(workspaces, limit: 3) { try $0.run(Selection()) }
        .map { try $0.get() }
      for report in reports {
        #expect([.done, .unchanged].contains(report.status), "\(report.failures)")
      }
      #expect(try project.wordFiles() == oracle.wordFiles)
      #expect(
        try project.rows("SELECT count(*), count(DISTINCT doc_id) FROM wordindex.documents")
          == ["\(8 * round)|\(8 * round)"])
    }
    #expect(try project.run().status == .unchanged)
  }

  @Test("a query that joins the tables sees them at one version, while a run is publishing")
  func pinned() throws {
    let project = try WordIndex.project()
    for number in 1...10 { try project.put(text: "all v0", "\(number).txt") }
    try project.run()
    let isOver = Atomic<Bool>(false)
    let workspace = try project.workspace()
    let wrong = Mutex<[String]>([])
    let reader = startThread {
      while !isOver.load(ordering: .acquiring) {
        do {
          try workspace.query(
            "SELECT len(files) FROM wordindex.word_files WHERE word = 'all'"
          ) { set in
            let found = set.rows.map { $0[0].description }
            if !set.rows.isEmpty && found != ["10"] { wrong.withLock { $0 += found } }
          }
        } catch {
          wrong.withLock { $0.append("\(error)") }
        }
      }
    }
    for version in 1...(WordIndexStormTests.isLong ? 30 : 5) {
      for number in 1...10 { try project.put(text: "all v\(version)", "\(number).txt") }
      try project.run()
    }
    isOver.store(true, ordering: .releasing)
    pthread_join(reader, nil)
    #expect(wrong.withLock { $0 } == [])
  }

  @Test("maintenance removes what killed runs and merges have left, and nothing else")
  func maintenance() throws {
    let project = try Self.project()
    let start = project.now
    for number in 1...4 { try project.put(text: "first \(number)", "\(number).txt") }
    try project.run()
    try project.put(text: "second", "5.txt")
    var left: [Leftover] = []
    // Killed later and later, until files of a segment are there that no version names.
    for step in 2...9 where left.isEmpty {
      let fate = DyingStore.Fate(after: step, happens: true)
      project.wrapsLake = { DyingStore(base: $0, fate: fate) }
      _ = try? project.run()
      project.wrapsLake = nil
      left = try project.workspace().state(pipelines: []).leftovers.filter {
        $0.key.hasPrefix("indexes/")
      }
    }
    #expect(!left.isEmpty && left.allSatisfy { !$0.explanation.isEmpty })
    try project.run()
    let state = try project.workspace().state(pipelines: [])
    let index = try #require(state.models.first { $0.model == "index" })
    #expect(index.kind == "index" && index.rowCount == 5 && index.version == 2)
    #expect(index.inputs.map(\.name) == ["files"])

    // Long enough after all of it for everything that is not named to go.
    project.now = start
    let files = try project.lakeListing().filter {
      // Records of runs that were killed would speak for what those have left.
      $0.hasPrefix("indexes/") || $0.hasPrefix("runs/active/")
    }
    let past = Date.past(40 * 86_400)
    for file in files {
      try FileManager.default.setAttributes(
        [.modificationDate: past],
        ofItemAtPath: project.folder.appending(path: "lake/\(file)").path())
    }
    let report = try project.workspace().maintain(pipelines: [])
    #expect(!report.isFailed)
    let named = Set(
      try #require(try project.manifest()).segments.flatMap(\.files).map(\.name))
    let present = try FileManager.default.contentsOfDirectory(
      atPath: project.folder.appending(path: "lake/indexes/wordindex/index/segments").path())
    #expect(Set(present) == named)
    #expect(try project.search("first OR second").count == 5)
    #expect(try project.run().status == .unchanged)
  }
}
