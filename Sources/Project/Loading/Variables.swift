import Core

/// What the command line and the environment say about `${NAME}`.
struct Variables {
  let settings: [String: String]
  let environment: [String: String]

  init(_ options: LoadOptions) {
    settings = Dictionary(options.settings) { _, last in last }
    environment = options.environment
  }

  /// - Parameter lake: What `${lake}` stands for; nil while that is being found out.
  func scope(lake: String?) -> Scope {
    Scope(
      lookUp: { name in
        if name == "lake" { return lake.map { .value($0, isSecret: false) } ?? .missing }
        return find(name)
      },
      names: { Array(settings.keys) + Array(environment.keys) + (lake == nil ? [] : ["lake"]) })
  }

  func find(_ name: String) -> Scope.Found {
    if let text = settings[name] { return .value(text, isSecret: false) }
    if let text = environment[name] { return .value(text, isSecret: true) }
    return .missing
  }
}

/// Finds the values of one pipeline's params: `--set`, else their defaults, in which other params
/// may stand.
final class ParamResolver {
  static let reserved = ["lake", "interval_start", "interval_end"]

  private enum State {
    case waiting, resolving, failed
    case done(Value, isSecret: Bool)
  }

  private let pipeline: String
  private let drafts: [Named<ParamDraft>]
  private let variables: Variables
  private let lake: String
  private let reader: Reader
  private var states: [String: State] = [:]
  /// The params being resolved, outermost first.
  private var path: [String] = []

  init(
    pipeline: String, _ drafts: [Named<ParamDraft>], _ variables: Variables, lake: String,
    _ reader: Reader
  ) {
    self.pipeline = pipeline
    self.drafts = drafts
    self.variables = variables
    self.lake = lake
    self.reader = reader
  }

  /// What the pipeline's files find: `lake`, params, then as everywhere.
  var scope: Scope {
    let base = variables.scope(lake: lake)
    return Scope(
      lookUp: { name in
        guard name != "lake", let draft = self.drafts.first(where: { $0.name == name }) else {
          return base.lookUp(name)
        }
        return self.lookUp(draft)
      },
      names: { base.names() + self.drafts.map(\.name) })
  }

  /// All params with their values; those that have none are left out, and reported.
  func resolve() -> [Param] {
    var known: [String: String] = [:]
    return drafts.compactMap { draft in
      if let other = known.updateValue(draft.name, forKey: draft.name.lowercased()) {
        reader.fail(
          .badValue, "params '\(other)' and '\(draft.name)' differ only by case", at: draft.mark,
          advice: "SQL takes $\(other) and $\(draft.name) for one")
      }
      if ParamResolver.reserved.contains(draft.name) {
        reader.fail(
          .badValue, "a param cannot be called '\(draft.name)'", at: draft.mark,
          advice: "Sluice gives this name a value itself")
      }
      _ = lookUp(draft)
      guard case .done(let value, _)? = states[draft.name] else { return nil }
      let isSet = variables.settings[draft.name] != nil
      let typed = draft.value
      return Param(
        name: draft.name, type: typed.type, value: value,
        defaultValue: isSet ? defaultValue(draft, isLenient: true)?.value : value,
        values: typed.values.compactMap { reader.value($0, as: typed.type, name: "a value") },
        min: typed.min.flatMap { reader.value($0, as: typed.type, name: "'min'") },
        max: typed.max.flatMap { reader.value($0, as: typed.type, name: "'max'") },
        description: typed.description)
    }
  }

  private func lookUp(_ draft: Named<ParamDraft>) -> Scope.Found {
    switch states[draft.name] ?? .waiting {
    case .done(let value, let isSecret): return .value(value.description, isSecret: isSecret)
    case .failed: return .failed
    case .resolving:
      let circle = path[path.firstIndex(of: draft.name)!...] + [draft.name]
      reader.fail(
        .cycle, "params need each other: \(circle.joined(separator: " → "))", at: draft.mark)
      return .failed
    case .waiting:
      states[draft.name] = .resolving
      path.append(draft.name)
      let found = find(draft)
      path.removeLast()
      states[draft.name] = found.map { .done($0.value, isSecret: $0.isSecret) } ?? .failed
      return found.map { .value($0.value.description, isSecret: $0.isSecret) } ?? .failed
    }
  }

  private func find(_ draft: Named<ParamDraft>) -> (value: Value, isSecret: Bool)? {
    if let text = variables.settings[draft.name] {
      guard let value = Value(parsing: text, as: draft.value.type) else {
        refuseSetting(draft, text, "must be \(draft.value.type.withArticle)")
        return nil
      }
      let problem = violation(draft, value)
      if let problem { refuseSetting(draft, text, problem) }
      return problem == nil ? (value, false) : nil
    }
    guard let node = draft.value.defaultNode else {
      reader.fail(
        .missingKey, "param '\(draft.name)' has no default", at: draft.mark,
        advice: "run with --set \(draft.name)=…")
      return nil
    }
    guard let found = defaultValue(draft, isLenient: false) else { return nil }
    if let problem = violation(draft, found.value) {
      let shown = found.isSecret ? "what '\(node.scalar?.text ?? "")' stands for" : "\(found.value)"
      reader.fail(.badValue, "'default' \(problem), not \(shown)", at: node.mark)
      return nil
    }
    return found
  }

  private func defaultValue(
    _ draft: Named<ParamDraft>, isLenient: Bool
  ) -> (value: Value, isSecret: Bool)? {
    guard let node = draft.value.defaultNode else { return nil }
    let reader = isLenient ? Reader(file: "", directory: "/", problems: Problems()) : reader
    let replaced = scope.substitute(node, reader, isLenient: isLenient)
    guard let value = reader.value(replaced, as: draft.value.type, name: "'default'") else {
      return nil
    }
    if case .secret? = replaced.scalar?.substitution { return (value, true) }
    return (value, false)
  }

  /// What the declaration asks of a value that this one is not: completes "param … must …".
  private func violation(_ draft: Named<ParamDraft>, _ value: Value) -> String? {
    let type = draft.value.type
    // Of bounds that are wrong themselves, `resolve` says so.
    let quiet = Reader(file: "", directory: "/", problems: Problems())
    let allowed = draft.value.values.compactMap { quiet.value($0, as: type, name: "") }
    if allowed.count == draft.value.values.count, !allowed.isEmpty, !allowed.contains(value) {
      return "must be one of \(allowed.map(\.description).joined(separator: ", "))"
    }
    if let min = draft.value.min.flatMap({ quiet.value($0, as: type, name: "") }),
      value.precedes(min) == true
    {
      return "must be at least \(min)"
    }
    if let max = draft.value.max.flatMap({ quiet.value($0, as: type, name: "") }),
      max.precedes(value) == true
    {
      return "must be at most \(max)"
    }
    return nil
  }

  private func refuseSetting(_ draft: Named<ParamDraft>, _ text: String, _ problem: String) {
    let near = nearest(to: text, among: draft.value.values.compactMap { $0.scalar?.text })
    reader.problems.add(
      .badValue,
      "--set \(draft.name)=\(text.shortened): param '\(draft.name)' of pipeline '\(pipeline)' "
        + problem, at: .nowhere, advice: near.map { "did you mean '\($0)'?" })
  }
}
