import Core
import Foundation
import Testing

/// Dumps read from a web server that is busy, breaks off, and publishes files again while they are
/// read.
@Suite(
  "Web sources", .enabled(if: Repository.canRun, Comment(rawValue: Repository.whyNot)),
  .enabled(if: Python.isThere, "needs python3"))
struct WebSourceTests {
  static let hour = "2024-01-01T05"
  static let run = ["run", "pageviews", "--json", "--from", hour]
  static let path = PageviewsProject.dumpPath(hour)

  /// Some 200 KB of lines that gzip cannot make small, `tag` in each.
  static func text(_ tag: String) -> String {
    (1...8000).map {
      "aa \(tag)_\($0 &* 7919 % 1_000_003)_\($0 &* 104_729 % 999_983) \($0 % 13) 0\n"
    }
    .joined()
  }

  private func expectOracle(_ project: PageviewsProject) throws {
    #expect(
      try project.exported(WebSourceTests.hour)
        == Oracle.csv([project.staged(WebSourceTests.hour)]))
  }

  @Test("Busy for a while, then broken off in the middle: patience, and only the rest again")
  func faults() throws {
    let project = try PageviewsProject()
    try project.stage(WebSourceTests.hour, WebSourceTests.text("a"))
    let server = try DumpsServer(project.input, busy: 3, cut: 2)
    let variables = ["PAGEVIEWS_URL": server.url]
    let outcome = try project.run(WebSourceTests.run, variables: variables)
    #expect(outcome.exitCode == 0, "\(outcome)")
    try expectOracle(project)
    let requests = server.requests()
    #expect(requests.count { $0.contains(" 503 ") } == 3, "\(requests)")
    // Two cut transfers are taken up where they stopped.
    #expect(
      requests.count { $0.hasPrefix("GET") && $0.contains(" 206 bytes=") } == 2, "\(requests)")

    // Nothing is asked for what is known, and what is forced comes from the cache.
    let again = try project.run(WebSourceTests.run, variables: variables)
    #expect(try again.json().last?["status"] == "unchanged")
    #expect(server.requests().count == requests.count)
    let forced = try project.run(WebSourceTests.run + ["--force"], variables: variables)
    #expect(forced.exitCode == 0, "\(forced)")
    #expect(server.requests().dropFirst(requests.count).allSatisfy { $0.hasPrefix("HEAD") })
    #expect(server.requests().count > requests.count)
  }

  @Test("A server that stays busy fails its hours with a message, and only for now")
  func busy() throws {
    let project = try PageviewsProject()
    try project.stage(WebSourceTests.hour, "aa A 1 0\n")
    let server = try DumpsServer(project.input, busy: 1000)
    let outcome = try project.run(WebSourceTests.run, variables: ["PAGEVIEWS_URL": server.url])
    #expect(outcome.exitCode == 1, "\(outcome)")
    let message = outcome.standardError.split(separator: "\n").filter {
      $0.contains("\(server.url)/\(WebSourceTests.path)") && $0.contains("503")
    }
    #expect(!message.isEmpty, "\(outcome)")
    #expect(!(try project.listing("lake").keys.contains { $0.hasPrefix("tables/") }))
    let well = try DumpsServer(project.input)
    let later = try project.run(WebSourceTests.run, variables: ["PAGEVIEWS_URL": well.url])
    #expect(later.exitCode == 0, "\(later)")
    try expectOracle(project)
  }

  @Test("No server at all is a message with its address")
  func unreachable() throws {
    let project = try PageviewsProject()
    try project.stage(WebSourceTests.hour, "aa A 1 0\n")
    var server: DumpsServer? = try DumpsServer(project.input)
    let address = try #require(server?.url)
    server = nil
    let outcome = try project.run(WebSourceTests.run, variables: ["PAGEVIEWS_URL": address])
    #expect(outcome.exitCode == 1, "\(outcome)")
    #expect(outcome.standardError.contains("\(address)/\(WebSourceTests.path)"))
  }

  @Test("Not published yet is waiting, not an error")
  func missing() throws {
    let project = try PageviewsProject()
    let server = try DumpsServer(project.input)
    let variables = ["PAGEVIEWS_URL": server.url]
    let outcome = try project.run(WebSourceTests.run, variables: variables)
    #expect(outcome.exitCode == 0, "\(outcome)")
    let unit = try outcome.json().first
    #expect(unit?["status"] == "waiting")
    #expect(unit?["reason"]?.string == "waiting for \(server.url)/\(WebSourceTests.path)")
    try project.stage(WebSourceTests.hour, "aa A 1 0\n")
    #expect(try project.run(WebSourceTests.run, variables: variables).exitCode == 0)
    try expectOracle(project)
  }

  /// The same length, so that only the ETag tells them apart.
  @Test(
    "rule 2: published again between HEAD and GET, and in the middle of the transfer",
    arguments: [(answers: 1, cuts: 0), (answers: 2, cuts: 1), (answers: 3, cuts: 2)])
  func replaced(answers: Int, cuts: Int) throws {
    let project = try PageviewsProject()
    let old = Gzip.compress(Array(WebSourceTests.text("a").utf8), level: 0)
    let new = Gzip.compress(Array(WebSourceTests.text("b").utf8), level: 0)
    try #require(old.count == new.count)
    try project.stage(WebSourceTests.hour, file: old)
    try project.input.write(new, to: WebSourceTests.path + ".next")
    let server = try DumpsServer(project.input, cut: cuts, replaceAfter: answers)
    let outcome = try project.run(WebSourceTests.run, variables: ["PAGEVIEWS_URL": server.url])
    #expect(outcome.exitCode == 0, "\(outcome)\n\(server.requests())")
    #expect(try [UInt8](Data(contentsOf: project.staged(WebSourceTests.hour))) == new)
    try expectOracle(project)

    // The change is in the log: one file, two batches; what was consumed is the second version.
    let state = try project.sluice(
      "state", "--json", variables: ["PAGEVIEWS_URL": server.url]
    ).json()
    let source = state.first { $0["source"] == "pageviews" }
    #expect(source?["batch"] == 2 && source?["files"] == 1, "\(server.requests())")
    let unit = try #require(try outcome.json().first)
    #expect(unit["attempts"] == 2 && unit["status"] == "published")
    #expect(unit["bytes_read"] == .integer(Int64(new.count)))
    #expect(try project.leftovers().isEmpty)
  }

  @Test("A file published again later counts only where it is to", arguments: ["ignore", "rerun"])
  func republished(policy: String) throws {
    let project = try PageviewsProject()
    try project.edit(
      "pipelines/pageviews/pipeline.yaml", "on_republish: ignore", "on_republish: \(policy)")
    try project.stage(WebSourceTests.hour, "aa A 1 0\n")
    let server = try DumpsServer(project.input)
    let variables = ["PAGEVIEWS_URL": server.url]
    try project.mustRun(WebSourceTests.run, variables: variables)
    let first = try project.exported(WebSourceTests.hour)
    try project.stage(WebSourceTests.hour, "aa B 22 0\n")
    let outcome = try project.run(WebSourceTests.run, variables: variables)
    #expect(outcome.exitCode == 0, "\(outcome)")
    if policy == "rerun" {
      #expect(try outcome.json().first?["reason"] == "published again at the source")
      try expectOracle(project)
    } else {
      #expect(try outcome.json().last?["status"] == "unchanged")
      #expect(try project.exported(WebSourceTests.hour) == first)
    }
    // Beyond `recheck`, nobody looks any more.
    try project.stage(WebSourceTests.hour, "aa C 333 0\n")
    let late = try project.run(
      WebSourceTests.run,
      variables: variables.merging(["SLUICE_NOW": "2024-01-05T00:00:00Z"]) { $1 })
    #expect(try late.json().last?["status"] == "unchanged", "\(late)")
  }

  @Test("A secret in the address is in no message, log, plan, lake file or record")
  func secrets() throws {
    let project = try PageviewsProject()
    try project.stage(WebSourceTests.hour, "aa A 1 0\nbad\n")
    let server = try DumpsServer(project.input, login: "reader:hunter2secret")
    let address = "http://reader:hunter2secret@127.0.0.1:\(server.port)"
    for hour in [WebSourceTests.hour, "2024-01-01T06"] {
      for verb in ["plan", "run", "state", "history"] {
        let range = ["plan", "run"].contains(verb) ? ["--from", hour] : []
        for json in [[], ["--json"]] {
          let outcome = try project.run(
            [verb] + json + range, variables: ["PAGEVIEWS_URL": address])
          #expect(outcome.exitCode == 0, "\(outcome)")
          #expect(!(outcome.standardOutput + outcome.standardError).contains("hunter2secret"))
        }
      }
    }
    try expectOracle(project)
    // The login is not in the log, and yet what the log names can be fetched again.
    try FileManager.default.removeItem(at: project.root.appending(path: ".sluice/cache"))
    let again = try project.run(
      WebSourceTests.run + ["--force"], variables: ["PAGEVIEWS_URL": address])
    #expect(again.exitCode == 0, "\(again)")
    #expect(!(again.standardOutput + again.standardError).contains("hunter2secret"))
    let refused = try project.run(
      ["run", "pageviews", "--from", "2024-01-01T06"],
      variables: ["PAGEVIEWS_URL": address.replacingOccurrences(of: "hunter2", with: "hunter3")])
    #expect(refused.exitCode == 1 && refused.standardError.contains("401"), "\(refused)")
    #expect(!refused.standardError.contains("hunter3"))
    let rows = try project.query("SELECT source_file FROM pageviews.quarantine")
    #expect(rows.first?["source_file"]?.string?.contains("hunter2secret") == false)
    for (file, _) in try project.listing() where !file.hasPrefix("pipelines/") {
      let bytes = try Data(contentsOf: project.root.appending(path: file))
      #expect(bytes.range(of: Data("hunter2secret".utf8)) == nil, "\(file)")
    }
  }
}
