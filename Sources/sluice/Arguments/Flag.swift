/// One flag: the only place that knows its name, its value, its meaning and how it is read.
/// Parsing, help, completions and docs/cli.md all come from here.
struct Flag: Sendable {
  /// Without the dashes.
  let name: String
  var short: Character?
  /// What usage calls its value; nil for a switch.
  let value: String?
  /// The verbs that take it.
  let verbs: [Verb]
  /// One line.
  let summary: String
  /// More sentences for the reference; may be empty.
  var text = ""
  var completion = Completion.none
  /// Sets what it says. Called with an empty value for a switch.
  let apply: @Sendable (inout Options, String) throws -> Void

  /// What a shell may offer as its value.
  enum Completion: Sendable {
    case none, directory
    case words([String])
  }

  var isRepeatable: Bool { name == "set" }

  /// As usage lines show it: `--from TIME`.
  var usage: String { value.map { "--\(name) \($0)" } ?? "--\(name)" }
}

extension Flag {
  static func switched(
    _ name: String, short: Character? = nil, verbs: [Verb], _ summary: String, text: String = "",
    _ set: @escaping @Sendable (inout Options) -> Void
  ) -> Flag {
    Flag(name: name, short: short, value: nil, verbs: verbs, summary: summary, text: text) {
      options, _ in set(&options)
    }
  }

  static func valued(
    _ name: String, _ value: String, verbs: [Verb], _ summary: String, text: String = "",
    completion: Completion = .none,
    _ apply: @escaping @Sendable (inout Options, String) throws -> Void
  ) -> Flag {
    Flag(
      name: name, value: value, verbs: verbs, summary: summary, text: text,
      completion: completion, apply: apply)
  }
}
