import Core
import Foundation
import Testing

/// `plan` says what `run` then does, and changes nothing.
@Suite(
  "Plan and run agree", .enabled(if: Repository.canRun, Comment(rawValue: Repository.whyNot)))
struct PlanAgreementTests {
  static let range = ["--from", "2024-01-01T03", "--to", "2024-01-01T07"]

  /// What is there before the plan, and what is asked for.
  enum Situation: String, CaseIterable, CustomTestStringConvertible {
    case new = "a new lake, a missing file, a folder in the place of a file"
    case partly = "one hour done, one added"
    case nothing = "nothing to do"
    case exportGone = "an export that was removed"
    case markerGone = "a marker that was removed"
    case forced = "everything again"
    case definition = "another query"
    case ties = "another parameter"
    case exportDefinition = "another export"
    case republished = "a file published again, which counts"
    case ignored = "a file published again, which does not count"
    case blockList = "another block list, which counts"
    case day = "a day over hourly files"

    var testDescription: String { rawValue }

    var arguments: [String] {
      switch self {
      case .forced: ["pageviews", "--force"] + PlanAgreementTests.range
      case .ties: ["pageviews", "--set", "ties=row_number"] + PlanAgreementTests.range
      case .day: ["pageviews", "--set", "interval=day", "--from", "2024-01-01"]
      default: ["pageviews"] + PlanAgreementTests.range
      }
    }

    /// How many units have each fate.
    var fates: [String: Int] {
      switch self {
      case .new: ["run": 2, "waiting": 1, "blocked": 1]
      case .partly: ["run": 1, "up to date": 1, "waiting": 2]
      case .nothing, .exportGone, .markerGone, .exportDefinition, .ignored: ["up to date": 4]
      case .forced, .definition, .ties, .blockList: ["run": 4]
      case .republished: ["run": 1, "up to date": 3]
      case .day: ["run": 1]
      }
    }

    func project() throws -> PageviewsProject {
      let project = try PageviewsProject()
      let pipeline = "pipelines/pageviews/pipeline.yaml"
      let text = "aa A 3 0\nbad\naa B 1 0\n"
      func stage(_ hours: Range<Int>) throws {
        for hour in hours {
          try project.stage("2024-01-01T" + (hour < 10 ? "0\(hour)" : "\(hour)"), text)
        }
      }
      if self == .republished {
        try project.edit(pipeline, "on_republish: ignore", "on_republish: rerun")
      }
      if self == .blockList {
        try project.edit(
          "pipelines/pageviews/models/top_pages.yaml", "{on_input_change: ignore}",
          "{on_input_change: rebuild}")
      }
      switch self {
      case .new:
        try stage(3..<4)
        try stage(6..<7)
        try FileManager.default.createDirectory(
          at: project.staged("2024-01-01T05"), withIntermediateDirectories: true)
        return project
      case .partly:
        try stage(3..<4)
        try project.mustRun(["run", "pageviews", "--from", "2024-01-01T03"])
        try stage(5..<6)
        return project
      case .day:
        try stage(0..<24)
        try project.mustRun(["run", "pageviews", "--from", "2024-01-01T03"])
        return project
      default:
        try stage(3..<7)
        try project.mustRun(["run", "pageviews"] + PlanAgreementTests.range)
      }
      let folder = project.exportFolder("2024-01-01T04")
      switch self {
      case .exportGone:
        let name = try #require(project.exportNames("2024-01-01T04").first { $0 != "_SUCCESS" })
        try FileManager.default.removeItem(at: folder.appending(path: name))
      case .markerGone:
        try FileManager.default.removeItem(at: folder.appending(path: "_SUCCESS"))
      case .definition:
        try project.edit(
          "pipelines/pageviews/models/top_pages.yaml", ", percent_decode: [page]}", "}")
      case .exportDefinition:
        try project.edit(
          pipeline, "columns: [domain, page, views, rank]", "columns: [domain, page, rank]")
      case .republished, .ignored: try project.stage("2024-01-01T05", "aa C 9 0\n")
      case .blockList: try project.block("aa B\n")
      default: break
      }
      return project
    }
  }

  @Test(arguments: Situation.allCases)
  func agreement(situation: Situation) throws {
    let project = try situation.project()
    let lake = try project.listing()
    let plan = try project.run(["plan", "--json"] + situation.arguments)
    #expect(plan.exitCode == 0, "\(plan)")
    let text = try project.run(["plan"] + situation.arguments)
    #expect(try project.listing() == lake)

    let planned = try plan.json()
    let units = planned.filter { $0["type"] == "unit" }
    let fates = Dictionary(grouping: units) { $0["action"]?.string ?? "" }.mapValues(\.count)
    #expect(fates == situation.fates)
    #expect(
      text.exitCode == 0 && text.standardOutput.hasSuffix("\n\(summary(planned))\n"), "\(text)")

