/// The shells whose completions we write.
enum Shell: String, CaseIterable, Sendable {
  case bash, zsh, fish

  /// A script that teaches this shell the verbs, flags and pipelines.
  var completions: String {
    switch self {
    case .bash: bashCompletions
    case .zsh: zshCompletions
    case .fish: fishCompletions
    }
  }
}

/// What an operand of a verb may be completed with.
enum OperandCompletion {
  case none, pipelines, directory
  case words([String])

  init(_ verb: Verb) {
    switch verb {
    case .plan, .run, .search, .state, .check, .maintain: self = .pipelines
    case .initialize: self = .directory
    case .help: self = .words(Verb.allCases.map(\.name))
    case .completions: self = .words(Shell.allCases.map(\.rawValue))
    case .query, .history: self = .none
    }
  }
}

/// A word in single quotes for a shell's script.
func singleQuoted(_ text: String) -> String {
  "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#)
    + "'"
}

/// A word as one would type it into a shell: quoted only where that is needed.
func shellWord(_ text: String) -> String {
  let isPlain = text.utf8.allSatisfy { byte in
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: "-_./:=@%+,".utf8.contains(byte)
    }
  }
  return isPlain && !text.isEmpty ? text : singleQuoted(text)
}
