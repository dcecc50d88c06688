import Core
import Engines
import Lake
import Project
import Stores

/// What one of the verbs that mend state has done, for people.
public struct StateChange: Sendable, Hashable {
  public var pipeline: String
  public var model: String
  /// A sentence without a full stop.
  public var text: String
  public var isDone: Bool

  public var json: JSON {
    [
      "type": "change", "pipeline": .string(pipeline), "model": .string(model),
      "text": .string(text), "changed": .boolean(isDone),
    ]
  }
}

extension Workspace {
  /// Lets a table forget what it has consumed, so that the next run consumes it again.
  ///
  /// Rows of an append table go with what is forgotten; all other rows stay until they are replaced.
  ///
  /// - Parameters:
  ///   - name: `pipeline.model`.
  ///   - files: Of append and merge models: only these, as `_source_file` names them.
  ///   - from, to: Of interval models: only the intervals in this range.
  ///   - held: Only what a rollback holds back.
  /// - Throws: `PipelineError` `.usage` for what cannot be forgotten, `.unknownName`.
  public func forget(
    _ name: String, files: [String] = [], from: Instant? = nil, to: Instant? = nil,
    held: Bool = false
  ) throws -> StateChange {
    let (id, model) = try known(name, indexes: !held)
    if held {
      guard files.isEmpty, from == nil, to == nil else {
        throw usage("--held means all that is held back", "leave out --file, --from and --to")
      }
      return try release(id)
    }
    if model.incremental == nil && !files.isEmpty {
      throw usage("'\(name)' is not made file by file", "leave out --file")
    }
    if model.kind != .interval && (from != nil || to != nil) {
      throw usage("'\(name)' has no intervals", "leave out --from and --to")
    }
    if model.ownsIndex {
      let isDone = try forget(in: lake.index(id), files)
      return change(
        id,
        isDone
          ? "the next run consumes \(files.isEmpty ? "all files" : files.joined(separator: ", ")) again"
          : "there is no index yet", isDone: isDone)
    }
    if model.onChange == .keep {
      throw usage(
        "the rows of '\(name)' are to be kept (on_change: keep), and forgotten files would come twice",
        "use --full-refresh where the rows may go")
    }
    guard let base = try lake.catalog.load(id) else { return change(id, "there is no table yet") }
    if model.kind == .append { return try forgetRows(base, model, files) }
    var forgotten = 0
    let outcome = try mend(id) { table, consumption in
      guard var next = consumption else { return nil }
      if model.kind == .interval {
        let gone = next.intervals.keys.filter { interval in
          (from.map { interval.end > $0 } ?? true)
            && (to ?? from.map { Instant(microseconds: $0.microseconds + 1) })
              .map { interval.start < $0 } ?? true
        }
        let held = next.held.intervals.keys.filter { interval in
          (from.map { interval.end > $0 } ?? true) && (to.map { interval.start < $0 } ?? true)
        }
        forgotten = Set(gone).union(held).count
        for interval in gone { next.intervals[interval] = nil }
        for interval in held { next.held.intervals[interval] = nil }
      } else if files.isEmpty {
        forgotten = next.inputs.count
        next.inputs = [:]
        next.deletions = nil
        next.held = Consumption.Held()
      } else {
        let known = try contributions(table, next)
        let names = files.filter(known.contains)
        forgotten = names.count
        next.pending = Array(Set(next.pending).union(names)).sorted()
        next.held.contributions.removeAll { names.contains($0) }
      }
      return forgotten == 0 ? nil : (next, ChangeSet())
    }
    guard outcome else { return change(id, "there is nothing to forget") }
    let what =
      model.kind == .interval ? "interval" : files.isEmpty ? "input" : "file"
    return change(
      id,
      "forgot \(forgotten) \(what)\(forgotten == 1 ? "" : "s"); the next run consumes "
        + "\(forgotten == 1 ? "it" : "them") again", isDone: true)
  }

