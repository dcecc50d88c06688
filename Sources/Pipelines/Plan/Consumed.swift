import Core
import Lake
import Project

extension Survey {
  /// What a unit will have consumed once it is published.
  func consumed(by unit: Unit) -> Remembered {
    Remembered(
      definition: unit.fingerprint, run: "",
      objects: Set(
        unit.inputs.objects.flatMap { source, files in
          files.map {
            ConsumedObject(
              source: source, uri: $0.key, byteCount: $0.byteCount, version: $0.version,
              batch: $0.batch)
          }
        }),
      inputs: unit.inputs.positions)
  }

  /// Whether what another run published meanwhile makes this one's rows superfluous.
  ///
  /// - Throws: `.conflict` where each has read something newer than the other (rule 13).
  func isSettled(_ unit: Unit, by now: Remembered?) throws -> Bool {
    guard let now else { return false }
    let mine = consumed(by: unit)
    if now.definition == unit.fingerprint && now.objects == mine.objects
      && now.inputs == mine.inputs
    {
      return true
    }
    let order = mine.isBehind(now)
    if order.behind && order.ahead {
      throw LakeError(
        .conflict, "another run published from other versions of the inputs meanwhile",
        at: Place(model: unit.label), advice: "run again")
    }
    return order.behind
  }

  /// The same for a model of several tables, with the views that read them: no other table remembers
  /// those, and without them every plan would need a parser.
  func queries(besides node: Graph.Node) throws -> [String: ConsumedQuery] {
    var found = try queries(of: node)
    for view in graph.nodes
    where view.model.kind == .view && view.upstream.contains(node.model.qualifiedName) {
      found.merge(try queries(of: view)) { first, _ in first }
    }
    return found
  }

  /// What parsing gave for a model's query and those of the views it reads.
  func queries(of node: Graph.Node) throws -> [String: ConsumedQuery] {
    var found: [String: ConsumedQuery] = [:]
    if let sql = node.model.sql {
      found[QueryLibrary.key(sql.text)] = try library.facts(of: sql)
    }
    for case .table(let pipeline, let model, _) in node.inputs.values {
      guard let view = graph["\(pipeline).\(model)"], view.model.kind == .view else { continue }
      found.merge(try queries(of: view)) { first, _ in first }
    }
    return found
  }
}

extension Survey.Remembered {
  /// How this stands to what another run has consumed: whether the other read something newer, and
  /// whether this one did.
  func isBehind(_ other: Survey.Remembered) -> (behind: Bool, ahead: Bool) {
    var (behind, ahead) = (false, false)
    func compare(_ mine: Int, _ theirs: Int) {
      if mine < theirs { behind = true }
      if mine > theirs { ahead = true }
    }
    let theirs = Dictionary(other.objects.map { ($0.uri, $0.batch) }) { max($0, $1) }
    for object in objects { compare(object.batch, theirs[object.uri] ?? 0) }
    for object in other.objects where !objects.contains(where: { $0.uri == object.uri }) {
      compare(0, object.batch)
    }
    for (name, position) in inputs {
      switch (position, other.inputs[name]) {
      case (.log(let mine, _), .log(let theirs, _)): compare(mine, theirs)
      case (.snapshot(let mine, _), .snapshot(let theirs, _)) where mine != theirs:
        // Snapshots have no order by number; each may hold what the other lacks.
        (behind, ahead) = (true, true)
      default: break
      }
    }
    return (behind, ahead)
  }
}
