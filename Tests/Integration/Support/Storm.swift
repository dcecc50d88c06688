import Core
import Foundation
import TestSupport

@testable import Pipelines

/// A storm project that went through runs with faults, then one without, and what became of it.
struct Storm {
  /// How often its input was staged: 1 or 2.
  let stages: Int
  /// What went wrong, by the schedule.
  private(set) var struck: [String] = []
  /// What should not be.
  private(set) var problems: [String] = []
  /// The source logs in the end.
  private(set) var sources: [String] = []
  /// The lake in the end, copied to a folder, and where it was copied from.
  let copy: URL
  let lake: String
  /// The address that its own objects' names start with.
  let address: String

  private let project: StormProject

  /// Runs through a network where nothing goes wrong.
  init(stages: Int, on server: ObjectServer, copies: Scratch) throws {
    try self.init(stages, server, copies)
    try project.stageFirst()
    try complete(isElsewhere: false, mayChange: true)
    if stages == 2 {
      try project.stageSecond()
      try complete(isElsewhere: false, mayChange: true)
    }
    try conclude()
  }

  /// Runs through one that a seed spoils: once, or once before and once after the input changed.
  init(seed: UInt64, on server: ObjectServer, copies: Scratch) throws {
    try self.init(1 + Int(seed / 2 % 2), server, copies)
    let schedule = FaultSchedule(
      seed: seed, server.kind == .s3 ? .s3 : .gs, secret: ObjectServer.canary)
    let proxy = FaultProxy(to: server.url, keepsRequests: false) { schedule.fault(for: $0) }
    defer { proxy.stop() }
    try project.stageFirst()
    var wasRight = judge(try project.run(through: proxy.address))
    if stages == 2 {
      try project.stageSecond()
      wasRight = judge(try project.run(through: proxy.address, isElsewhere: seed / 4 % 2 == 0))
    }
    struck = schedule.struck
    try complete(isElsewhere: seed % 2 == 0, mayChange: !wasRight || schedule.hasHidden)
    try conclude()
  }

  private init(_ stages: Int, _ server: ObjectServer, _ copies: Scratch) throws {
    self.stages = stages
    project = try StormProject(on: server)
    copy = copies.url.appending(path: project.place)
    address = server.address(project.place)
    lake = address + "/lake"
  }

  /// - Returns: Whether all was done, by its own account.
  private mutating func judge(_ ending: StormProject.Ending) -> Bool {
    if ending.text.contains(ObjectServer.canary) { problems.append("a secret: \(ending.text)") }
    for failure in ending.failures {
      guard let known = failure as? any AnyFailure, known.qualifiedCode != "pipeline.unexpected",
        !known.message.isEmpty, known.place != .nowhere, [1, 2].contains(known.exitCode)
      else {
        problems.append("not a clear error: \(failure)")
        continue
      }
    }
    guard let report = ending.report else { return false }
    if (report.status == .failed) == ending.failures.isEmpty {
      problems.append("\(report.status) with \(ending.failures.count) errors: \(ending.text)")
    }
    return ending.failures.isEmpty
  }

  /// A run on a good network.
  private mutating func complete(isElsewhere: Bool, mayChange: Bool) throws {
    let ending = try project.run(isElsewhere: isElsewhere)
    let expected: [RunReport.Status] =
      mayChange ? [.done, .unchanged, .waiting] : [.unchanged, .waiting]
    guard let status = ending.report?.status, expected.contains(status) else {
      problems.append("not completed, or again: \(ending.text)")
      return
    }
  }

  private mutating func conclude() throws {
    sources = try project.sources()
    problems += try project.copy(to: copy).map { "a secret in \($0)" }
    try project.remove()
  }
}