    let run = try project.run(["run", "--json"] + situation.arguments)
    #expect(run.exitCode == (fates["blocked"] == nil ? 0 : 1), "\(run)")
    let results = try run.json().filter { $0["type"] == "unit" }
    #expect(results.map { $0["interval"] } == units.map { $0["interval"] })
    for (unit, result) in zip(units, results) { expect(unit, became: result) }

    // New batches have the numbers that the plan gave them.
    let state = try project.sluice("state", "--json").json()
    for batch in planned where batch["type"] == "batch" {
      let source = state.first { $0["type"] == "source" && $0["source"] == batch["source"] }
      #expect(source?["batch"] == batch["number"], "\(batch)")
    }
    // Now there is nothing left to do for what could be done.
    let after = try project.run(
      ["plan", "--json"] + situation.arguments.filter { $0 != "--force" }
    ).json()
    #expect(!after.contains { $0["action"] == "run" || $0["type"] == "batch" })
    #expect(
      after.allSatisfy { $0["exports"]?.array?.isEmpty != false }, "\(after)")
  }

  private func expect(_ unit: JSON, became result: JSON) {
    let place = "\(unit) → \(result)"
    let exports = unit["exports"]?.array ?? []
    let written = result["exports"]?.array ?? []
    switch unit["action"] {
    case "run":
      #expect(result["status"] == "published", "\(place)")
      #expect(result["reason"] == unit["reason"], "\(place)")
      #expect(result["bytes_read"] == unit["bytes"], "\(place)")
    case "up to date":
      #expect(result["status"] == (exports.isEmpty ? "upToDate" : "exported"), "\(place)")
    case "waiting": #expect(result["status"] == "waiting", "\(place)")
    default:
      #expect(result["status"] == "failed", "\(place)")
      #expect(
        result["error"]?["message"]?.string.map { unit["reason"]?.string?.contains($0) == true }
          == true, "\(place)")
    }
    #expect(written.map { $0["name"] } == exports.map { $0["name"] }, "\(place)")
    for (export, file) in zip(exports, written) {
      let folder = export["destination"]?.string ?? "?"
      #expect(file["file"]?.string?.hasPrefix(folder + "/top_pages-") == true, "\(place)")
    }
  }

  /// The last line of `plan`, from what `plan --json` says.
  private func summary(_ plan: [JSON]) -> String {
    func count(_ action: JSON) -> Int { plan.count { $0["action"] == action } }
    let batches = plan.count { $0["type"] == "batch" }
    let exports = plan.reduce(0) { $0 + ($1["exports"]?.array?.count ?? 0) }
    var parts: [String] = []
    if batches > 0 { parts.append("\(batches) batch\(batches == 1 ? "" : "es") to append") }
    if count("run") > 0 {
      parts.append("\(count("run")) unit\(count("run") == 1 ? "" : "s") to run")
    }
    if exports > 0 { parts.append("\(exports) export\(exports == 1 ? "" : "s") to write") }
    if count("waiting") > 0 { parts.append("\(count("waiting")) waiting") }
    if count("blocked") > 0 { parts.append("\(count("blocked")) blocked") }
    return parts.isEmpty ? "nothing to do" : parts.joined(separator: ", ")
  }

  @Test(
    "A run with nothing to do loads no engine; one with something to do says that there is none")
  func noEngine() throws {
    let project = try PageviewsProject()
    try project.stage("2024-01-01T05", "aa A 3 0\n")
    let none = ["SLUICE_DUCKDB": "/nonexistent"]
    let run = ["run", "pageviews", "--from", "2024-01-01T05"]
    let early = try project.run(run, variables: none)
    #expect(early.exitCode == 1 || early.exitCode == 2)
    #expect(early.standardError.contains("/nonexistent"), "\(early)")
    try project.mustRun(run)
    let lake = try project.listing()
    for arguments in [
      run, ["plan"], ["state"], ["history"], ["run", "pageviews"], run + ["--json"],
    ] {
      let outcome = try project.run(arguments, variables: none)
      #expect(outcome.exitCode == 0, "\(outcome)")
    }
    #expect(try project.listing() == lake)
    // Also for a pipeline that has never run beside it, and for a query, the engine is needed.
    #expect(try project.sluice("query", "SELECT 1 AS n", variables: none).exitCode != 0)
  }
}
