import Core
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Pipelines

@Suite("hooks")
struct HookTests {
  /// `FullTests.project` with hooks that append what they are told to a file.
  private func project(_ hooks: String) throws -> TestProject {
    let project = try FullTests.project()
    let file = project.folder.appending(path: "pipelines/shop/pipeline.yaml")
    let text = try String(contentsOf: file, encoding: .utf8)
    try project.write("pipelines/shop/pipeline.yaml", text + "\n" + hooks)
    return project
  }

  private func told(_ project: TestProject, _ name: String = "told") throws -> [JSON] {
    guard let bytes = try? project.read(name) else { return [] }
    return try String(decoding: bytes, as: UTF8.self).split(separator: "\n").map {
      try JSON(parsing: Array($0.utf8))
    }
  }

  private static let appending = """
    hooks:
      on_publish:
        - command: [sh, -c, "cat >> told"]
      on_failure:
        - command: [sh, -c, "cat >> failures"]
    """

  @Test("a program is told of every table that was published, on its standard input")
  func published() throws {
    let project = try project(Self.appending)
    let report = try project.run()
    #expect(report.status == .done)
    let events = try told(project)
    #expect(events.map { $0["event"]?.string } == ["publish", "publish"])
    let units = events.compactMap { $0["units"]?.array?.first }
    #expect(units.map { $0["model"]?.string } == ["totals", "counted"])
    #expect(units.map { $0["rows"]?.integer } == [2, 1])
    #expect(events.allSatisfy { $0["run"]?.string == report.run })
    #expect(events.allSatisfy { $0["pipeline"]?.string == "shop" })

    // Nothing to do is nothing to tell.
    #expect(try project.run().status == .unchanged)
    #expect(try told(project).count == 2)
    #expect(try told(project, "failures") == [])
  }

  @Test("a run that fails tells so once, with every unit that failed and why")
  func failed() throws {
    let project = try project(Self.appending)
    try project.write("data/1.csv", "customer,amount\nann,-7\n")
    let report = try project.run()
    #expect(report.status == .failed)
    let events = try told(project, "failures")
    #expect(events.map { $0["event"]?.string } == ["failure"])
    let units = events.first?["units"]?.array ?? []
    #expect(units.map { $0["model"]?.string } == ["totals"])
    #expect(units.first?["error"]?["message"]?.string?.contains("check") == true)
    #expect(try told(project) == [])
  }

  @Test("a run that could not even be planned tells so, too")
  func unplanned() throws {
    let project = try project(Self.appending)
    try project.write("lake/lake.json", "{\"format\": 99}\n")
    #expect(throws: (any Error).self) { try project.run() }
    let events = try told(project, "failures")
    #expect(events.count == 1)
    #expect(events.first?["error"]?["message"]?.string?.contains("format 99") == true)
  }

  @Test(
    "a hook that fails is a warning, and what was published stays",
    arguments: [
      ("[sh, -c, 'echo no such room >&2; exit 3']", "sh ended with status 3: no such room"),
      ("[/no/such/program]", "/no/such/program ended with status 127: "),
      ("[sh, -c, 'kill -9 $$$$']", "sh was ended by signal 9"),
      ("[sh, -c, 'sleep 600 & wait'], timeout: 100ms", "timeout of 100 ms and was killed"),
    ])
  func broken(command: String, message: String) throws {
    let project = try project("hooks: {on_publish: [{command: \(command)}]}")
    let log = Collected()
    let workspace = try Workspace(
      project: project.load(), context: .init(clock: .starting(at: project.now), log: log.log))
    #expect(try workspace.run(Selection()).status == .done)
    #expect(log.warnings.count == 2)
    #expect(
      log.warnings.allSatisfy {
        $0.contains("a hook failed (") && $0.contains("pipeline.yaml:") && $0.contains(message)
      }, "\(log.warnings)")
  }

  @Test("a web address gets the event by POST; one that is busy is asked again")
  func webhook() throws {
    let bodies = Mutex<[String]>([])
    let server = WebServer { request in
      #expect(request.method == "POST")
      #expect(request.headers["content-type"] == "application/json")
      if request.attempt == 1 { return .init(503) }
      bodies.withLock { $0.append(String(decoding: request.body, as: UTF8.self)) }
      return .init(204)
    }
    defer { server.stop() }
    let project = try project("hooks: {on_publish: [{webhook: '\(server.address)/secret-room'}]}")
    #expect(try project.run().status == .done)
    let events = try bodies.withLock { $0 }.map { try JSON(parsing: Array($0.utf8)) }
    #expect(events.map { $0["event"]?.string } == ["publish", "publish"])
  }

  @Test("an address that refuses is a warning that does not tell the address")
  func refused() throws {
    let server = WebServer { _ in .init(404) }
    defer { server.stop() }
    let project = try project("hooks: {on_publish: [{webhook: '\(server.address)/secret-room'}]}")
    let log = Collected()
    let workspace = try Workspace(
      project: project.load(), context: .init(clock: .starting(at: project.now), log: log.log))
    #expect(try workspace.run(Selection()).status == .done)
    #expect(log.warnings.count == 2)
    #expect(log.warnings.allSatisfy { $0.contains("the address answered 404") })
    #expect(!log.warnings.contains { $0.contains("secret-room") })
  }
}

/// Collects what is logged.
final class Collected: Sendable {
  private let entries = Mutex<[LogEntry]>([])
  var log: Log { Log { entry in self.entries.withLock { $0.append(entry) } } }
  var warnings: [String] {
    entries.withLock { $0.filter { $0.level == .warning }.map(\.message) }
  }
  var messages: [String] { entries.withLock { $0.map(\.message) } }
}
