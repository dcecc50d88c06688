import Core

extension Hooks {
  static var form: Form<Hooks> {
    .object(isOptional: true) { keys in
      Hooks(
        onFailure: keys.optional(
          "on_failure", .list(of: Hook.form), default: [],
          "Called once at the end of a run in which something of the pipeline failed."),
        onPublish: keys.optional(
          "on_publish", .list(of: Hook.form), default: [],
          "Called each time a table of the pipeline was published."))
    }
  }
}

extension Hook {
  static var form: Form<Hook> {
    Form<Draft>.object { keys in
      keys.exactlyOne(of: ["command", "webhook"])
      return Draft(
        command: keys.optional(
          "command", .list(of: .text, isEmptyAllowed: false),
          "A program and its arguments, without a shell; the event is on its standard input. It "
            + "runs in the project's folder."),
        webhook: keys.optional(
          "webhook", .webAddress, "An http or https address that gets the event by POST."),
        timeout: keys.optional(
          "timeout", .positiveDuration, default: 30_000, written: "30s",
          "How long it may take."))
    }.map(placeholder: Hook(.command([]), timeoutMilliseconds: 1)) { draft, node, reader in
      let action = draft.command.map(Action.command) ?? draft.webhook.map(Action.webhook)
      return action.map {
        Hook($0, timeoutMilliseconds: draft.timeout, place: reader.place(node.mark))
      }
    }
  }

  private struct Draft {
    var command: [String]?
    var webhook: String?
    var timeout: Int64
  }
}

extension Form where Value == String {
  /// An http(s) address. Those of chat rooms are secrets: whoever knows one can write there.
  static var webAddress: Form {
    .scalar(
      placeholder: "", expects: "an address such as https://example.com/hook",
      schema: substitutable(["type": "string", "pattern": "^https?://."])
    ) { scalar in
      let text = scalar.text
      guard text.hasPrefix("https://") || text.hasPrefix("http://"),
        text.drop(while: { $0 != ":" }).dropFirst(3).contains(where: { $0 != "/" }),
        !text.contains(where: { $0.isWhitespace })
      else { return nil }
      Redaction.shared.register(text)
      return text
    }
  }
}
