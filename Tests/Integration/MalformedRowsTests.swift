import Core
import Foundation
import Testing

/// Rows that do not fit: kept aside with file and line, dropped, or a failure, as declared. What was
/// read is always what was published, set aside and dropped.
@Suite(
  "Malformed rows", .enabled(if: Repository.canRun, Comment(rawValue: Repository.whyNot)))
struct MalformedRowsTests {
  /// A line, and the rule it breaks, if any.
  struct Line: Sendable {
    var bytes: [UInt8]
    var rule: String?
    /// The text in quarantine, where it is not the line itself.
    var shown: String?

    init(_ text: String, _ rule: String? = nil) {
      (bytes, self.rule) = (Array(text.utf8), rule)
    }

    init(bytes: [UInt8], _ rule: String, shown: String) {
      (self.bytes, self.rule, self.shown) = (bytes, rule, shown)
    }

    var text: String { shown ?? String(decoding: bytes, as: UTF8.self) }
  }

  /// Every kind of line; the tenth has ten million bytes.
  static let lines: [Line] = [
    Line("aa Good 3 0"),
    Line("aa C", "malformed:columns"),
    Line(
      bytes: Array("aa \u{0}".utf8.dropLast()) + [0xFF, 0xFE] + Array(" 1 0".utf8),
      "malformed:utf8",
      shown: "aa \\xFF\\xFE 1 0"),
    Line("aa D x 0", "malformed:not_bigint(views)"),
    Line("aa E 9223372036854775808 0", "malformed:not_bigint(views)"),
    Line("aa F -9223372036854775809 0", "malformed:not_bigint(views)"),
    Line("aa Most 9223372036854770000 0"),
    Line("aa G 1 0 9", "malformed:columns"),
    Line("aa H 1.0 0", "malformed:not_bigint(views)"),
    Line(
      bytes: [UInt8](repeating: 0x78, count: 10_000_000), "malformed:columns",
      shown: String(repeating: "x", count: 64 << 10) + "… (10000000 bytes)"),
    Line("aa I 1 y", "malformed:not_bigint(bytes)"),
    Line("aa Größe \"1 0", "malformed:not_bigint(views)"),
    Line("aa \"Open 1 0"),
    Line("zz Last 1 0"),
  ]

  static func bytes(_ lines: [Line]) -> [UInt8] {
    Array(lines.map(\.bytes).joined(separator: [0x0A]))
  }

  enum Policy: String, CaseIterable { case quarantine, drop, fail }

  @Test("Each policy, with lines of every kind", arguments: Policy.allCases)
  func policies(policy: Policy) throws {
    let project = try PageviewsProject()
    if policy != .quarantine {
      try project.edit(
        "pipelines/pageviews/pipeline.yaml", "malformed: quarantine", "malformed: \(policy)")
    }
    let hour = "2024-01-01T05"
    let file = try project.stage(
      hour, file: Gzip.compress(MalformedRowsTests.bytes(MalformedRowsTests.lines)))
    let outcome = try project.sluice("run", "pageviews", "--from", hour, "--json")
    let unit = try #require(try outcome.json().first)
    if policy == .fail {
      #expect(outcome.exitCode == 1)
      // Whichever malformed row is met first: all are in one small block.
      #expect(outcome.standardError.contains("\(file.path):2: "), "\(outcome)")
      #expect(outcome.standardError.contains("malformed:columns"))
      #expect(outcome.standardError.contains("malformed: quarantine"))
      #expect(project.exportNames(hour).isEmpty)
      #expect(!(try project.listing("lake").keys.contains { $0.hasPrefix("tables/") }))
      return
    }
    #expect(outcome.exitCode == 0, "\(outcome)")
    #expect(try project.exported(hour) == Oracle.csv([file]))

    let bad = MalformedRowsTests.lines.enumerated().filter { $1.rule != nil }
    let summary = try Oracle.summary([file])
    #expect(summary["malformed"] == JSON.integer(Int64(bad.count)))
    #expect(unit["rows_read"] == summary["lines"])
    #expect(unit["quarantined"] == .integer(policy == .quarantine ? Int64(bad.count) : 0))
    #expect(unit["dropped"] == .integer(policy == .drop ? Int64(bad.count) : 0))

    let rows = try project.query(
      "SELECT model, rule, source_file, source_row, batch, row FROM pageviews.quarantine ORDER BY source_row"
    )
    #expect(rows.count == (policy == .quarantine ? bad.count : 0))
    for (row, (index, line)) in zip(rows, bad) {
      #expect(row["source_row"] == .integer(Int64(index + 1)))
      #expect(row["source_file"] == .string(file.path))
      #expect(row["model"] == "top_pages" && row["batch"] == .string(hour))
      #expect(row["rule"]?.string == line.rule)
      #expect(row["row"]?.string == line.text, "line \(index + 1)")
    }
  }

