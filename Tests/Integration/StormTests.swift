import Core
import Foundation
import TestSupport
import Testing

/// Whole runs through networks that fail by schedule: each ends right or says what is wrong, the next
/// run on a good network completes, and in the end nothing tells that anything ever failed.
///
/// `SLUICE_TEST_LONG=1` runs a thousand schedules; `SLUICE_TEST_STORMS=s3:7,gs:12` runs these.
@Suite(
  "Fault schedules", .serialized,
  .enabled(if: Repository.hasEngine, Comment(rawValue: Repository.whyNot)),
  .enabled(if: Python.hasVenv, Comment(rawValue: Python.whyNoVenv)))
struct StormTests {
  private static let variables = ProcessInfo.processInfo.environment
  private static let isLong = variables["SLUICE_TEST_LONG"] == "1"

  private static func seeds(_ kind: ObjectServer.Kind) -> [UInt64] {
    guard let named = variables["SLUICE_TEST_STORMS"] else {
      return Array(0..<(isLong ? 500 : 8))
    }
    return named.split(separator: ",").filter { $0.hasPrefix("\(kind.rawValue):") }.compactMap {
      UInt64($0.drop { $0 != ":" }.dropFirst())
    }
  }

  @Test(
    "rules 37, 38: whatever the network does, runs end right or with an error, and the next completes",
    arguments: ObjectServer.Kind.allCases)
  func storms(_ kind: ObjectServer.Kind) throws {
    let seeds = Self.seeds(kind)
    guard !seeds.isEmpty else { return }
    let server = try ObjectServer(kind)
    let copies = try Scratch()
    let calm = try [1, 2].map { try Storm(stages: $0, on: server, copies: copies) }
    let undisturbed = try audits(calm)
    for (storm, audit) in zip(calm, undisturbed) {
      #expect(storm.problems == [] && audit.problems == [])
      #expect(Set(audit.tables.keys) == ["storm/top", "storm/prices", "storm/quarantine"])
      #expect(!storm.sources.isEmpty && audit.exports.count == storm.stages + 2)
    }
    var struck = 0
    for start in stride(from: 0, to: seeds.count, by: 50) {
      let some = Array(seeds[start..<min(start + 50, seeds.count)])
      let storms = try concurrently(some, limit: 2) {
        try Storm(seed: $0, on: server, copies: copies)
      }.map { try $0.get() }
      for ((seed, storm), audit) in zip(zip(some, storms), try audits(storms)) {
        let index = storm.stages - 1
        struck += storm.struck.count
        var problems = storm.problems + audit.problems
        if storm.sources != calm[index].sources { problems.append("sources: \(storm.sources)") }
        let expected = undisturbed[index].content(at: calm[index].address)
        for (name, content) in audit.content(at: storm.address) where content != expected[name] {
          problems.append("\(name): \(content) instead of \(expected[name] ?? [])")
        }
        if audit.tables.count + audit.exports.count != expected.count {
          problems.append("tables \(audit.tables.keys), exports \(audit.exports.keys)")
        }
        #expect(
          problems.isEmpty,
          "\(kind):\(seed)\n\(problems.joined(separator: "\n"))\nafter\n\(storm.struck.joined(separator: "\n"))"
        )
      }
    }
    #expect(struck > 0)
  }

  @Test(
    "the command through the same: what it prints and writes tells no secrets, and is right in the end",
    arguments: ObjectServer.Kind.allCases)
  func commands(_ kind: ObjectServer.Kind) throws {
    let server = try ObjectServer(kind)
    let hour = "2024-01-01T05"
    let lines = "aa B 3 0\naa A 3 0\nnot a line\naa C 1 0\nen.m Main_Page 7 0\n"
    let dump = PageviewsProject.dumpPath(hour)
    _ = try server.store("dumps").put(dump, .bytes(Gzip.compress(lines)), .always)
    let query = [
      "query", "SELECT domain, page, views, rank FROM top_pages ORDER BY ALL", "--format", "csv",
    ]
    let rows =
      "domain,page,views,rank\naa,A,3,1\naa,B,3,1\naa,C,1,3\nen.m,Main_Page,7,1\n"
    for seed in 0..<UInt64(Self.isLong ? 30 : 2) {
      let schedule = FaultSchedule(
        seed: seed, kind == .s3 ? .s3 : .gs, secret: ObjectServer.canary, mayHang: false)
      let proxy = FaultProxy(to: server.url, keepsRequests: false) { schedule.fault(for: $0) }
      defer { proxy.stop() }
      let project = try PageviewsProject()
      let login = try Scratch()
      func variables(_ proxy: String?) throws -> [String: String] {
        let lake = server.address("lake-\(seed)")
        return try server.variables(through: proxy, loginIn: login.url).merging([
          "PAGEVIEWS_URL": server.address("dumps"), "SLUICE_LAKE": lake,
          "PAGEVIEWS_OUT": lake + "/exports/pageviews",
        ]) { $1 }
      }
      let disturbed = try variables(proxy.address)
      let run = ["run", "pageviews", "--from", hour]
      let storm = try project.run(run, variables: disturbed)
      #expect([0, 1, 2].contains(storm.exitCode), "\(kind):\(seed) \(storm)")
      // What ended the run as a whole, or what became of its parts.
      let isTold = storm.standardError.split(separator: "\n").contains {
        $0.hasPrefix("error: ") || $0.hasPrefix("failed: ")
      }
      #expect((storm.exitCode != 0) == isTold, "\(kind):\(seed) \(storm)")
      let state = try project.run(["state", "--json"], variables: disturbed)
      let direct = try variables(nil)
      let calm = try project.run(run, variables: direct)
      #expect(calm.exitCode == 0, "\(kind):\(seed) \(calm) after \(schedule.struck)")
      let answer = try project.run(query, variables: direct)
      #expect(answer.standardOutput == rows, "\(kind):\(seed) \(answer) after \(schedule.struck)")
      for outcome in [storm, state, calm, answer] {
        #expect(!outcome.description.contains(ObjectServer.canary), "\(kind):\(seed) \(outcome)")
      }
      #expect(try tellTales(project, on: server) == [], "\(kind):\(seed)")
    }
  }

  /// Files and objects that hold the secret.
  private func tellTales(_ project: PageviewsProject, on server: ObjectServer) throws -> [String] {
    let secret = Array(ObjectServer.canary.utf8)
    var found = try project.listing().keys.filter { path in
      guard let bytes = try? Data(contentsOf: project.root.appending(path: path)) else {
        return false
      }
      return bytes.firstRange(of: secret) != nil
    }
    let store = try server.store("")
    for object in try store.objects(below: "") {
      guard let bytes = try store.get(object.key)?.bytes else { continue }
      if bytes.firstRange(of: secret) != nil { found.append(object.key) }
    }
    return found
  }

  private func audits(_ storms: [Storm]) throws -> [LakeAudit] {
    defer { for storm in storms { try? FileManager.default.removeItem(at: storm.copy) } }
    return try LakeAudit.of(storms.map(\.copy), copiedFrom: storms.map(\.lake))
  }
}
