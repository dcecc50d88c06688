import Core
import Foundation
import Testing

@testable import Project

/// A project in a temporary folder that goes away with it.
final class Sandbox: Sendable {
  let path: String

  init(_ files: [String: String]) throws {
    path = NSTemporaryDirectory() + "sluice-project-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    for (name, text) in files { try write(name, Array(text.utf8)) }
  }

  func write(_ name: String, _ bytes: [UInt8]) throws {
    let url = URL(fileURLWithPath: path).appendingPathComponent(name)
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: url)
  }

  func load(
    settings: [(String, String)] = [], environment: [String: String] = [:],
    profile: String? = nil, lake: String? = nil
  ) throws -> Project {
    try Project.load(
      LoadOptions(
        workingDirectory: path, profile: profile, lake: lake, settings: settings,
        environment: environment, now: Instant(seconds: 1_704_200_400)))  // 2024-01-02T13:00
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// The mistakes that `body` reports, as a user reads them.
func mistakes(_ body: () throws -> some Any) -> [String] {
  do {
    _ = try body()
    return []
  } catch let error as ProjectError {
    #expect(error.exitCode == 2)
    #expect(error.parts.allSatisfy { $0.exitCode == 2 })
    return error.parts.isEmpty ? [error.description] : error.parts.map(\.description)
  } catch {
    return ["unexpected: \(error)"]
  }
}

/// A small project that loads.
enum Fixture {
  static let pipeline = """
    description: Visits
    params:
      top: {type: int, default: 25, min: 1}
      ties: {default: rank, values: [rank, dense_rank]}
    interval: {every: hour, default: now - 24h}
    sources:
      visits:
        uri: ${VISITS_URL:-https://example.org/visits}/{yyyy}/{MM}/{dd}/{HH}.csv
        format: csv
        columns: {page: string, views: bigint}
    exports:
      csv:
        model: pages
        to: ${lake}/exports/{partition}
        format: csv

    """

  static let model = """
    kind: interval
    sort: [page]
    columns:
      page: {type: string, checks: [not_null]}
      views: {type: bigint}
      interval_start: {type: timestamp}
      interval_end: {type: timestamp}

    """

  static let sql = "SELECT page, views, $interval_start, $interval_end FROM visits\n"

  static var files: [String: String] {
    [
      "sluice.yaml": "lake: lake\n",
      "pipelines/web/pipeline.yaml": pipeline,
      "pipelines/web/models/pages.yaml": model,
      "pipelines/web/models/pages.sql": sql,
    ]
  }

  /// The mistakes after `edit`; the files' names are short, because that is what is compared.
  static func mistakes(
    settings: [(String, String)] = [], environment: [String: String] = [:],
    profile: String? = nil, _ edit: (inout [String: String]) -> Void
  ) throws -> [String] {
    var files = files
    edit(&files)
    let sandbox = try Sandbox(files)
    return ProjectTests.mistakes {
      try sandbox.load(settings: settings, environment: environment, profile: profile)
    }.map {
      $0.split(separator: "pipelines/web/", omittingEmptySubsequences: false).joined()
    }
  }

  static func mistakes(pipeline: String) throws -> [String] {
    try mistakes { $0["pipelines/web/pipeline.yaml"] = pipeline }
  }

  static func mistakes(model: String) throws -> [String] {
    try mistakes { $0["pipelines/web/models/pages.yaml"] = model }
  }
}

extension String {
  /// The text with one occurrence of `old` replaced, which has to be there.
  func replacing(once old: String, with new: String) -> String {
    guard let range = range(of: old) else {
      Issue.record("'\(old)' is not in the fixture")
      return self
    }
    return replacingCharacters(in: range, with: new)
  }
}

/// The repository's root, from this file's own place.
let repository = URL(fileURLWithPath: #filePath)
  .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

let sharedExamples = repository + "/../shared/examples"
