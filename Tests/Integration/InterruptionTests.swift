import Core
import Foundation
import Testing

@testable import sluice_sample

/// Ctrl-C and SIGTERM: the process ends with the code of its signal, nothing is half-published, and
/// the next run completes the work.
@Suite(
  "Interruptions", .serialized,
  .enabled(if: Repository.canRun, Comment(rawValue: Repository.whyNot)))
struct InterruptionTests {
  static let hour = "2024-01-01T05"
  static let run = ["run", "pageviews", "--json", "--from", hour]

  /// A run that has just made its `count`th call, or the first of a method.
  private func started(
    _ project: PageviewsProject, _ arguments: [String], variables: [String: String] = [:],
    when isReached: (String) -> Bool
  ) throws -> RunningCommand {
    let trace = project.root.appending(path: "trace-\(UUID().uuidString)")
    let command = try project.start(
      arguments, variables: variables.merging(["SLUICE_TEST_TRACE": trace.path]) { $1 })
    while command.isRunning {
      if isReached((try? String(contentsOf: trace, encoding: .utf8)) ?? "") { break }
      usleep(500)
    }
    return command
  }

  @Test("In the middle of computing a large hour", arguments: [SIGINT, SIGTERM])
  func computing(signal: Int32) throws {
    let project = try PageviewsProject()
    let code = SampleCommand.run([
      "pageviews", "--out", project.input.path, "--from", InterruptionTests.hour, "--lines",
      "150000", "--json",
    ])
    try #require(code == 0)
    let whole = try PageviewsProject()
    try whole.stage(InterruptionTests.hour, "aa B 3 0\n")
    let call = try #require(
      try whole.traced(InterruptionTests.run).mutations.first { $0.method == "compute" })
    // It stops there by itself and goes on with the signal on its way: however slow this test is.
    let command = try started(
      project, InterruptionTests.run, variables: ["SLUICE_TEST_KILL": "stop:\(call.number)"]
    ) { $0.contains("\tcompute\t") }
    command.send(signal: signal)
    while command.isRunning {
      command.send(signal: SIGCONT)
      usleep(10_000)
    }
    let outcome = command.wait()
    #expect(outcome.exitCode == 128 + signal, "\(outcome)")
    #expect(outcome.standardError.contains("stopping"))
    let lines = try outcome.json()
    #expect(lines.last?["status"] == "interrupted")
    #expect(lines.first?["status"] == "skipped" && lines.first?["rows"] == 0)

    let lake = try project.listing("lake").keys
    #expect(!lake.contains { $0.hasPrefix("tables/") || $0.hasPrefix("exports/") }, "\(lake)")
    #expect(!lake.contains { $0.hasPrefix("runs/active/") })
    #expect(try project.listing(".sluice").isEmpty)
    let record = try project.sluice("history", "--json").json()
    #expect(record.map { $0["status"] } == ["interrupted"])

    let again = try project.run(InterruptionTests.run)
    #expect(again.exitCode == 0, "\(again)")
    #expect(
      try project.exported(InterruptionTests.hour)
        == Oracle.csv([project.staged(InterruptionTests.hour)]))
  }

  @Test(
    "After any call", .enabled(if: Python.hasVenv, Comment(rawValue: Python.whyNoVenv)),
    arguments: [SIGINT, SIGTERM])
  func anywhere(signal: Int32) throws {
    func project() throws -> PageviewsProject {
      let project = try PageviewsProject()
      try project.stage(InterruptionTests.hour, "aa B 3 0\nbad\naa A 3 0\n")
      return project
    }
    let whole = try project()
    let (_, mutations) = try whole.traced(InterruptionTests.run)
    let expected = try LakeAudit.of(whole.lake).content(of: whole)
    #expect(expected.count == 4)

    var projects: [PageviewsProject] = []
    var interrupted = 0
    for count in stride(from: signal == SIGINT ? 1 : 2, through: mutations.count, by: 2) {
      let project = try project()
      let command = try started(project, InterruptionTests.run) {
        $0.utf8.count { $0 == 0x0A } >= count
      }
      command.send(signal: signal)
      let outcome = command.wait()
      // It may have been done before the signal came.
      #expect(outcome.exitCode == 128 + signal || outcome.exitCode == 0, "\(outcome)")
      if outcome.exitCode != 0 { interrupted += 1 }
      let lake = try project.listing("lake").keys
      #expect(!lake.contains { $0.hasPrefix("runs/active/") })
      let again = try project.run(InterruptionTests.run)
      #expect(again.exitCode == 0, "\(again)")
      projects.append(project)
    }
    #expect(interrupted > 0)
    for (project, audit) in zip(projects, try LakeAudit.of(projects.map(\.lake))) {
      #expect(audit.content(of: project) == expected)
      let disagreements = try project.disagreements(audit)
      #expect(disagreements == [])
    }
  }

  @Test("A query and a wait can be interrupted, too", arguments: [SIGINT, SIGTERM])
  func others(signal: Int32) throws {
    let project = try PageviewsProject()
    try project.stage(InterruptionTests.hour, "aa B 3 0\n")
    try project.mustRun(InterruptionTests.run)
    let query = try project.start([
      "query", "--format", "csv",
      "SELECT count(*) FROM (SELECT unnest(range(100000000)) AS a, page FROM pageviews.top_pages) x, (SELECT unnest(range(1000)) AS b FROM pageviews.top_pages) y WHERE a * b % 7 = 3",
    ])
    // It has opened the engine's spill folder, so it is past its beginnings.
    let spill = project.root.appending(path: ".sluice/spill")
    while query.isRunning,
      ((try? FileManager.default.contentsOfDirectory(atPath: spill.path)) ?? []).isEmpty
    {
      usleep(1000)
    }
    query.send(signal: signal)
    let outcome = query.wait()
    #expect(outcome.exitCode == 128 + signal, "\(outcome)")
    #expect(outcome.standardOutput == "")

    try project.edit(
      "pipelines/pageviews/pipeline.yaml", "{timeout: 0s, every: 60s", "{timeout: 1h, every: 30m")
    let waiting = try started(
      project,
      ["run", "pageviews", "--json", "--from", "2024-01-01T05", "--to", "2024-01-01T07", "--force"]
    ) { $0.contains("_SUCCESS") }
    waiting.send(signal: signal)
    let waited = waiting.wait()
    #expect(waited.exitCode == 128 + signal, "\(waited)")
    #expect(try waited.json().last?["status"] == "interrupted")
  }
}
