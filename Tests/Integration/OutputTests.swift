import Core
import Foundation
import Testing

/// What the verbs print: JSON that parses and agrees with the text, ranges, records, states.
@Suite(
  "Output", .enabled(if: Repository.canRun, Comment(rawValue: Repository.whyNot)))
struct OutputTests {
  /// Four hours: published, failed, waiting, published.
  private func project() throws -> PageviewsProject {
    let project = try PageviewsProject()
    try project.stage("2024-01-01T02", "aa A 1 0\naa B 2 0\nbad\n")
    try project.stage("2024-01-01T03", file: [])
    try project.stage("2024-01-01T05", "aa A 1 0\n")
    return project
  }

  static let range = ["--from", "2024-01-01T02", "--to", "2024-01-01T06"]

  @Test("run: every line is JSON, the summary adds up, and the text says the same")
  func run() throws {
    let json = try project().run(["run", "--json"] + OutputTests.range)
    let text = try project().run(["run"] + OutputTests.range)
    #expect(json.exitCode == 1 && text.exitCode == 1)
    let lines = try json.json()
    #expect(json.standardOutput.hasSuffix("\n") && lines.count == 5)
    let units = lines.dropLast()
    #expect(units.allSatisfy { $0["type"] == "unit" && $0["model"] == "top_pages" })
    #expect(units.map { $0["status"] } == ["published", "failed", "waiting", "published"])
    #expect(units.map { $0["rows"] } == [2, 0, 0, 1])
    let summary = try #require(lines.last)
    #expect(summary["type"] == "summary" && summary["status"] == "failed")
    #expect(
      ["published", "failed", "waiting", "rows", "quarantined"].map { summary[$0] }
        == [2, 1, 1, 3, 1])

