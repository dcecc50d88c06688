import Core
import Foundation
import Testing

/// Mistakes in project files, in SQL and on the command line: where, what, and what was meant; the
/// lake is not touched.
@Suite(
  "Configuration mistakes", .enabled(if: Repository.canRun, Comment(rawValue: Repository.whyNot)))
struct ConfigurationTests {
  static let pipeline = "pipelines/pageviews/pipeline.yaml"
  static let model = "pipelines/pageviews/models/top_pages.yaml"
  static let sql = "pipelines/pageviews/models/top_pages.sql"

  struct Mistake: Sendable, CustomTestStringConvertible {
    var file: String
    var old: String
    var new: String
    /// What the message says, behind `file:line:column: `.
    var message: String
    /// What the place points at; the start of `new` where nil.
    var at: String?
    var testDescription: String { "\(new) in \(file)" }

    init(_ file: String, _ old: String, _ new: String, _ message: String, at: String? = nil) {
      (self.file, self.old, self.new, self.message, self.at) = (file, old, new, message, at)
    }

    /// `line:column`, 1-based, of what the message is about.
    func place(in project: PageviewsProject) throws -> String {
      let text = try String(contentsOf: project.root.appending(path: file), encoding: .utf8)
      let start = try #require(text.range(of: new)).lowerBound
      let found = try #require(text.range(of: at ?? new, range: start..<text.endIndex)).lowerBound
      let lines = text[..<found].split(separator: "\n", omittingEmptySubsequences: false)
      return "\(lines.count):\(lines.last!.count + 1)"
    }
  }

  @Test(
    "Mistakes in YAML are exit code 2, with file, line, column and the nearest right word",
    arguments: [
      Mistake(
        pipeline, "  csv:\n    model:", "  csv:\n    modle:",
        "unknown key 'modle'; did you mean 'model'?", at: "modle"),
      Mistake(
        pipeline, "retries: 2", "retires: 2", "unknown key 'retires'; did you mean 'retries'?"),
      Mistake(pipeline, "retries: 2", "retries: many", "many", at: "many"),
      Mistake(
        pipeline, "on_republish: ignore", "on_republish: ignroe", "did you mean 'ignore'?",
        at: "ignroe"),
      Mistake(
        pipeline, "views: bigint, bytes", "views: bigitn, bytes", "did you mean 'bigint'?",
        at: "bigitn"),
      Mistake(
        pipeline, "every: ${interval}", "every: ${intervall}",
        "'${intervall}'; did you mean 'interval'?",
        at: "${intervall}"),
      Mistake(pipeline, "timeout: 0s", "timeout: 0x", "0x", at: "0x"),
      Mistake(
        pipeline, "columns: [domain, page, views, rank]", "columns: [domain, page, veiws, rank]",
        "veiws", at: "veiws"),
      Mistake(
        model, "kind: interval", "kind: intervall", "did you mean 'interval'?", at: "intervall"),
      Mistake(model, "kind: interval", "kind: [interval", "not YAML"),
      Mistake(
        model, "row_count: {min: 1,", "row_count: {mni: 1,", "did you mean 'min'?", at: "mni"),
      Mistake("sluice.yaml", "catalog: storage", "catalogue: storage", "did you mean 'catalog'?"),
      Mistake("sluice.yaml", "memory: 4GB", "memory: much", "much", at: "much"),
    ])
  func yaml(mistake: Mistake) throws {
    let project = try PageviewsProject()
    try project.stage("2024-01-01T05", "aa A 1 0\n")
    try project.edit(mistake.file, mistake.old, mistake.new)
    for verb in ["run", "plan", "check", "state"] {
      let outcome = try project.sluice(verb)
      #expect(outcome.exitCode == 2, "\(verb): \(outcome)")
      let lines = outcome.standardError.split(separator: "\n")
      let found = lines.filter { $0.contains(mistake.message) }
      #expect(found.count == 1, "\(outcome)")
      // Where YAML itself breaks, the parser says where it noticed.
      let place = mistake.message == "not YAML" ? "" : try mistake.place(in: project) + ": "
      #expect(found.first?.hasPrefix("\(mistake.file):\(place)") == true, "\(outcome)")
      #expect(outcome.standardOutput == "")
    }
    #expect(try project.listing("lake").isEmpty)
  }

