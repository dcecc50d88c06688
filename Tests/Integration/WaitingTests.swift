import Core
import Foundation
import Testing

/// Files that are not there yet: waited for as configured, not an error.
@Suite(
  "Waiting for files", .enabled(if: Repository.canRun, Comment(rawValue: Repository.whyNot)))
struct WaitingTests {
  static let pipeline = "pipelines/pageviews/pipeline.yaml"
  static let here = "2024-01-01T04"
  static let late = "2024-01-01T05"
  static let range = ["run", "pageviews", "--json", "--from", here, "--to", "2024-01-01T06"]

  private func project(wait: String) throws -> PageviewsProject {
    let project = try PageviewsProject()
    try project.edit(
      WaitingTests.pipeline, "{timeout: 0s, every: 60s, on_timeout: skip}", wait)
    try project.stage(WaitingTests.here, "aa A 1 0\n")
    return project
  }

  private func statuses(_ outcome: Outcome) throws -> [JSON?] {
    try outcome.json().filter { $0["type"] == "unit" }.map { $0["status"] }
  }

  @Test("Without a timeout: what is there is done, the rest stays pending and is done later")
  func pending() throws {
    let project = try PageviewsProject()
    try project.stage(WaitingTests.here, "aa A 1 0\n")
    let outcome = try project.run(WaitingTests.range)
    #expect(outcome.exitCode == 0, "\(outcome)")
    #expect(try statuses(outcome) == ["published", "waiting"])
    #expect(
      try outcome.json()[1]["reason"]?.string?.contains(project.staged(WaitingTests.late).path)
        == true)
    // Looked for again, in vain: nothing is done and nothing is written.
    let lake = try project.listing("lake")
    let again = try project.run(WaitingTests.range)
    #expect(again.exitCode == 0)
    #expect(try statuses(again) == ["upToDate", "waiting"])
    #expect(try again.json().last?["status"] == "waiting")
    #expect(try project.listing("lake") == lake)
    let text = try project.sluice("run", "pageviews", "--from", WaitingTests.late)
    #expect(text.exitCode == 0 && text.standardOutput.contains("waiting"), "\(text)")

    try project.stage(WaitingTests.late, "aa B 2 0\n")
    let later = try project.run(WaitingTests.range)
    #expect(try statuses(later) == ["upToDate", "published"])
    #expect(try project.exported(WaitingTests.late) == "domain,page,views,rank\naa,B,2,1\n")
  }

  @Test("With a timeout: what is there is published meanwhile, and the file when it comes")
  func appears() throws {
    let project = try project(wait: "{timeout: 1h, every: 20ms}")
    let command = try project.start(WaitingTests.range)
    // The formats are written at the same time, in no order, and a file that is put has a second,
    // temporary name beside it for a moment.
    while command.isRunning, (try? project.exported(WaitingTests.here)) == nil { usleep(2000) }
    #expect(command.isRunning)
    #expect(try project.exported(WaitingTests.here) == "domain,page,views,rank\naa,A,1,1\n")
    // Put there as a whole, as object stores and careful writers do.
    let whole = try project.root.write(Gzip.compress("aa B 2 0\n"), to: "whole")
    let place = project.staged(WaitingTests.late)
    try FileManager.default.moveItem(at: whole, to: place)
    let outcome = command.wait()
    #expect(outcome.exitCode == 0, "\(outcome)")
    #expect(try statuses(outcome) == ["published", "published"])
    #expect(try project.exported(WaitingTests.late) == "domain,page,views,rank\naa,B,2,1\n")
  }

  @Test("A day waits for all of its 24 files, or for as many as it requires", arguments: [24, 23])
  func day(required: Int) throws {
    let project = try PageviewsProject()
    if required < 24 {
      try project.edit(
        WaitingTests.pipeline, "on_republish: ignore",
        "require: \(required)\n    on_republish: ignore")
    }
    for hour in 0..<23 {
      try project.stage("2024-01-01T" + (hour < 10 ? "0\(hour)" : "\(hour)"), "aa A 1 0\n")
    }
    let run = ["run", "pageviews", "--json", "--set", "interval=day", "--from", "2024-01-01"]
    let outcome = try project.run(run)
    #expect(outcome.exitCode == 0)
    #expect(try statuses(outcome) == [required == 24 ? "waiting" : "published"], "\(outcome)")
    try project.stage("2024-01-01T23", "aa A 1 0\n")
    let later = try project.run(run)
    #expect(later.exitCode == 0)
    #expect(try statuses(later) == ["published"], "\(later)")
    #expect(try project.exported("2024-01-01") == "domain,page,views,rank\naa,A,24,1\n")
  }

  @Test("A timeout that fails says which interval and which file, and is tried again next time")
  func fails() throws {
    let project = try project(wait: "{timeout: 200ms, every: 50ms, on_timeout: fail}")
    let outcome = try project.run(WaitingTests.range)
    #expect(outcome.exitCode == 1, "\(outcome)")
    #expect(try statuses(outcome) == ["published", "failed"])
    let message = outcome.standardError.split(separator: "\n").filter {
      $0.contains("did not come in time")
    }
    #expect(message.count == 1, "\(outcome)")
    #expect(message.first?.contains(WaitingTests.late) == true)
    #expect(
      outcome.standardError.contains(PageviewsProject.dumpPath(WaitingTests.late)), "\(outcome)")
    #expect(try project.sluice("history", "--json").json().first?["status"] == "failed")
    try project.stage(WaitingTests.late, "aa B 2 0\n")
    let later = try project.run(WaitingTests.range)
    #expect(later.exitCode == 0)
    #expect(try statuses(later) == ["upToDate", "published"])
  }

  @Test("A timeout that skips is no failure")
  func skips() throws {
    let project = try project(wait: "{timeout: 200ms, every: 50ms, on_timeout: skip}")
    let outcome = try project.run(WaitingTests.range)
    #expect(outcome.exitCode == 0, "\(outcome)")
    #expect(try statuses(outcome) == ["published", "waiting"])
  }

  @Test(
    "A server that does not have the file for a while",
    .enabled(if: Python.isThere, "needs python3"))
  func server() throws {
    let project = try project(wait: "{timeout: 1h, every: 20ms}")
    try project.stage(WaitingTests.late, "aa B 2 0\n")
    let server = try DumpsServer(project.input, missing: 4)
    let outcome = try project.run(WaitingTests.range, variables: ["PAGEVIEWS_URL": server.url])
    #expect(outcome.exitCode == 0, "\(outcome)")
    #expect(try statuses(outcome) == ["published", "published"])
    #expect(try project.exported(WaitingTests.late) == "domain,page,views,rank\naa,B,2,1\n")
    for hour in [WaitingTests.here, WaitingTests.late] {
      let asked = server.requests().filter { $0.contains(PageviewsProject.dumpPath(hour)) }
      #expect(asked.count { $0.contains(" 404 ") } == 4, "\(asked)")
    }
  }
}
