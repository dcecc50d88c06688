import Core
import Project

#if canImport(Glibc)
  @preconcurrency import Glibc
#else
  import Darwin
#endif

/// What the command reads from environment variables, and nothing else does.
struct Environment: Sendable {
  /// The clock that runs and plans use; `SLUICE_NOW` sets it.
  var clock = Clock.system
  /// The least level of log entries that is written; nil leaves it to where they go.
  var logLevel: LogEntry.Level?
  var logFormat = LogFormat.text
  /// `NO_COLOR` (https://no-color.org) or a terminal that knows no escapes.
  var forbidsColor = false
  /// Whether the terminal can be told to move its cursor.
  var isDumb = false
  /// Whether the locale's characters are UTF-8, so that bars can be drawn with blocks.
  var isUTF8 = false

  enum LogFormat: String, CaseIterable, Sendable { case text, json }

  /// Names and meanings, for the reference.
  static let documented: [(String, String)] = [
    ("NO_COLOR", "Not empty: no colors, as `--no-color`."),
    ("SLUICE_NOW", "An instant, e.g. `2024-01-02T05:00:00Z`: the clock starts there."),
    (
      "SLUICE_LOG",
      "`debug`, `info`, `warning` or `error`: the least level of log lines on standard error. "
        + "Default: `warning` on a terminal, else `info`."
    ),
    (
      "SLUICE_LOG_FORMAT", "`text` (default: level, sentence, `name=value`) or `json`, a line each."
    ),
    ("SLUICE_DUCKDB", "The file of DuckDB's library, where it is not found by itself."),
  ]

  init() {}

  /// - Parameter value: Looks a variable up; nil where it is not set.
  /// - Throws: `CommandError` `.usage` for a value that means nothing.
  init(_ value: (String) -> String?) throws {
    let term = value("TERM")
    isDumb = term == "dumb" || term?.isEmpty ?? true
    forbidsColor = isDumb || !(value("NO_COLOR") ?? "").isEmpty
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].lazy.compactMap(value).first { !$0.isEmpty } ?? ""
    let encoding = locale.lowercased().filter { $0 != "-" }
    isUTF8 = encoding.contains("utf8")
    if let text = value("SLUICE_NOW"), !text.isEmpty {
      let instant = try CommandLineTime.parse(text, option: "SLUICE_NOW")
      clock = .starting(at: instant)
    }
    if let text = value("SLUICE_LOG"), !text.isEmpty {
      guard let level = LogEntry.Level(rawValue: text) else {
        throw CommandError.unknown(
          "level in SLUICE_LOG", text, among: ["debug", "info", "warning", "error"],
          otherwise: "it is debug, info, warning or error")
      }
      logLevel = level
    }
    if let text = value("SLUICE_LOG_FORMAT"), !text.isEmpty {
      guard let format = LogFormat(rawValue: text) else {
        throw CommandError.unknown(
          "format in SLUICE_LOG_FORMAT", text, among: LogFormat.allCases.map(\.rawValue),
          otherwise: "it is text or json")
      }
      logFormat = format
    }
  }

  /// The process's own variable of that name.
  static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}

extension Environment {
  /// All variables of the process, for `${NAME}` in project files.
  static func allVariables() -> [String: String] {
    var variables: [String: String] = [:]
    var entry: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = environ
    while let text = entry?.pointee {
      let parts = String(cString: text).split(
        separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      if parts.count == 2 { variables[String(parts[0])] = String(parts[1]) }
      entry = entry?.successor()
    }
    return variables
  }

  /// The folder that relative paths of the command line start at; `.` where it has been removed.
  static func workingDirectory() -> String {
    guard let path = getcwd(nil, 0) else { return "." }
    defer { free(path) }
    return String(cString: path)
  }
}