  /// Lets in again what a rollback holds back.
  private func release(_ id: TableID) throws -> StateChange {
    var text = ""
    let outcome = try mend(id) { _, consumption in
      guard var next = consumption, let held = next.held.text else { return nil }
      text = held
      if next.held.isWhole { (next.inputs, next.deletions) = ([:], nil) }
      for interval in next.held.intervals.keys { next.intervals[interval] = nil }
      next.pending = Array(Set(next.pending).union(next.held.contributions)).sorted()
      next.held = Consumption.Held()
      return (next, ChangeSet())
    }
    guard outcome else { return change(id, "nothing is held back") }
    return change(id, "let in again: \(text); the next run consumes it", isDone: true)
  }

  /// Takes a table as another program left it: what it has consumed is what it had consumed before,
  /// and what reads it reads all of it again.
  public func accept(_ name: String) throws -> StateChange {
    let (id, _) = try known(name)
    guard let table = try lake.catalog.load(id) else { return change(id, "there is no table yet") }
    do {
      _ = try table.consumption()
      return change(id, "no other program has changed its rows")
    } catch let error as LakeError where error.code == .foreignCommit {
      guard let last = try table.lastConsumption() else {
        throw LakeError(
          .missing, "what the table had consumed before is not on record any more",
          at: Place(model: name), advice: "rebuild it with --full-refresh")
      }
      _ = try mend(id) { _, _ in (last, ChangeSet(isFull: true)) }
      return change(id, "accepted what another program committed", isDone: true)
    }
  }

  /// Deletes the table of a model that is in the project no more: rows, history and state.
  public func drop(_ name: String) throws -> StateChange {
    let parts = name.split(separator: ".", maxSplits: 1).map(String.init)
    guard parts.count == 2 else {
      throw usage("'\(name)' is no table's name", "write pipeline.model")
    }
    let id = TableID(parts[0], parts[1])
    let isMade = project[pipeline: id.pipeline]?.models.contains { model in
      model.kind != .view
        && (model.name == id.model || model.outputs.contains { $0.name == id.model })
    }
    if isMade == true
      || (id.model == QuarantineNames.table && project[pipeline: id.pipeline] != nil)
    {
      throw usage("'\(name)' is still made by the project", "remove the model's files first")
    }
    let count = try lake.drop(id)
    guard count > 0 else { throw unknownTable(name) }
    return change(id, "deleted \(count) file\(count == 1 ? "" : "s")", isDone: true)
  }

  // MARK: - Parts

  /// Deletes rows of an append table together with what is remembered of them.
  private func forgetRows(
    _ base: Table, _ model: Model, _ files: [String]
  ) throws -> StateChange {
    let id = base.id
    var names: [String] = []
    let outcome = try mend(id) { table, consumption in
      guard let table, var next = consumption else { return nil }
      if files.isEmpty {
        next.inputs = [:]
        next.pending = []
        next.held = Consumption.Held()
        return (next, ChangeSet(isFull: true))
      }
      let known = try contributions(table, next)
      names = files.filter(known.contains)
      guard !names.isEmpty else { return nil }
      next.pending = Array(Set(next.pending).union(names)).sorted()
      next.held.contributions.removeAll { names.contains($0) }
      return (next, ChangeSet(contributions: .init(removed: names)))
    } removal: { [self] table in
      if files.isEmpty { return (.all, []) }
      let parts = TableParts(table, table.schema, self, Place(model: id.description))
      let keys = TableParts.Keys.contributions(names)
      let affected = try parts.files(holding: keys)
      let location = lake.staging(id, run: RunID(start: context.clock.now()), part: "kept")
      let kept = try engine.compute(
        parts.others(than: keys, in: affected),
        into: Output(
          schema: table.schema, location: location,
          sort: table.sortColumns.map { .init($0.column, isDescending: $0.isDescending) },
          partition: table.partitionColumns), cancellation: context.cancellation,
        progress: { _ in })
      return (affected.isEmpty ? .none : .files(affected.map(\.path)), kept)
    }
    guard outcome else { return change(id, "there is nothing to forget") }
    return change(
      id,
      files.isEmpty
        ? "forgot everything, and deleted its rows; the next run consumes all of it again"
        : "forgot \(names.count) file\(names.count == 1 ? "" : "s") and deleted their rows; "
          + "the next run consumes them again", isDone: true)
  }