    let rows = text.standardOutput.split(separator: "\n").filter { $0.contains("top_pages  2024") }
    #expect(rows.count == 4, "\(text)")
    for (row, unit) in zip(rows, units) {
      let words = row.split(separator: " ")
      let start = unit["interval"]?["start"]?.string ?? ""
      #expect(start.hasPrefix(words[1]) && unit["status"]?.string == String(words[2]), "\(row)")
    }
    #expect(text.standardOutput.contains("2 published, 1 waiting, 1 failed"), "\(text)")
    // People are told on standard error what failed; both ways.
    for outcome in [json, text] {
      #expect(outcome.standardError.contains("pageviews-20240101-030000.gz"))
    }
  }

  @Test("state and history agree with the tables and with each other")
  func records() throws {
    let project = try project()
    let run = try project.run(["run", "--json"] + OutputTests.range)
    let name = try #require(try run.json().last?["run"]?.string)
    try project.stage("2024-01-01T03", "aa C 5 0\n")
    // Both clocks start at a given time: the second run's has to be the later one.
    let second = try project.run(
      ["run", "--json"] + OutputTests.range, variables: ["SLUICE_NOW": "2024-01-02T05:20:00Z"])
    let newer = try #require(try second.json().last?["run"]?.string)

    let history = try project.sluice("history", "--json").json()
    #expect(history.map { $0["run"]?.string } == [newer, name])
    #expect(history.map { $0["status"] } == ["done", "failed"])
    #expect(
      history[1]["units"]?.array?.map { $0["status"] } == [
        "published", "failed", "waiting", "published",
      ])
    #expect(try project.sluice("history", "--json", "--limit", "1").json().count == 1)
    let record = try project.sluice("history", "--json", name).json()
    #expect(record == [history[1]])
    let text = try project.sluice("history").standardOutput
    #expect(text.contains(name) && text.contains(newer))
    #expect(try project.sluice("history", name).standardOutput.contains("2024-01-01T03"))

    let state = try project.sluice("state", "--json").json()
    let table = try #require(state.first { $0["model"] == "top_pages" })
    let counts = try project.query(
      "SELECT interval_start::varchar AS start, count(*) AS n FROM pageviews.top_pages GROUP BY ALL ORDER BY start"
    )
    let intervals = table["intervals"]?.array ?? []
    #expect(intervals.map { $0["rows"] } == counts.map { $0["n"] })
    #expect(counts.map { $0["n"] } == [2, 1, 1])
    #expect(table["rows"] == 4 && table["kind"] == "interval" && table["problem"] == .null)
    #expect(intervals.map { $0["run"]?.string } == [name, newer, name])
    #expect(
      intervals.compactMap { $0["objects"]?.array?.first?["address"]?.string }
        == ["02", "03", "05"].map { project.staged("2024-01-01T\($0)").path })
    let quarantine = try #require(state.first { $0["model"] == "quarantine" })
    #expect(quarantine["rows"] == 1)
    let sources = state.filter { $0["type"] == "source" }
    #expect(sources.map { $0["source"] } == ["pageviews", "blocked"])
    #expect(sources.map { $0["files"] } == [3, 1])
    #expect(!state.contains { $0["type"] == "leftover" })
    let lines = try project.sluice("state").standardOutput
    #expect(lines.contains("consumed 2024-01-01T02") && lines.contains("2024-01-01T05"), "\(lines)")
  }

  @Test("check audits what is published, and finds what somebody else broke in the project")
  func check() throws {
    let project = try project()
    try project.mustRun(["run", "--from", "2024-01-01T02"])
    let good = try project.sluice("check", "--json")
    #expect(good.exitCode == 0, "\(good)")
    let checks = try #require(try good.json().first { $0["model"] == "top_pages" })
    #expect(checks["checks"]?.array?.allSatisfy { $0["passed"] == true } == true)
    // A stricter check than the one it was published with.
    try project.edit(
      "pipelines/pageviews/models/top_pages.yaml",
      "rank: {type: int, checks: [{between: {min: 1}}]}",
      "rank: {type: int, checks: [{between: {min: 2}}]}")
    let bad = try project.sluice("check", "--json")
    #expect(bad.exitCode == 1, "\(bad)")
    let failed = try #require(try bad.json().first { $0["model"] == "top_pages" })
    #expect(failed["failed"] == true)
    #expect(
      failed["checks"]?.array?.first { $0["name"] == "rank_between" }?["failing_rows"] == 1)
  }

  @Test(
    "Ranges are half-open, in UTC, and name whole intervals",
    arguments: [
      (["--from", "2024-01-01T05"], [5]), (["--from", "2024-01-01T05:59:59"], [5]),
      (["--from", "2024-01-01T06:30:00+01:00"], [5]),
      (["--from", "2024-01-01T03", "--to", "2024-01-01T06"], [3, 4, 5]),
      (["--from", "2024-01-01T03", "--to", "2024-01-01T03:00:01"], [3]),
      (["--from", "2024-01-01T22", "--to", "2024-01-02"], [22, 23]), ([], [5]),
    ])
  func ranges(arguments: [String], hours: [Int]) throws {
    let project = try PageviewsProject()
    let plan = try project.run(["plan", "--json"] + arguments)
    #expect(plan.exitCode == 0, "\(plan)")
    let units = try plan.json().filter { $0["type"] == "unit" }
    #expect(
      units.map { $0["interval"]?["start"]?.string }
        == hours.map { "2024-01-01T\($0 < 10 ? "0" : "")\($0):00:00Z" }, "\(plan)")
  }

  @Test("A reader that leaves early is no failure, and the run is finished all the same")
  func brokenPipe() throws {
    let project = try project()
    func shell(_ script: String) throws -> Outcome {
      var environment = project.environment
      environment["SLUICE_UNDER_TEST"] = Repository.binary
      return try RunningCommand(
        "/bin/bash", ["-c", script], environment: environment, in: project.root
      ).wait()
    }
    let run = try shell(
      "\"$SLUICE_UNDER_TEST\" run --quiet --json --from 2024-01-01T02 2>errors | true; echo \"${PIPESTATUS[0]}\""
    )
    #expect(run.standardOutput == "0\n", "\(run)")
    #expect(try String(contentsOf: project.root.appending(path: "errors"), encoding: .utf8) == "")
    #expect(try project.exported("2024-01-01T02") != nil)
    let query = try shell(
      """
      "$SLUICE_UNDER_TEST" query --format json \
        'SELECT unnest(range(300000)) AS n FROM pageviews.top_pages' 2>errors | head -2
      echo "${PIPESTATUS[0]}"; cat errors
      """)
    #expect(query.standardOutput.split(separator: "\n").count == 3, "\(query)")
    #expect(query.standardOutput.hasSuffix("\n0\n"))
    let plan = try shell("\"$SLUICE_UNDER_TEST\" plan --json | true; echo \"${PIPESTATUS[0]}\"")
    #expect(plan.standardOutput == "0\n" && plan.standardError == "")
  }

  @Test("Completions are scripts that their shells accept", arguments: ["bash", "zsh", "fish"])
  func completions(shell: String) throws {
    let project = try PageviewsProject()
    let script = try project.sluice("completions", shell)
    #expect(script.exitCode == 0 && script.output.count > 500)
    let file = try project.root.write(script.output, to: "completions.\(shell)")
    let programs = ["/bin/\(shell)", "/usr/bin/\(shell)", "/usr/local/bin/\(shell)"]
    // bash is everywhere; the others are asked where they are.
    guard let program = programs.first(where: { FileManager.default.isExecutableFile(atPath: $0) })
    else {
      #expect(shell != "bash", "no bash")
      return
    }
    let parsed = try RunningCommand(
      program, ["-n", file.path], environment: [:], in: project.root
    ).wait()
    #expect(parsed.exitCode == 0 && parsed.output.isEmpty && parsed.errors.isEmpty, "\(parsed)")
  }

  @Test("init makes a project that checks, plans, runs, answers and then has nothing to do")
  func initialize() throws {
    let project = try PageviewsProject()
    let shop = project.root.deletingLastPathComponent().appending(path: "shop")
    try FileManager.default.createDirectory(at: shop, withIntermediateDirectories: true)
    func sluice(_ arguments: String...) throws -> Outcome {
      var environment = project.environment
      environment["SLUICE_NOW"] = nil
      return try RunningCommand(
        Repository.binary, arguments, environment: environment, in: shop
      ).wait()
    }
    #expect(try sluice("plan").exitCode == 2)
    for arguments in [["init"], ["check"], ["plan"], ["run"], ["check"]] {
      let outcome = try RunningCommand(
        Repository.binary, arguments, environment: project.environment, in: shop
      ).wait()
      #expect(outcome.exitCode == 0, "\(outcome)")
    }
    let rows = try sluice(
      "query", "--format", "csv", "SELECT * FROM best_sellers ORDER BY revenue DESC")
    #expect(rows.standardOutput == "product,revenue\nmug,45.00\ntea,36.00\ncoffee,28.80\n")
    let again = try sluice("run", "--json")
    #expect(try again.json().last?["status"] == "unchanged")
    #expect(try sluice("init").exitCode == 2)
  }
}
