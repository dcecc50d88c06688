/// The text of docs/cli.md. A test keeps the file equal to it.
enum Reference {
  static var markdown: String {
    var out = """
      # The command

      <!-- Made from the definitions in Sources/sluice/Arguments; a test keeps them equal. -->

      ```
      sluice VERB [FLAGS] [OPERANDS]
      ```

      Flags may stand anywhere, as `--flag value` or `--flag=value`; `--` ends them. Results go to
      standard output; progress, logs and failures go to standard error. `sluice --version` says which
      version it is.


      """
    out += "| verb | what it does |\n|---|---|\n"
    for verb in Verb.allCases {
      out += "| [`\(verb.name)`](#\(verb.name)) | \(verb.definition.summary) |\n"
    }
    for verb in Verb.allCases { out += section(on: verb) }
    out += flagSection + exitSection + environmentSection
    return out
  }

  private static func section(on verb: Verb) -> String {
    let definition = verb.definition
    var out = "\n## \(verb.name)\n\n```\nsluice \(verb.name) [FLAGS] \(definition.usage)\n```\n\n"
    out += wrapped(definition.text, width: 100) + "\n"
    for example in definition.examples {
      out += "- `\(example.line)`: \(example.note)\n"
    }
    let flags = Flag.flags(of: verb).map { "[`--\($0.name)`](#--\($0.name))" }
    out += "\n" + wrapped("Flags: " + flags.joined(separator: ", ") + ".", width: 100)
    if !definition.exits.isEmpty { out += "\nExit codes: " + definition.exits + "\n" }
    return out
  }

  private static var flagSection: String {
    var out = "\n# Flags\n"
    for flag in Flag.all {
      out += "\n## --\(flag.name)\n\n"
      let short = flag.short.map { ", `-\($0)`" } ?? ""
      let verbs =
        flag.verbs == Verb.allCases
        ? "all verbs"
        : flag.verbs.map { "`\($0.name)`" }
          .joined(separator: ", ")
      out += "`\(flag.usage)`\(short) (\(verbs))\n\n"
      out += wrapped(flag.summary + (flag.text.isEmpty ? "." : ". " + flag.text), width: 100)
    }
    return out
  }

  private static let exitSection = """

    # Exit codes

    | code | meaning |
    |---|---|
    | 0 | done, or nothing to do, or waiting for files |
    | 1 | a run or a check failed |
    | 2 | the command line or the configuration is wrong |
    | 130 | interrupted by ctrl-C; nothing is half-published |
    | 143 | stopped by SIGTERM, likewise |

    The first ctrl-C lets the running steps stop; a second one ends the process at once, which is
    safe too: the next run finishes the work.

    """

  private static var environmentSection: String {
    var out = "\n# Environment\n\n| variable | meaning |\n|---|---|\n"
    for (name, meaning) in Environment.documented { out += "| `\(name)` | \(meaning) |\n" }
    return out
  }
}
