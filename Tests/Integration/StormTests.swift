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

  private static func seeds(_ kind: ObjectServer.Kind) -> [UInt64] {
    guard let named = variables["SLUICE_TEST_STORMS"] else {
      return Array(0..<(variables["SLUICE_TEST_LONG"] == "1" ? 500 : 12))
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

  private func audits(_ storms: [Storm]) throws -> [LakeAudit] {
    defer { for storm in storms { try? FileManager.default.removeItem(at: storm.copy) } }
    return try LakeAudit.of(storms.map(\.copy), copiedFrom: storms.map(\.lake))
  }
}
