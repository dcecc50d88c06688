import Core
import Foundation
import TestSupport
import Testing

/// A project folder of its own with the shipped page-view pipeline, its input and its lake.
///
///     let project = try PageviewsProject()
///     try project.stage("2024-01-01T05", "aa Main_Page 3 0\n")
///     let outcome = try project.sluice("run", "pageviews", "--from", "2024-01-01T05")
///     #expect(outcome.exitCode == 0, "\(outcome)")
///     let csv = try #require(try project.exported("2024-01-01T05"))
///
/// The folder holds `sluice.yaml` and `pipelines/pageviews` as the repository ships them, `input/`
/// in the layout of the public dumps, and `lake/` once something ran. All of it goes away with the
/// object.
final class PageviewsProject: Sendable {
  /// 24 hours and some minutes after the hour that most tests use.
  static let now = "2024-01-02T05:10:00Z"

  private let scratch: Scratch
  var root: URL { scratch.url.appending(path: "project") }
  var input: URL { scratch.url.appending(path: "input") }
  var lake: URL { root.appending(path: "lake") }
  /// What a run traces its mutating calls to, when asked to.
  private var traceFile: URL { scratch.url.appending(path: "trace") }

  init() throws {
    scratch = try Scratch()
    try FileManager.default.createDirectory(at: input, withIntermediateDirectories: true)
    try FileManager.default.createDirectory(
      at: root.appending(path: "pipelines"), withIntermediateDirectories: true)
    for part in ["sluice.yaml", "pipelines/pageviews"] {
      try FileManager.default.copyItem(
        at: Repository.root.appending(path: part), to: root.appending(path: part))
    }
  }

  /// Lets runs at once compute the same.
  func withoutLeases() throws { try edit("sluice.yaml", "cache:", "leases: false\ncache:") }

  // MARK: Input

  /// `2024/2024-01/pageviews-20240101-050000.gz` for `2024-01-01T05`.
  static func dumpPath(_ hour: String) -> String {
    let year = hour.prefix(4)
    let month = hour.dropFirst(5).prefix(2)
    let day = hour.dropFirst(8).prefix(2)
    return "\(year)/\(year)-\(month)/pageviews-\(year)\(month)\(day)-\(hour.suffix(2))0000.gz"
  }

  /// Puts an hour's dump where the pipeline looks for it, as gzip.
  ///
  /// - Parameter hour: `2024-01-01T05`.
  @discardableResult
  func stage(_ hour: String, _ text: String) throws -> URL {
    try stage(hour, file: Gzip.compress(text))
  }

  /// Puts these very bytes there: damaged files, other compressions.
  @discardableResult
  func stage(_ hour: String, file bytes: [UInt8]) throws -> URL {
    try input.write(bytes, to: PageviewsProject.dumpPath(hour))
  }

  func staged(_ hour: String) -> URL { input.appending(path: PageviewsProject.dumpPath(hour)) }

  /// Replaces the pipeline's block list.
  @discardableResult
  func block(_ text: String) throws -> URL {
    try root.write(text, to: "pipelines/pageviews/blocked.txt")
  }

  /// Replaces a piece of one of the project's files, which has to be there once.
  func edit(_ relative: String, _ old: String, _ new: String) throws {
    let text = try String(contentsOf: root.appending(path: relative), encoding: .utf8)
    let pieces = text.components(separatedBy: old)
    try #require(pieces.count == 2, "\(relative) holds '\(old)' \(pieces.count - 1) times")
    try root.write(pieces.joined(separator: new), to: relative)
  }

  /// Makes every file of the lake older.
  func age(by seconds: TimeInterval) throws {
    let walker = FileManager.default.enumerator(atPath: lake.path)
    while let path = walker?.nextObject() as? String {
      try FileManager.default.setAttributes(
        [.modificationDate: Date.past(seconds)],
        ofItemAtPath: lake.appending(path: path).path)
    }
  }

  // MARK: Runs

