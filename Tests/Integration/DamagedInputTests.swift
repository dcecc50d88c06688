import Core
import Foundation
import Testing

/// Files that are not what they should be: one clear message, nothing published of them, the other
/// intervals done, and all well again once the file is.
@Suite(
  "Damaged input", .enabled(if: Repository.canRun, Comment(rawValue: Repository.whyNot)))
struct DamagedInputTests {
  static let good = "aa B 3 0\naa A 3 0\nde \"Z 2 0\n"

  struct Damage: Sendable, CustomTestStringConvertible {
    var testDescription: String
    /// Puts the damaged thing in the hour's place.
    var stage: @Sendable (PageviewsProject, String) throws -> Void
    /// What the message says beside where the file is.
    var words: [String]
    var namesFile = true

    init(
      _ name: String, words: [String], namesFile: Bool = true,
      stage: @escaping @Sendable (PageviewsProject, String) throws -> Void
    ) {
      testDescription = name
      self.words = words
      self.namesFile = namesFile
      self.stage = stage
    }

    init(_ name: String, words: [String], _ bytes: @escaping @Sendable () -> [UInt8]) {
      self.init(name, words: words) { project, hour in
        try project.stage(hour, file: bytes())
      }
    }
  }

  /// Long enough that it is read in more than one piece.
  static func manyLines() -> [UInt8] {
    Array((1...40_000).map { "aa page_\($0 &* 7919 % 100_003) \($0 % 17) 0\n" }.joined().utf8)
  }

  static let damages: [Damage] = [
    Damage("a gzip cut off in its last bytes", words: ["cut off", "byte", "fetch it again"]) {
      Gzip.truncated(Array(good.utf8))
    },
    Damage("a long gzip cut off in its middle", words: ["cut off", "byte"]) {
      let whole = Gzip.compress(manyLines())
      return Array(whole.prefix(whole.count / 2))
    },
    Damage("a gzip cut off at the end of a member's data", words: ["cut off"]) {
      Array(Gzip.compress(good).dropLast(8))
    },
    Damage("a second member cut off", words: ["cut off"]) {
      Gzip.compress(good) + Gzip.truncated(Array(good.utf8))
    },
    Damage("an empty .gz", words: ["empty", "no gzip file is"]) { [] },
    Damage("a wrong CRC", words: ["damaged", "checksum"]) { Gzip.wrongChecksum(Array(good.utf8)) },
    Damage("a wrong CRC of a long file", words: ["damaged", "checksum"]) {
      Gzip.wrongChecksum(manyLines())
    },
    Damage("junk behind the gzip", words: ["byte"]) { Gzip.compress(good) + Array("junk".utf8) },
    Damage("a flipped bit inside", words: ["damaged"]) {
      var file = Gzip.compress(manyLines())
      file[file.count / 2] ^= 0x10
      return file
    },
    Damage("text under the name of a gzip", words: ["not gzip"]) { Array(good.utf8) },
    Damage(
      "valid gzip without a single line", words: ["row_count", "0 rows", "at least 1"],
      namesFile: false
    ) { project, hour in try project.stage(hour, "") },
    Damage("a folder where the file should be", words: ["folder where a file should be"]) {
      project, hour in
      try FileManager.default.createDirectory(
        at: project.staged(hour), withIntermediateDirectories: true)
    },
    Damage("a pipe nobody writes to", words: ["a device or pipe where a file should be"]) {
      project, hour in
      try #require(mkfifo(project.staged(hour).path, 0o666) == 0)
    },
  ]

  @Test(arguments: damages)
  func oneHourOfThree(damage: Damage) throws {
    let project = try PageviewsProject()
    let (before, bad, after) = ("2024-01-01T04", "2024-01-01T05", "2024-01-01T06")
    try project.stage(before, DamagedInputTests.good)
    try project.stage(after, DamagedInputTests.good)
    try damage.stage(project, bad)
    let range = ["--from", before, "--to", "2024-01-01T07"]
    let outcome = try project.run(["run", "pageviews", "--json"] + range)
    #expect(outcome.exitCode == 1, "\(outcome)")

    // The message is there once for people, with the file, what is wrong and what to do.
    let line = outcome.standardError.split(separator: "\n").filter { line in
      damage.words.allSatisfy { line.contains($0) }
        && (!damage.namesFile || line.contains(project.staged(bad).path))
    }
    #expect(line.count == 1, "\(outcome)")
    let units = try outcome.json().filter { $0["type"] == "unit" }
    #expect(units.map { $0["status"] } == ["published", "failed", "published"])
    #expect(
      units[1]["error"]?["message"]?.string.map { outcome.standardError.contains($0) } == true)
    #expect(units[1]["rows"] == 0 && units[1]["bytes_written"] == 0)

    let whole = DamagedInputTests.csv
    #expect(try project.exported(before) == whole && project.exported(after) == whole)
    #expect(project.exportNames(bad).isEmpty && project.exportNames(bad, format: "parquet").isEmpty)
    let rows = try project.query(
      "SELECT interval_start AS hour, count(*) AS n FROM pageviews.top_pages GROUP BY ALL ORDER BY ALL"
    )
    #expect(rows.map { $0["n"] } == [3, 3])
    #expect(try project.leftovers().isEmpty)
    #expect(!(try project.listing("lake").keys.contains { $0.contains("/quarantine/") }))

