/// What the command can be asked to do. Definitions are in `Verb+Definition.swift`.
enum Verb: String, CaseIterable, Sendable {
  case plan, run, query, search, history, state, check, maintain
  case initialize = "init"
  case help, completions

  var name: String { rawValue }

  /// Whether it works on a project, so that the flags of projects apply.
  var needsProject: Bool {
    switch self {
    case .plan, .run, .query, .search, .history, .state, .check, .maintain: true
    case .initialize, .help, .completions: false
    }
  }
}

/// What a verb is, for parsing, help, completions and the reference.
struct VerbDefinition: Sendable {
  /// What stands after the verb besides flags.
  enum Operands: Sendable {
    /// Any number of pipelines; none means all.
    case pipelines
    /// Exactly one, by this name.
    case one(String)
    /// These, all of them.
    case all([String])
    /// At most one, by this name.
    case optional(String)
  }

  /// Shown in the list of verbs; one line.
  var summary: String
  /// A few sentences on what it does, for `help VERB` and the reference.
  var text: String
  var operands: Operands
  /// Words that may stand before the operands and say what to do with them.
  var actions: [String] = []
  var examples: [Example]
  /// What its exit codes mean beyond the common ones.
  var exits: String

  /// A command line that works, and what it does.
  struct Example: Sendable {
    var line: String
    var note: String

    init(_ line: String, _ note: String) {
      self.line = line
      self.note = note
    }
  }

  /// As usage lines show the operands: `[PIPELINE…]`.
  var usage: String {
    switch operands {
    case .pipelines where !actions.isEmpty: "[\(actions.joined(separator: "|"))] [NAME…]"
    case .pipelines: "[PIPELINE…]"
    case .one(let name): name
    case .all(let names): names.joined(separator: " ")
    case .optional(let name): "[\(name)]"
    }
  }
}
