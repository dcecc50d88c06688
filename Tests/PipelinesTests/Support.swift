import Core
import Engines
import Foundation
import Kernels
import Lake
import Project
import Stores
import Testing

@testable import Pipelines

/// The repository's root.
let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent()

/// A project in a temporary folder, and what a test does with it.
final class TestProject {
  let folder: URL
  var environment: [String: String] = [:]
  var settings: [(String, String)] = []
  var now = Instant(seconds: 1_704_153_600)  // 2024-01-02T00:00:00Z
  var stores = StoreOpener()
  var limits = BatchLimits.standard

  /// An empty project.
  init() throws {
    folder = FileManager.default.temporaryDirectory.appending(
      path: "sluice-\(UUID().uuidString)", directoryHint: .isDirectory)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try write(
      "sluice.yaml",
      """
      lake: lake
      engine: {use: duckdb, threads: 2, spill: .sluice/spill}
      """)
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  /// The pipeline of page views as it ships.
  static func pageviews() throws -> TestProject {
    let project = try TestProject()
    try FileManager.default.copyItem(
      at: repository.appending(path: "pipelines/pageviews"),
      to: project.made("pipelines").appending(path: "pageviews"))
    project.environment["PAGEVIEWS_URL"] = project.folder.appending(path: "dumps").path()
    return project
  }

  /// A folder, made if it is not there.
  func made(_ path: String) throws -> URL {
    let url = folder.appending(path: path)
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    return url
  }

  func write(_ path: String, _ text: String) throws { try write(path, Array(text.utf8)) }

  func write(_ path: String, _ bytes: [UInt8]) throws {
    let url = folder.appending(path: path)
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: url)
  }

  func remove(_ path: String) throws {
    try FileManager.default.removeItem(at: folder.appending(path: path))
  }

  func read(_ path: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: folder.appending(path: path)))
  }

  /// Stages an hour of page views as the public server does.
  func stage(_ hour: String, _ lines: String) throws { try stage(hour, gzip(Array(lines.utf8))) }

  /// Stages an hour's file with exactly these bytes.
  func stage(_ hour: String, _ bytes: [UInt8]) throws {
    let (date, time) = (hour.prefix(10), hour.suffix(2))
    let day = date.split(separator: "-").joined()
    try write(
      "dumps/\(date.prefix(4))/\(date.prefix(7))/pageviews-\(day)-\(time)0000.gz", bytes)
  }

  func load() throws -> Project {
    try Project.load(
      LoadOptions(
        directory: folder.path(), workingDirectory: folder.path(), settings: settings,
        environment: environment, now: now))
  }

  /// Put around the lake's store.
  var wrapsLake: ((any Store) -> any Store)?

  func workspace(cancellation: Cancellation = Cancellation()) throws -> Workspace {
    var context = Workspace.Context(clock: .starting(at: now), cancellation: cancellation)
    context.limits = limits
    let project = try load()
    guard let wrapsLake else { return try Workspace(project: project, context: context) }
    let cache = ObjectCache(
      directory: project.cache.path, maximumByteCount: project.cache.maxBytes)
    let settings = DuckDBSettings(threads: 2, spillDirectory: project.engine.spill)
    return try Workspace(
      project: project, context: context, opener: stores, engine: DuckDBEngine(settings: settings),
      cache: cache, lakeStore: wrapsLake(stores.open(project.lake)))
  }

  @discardableResult
  func run(_ selection: Selection = Selection()) throws -> RunReport {
    try workspace().run(selection)
  }

  /// A query's rows as text, cells separated by `|`, in order.
  func rows(_ sql: String) throws -> [String] {
    var lines: [String] = []
    try workspace().query(sql) { set in
      lines += set.rows.map { $0.map(\.description).joined(separator: "|") }
    }
    return lines
  }

  /// Every file below the lake with its size, for comparing before and after.
  func lakeListing() throws -> [String] {
    let lake = folder.appending(path: "lake")
    guard let files = FileManager.default.enumerator(atPath: lake.path()) else { return [] }
    return files.compactMap { $0 as? String }.sorted()
  }
}

func hour(_ text: String) throws -> Instant {
  try CommandLineTime.parse(text, option: "--from")
}

func gzip(_ bytes: [UInt8]) -> [UInt8] {
  var packed: [UInt8] = []
  let deflater = Deflater(.gzip)
  bytes.withUnsafeBytes { deflater.write($0) { packed += $0 } }
  deflater.finish { packed += $0 }
  return packed
}

func gunzip(_ bytes: [UInt8]) throws -> String {
  var plain: [UInt8] = []
  let file = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
  defer { try? FileManager.default.removeItem(at: file) }
  try Data(bytes).write(to: file)
  let process = Process()
  let pipe = Pipe()
  process.executableURL = URL(filePath: "/usr/bin/env")
  process.arguments = ["gzip", "-dc", file.path()]
  process.standardOutput = pipe
  try process.run()
  plain += [UInt8](try pipe.fileHandleForReading.readToEnd() ?? Data())
  process.waitUntilExit()
  #expect(process.terminationStatus == 0)
  return String(decoding: plain, as: UTF8.self)
}

/// An engine that must not be asked for anything.
struct NoEngine: Engine {
  struct Asked: Error {}
  var name: String { "none" }
  func shape(of sql: String, label: String) throws -> QueryShape { throw Asked() }
  func carrying(
    _ columns: [String], of input: String, through sql: String, label: String
  ) throws -> String { throw Asked() }
  func compute(
    _ query: Query, into output: Output, cancellation: Cancellation,
    progress: @escaping @Sendable (Double) -> Void
  ) throws -> [DataFile] { throw Asked() }
  func rows(_ query: Query, cancellation: Cancellation) throws -> RowSet { throw Asked() }
  func stream(
    _ query: Query, cancellation: Cancellation, visit: (RowSet) throws -> Void
  ) throws { throw Asked() }
  func batches(
    _ query: Query, cancellation: Cancellation, visit: (ColumnBatch) throws -> Void
  ) throws { throw Asked() }
  func export(
    _ query: Query, to output: TextOutput, cancellation: Cancellation
  ) throws -> Int64 { throw Asked() }
}