  @Test("All mistakes come in one pass")
  func onePass() throws {
    let project = try PageviewsProject()
    try project.edit(ConfigurationTests.pipeline, "retries: 2", "retires: 2")
    try project.edit(ConfigurationTests.pipeline, "recheck: 3d", "recheck: 3 fortnights")
    try project.edit(ConfigurationTests.model, "sort: [domain", "sort: [domian")
    try project.edit("sluice.yaml", "threads: 2", "threads: two")
    let outcome = try project.sluice("run")
    #expect(outcome.exitCode == 2)
    let lines = outcome.standardError.split(separator: "\n")
    for word in ["retires", "fortnights", "domian", "two"] {
      #expect(lines.count { $0.contains(word) } == 1, "\(outcome)")
    }
    #expect(lines.last == "4 errors")
  }

  @Test(
    "Mistakes in SQL are placed in its file",
    arguments: [
      Mistake(sql, "GROUP BY domain, page", "GRUOP BY domain, page", "syntax error", at: "BY"),
      Mistake(
        sql, "FROM pageviews GROUP", "FROM pageview GROUP",
        "there is no source or model 'pageview'; did you mean 'pageviews'?", at: "pageview"),
      Mistake(
        sql, "FROM pageviews GROUP", "FROM 'in.csv' GROUP", "the file 'in.csv' stands after FROM",
        at: "'in.csv'"),
      Mistake(sql, "FROM pageviews GROUP", "FROM read_csv('x') GROUP", "read_csv", at: "read_csv"),
      Mistake(
        sql, "SELECT domain, page, views, rank, $", "SELECT domain, page, views, rnak, $",
        "\"rnak\" not found", at: "rnak"),
      Mistake(sql, "sum(views)::bigint", "smu(views)::bigint", "smu", at: "smu"),
      Mistake(
        sql, "rank <= $top", "rank <= $tap", "$tap, which is no parameter here; did you mean $top?",
        at: "$tap"),
    ])
  func placed(mistake: Mistake) throws {
    let project = try PageviewsProject()
    try project.stage("2024-01-01T05", "aa A 1 0\n")
    try project.edit(mistake.file, mistake.old, mistake.new)
    let outcome = try project.sluice("run", "pageviews", "--twin")
    #expect(outcome.exitCode == 1 || outcome.exitCode == 2, "\(outcome)")
    let found = outcome.standardError.split(separator: "\n").filter {
      $0.contains(mistake.message)
    }
    #expect(found.count == 1, "\(outcome)")
    let place = "\(mistake.file):\(try mistake.place(in: project))"
    #expect(found.first?.contains(place) == true, "\(place)\n\(outcome)")
    try expectUntouched(project)
  }

  @Test(
    "Columns that are not the declared ones, and not of the declared types (rule 27)",
    arguments: [
      Mistake(
        sql, "SELECT domain, page, views, rank, $", "SELECT domain, page, views AS v, rank, $",
        "the declared column views is missing"),
      Mistake(
        sql, "SELECT domain, page, views, rank, $",
        "SELECT domain, page, views, rank, 1 AS extra, $", "the column extra is not declared"),
      Mistake(
        sql, "SELECT domain, page, views, rank, $", "SELECT domain, page, domain AS views, rank, $",
        "column views is string, declared bigint; write (…)::bigint AS views"),
      Mistake(
        sql, "sum(views)::bigint", "sum(views)",
        "column views is HUGEINT, as the sum of a bigint is, declared bigint"),
      Mistake(
        sql, "SELECT domain, page, views, rank, $",
        "SELECT domain, page, views::ubigint AS views, rank, $", "column views is UBIGINT"),
      Mistake(model, "rank: {type: int,", "rank: {type: string,", "column rank is"),
    ])
  func columns(mistake: Mistake) throws {
    let project = try PageviewsProject()
    try project.stage("2024-01-01T05", "aa A 1 0\n")
    try project.edit(mistake.file, mistake.old, mistake.new)
    let outcome = try project.sluice("run", "pageviews", "--twin")
    #expect(outcome.exitCode == 1, "\(outcome)")
    let found = outcome.standardError.split(separator: "\n").filter {
      $0.contains(mistake.message)
    }
    #expect(found.count == 1, "\(outcome)")
    #expect(found.first?.contains("pageviews.top_pages") == true)
    try expectUntouched(project)
  }