    // The others stay; a second try says the same; the mended file is read.
    let again = try project.run(["run", "pageviews", "--json"] + range)
    #expect(again.exitCode == 1)
    let second = try again.json().filter { $0["type"] == "unit" }
    #expect(second.map { $0["status"] } == ["upToDate", "failed", "upToDate"])
    try? FileManager.default.removeItem(at: project.staged(bad))
    try project.stage(bad, DamagedInputTests.good)
    let mended = try project.run(["run", "pageviews", "--json"] + range)
    #expect(mended.exitCode == 0, "\(mended)")
    #expect(
      try mended.json().filter { $0["type"] == "unit" }.map { $0["status"] }
        == ["upToDate", "published", "upToDate"])
    #expect(try project.exported(bad) == whole)
  }

  static let csv = "domain,page,views,rank\naa,A,3,1\naa,B,3,1\nde,\"\"\"Z\",2,1\n"

  @Test("One bad hour of a day keeps the whole day from being published, and names the hour")
  func day() throws {
    let project = try PageviewsProject()
    for hour in 0..<24 {
      try project.stage("2024-01-01T" + (hour < 10 ? "0\(hour)" : "\(hour)"), "aa A 1 0\n")
    }
    try project.stage("2024-01-01T17", file: Gzip.truncated(Array(DamagedInputTests.good.utf8)))
    let day = ["run", "pageviews", "--set", "interval=day", "--from", "2024-01-01"]
    let outcome = try project.run(day)
    #expect(outcome.exitCode == 1)
    #expect(outcome.standardError.contains("pageviews-20240101-170000.gz: the file is cut off"))
    #expect(project.exportNames("2024-01-01").isEmpty)
    #expect(try project.leftovers().isEmpty)
    try project.stage("2024-01-01T17", "aa A 10 0\n")
    #expect(try project.run(day).exitCode == 0)
    #expect(try project.exported("2024-01-01") == "domain,page,views,rank\naa,A,33,1\n")
  }

  @Test(
    "A file that nobody may read",
    .enabled(if: Privileges.canDrop, Comment(rawValue: Privileges.whyNot)))
  func unreadable() throws {
    let project = try PageviewsProject()
    let hour = "2024-01-01T05"
    try project.stage(hour, DamagedInputTests.good)
    let arguments = ["run", "pageviews", "--from", hour]
    try Privileges.open(project)
    chmod(project.staged(hour).path, 0)
    let outcome = try Privileges.start(project, arguments).wait()
    #expect(outcome.exitCode == 1, "\(outcome)")
    #expect(outcome.standardError.contains("\(project.staged(hour).path): "))
    #expect(outcome.standardError.contains("Permission denied"))
    chmod(project.staged(hour).path, 0o644)
    #expect(try Privileges.start(project, arguments).wait().exitCode == 0)
    #expect(try project.exported(hour) == DamagedInputTests.csv)
  }

  enum BlockList: String, CaseIterable { case missing, folder, cutOff, emptyGzip }

  @Test(
    "A block list that cannot be read is an error, not an empty list", arguments: BlockList.allCases
  )
  func blockList(kind: BlockList) throws {
    let project = try PageviewsProject()
    try project.stage("2024-01-01T05", DamagedInputTests.good)
    let list = project.root.appending(path: "lists/blocked.gz")
    var message = "there is no such file"
    switch kind {
    case .missing: break
    case .folder:
      try FileManager.default.createDirectory(at: list, withIntermediateDirectories: true)
      message = "a folder where a file should be"
    case .cutOff:
      try project.root.write(Gzip.truncated(Array("aa A\n".utf8)), to: "lists/blocked.gz")
      message = "cut off"
    case .emptyGzip:
      try project.root.write("", to: "lists/blocked.gz")
      message = "the file is empty, which no gzip file is"
    }
    let variables = ["PAGEVIEWS_BLOCKED": list.path]
    let run = ["run", "pageviews", "--from", "2024-01-01T05"]
    let outcome = try project.run(run, variables: variables)
    #expect(outcome.exitCode == 1)
    let found = outcome.standardError.split(separator: "\n").filter { $0.contains(message) }
    #expect(found.count == 1 && found[0].contains("lists/blocked.gz: "), "\(outcome)")
    if kind == .missing {
      #expect(found.first?.contains("pipelines/pageviews/pipeline.yaml:") == true)
    }
    #expect(try project.exported("2024-01-01T05") == nil)
    #expect(!(try project.listing("lake").keys.contains { $0.hasPrefix("tables/") }))

    try? FileManager.default.removeItem(at: list)
    try project.root.write(Gzip.compress("aa A\n"), to: "lists/blocked.gz")
    let mended = try project.run(run, variables: variables)
    #expect(mended.exitCode == 0, "\(mended)")
    #expect(
      try project.exported("2024-01-01T05")
        == Oracle.csv([project.staged("2024-01-01T05")], blocked: list))
  }
}
