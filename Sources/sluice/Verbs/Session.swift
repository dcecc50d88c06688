import Core
import Pipelines

/// One invocation of a verb: what was asked, and where the answer goes.
struct Session {
  var options = Options()
  var operands: [String] = []
  /// Results.
  var output: Output
  /// Progress, logs, hints and failures.
  var console: Console
  /// Of standard output.
  var style = Style.plain
  /// Columns of the terminal that standard output is; nil for pipes and files.
  var columns: Int?
  /// How paths of results are shown.
  var paths = ShortPaths.none

  /// Reads the event messages, where there are any.
  func selection() throws -> Selection {
    Selection(
      pipelines: operands, from: options.from, to: options.to, force: options.force,
      fullRefresh: options.fullRefresh, allowRemovals: options.allowRemovals,
      events: try options.event.map(namedObjects), twin: options.twin)
  }

  /// Does what a verb does on a project.
  ///
  /// - Returns: The exit code.
  func perform(_ verb: Verb, on backend: some Backend) throws -> Int32 {
    switch verb {
    case .plan: try plan(on: backend)
    case .run: try run(on: backend)
    case .query: try query(on: backend)
    case .search: try search(on: backend)
    case .history: try history(on: backend)
    case .state: try state(on: backend)
    case .check: try check(on: backend)
    case .maintain: try maintain(on: backend)
    case .initialize, .help, .completions: try perform(verb)
    }
  }

  /// Does what a verb does without a project.
  func perform(_ verb: Verb) throws -> Int32 {
    switch verb {
    case .initialize: try initialize()
    case .completions: try printCompletions()
    default: preconditionFailure("\(verb.name) needs a project, or is answered by the parser")
    }
  }

  /// Writes what a verb has to say to people, unless JSON was asked for.
  func write(json lines: @autoclosure () -> [JSON], text: @autoclosure () -> String) throws {
    if options.json {
      for line in lines() { try output.write(line: line) }
    } else {
      try output.write(text())
    }
    try output.flush()
  }
}