  private func expectUntouched(_ project: PageviewsProject) throws {
    #expect(
      !(try project.listing("lake").keys.contains {
        $0.hasPrefix("tables/") || $0.hasPrefix("exports/") || $0.hasPrefix("state/")
      }))
  }

  @Test(
    "The command line is checked before anything is done",
    arguments: [
      (["run", "pagevews"], "there is no pipeline 'pagevews'; did you mean 'pageviews'?"),
      (["run", "--form", "2024-01-01"], "unknown flag '--form'; did you mean '--from'?"),
      (["rnu"], "'rnu'"), (["run", "--from", "2024-13-01"], "there is no month 13"),
      (["run", "--from", "2024-01-01T24"], "--from '2024-01-01T24'"),
      (["run", "--from", "2024-01-02", "--to", "2024-01-01"], "--to"),
      (["run", "--to", "2024-01-02"], "--from"),
      (["run", "--set", "ties=best"], "one of rank, dense_rank, row_number"),
      (["run", "--set", "tise=rank"], "tise"),
      (["run", "--set", "top=0"], "top"), (["run", "--set", "top=many"], "many"),
      (["run", "--memory", "lots"], "lots"), (["run", "--threads", "0"], "--threads"),
      (["run", "--profile", "prdo"], "did you mean"),
      (["run", "--project", "/nowhere"], "/nowhere"),
      (["history", "nosuchrun"], "there is no run 'nosuchrun'"),
      (["query", "SELECT * FROM pageviews.top_page"], "did you mean pageviews.top_pages?"),
      (["query", "SELEC 1"], "1:1"), (["query", "SELECT 1", "--format", "xml"], "xml"),
    ])
  func commandLine(arguments: [String], message: String) throws {
    let project = try PageviewsProject()
    try project.stage("2024-01-01T05", "aa A 1 0\n")
    let outcome = try project.run(arguments)
    #expect(outcome.exitCode == 2, "\(outcome)")
    let found = outcome.standardError.split(separator: "\n").filter { $0.contains(message) }
    #expect(found.count == 1, "\(outcome)")
    #expect(outcome.standardOutput == "")
    #expect(try project.listing("lake").isEmpty)
  }

  @Test(
    "A clock that makes no sense", arguments: ["yesterday", "2024-02-30", "2024-01-01T25:00:00Z"])
  func clock(now: String) throws {
    let project = try PageviewsProject()
    let outcome = try project.sluice("run", variables: ["SLUICE_NOW": now])
    #expect(outcome.exitCode == 2)
    #expect(outcome.standardError.hasPrefix("error: SLUICE_NOW '\(now)': "), "\(outcome)")
    #expect(outcome.standardError.split(separator: "\n").count == 1)
  }

  @Test("rule 14: how a source is read is part of its readers' definitions")
  func reading() throws {
    let project = try PageviewsProject()
    try Copy.write(to: project, malformed: "quarantine")
    try project.root.write("n,word\n1,one\n2,-\n", to: "in/1.csv")
    try project.mustRun(["run", "copy"])
    try project.edit(
      "pipelines/copy/pipeline.yaml", "header: true", "header: true\n    null_values: [\"-\"]")
    let outcome = try project.sluice("run", "copy")
    #expect(outcome.exitCode == 1)
    #expect(outcome.standardError.contains("definition changed"), "\(outcome)")
    #expect(try project.sluice("run", "copy", "--full-refresh").exitCode == 0)
    #expect(
      try project.query("SELECT word FROM copy.numbers ORDER BY n").map { $0["word"] ?? "none" }
        == ["one", .null])
  }
}