  /// What every command gets; nothing of the tests' own environment but the way to DuckDB.
  var environment: [String: String] {
    var all = [
      "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": scratch.url.path, "LC_ALL": "C.UTF-8",
      "SLUICE_NOW": PageviewsProject.now, "PAGEVIEWS_URL": input.path, "NO_COLOR": "1",
    ]
    let own = ProcessInfo.processInfo.environment
    for name in ["SLUICE_DUCKDB", "TMPDIR"] { all[name] = own[name] }
    if own["SLUICE_DUCKDB"] == nil {
      // A command built elsewhere does not find the library beside itself.
      for name in ["libduckdb.so", "libduckdb.dylib"] where Repository.has(".deps/lib/\(name)") {
        all["SLUICE_DUCKDB"] = Repository.path(".deps/lib/\(name)")
      }
    }
    return all
  }

  /// Runs the command in the project's folder and waits for it.
  ///
  /// - Parameter variables: Added to the environment, or taken out of it where empty.
  func sluice(_ arguments: String..., variables: [String: String] = [:]) throws -> Outcome {
    try run(arguments, variables: variables)
  }

  func run(_ arguments: [String], variables: [String: String] = [:]) throws -> Outcome {
    try start(arguments, variables: variables).wait()
  }

  /// A run that only prepares what is tested: anything but success ends the test.
  @discardableResult
  func mustRun(_ arguments: [String], variables: [String: String] = [:]) throws -> Outcome {
    let outcome = try run(arguments, variables: variables)
    guard outcome.exitCode == 0 else { throw Unprepared(outcome: outcome) }
    return outcome
  }

  struct Unprepared: Error {
    var outcome: Outcome
  }

  /// Starts the command without waiting: for two at once, and for interruptions.
  func start(_ arguments: [String], variables: [String: String] = [:]) throws -> RunningCommand {
    var environment = self.environment
    for (name, value) in variables { environment[name] = value.isEmpty ? nil : value }
    return try RunningCommand(Repository.binary, arguments, environment: environment, in: root)
  }

  /// One mutating call of a traced run.
  struct Mutation {
    var number: Int
    var method: String
    var key: String
  }

  /// Runs the command and tells each mutating call it made (`SLUICE_TEST_TRACE`), which are the
  /// places where `killed(_:at:)` can end it.
  func traced(
    _ arguments: [String], variables: [String: String] = [:]
  ) throws -> (outcome: Outcome, mutations: [Mutation]) {
    try? FileManager.default.removeItem(at: traceFile)
    let outcome = try start(
      arguments, variables: variables.merging(["SLUICE_TEST_TRACE": traceFile.path]) { $1 }
    ).wait()
    let text = (try? String(contentsOf: traceFile, encoding: .utf8)) ?? ""
    let mutations = text.split(separator: "\n").compactMap { line -> Mutation? in
      let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
      guard fields.count == 3, let number = Int(fields[0]) else { return nil }
      return Mutation(number: number, method: String(fields[1]), key: String(fields[2]))
    }
    return (outcome, mutations)
  }

  /// Runs the command with SIGKILL at one of its mutating calls: `before:17`, `after:17` (rule 37).
  func killed(
    _ arguments: [String], at moment: String, variables: [String: String] = [:]
  ) throws -> Outcome {
    try start(arguments, variables: variables.merging(["SLUICE_TEST_KILL": moment]) { $1 }).wait()
  }

  // MARK: What is in the lake

  /// A table's folder.
  func table(_ model: String) -> URL { lake.appending(path: "tables/pageviews/\(model)") }

  /// All files of the project below a folder, by relative path, with their bytes' digest: two equal
  /// listings mean that nothing changed. Modification times are part of it.
  func listing(_ relative: String = "") throws -> [String: String] {
    let folder = relative.isEmpty ? root : root.appending(path: relative)
    var files: [String: String] = [:]
    let walker = FileManager.default.enumerator(atPath: folder.path)
    while let path = walker?.nextObject() as? String {
      let file = folder.appending(path: path)
      let attributes = try FileManager.default.attributesOfItem(atPath: file.path)
      guard attributes[.type] as? FileAttributeType == .typeRegular else { continue }
      let modified = (attributes[.modificationDate] as? Date)?.timeIntervalSince1970 ?? 0
      var hasher = Hasher()
      hasher.combine(try Data(contentsOf: file))
      files[path] = "\(attributes[.size] ?? 0) \(modified) \(hasher.finalize())"
    }
    return files
  }

  /// The rows of a query over the lake, as `sluice query --format json` gives them.
  func query(_ sql: String) throws -> [JSON] {
    let outcome = try sluice("query", sql, "--format", "json")
    try #require(outcome.exitCode == 0, "\(outcome)")
    return try outcome.json()
  }
}
