/// The text of `sluice`, `sluice help VERB` and `sluice VERB --help`: at most 80 columns wide.
enum Help {
  static func text(on verb: Verb?, style: Style) -> String {
    verb.map { page(on: $0, style) } ?? overview(style)
  }

  private static func overview(_ style: Style) -> String {
    var out =
      "\(style.bold("sluice")) \(Version.number): tables that are always right about files\n"
    out += heading("Usage", style) + "  sluice VERB [FLAGS] [OPERANDS]\n"
    out += heading("Verbs", style)
    for verb in Verb.allCases {
      out += "  " + verb.name.paddedRight(to: 13) + verb.definition.summary + "\n"
    }
    out += heading("A first project", style)
    out += "  sluice init shop && cd shop\n  sluice run\n"
    out += "  sluice query 'SELECT * FROM sales.revenue'\n"
    out += heading("An hour of page views, then what went wrong and why", style)
    out += "  sluice plan pageviews --from 2024-01-01T05\n"
    out += "  sluice run pageviews --from 2024-01-01T05\n"
    out += "  sluice history --limit 5\n"
    out += "\n`sluice help VERB` shows the flags of a verb, with examples.\n"
    return out
  }

  private static func page(on verb: Verb, _ style: Style) -> String {
    let definition = verb.definition
    var out = "\(style.bold("sluice \(verb.name)")): \(definition.summary)\n"
    out += heading("Usage", style) + "  sluice \(verb.name) [FLAGS] \(definition.usage)\n\n"
    out += wrapped(definition.text, width: 80)
    out += heading("Examples", style)
    for example in definition.examples {
      out += "  \(example.line)\n" + style.dim("      \(example.note)") + "\n"
    }
    out += heading("Flags", style)
    let flags = Flag.flags(of: verb)
    let width = flags.map { flagUsage($0).count }.max() ?? 0
    for flag in flags {
      out += "  " + flagUsage(flag).paddedRight(to: width + 2) + flag.summary + "\n"
    }
    out += heading("Exit codes", style)
    out += "  0 done or nothing to do; 1 a run or check failed; 2 usage or configuration\n"
    if !definition.exits.isEmpty { out += "  " + definition.exits + "\n" }
    return out
  }

  private static func flagUsage(_ flag: Flag) -> String {
    flag.short.map { "-\($0), \(flag.usage)" } ?? flag.usage
  }

  private static func heading(_ title: String, _ style: Style) -> String {
    "\n\(style.bold("\(title):"))\n"
  }
}

/// Breaks a text at spaces into lines of at most `width` columns, each ended by a line feed.
func wrapped(_ text: String, width: Int) -> String {
  var out = ""
  var line = ""
  for word in text.split(separator: " ") {
    if !line.isEmpty, displayWidth(line) + 1 + displayWidth(word) > width {
      out += line + "\n"
      line = ""
    }
    line += line.isEmpty ? String(word) : " \(word)"
  }
  return line.isEmpty ? out : out + line + "\n"
}

/// What `sluice --version` says.
enum Version {
  static let number = "0.1.0"
  static let text = "sluice \(number)\nApache-2.0; Iceberg v2 tables; DuckDB 1.5.5\n"
}