  /// Commits other state, and by default the same rows.
  ///
  /// - Returns: Whether there was something to commit.
  func mend(
    _ id: TableID, _ decide: (Table?, Consumption?) throws -> (Consumption, ChangeSet)?,
    removal: ((Table) throws -> (TableUpdate.Removal, [DataFile]))? = nil
  ) throws -> Bool {
    try lake.probe()
    var isDone = false
    _ = try lake.publisher.publish(id, rebuilds: true, cancellation: context.cancellation) {
      table, consumption in
      guard let table, let (next, changes) = try decide(table, consumption) else {
        return .alreadyApplied
      }
      isDone = true
      var update = TableUpdate.keepingRows(of: table, time: context.clock.now())
      if let removal { (update.removal, update.added) = try removal(table) }
      var state = next
      state.run = RunID(start: context.clock.now()).rawValue
      return .apply(Publication(update: update, consumption: state, changes: changes))
    }
    return isDone
  }

  /// The values of `_source_file` that are in a table, or that it remembers.
  private func contributions(_ table: Table?, _ consumption: Consumption) throws -> Set<String> {
    let held = Set(consumption.held.contributions)
    guard let table, table.schema[Provenance.file] != nil else { return held }
    let files = try table.dataFiles() + table.dataFiles(of: consumption.deletions ?? [])
    let found = try engine.rows(
      Query(
        sql: "SELECT DISTINCT \(Provenance.file) FROM t",
        inputs: ["t": .files(files, schema: table.schema)],
        label: table.id.description), cancellation: context.cancellation)
    return held.union(
      found.rows.compactMap { if case .string(let name) = $0[0] { name } else { nil } })
  }

  /// The same for an index, whose files need not be in it: those set aside are looked at again, too.
  private func forget(in index: IndexStore, _ files: [String]) throws -> Bool {
    try lake.probe()
    for attempt in 1... {
      guard let base = try index.newest() else { return false }
      var next = base
      next.consumption.run = RunID(start: context.clock.now()).rawValue
      if files.isEmpty {
        next.consumption.inputs = [:]
      } else {
        next.consumption.pending = Set(next.consumption.pending + files).sorted()
      }
      do {
        _ = try index.commit(next, after: base)
        return true
      } catch let error as LakeError where error.code == .conflict && attempt < 20 {}
    }
    return false
  }

  func known(_ name: String, indexes: Bool = false) throws -> (TableID, Model) {
    let parts = name.split(separator: ".", maxSplits: 1).map(String.init)
    guard parts.count == 2, let model = project[pipeline: parts[0]]?[model: parts[1]],
      model.kind != .view, model.outputs.isEmpty || indexes
    else { throw unknownTable(name) }
    return (TableID(parts[0], parts[1]), model)
  }

  private func unknownTable(_ name: String) -> PipelineError {
    let known = project.pipelines.flatMap { $0.models.filter { $0.kind != .view } }
      .map(\.qualifiedName)
    return PipelineError(
      .unknownName, "there is no table '\(name)'",
      advice: nearest(to: name, among: known).map { "did you mean \($0)?" }
        ?? "the project has: \(known.joined(separator: ", "))", exitCode: 2)
  }

  func usage(_ message: String, _ advice: String) -> PipelineError {
    PipelineError(.usage, message, advice: advice, exitCode: 2)
  }

  func change(_ id: TableID, _ text: String, isDone: Bool = false) -> StateChange {
    StateChange(pipeline: id.pipeline, model: id.model, text: text, isDone: isDone)
  }
}
