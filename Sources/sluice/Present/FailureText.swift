import Core

/// Failures as people read them: where, what, what to do.
enum FailureText {
  /// One line a failure, `file:line:column: message; advice`, and how many there are where one pass
  /// found several.
  ///
  /// - Returns: Lines without line feeds.
  static func lines(_ failure: any AnyFailure, style: Style) -> [String] {
    let leaves = flattened(failure)
    guard !failure.parts.isEmpty else {
      return [style.red("error:") + " " + line(failure, style)]
    }
    return leaves.map { line($0, style) } + [style.red(counted(leaves.count, "error"))]
  }

  /// Any error that reaches the command, also those that no room has dressed.
  static func lines(_ error: any Error, style: Style) -> [String] {
    if let failure = error as? any AnyFailure { return lines(failure, style: style) }
    return ["\(style.red("error:")) \(printable(Redaction.shared.redact("\(error)")))"]
  }

  /// The object that `--json` puts on standard output.
  static func json(_ error: any Error) -> JSON {
    guard let failure = error as? any AnyFailure else {
      return ["type": "error", "message": .string(Redaction.shared.redact("\(error)")), "exit": 1]
    }
    let members = failure.json.members ?? []
    return .object(
      [.init("type", "error")] + members + [.init("exit", .integer(Int64(failure.exitCode)))])
  }

  /// The failures that consist of no others, in order.
  static func flattened(_ failure: any AnyFailure) -> [any AnyFailure] {
    failure.parts.isEmpty ? [failure] : failure.parts.flatMap(flattened)
  }

  /// `place: message; advice`.
  private static func line(_ failure: any AnyFailure, _ style: Style) -> String {
    let place = failure.place.description
    var text = place.isEmpty ? "" : style.bold(printable(place)) + ": "
    text += printable(failure.message)
    if let advice = failure.advice { text += "; " + printable(advice) }
    return text
  }
}
