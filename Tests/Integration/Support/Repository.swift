import Foundation

/// Where things are that the end-to-end tests need. What is not there makes its tests skip, visibly:
/// `@Suite(.enabled(if: Repository.canRun, Repository.whyNot))`.
enum Repository {
  /// The repository's root, found from this file.
  static let root: URL = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  static func path(_ relative: String) -> String { root.appending(path: relative).path }

  static func has(_ relative: String) -> Bool {
    FileManager.default.fileExists(atPath: path(relative))
  }

  /// The command under test: `SLUICE_BINARY`, else the one built beside these tests.
  static let binary: String = {
    if let named = ProcessInfo.processInfo.environment["SLUICE_BINARY"] { return named }
    // The tests' executable lies in the same folder as the products.
    let beside = URL(filePath: CommandLine.arguments[0]).resolvingSymlinksInPath()
      .deletingLastPathComponent().appending(path: "sluice").path
    if FileManager.default.isExecutableFile(atPath: beside) { return beside }
    return path(".build/debug/sluice")
  }()

  /// DuckDB's library is where the command looks for it.
  static let hasEngine: Bool =
    ProcessInfo.processInfo.environment["SLUICE_DUCKDB"] != nil
    || has(".deps/lib/libduckdb.so") || has(".deps/lib/libduckdb.dylib")

  /// Whether the command can be run at all.
  static let canRun: Bool =
    FileManager.default.isExecutableFile(atPath: binary) && hasEngine
    && has("pipelines/pageviews/pipeline.yaml")

  static let whyNot = "needs the built command and .deps/lib/libduckdb (scripts/setup)"

  /// Real input beside the repository, never part of it.
  static let sharedData: URL = root.deletingLastPathComponent().appending(path: "shared/data")

  static let hasSharedData: Bool = FileManager.default.fileExists(
    atPath: sharedData.appending(path: "pageviews").path)

  static let whyNoSharedData = "needs ../shared/data"
}

/// A folder that goes away with its owner.
final class Scratch: Sendable {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.resolvingSymlinksInPath()
      .appending(path: "sluice-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }
}

extension URL {
  /// Writes bytes to a path below, making the folders on the way.
  @discardableResult
  func write(_ bytes: some Sequence<UInt8>, to relative: String) throws -> URL {
    let file = appending(path: relative)
    try FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: file)
    return file
  }

  @discardableResult
  func write(_ text: String, to relative: String) throws -> URL {
    try write(text.utf8, to: relative)
  }
}
