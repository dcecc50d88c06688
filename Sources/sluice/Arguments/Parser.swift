import Core

/// Reads a command line: `sluice [FLAGS] VERB [FLAGS] [OPERANDS]`.
///
/// Flags may stand anywhere, as `--flag value` or `--flag=value`; `--` ends them. `--help` wins
/// over everything else on the line, so that help is never refused.
///
/// - Parameter words: Without the program's own name.
/// - Throws: `CommandError` `.usage`: one line, exit code 2.
func parseArguments(_ words: [String]) throws -> Invocation {
  let flagWords = words.prefix { $0 != "--" }
  if flagWords.contains("--help") || flagWords.contains("-h") {
    return .help(flagWords.lazy.compactMap { Verb(rawValue: $0) }.first { $0 != .help })
  }
  if flagWords.contains("--version") { return .version }

  var parser = ArgumentParser(words: words)
  try parser.split()
  return try parser.understand()
}

private struct ArgumentParser {
  let words: [String]
  var flags: [(flag: Flag, value: String)] = []
  var operands: [String] = []

  /// Sorts the words into flags with their values, and the rest.
  mutating func split() throws {
    var position = 0
    while position < words.count {
      let word = words[position]
      position += 1
      if word == "--" {
        operands += words[position...]
        return
      }
      guard word.hasPrefix("-"), word != "-" else {
        operands.append(word)
        continue
      }
      let (flag, attached) = try find(word)
      guard let valueName = flag.value else {
        guard attached == nil else { throw CommandError.usage("--\(flag.name) takes no value") }
        flags.append((flag, ""))
        continue
      }
      if let attached {
        flags.append((flag, attached))
      } else {
        guard position < words.count, !isFlag(words[position]) else {
          throw CommandError.usage(
            "--\(flag.name) needs a value", advice: "write --\(flag.name) \(valueName)")
        }
        flags.append((flag, words[position]))
        position += 1
      }
    }
  }

  func understand() throws -> Invocation {
    guard let word = operands.first else {
      if let flag = flags.first?.flag {
        throw CommandError.usage(
          "--\(flag.name) needs a verb", advice: "e.g. sluice run --\(flag.name) …")
      }
      return .help(nil)
    }
    let verb = try knownVerb(word)
    let rest = Array(operands.dropFirst())
    var options = Options()
    for (flag, value) in flags {
      guard flag.verbs.contains(verb) else {
        let owners = flag.verbs.map(\.name).joined(separator: ", ")
        throw CommandError.usage(
          "\(verb.name) takes no --\(flag.name)", advice: "it belongs to \(owners)")
      }
      try flag.apply(&options, value)
      options.given.append(.init(name: flag.name, value: flag.value == nil ? nil : value))
    }
    try checkTogether(options)
    if verb == .help { return .help(try helpTopic(rest)) }
    try checkOperands(rest, of: verb)
    return .verb(verb, options, operands: rest)
  }

  /// The flag that a word beginning with `-` names, and the value after its `=`.
  private func find(_ word: String) throws -> (flag: Flag, value: String?) {
    guard word.hasPrefix("--") else {
      throw CommandError.usage(
        "unknown flag '\(word)'", advice: "flags begin with two dashes; see sluice help")
    }
    let body = word.dropFirst(2)
    let equals = body.firstIndex(of: "=")
    let name = String(body[..<(equals ?? body.endIndex)])
    if let flag = Flag.all.first(where: { $0.name == name }) {
      return (flag, equals.map { String(body[body.index(after: $0)...]) })
    }
    // Prefer the flags of the verb, if one is given: they are the ones that can be meant.
    let verb = words.lazy.compactMap { Verb(rawValue: $0) }.first
    let candidates = verb.map { Flag.flags(of: $0) } ?? Flag.all
    let topic = verb.map { "sluice help \($0.name)" } ?? "sluice help"
    throw CommandError.unknown(
      "flag", "--\(name)", among: candidates.map { "--\($0.name)" }, otherwise: "see \(topic)")
  }

  /// Whether a word is certainly a flag, so that it is not taken for a value.
  private func isFlag(_ word: String) -> Bool {
    guard word.hasPrefix("--") else { return false }
    let name = word.dropFirst(2).prefix { $0 != "=" }
    return name.isEmpty || Flag.all.contains { $0.name == name }
  }

  private func knownVerb(_ word: String) throws -> Verb {
    if let verb = Verb(rawValue: word) { return verb }
    throw CommandError.unknown(
      "verb", word, among: Verb.allCases.map(\.name), otherwise: "see sluice help")
  }

  private func helpTopic(_ rest: [String]) throws -> Verb? {
    guard rest.count <= 1 else { throw CommandError.usage("help takes one verb") }
    guard let topic = rest.first else { return nil }
    return try knownVerb(topic)
  }

  private func checkTogether(_ options: Options) throws {
    if let to = options.to {
      guard let from = options.from else {
        throw CommandError.usage("--to needs --from", advice: "ranges are half-open, [from, to)")
      }
      guard from < to else {
        throw CommandError.usage(
          "--to \(to) is not after --from \(from)", advice: "ranges are half-open")
      }
    }
    if options.event != nil {
      let others = [
        ("from", options.from != nil), ("force", options.force),
        ("full-refresh", options.fullRefresh),
      ]
      if let (other, _) = others.first(where: \.1) {
        throw CommandError.usage(
          "--event and --\(other) contradict each other", advice: "events say what to look at")
      }
    }
    if options.json, let format = options.format, format != .json {
      throw CommandError.usage("--json and --format \(format.rawValue) contradict each other")
    }
  }

  private func checkOperands(_ operands: [String], of verb: Verb) throws {
    let definition = verb.definition
    switch definition.operands {
    case .pipelines: break
    case .one(let name):
      if operands.isEmpty {
        throw CommandError.usage(
          "\(verb.name) needs \(name)", advice: "e.g. \(definition.examples[0].line)")
      }
      if operands.count > 1 {
        let quoting = verb == .query ? "put quotes around the SQL" : nil
        throw CommandError.usage(
          "\(verb.name) takes one \(name), not \(operands.count)", advice: quoting)
      }
    case .all(let names):
      guard operands.count == names.count else {
        let wanted = names.joined(separator: " and ")
        throw CommandError.usage(
          "\(verb.name) needs \(wanted)",
          advice: operands.count > names.count
            ? "put quotes around the \(names.last?.lowercased() ?? "last")"
            : "e.g. \(definition.examples[0].line)")
      }
    case .optional(let name):
      if operands.count > 1 {
        throw CommandError.usage("\(verb.name) takes one \(name), not \(operands.count)")
      }
    }
  }
}
