import Core
import Foundation
import Testing

/// The independent tools that Sluice's results are held against; see Tests/Support.
enum Python {
  /// With the packages of scripts/requirements-test.txt.
  static let venv = Repository.path(".deps/venv/bin/python")
  static let hasVenv: Bool = FileManager.default.isExecutableFile(atPath: venv)
  static let whyNoVenv = "needs .deps/venv (scripts/setup test)"

  /// An interpreter with at least the standard library.
  static let plain: String = {
    if hasVenv { return venv }
    return ["/usr/bin/python3", "/usr/local/bin/python3", "/opt/homebrew/bin/python3"]
      .first { FileManager.default.isExecutableFile(atPath: $0) } ?? "/usr/bin/python3"
  }()

  static let isThere: Bool = FileManager.default.isExecutableFile(atPath: plain)

  struct Failed: Error, CustomStringConvertible {
    var description: String
  }

  /// Runs a script of Tests/Support.
  ///
  /// - Returns: Its standard output.
  /// - Throws: `Failed` when it does not exit with 0.
  static func run(
    _ script: String, _ arguments: [String], interpreter: String = plain,
    variables: [String: String] = [:]
  ) throws -> [UInt8] {
    let outcome = try start(
      script, arguments, interpreter: interpreter, variables: variables
    ).wait()
    guard outcome.exitCode == 0 else { throw Failed(description: outcome.description) }
    return outcome.output
  }

  static func start(
    _ script: String, _ arguments: [String], interpreter: String = plain,
    variables: [String: String] = [:]
  ) throws -> RunningCommand {
    var environment = ["PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"]
    for name in ["HOME", "TMPDIR"] {
      environment[name] = ProcessInfo.processInfo.environment[name]
    }
    environment.merge(variables) { $1 }
    return try RunningCommand(
      interpreter, [Repository.path("Tests/Support/\(script)")] + arguments,
      environment: environment, in: Repository.root)
  }
}

/// What the page-view pipeline must publish, computed by oracle_pageviews.py.
enum Oracle {
  /// The CSV that an export must equal byte for byte.
  ///
  /// - Parameter dumps: The interval's files, gzip or plain.
  static func csv(
    _ dumps: [URL], blocked: URL? = nil, ties: String = "rank", top: Int = 25
  ) throws -> String {
    let bytes = try Python.run(
      "oracle_pageviews.py", arguments(dumps, blocked: blocked, ties: ties, top: top))
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Counts of what was read and made: `lines`, `malformed`, `pages`, `rows`, `views`, `domains`, …
  static func summary(
    _ dumps: [URL], blocked: URL? = nil, ties: String = "rank", top: Int = 25
  ) throws -> JSON {
    let bytes = try Python.run(
      "oracle_pageviews.py",
      ["--summary"] + arguments(dumps, blocked: blocked, ties: ties, top: top))
    return try JSON(parsing: bytes)
  }

  private static func arguments(
    _ dumps: [URL], blocked: URL?, ties: String, top: Int
  ) -> [String] {
    var arguments = ["--ties", ties, "--top", String(top)]
    if let blocked { arguments += ["--blocked", blocked.path] }
    return arguments + dumps.map(\.path)
  }
}

/// A web server that stands for the public dumps: dumps_server.py over a folder.
final class DumpsServer {
  let port: Int
  /// What `PAGEVIEWS_URL` is set to.
  let url: String
  private let process: RunningCommand
  private let scratch: Scratch
  private var log: URL { scratch.url.appending(path: "log") }

  /// - Parameters:
  ///   - missing: So many first requests of each path are answered 404.
  ///   - busy: So many after those are answered 503.
  ///   - cut: So many GETs after those break off in the middle.
  ///   - hang: So many after those stop in the middle and go no further.
  ///   - isPlain: Answers say nothing by which versions can be told apart.
  ///   - replaceAfter: After so many answers of a path, `<path>.next` takes its place.
  ///   - login: `user:password`, without which all is 401.
  ///   - certificateIn: Speaks HTTPS, with `certificate.pem` of that folder, which it makes.
  init(
    _ folder: URL, missing: Int = 0, busy: Int = 0, cut: Int = 0, hang: Int = 0,
    isPlain: Bool = false, replaceAfter: Int = 0,
    login: String? = nil, certificateIn folderOfKeys: URL? = nil
  ) throws {
    scratch = try Scratch()
    var arguments = [folder.path, "--log", scratch.url.appending(path: "log").path]
    for (name, count) in [
      ("--missing", missing), ("--busy", busy), ("--cut", cut), ("--hang", hang),
      ("--replace-after", replaceAfter),
    ] {
      arguments += [name, "\(count)"]
    }
    if let login { arguments += ["--login", login] }
    if isPlain { arguments.append("--plain") }
    if let folderOfKeys { arguments += ["--tls", folderOfKeys.path] }
    process = try Python.start("dumps_server.py", arguments)
    var announced: Int?
    for _ in 0..<6000 where announced == nil && process.isRunning {
      usleep(10_000)
      let text = process.outputSoFar
      if text.hasSuffix("\n") { announced = Int(text.dropLast()) }
    }
    guard let announced else {
      throw Python.Failed(description: "the dumps' server did not start: \(process.errorsSoFar)")
    }
    port = announced
    url = "http\(folderOfKeys == nil ? "" : "s")://127.0.0.1:\(announced)"
  }

  /// The requests so far: `GET /2024/… 200 …`.
  func requests() -> [String] {
    ((try? String(contentsOf: log, encoding: .utf8)) ?? "").split(separator: "\n").map(String.init)
  }
}

/// A table as pyiceberg and as DuckDB's Iceberg extension see it, through read_iceberg.py, which
/// lists the fields of its answer. Tests that use it need `Python.hasVenv`.
struct IcebergView {
  let pyiceberg: JSON
  let duckdb: JSON

  /// - Parameter table: The table's folder.
  init(_ table: URL) throws {
    let bytes = try Python.run("read_iceberg.py", [table.path], interpreter: Python.venv)
    let json = try JSON(parsing: bytes)
    pyiceberg = json["pyiceberg"] ?? .null
    duckdb = json["duckdb"] ?? .null
  }

  /// The rows of a view as objects, in an order of their own.
  static func rows(_ view: JSON) -> [JSON] { view["rows"]?.array ?? [] }
}
