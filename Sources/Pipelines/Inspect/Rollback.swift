import Core
import Lake
import Project

extension Workspace {
  /// Takes a table back to what it was, in one commit: its rows, its columns, and what it has
  /// consumed. What was published since is held back (rule 15): no run does it again until
  /// `forget` or a full refresh lets it in. Doing it twice changes nothing.
  ///
  /// - Parameters:
  ///   - name: `pipeline.model`.
  ///   - asOf: A snapshot that led to the current one.
  /// - Throws: `PipelineError` `.unknownName`; `LakeError` `.invalid` where there is no such
  ///   snapshot, or it did not lead to the current one.
  public func rollback(_ name: String, to asOf: AsOf) throws -> StateChange {
    let (id, model) = try known(name)
    guard try lake.catalog.load(id) != nil else { return change(id, "there is no table yet") }
    try lake.probe()
    var text = ""
    // What it has consumed cannot be told where the last commit is a stranger's; that goes, too.
    let outcome = try lake.publisher.publish(
      id, rebuilds: true, cancellation: context.cancellation
    ) { table, _ in
      guard let table, let current = table.currentSnapshot else { return .alreadyApplied }
      let past = try table.at(asOf)
      guard let target = past.currentSnapshot, current.id != target.id,
        current[summary: SummaryKey.rollback] != "\(target.id)"
      else {
        text = "is at that snapshot already"
        return .alreadyApplied
      }
      let update = try TableUpdate.rollback(
        of: table, to: target.id, time: context.clock.now())
      var next = try rolledBack(model, table, past)
      next.run = RunID(start: context.clock.now()).rawValue
      text = "rolled back to snapshot \(target.id) of \(target.committed)"
      if let held = next.held.text {
        text += "; held back: \(held). 'sluice state forget \(name) --held' lets it in again"
      }
      return .apply(Publication(update: update, consumption: next, changes: ChangeSet()))
    }
    guard case .published = outcome else {
      return change(id, text.isEmpty ? "there are no rows yet" : text)
    }
    return change(id, text, isDone: true)
  }

  /// What a table has consumed once it is taken back to what it was.
  private func rolledBack(_ model: Model, _ table: Table, _ past: Table) throws -> Consumption {
    let target = past.currentSnapshot!.id
    guard let then = try past.consumption(), let now = try table.lastConsumption() else {
      throw LakeError(
        .missing, "what the table had consumed at snapshot \(target) is not on record",
        at: Place(model: table.id.description), advice: "rebuild it with --full-refresh")
    }
    let changes = try table.published(since: target)
    // Nothing but maintenance, or commits of other programs, was undone.
    if changes?.isEmpty == true { return now }
    var next = then
    next.held = now.held
    if model.kind == .interval {
      next.intervals = then.intervals.filter { now.intervals[$0.key] != nil }
      for (interval, record) in now.intervals where then.intervals[interval] != record {
        next.held.intervals[interval] = record.identity
      }
      return next
    }
    guard let changes, !changes.contains(where: \.isFull), then.definition == now.definition,
      let on = model.incremental?.on, let consumed = try consumed(model, on, then, now)
    else {
      // Which part is which cannot be told: none of it comes back by itself.
      next.held = Consumption.Held(isWhole: true)
      return next
    }
    // Not what those commits changed: of a merge, that names losers, too. What had been left out
    // then, and was taken since, is left out again.
    let missing = Set(then.pending).union(then.held.contributions).subtracting(now.pending)
    let names = consumed.union(missing)
    next = now
    next.deletions = then.deletions
    next.held.contributions = names.union(now.held.contributions).sorted()
    next.pending.removeAll(where: names.contains)
    return next
  }

  /// The contributions that came between two positions of an incremental model's input; nil where
  /// that is not on record.
  private func consumed(
    _ model: Model, _ on: String, _ then: Consumption, _ now: Consumption
  ) throws -> Set<String>? {
    let library = QueryLibrary(remembered: [:], parse: planner.parse)
    let graph = try planner.graph(of: [model.pipeline], library: library)
    guard let input = graph[model.qualifiedName]?.inputs[on] else { return nil }
    switch (input, then.inputs[on], now.inputs[on]) {
    case (_, let before?, let after?) where before == after: return []
    case (.source(let pipeline, let source), .log(let before, _)?, .log(let after, _)?):
      let log = lake.sourceLog(pipeline: pipeline, source: source)
      var names = Set<String>()
      for number in stride(from: before + 1, through: after, by: 1) {
        do {
          names.formUnion(try log.batch(number).changes.map(\.file.key))
        } catch let error as LakeError where error.code == .missing {
          return nil
        }
      }
      return names
    case (.table(let pipeline, _, let name), .snapshot(let before, _)?, .snapshot(let after, _)?):
      let id = TableID(pipeline, name)
      guard let upstream = try lake.catalog.load(id), upstream.metadata.snapshot(after) != nil,
        let sets = try upstream.at(snapshot: after).changes(since: before)
      else { return nil }
      guard graph[id.description]?.model.kind.hasParts == true else { return [id.description] }
      if sets.contains(where: \.isFull) { return nil }
      return sets.reduce(into: []) { names, set in
        names.formUnion(set.contributions.added + set.contributions.replaced)
        names.formUnion(set.contributions.removed)
        let intervals = set.intervals.added + set.intervals.replaced + set.intervals.removed
        names.formUnion(intervals.map(Delta.name))
      }
    default: return nil
    }
  }
}
