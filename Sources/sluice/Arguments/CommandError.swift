import Core

enum CommandDomain: FailureDomain {
  static let name = "command"
}

/// What is wrong with a command line, an environment variable, or the command's own output.
typealias CommandError = Failure<CommandDomain>

extension Failure.Code where Domain == CommandDomain {
  /// The command line cannot be understood. Exit code 2.
  static var usage: Self { .init(rawValue: "usage") }
  /// `init` found files where it would write its own.
  static var exists: Self { .init(rawValue: "exists") }
  /// A file named on the command line, or standard input, could not be read.
  static var unreadable: Self { .init(rawValue: "unreadable") }
  /// Standard output or a file of `init` could not be written.
  static var unwritable: Self { .init(rawValue: "unwritable") }
}

extension Failure where Domain == CommandDomain {
  /// A mistake on the command line: one line, exit code 2.
  static func usage(_ message: String, advice: String? = nil) -> Self {
    Failure(.usage, message, advice: advice, exitCode: 2)
  }

  /// A word that is none of `known`, with the nearest that is, else with `otherwise` as advice.
  static func unknown(
    _ kind: String, _ word: String, among known: [String], otherwise: String
  ) -> Self {
    let meant = nearest(to: word, among: known)
    return .usage(
      "unknown \(kind) '\(word)'", advice: meant.map { "did you mean '\($0)'?" } ?? otherwise)
  }
}
