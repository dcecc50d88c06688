import Core
import Engines
import Lake
import Project

/// What mends tables whose surroundings have changed, or whose state is lost.
extension Workspace {
  /// Makes tables of a moved lake readable where they are now (rule 24).
  ///
  /// - Parameter names: Pipelines, also those that the project has no more; none means all.
  public func relocate(pipelines names: [String]) throws -> [StateChange] {
    try lake.probe()
    let relocation = Relocation(lake)
    let tables = try relocation.tables()
    for name in names where !tables.contains(where: { $0.pipeline == name }) {
      _ = try planner.selected([name])
    }
    return try tables.filter { names.isEmpty || names.contains($0.pipeline) }.map { id in
      try context.cancellation.check()
      switch try relocation.relocate(id) {
      case .isAtHome: return change(id, "is at home")
      case .moved(let before?): return change(id, "moved from \(before)", isDone: true)
      case .moved(nil): return change(id, "registered where it is now", isDone: true)
      case .isUnknown:
        return change(
          id,
          "is not in the catalog; where it should be, register it there from its newest "
            + "metadata file and do this again")
      }
    }
  }

  /// Mends what tables remember of what they have consumed, from what is in the lake.
  ///
  /// Where a table's state is gone or damaged, the newest state before it is taken, and what was
  /// published since is forgotten; where there is none, what the rows themselves say.
  public func repair(pipelines names: [String]) throws -> [StateChange] {
    try planner.selected(names).flatMap { pipeline in
      try pipeline.models.filter { $0.kind != .view && $0.outputs.isEmpty }.compactMap { model in
        try repair(model, TableID(pipeline.name, model.name))
      }
    }
  }

  private func repair(_ model: Model, _ id: TableID) throws -> StateChange? {
    guard let table = try lake.catalog.load(id) else { return nil }
    try lake.catalog.repair(table)
    do {
      _ = try table.consumption()
      return change(id, "sound")
    } catch let error as LakeError {
      switch error.code {
      case .missing, .damaged: break
      case .foreignCommit: return change(id, error.message)
      default: throw error
      }
    }
    var text = "took the state of an earlier version; what came since is consumed again"
    _ = try mend(id) { table, _ in
      guard let table else { return nil }
      if let (consumption, changes) = try table.soundConsumption() {
        return (mended(consumption, changes), ChangeSet())
      }
      text = "no earlier state is left; "
      let library = QueryLibrary(remembered: [:], parse: planner.parse)
      let graph = try planner.graph(of: [model.pipeline], library: library)
      guard let node = graph[model.qualifiedName] else { return nil }
      var next = Consumption(
        definition: ConsumedDefinition(
          fingerprint: try DefinitionFingerprint(graph: graph, project: project, library: library)
            .of(node)))
      if let inputs = try fromRows(node, table) {
        text += "took it from the rows"
        next.inputs = inputs
      } else {
        text += "the next run builds the table again"
      }
      return (next, ChangeSet())
    }
    return change(id, text, isDone: true)
  }

  /// Earlier state without what was published since.
  private func mended(_ earlier: Consumption, _ changes: [ChangeSet]?) -> Consumption {
    var next = earlier
    next.deletions = nil
    guard let changes, !changes.contains(where: \.isFull) else {
      next.inputs = [:]
      next.intervals = [:]
      return next
    }
    for set in changes {
      for interval in set.intervals.added + set.intervals.replaced {
        next.intervals[interval] = nil
      }
      next.pending += set.contributions.added + set.contributions.replaced
      next.pending += set.contributions.removed
    }
    next.pending = Array(Set(next.pending)).sorted()
    return next
  }

  /// What the rows of an append table on a source say: all batches up to the newest among them have
  /// been consumed, and consuming the later ones again changes nothing that is right.
  private func fromRows(
    _ node: Graph.Node, _ table: Table
  ) throws -> [String: InputPosition]? {
    let model = node.model
    // Where other inputs stood, which are read whole, rows do not say.
    guard model.kind == .append, model.onChange == .replace, node.inputs.count == 1,
      let on = model.incremental?.on, case .source(let pipeline, let source)? = node.inputs[on]
    else { return nil }
    let found = try engine.rows(
      Query(
        sql: "SELECT max(\(Provenance.batch)) AS batch FROM t",
        inputs: ["t": .files(try table.dataFiles(), schema: table.schema)],
        label: table.id.description), cancellation: context.cancellation)
    guard case .integer(let batch)? = found.rows.first?.first else { return nil }
    let state = try lake.sourceLog(pipeline: pipeline, source: source).read()
    return [on: .log(number: Int(batch), definition: state.definition)]
  }
}