  @Test("A title of ten million bytes is a title")
  func longTitle() throws {
    let project = try PageviewsProject()
    let hour = "2024-01-01T05"
    let title = String(repeating: "x", count: 10_000_000)
    let file = try project.stage(hour, "aa \(title) 7 0\naa A 9 0\n")
    let outcome = try project.sluice("run", "pageviews", "--from", hour)
    #expect(outcome.exitCode == 0, "\(outcome)")
    let same = try project.exported(hour) == Oracle.csv([file])
    #expect(same)
    #expect(
      try project.query("SELECT length(page) AS n FROM pageviews.top_pages ORDER BY rank")
        .map { $0["n"] } == [1, 10_000_000])
  }

  @Test(
    "NUL bytes are part of titles, CRLF ends lines, and a last line cut in its middle is set aside")
  func oddBytes() throws {
    let project = try PageviewsProject()
    let hour = "2024-01-01T05"
    let most = Int64.max
    try project.stage(
      hour,
      "aa \0x 5 0\r\naa B\0 4 0\naa C \(most - 1) 0\r\naa C 1 0\naa D -\(most) 0\naa D -1 0\r\naa E 1"
    )
    let outcome = try project.sluice("run", "pageviews", "--from", hour)
    #expect(outcome.exitCode == 0, "\(outcome)")
    let rows = try project.query(
      "SELECT hex(page) AS page, views FROM pageviews.top_pages ORDER BY rank")
    #expect(rows.map { $0["page"]?.string } == ["43", "0078", "4200", "44"])
    #expect(rows.map { $0["views"] } == [.integer(most), 5, 4, .integer(.min)])
    let aside = try project.query("SELECT rule, source_row, row FROM pageviews.quarantine")
    #expect(aside.count == 1)
    #expect(aside.first?["rule"] == "malformed:columns" && aside.first?["source_row"] == 7)
    #expect(aside.first?["row"] == "aa E 1")
  }

  @Test("A sum beyond 64 bits is an error, not a wrong number")
  func overflow() throws {
    let project = try PageviewsProject()
    let hour = "2024-01-01T05"
    try project.stage(hour, "aa A 9223372036854775807 0\naa A 9223372036854775807 0\naa B 1 0\n")
    let outcome = try project.sluice("run", "pageviews", "--from", hour)
    #expect(outcome.exitCode == 1, "\(outcome)")
    let message = outcome.standardError.split(separator: "\n").filter {
      $0.contains("18446744073709551614")
    }
    #expect(message.count == 1 && message[0].contains("pageviews.top_pages"), "\(outcome)")
    #expect(!(try project.listing("lake").keys.contains { $0.hasPrefix("tables/") }))
  }

  @Test("Lines are counted through blocks, members and files")
  func lineNumbers() throws {
    let project = try PageviewsProject()
    // A day: each hour has its own lines, and the hours are read at once.
    let bad = [1, 2, 7_001, 29_999, 30_000]
    var lines = (1...30_000).map { "aa Page_\($0 % 1000) \($0 % 9) 0" }
    for line in bad { lines[line - 1] = "broken \(line)" }
    let half = 14_567
    let large =
      Gzip.compress(lines[..<half].joined(separator: "\n") + "\n")
      + Gzip.compress(lines[half...].joined(separator: "\r\n") + "\r\n")
    for hour in 0..<24 {
      let name = "2024-01-01T" + (hour < 10 ? "0\(hour)" : "\(hour)")
      if hour == 3 || hour == 4 {
        try project.stage(name, file: large)
      } else {
        try project.stage(name, "aa Page_1 1 0\nbroken\n")
      }
    }
    let outcome = try project.sluice(
      "run", "pageviews", "--set", "interval=day", "--from", "2024-01-01", "--json")
    #expect(outcome.exitCode == 0, "\(outcome)")
    let rows = try project.query("SELECT source_file, source_row, row FROM pageviews.quarantine")
    let found = Set(
      rows.map {
        "\($0["source_file"]?.string?.suffix(9) ?? "") \($0["source_row"]?.integer ?? 0) \($0["row"]?.string ?? "")"
      })
    var expected = Set<String>()
    for hour in 0..<24 {
      let name = (hour < 10 ? "0\(hour)" : "\(hour)") + "0000.gz"
      if hour == 3 || hour == 4 {
        for line in bad { expected.insert("\(name) \(line) broken \(line)") }
      } else {
        expected.insert("\(name) 2 broken")
      }
    }
    #expect(rows.count == expected.count && found == expected)
    let unit = try #require(try outcome.json().first)
    #expect(unit["rows_read"] == .integer(2 * 30_000 + 22 * 2))
    #expect(unit["quarantined"] == .integer(Int64(rows.count)))
  }

  @Test("rule 16: a batch that is read again replaces what it had set aside")
  func replaced() throws {
    let project = try PageviewsProject()
    let other = "2024-01-01T04"
    let hour = "2024-01-01T05"
    let run = ["run", "pageviews", "--from", hour, "--force", "--json"]
    try project.stage(other, "aa A 1 0\nother\n")
    try project.mustRun(["run", "pageviews", "--from", other])
    for (text, expected) in [
      ("aa A 1 0\nfirst\nsecond\n", ["other", "first", "second"]),
      ("aa A 1 0\nthird\n", ["other", "third"]), ("aa A 1 0\n", ["other"]),
      ("aa A 1 0\nfourth\n", ["other", "fourth"]),
    ] {
      try project.stage(hour, text)
      let outcome = try project.run(run)
      #expect(outcome.exitCode == 0, "\(outcome)")
      let rows = try project.query(
        "SELECT row FROM pageviews.quarantine ORDER BY batch, source_row")
      #expect(rows.map { $0["row"]?.string } == expected)
    }
  }

  @Test(
    "Rows in are rows published, set aside by a rule or a check, and dropped",
    arguments: [Policy.quarantine, .drop])
  func balance(policy: Policy) throws {
    let project = try PageviewsProject()
    try Copy.write(to: project, malformed: policy.rawValue)
    try project.root.write(
      "n,word\n1,one\n2\n3,three\nfour,four\n5,five\n-6,six\n-7,seven\n\n8,\"ei\nght\"\n",
      to: "in/1.csv")
    try project.root.write("word,n\nten,10\nmany,ten\n,-11\n", to: "in/2.csv")
    let outcome = try project.sluice("run", "copy", "--json")
    #expect(outcome.exitCode == 0, "\(outcome)")
    let unit = try #require(try outcome.json().first)
    func number(_ name: String) -> Int64 { unit[name]?.integer ?? -1 }
    #expect(number("rows_read") == 11)
    #expect(number("rows") == 5)
    // Two lines without enough or with wrong fields in the first file, one in the second.
    #expect(number("dropped") == (policy == .drop ? 3 : 0))
    #expect(number("quarantined") == (policy == .drop ? 3 : 6))
    #expect(number("rows_read") == number("rows") + number("quarantined") + number("dropped"))

    let kept = try project.query("SELECT n FROM copy.numbers ORDER BY n")
    #expect(kept.map { $0["n"]?.integer } == [1, 3, 5, 8, 10])
    let aside = try project.query(
      "SELECT rule, source_row, row FROM copy.quarantine ORDER BY rule, source_row, row")
    #expect(Int64(aside.count) == number("quarantined"))
    let checked = aside.filter { $0["rule"] == "n_between" }
    #expect(checked.count == 3)
    #expect(
      ["-6", "-7", "-11"].allSatisfy { value in
        checked.contains { $0["row"]?.string?.contains(value) == true }
      })
    let malformed = aside.filter { $0["rule"] != "n_between" }
    #expect(
      malformed.map { $0["source_row"]?.integer } == (policy == .drop ? [] : [3, 3, 5]), "\(aside)")
  }

  @Test("A file that lacks a declared column is an error that names both")
  func missingColumn() throws {
    let project = try PageviewsProject()
    try Copy.write(to: project, malformed: "quarantine")
    try project.root.write("n,word\n1,one\n", to: "in/1.csv")
    try project.mustRun(["run", "copy"])
    try project.root.write("m,word\n1,one\n", to: "in/2.csv")
    let outcome = try project.sluice("run", "copy")
    #expect(outcome.exitCode == 1)
    #expect(
      outcome.standardError.contains(
        " in/2.csv:1: the header has no column 'n'"), "\(outcome)")
    #expect(try project.query("SELECT n FROM copy.numbers").map { $0["n"]?.integer } == [1])
    try project.root.write("word,n,more\ntwo,2,x\n", to: "in/2.csv")
    #expect(try project.sluice("run", "copy").exitCode == 0)
    #expect(
      try project.query("SELECT n FROM copy.numbers ORDER BY n").map { $0["n"]?.integer } == [1, 2])
  }
}

/// A pipeline whose table holds the rows of its files as they are.
enum Copy {
  static func write(to project: PageviewsProject, malformed: String) throws {
    try project.root.write(
      """
      sources:
        input:
          files: in/*.csv
          format: csv
          header: true
          malformed: \(malformed)
          columns: {n: bigint, word: string}
      """, to: "pipelines/copy/pipeline.yaml")
    try project.root.write(
      """
      kind: full
      columns:
        n: {type: bigint, checks: [{between: {min: 0, severity: quarantine}}]}
        word: {type: string}
      """, to: "pipelines/copy/models/numbers.yaml")
    try project.root.write("SELECT n, word FROM input", to: "pipelines/copy/models/numbers.sql")
  }
}
