import Auditing
import Core
import Engines
import Formats
import Lake
import Project

/// The way of a unit that consumes what is new in one input: append and merge models. Made anew for
/// every attempt, as `UnitRun` is.
struct DeltaRun {
  let workspace: Workspace
  let survey: Survey
  let unit: Survey.Unit
  let delta: Delta
  let run: ActiveRun
  let attempt: Int

  var lake: Lake { workspace.lake }
  var cancellation: Cancellation { workspace.context.cancellation }
  var model: Model { unit.node.model }
  var base: Table? { survey.tables[unit.id]?.table }
  var keepsRows: Bool { model.onChange == .keep }
  /// What a rollback has undone and this commit must not bring back.
  var held: Consumption.Held { survey.tables[unit.id]?.consumption?.held ?? .init() }

  /// The contributions that stay held back: not those of which this commit takes a later version,
  /// or the end.
  var heldBack: [String] {
    let consumed = Set(delta.present + delta.gone)
    return held.contributions.filter { !consumed.contains($0) }
  }

  /// What a commit is made of.
  struct Change {
    /// Rows that are new to the table, or computed again.
    var rows: [DataFile] = []
    /// Of the files that go, the rows that stay.
    var kept: [DataFile] = []
    /// Present files that go; nil for all.
    var removed: [DataFile]? = []
    var changes = ChangeSet()
    /// Of merge models with a delete marker: all rows that won and say that their key is gone.
    var deletions: [DeletionFile]?
  }

  /// Computes and publishes. Fills `result` as it goes.
  func apply(_ result: inout UnitResult) throws {
    let progress = workspace.context.progress
    defer { progress.finish(task: unit.label) }
    let rejects = try RejectLog(directory: try workspace.scratchFolder())
    let schema = try Table.schema(
      for: model.tableColumns, over: base, replacesAllRows: delta.isRebuild)
    var staged: [DataFile] = []
    do {
      let rows = try contributions(schema, rejects, &staged, &result)
      let change = try timed("compute", &result) {
        try model.kind == .merge
          ? merge(rows, schema, &staged) : append(rows, schema, &staged)
      }
      let audit = try Audit(
        checks: model.checks.filter { $0.severity != .quarantine }, schema: schema,
        label: unit.label)
      let audited = try timed("audit", &result) {
        try audit.run(
          staged: change.rows, current: audit.hasTableScope ? try others(change, base) : [],
          engine: workspace.engine, cancellation: cancellation)
      }
      result.checks += audited.outcomes.map(\.summary)
      try audited.requirePublishable()
      let outcome = try timed("publish", &result) {
        progress.report(task: unit.label, step: "publish", done: 0, total: 0)
        return try publish(change, staged, audit, schema)
      }
      result.rowCount += rows.reduce(0) { $0 + $1.rowCount }
      if case .alreadyApplied = outcome {
        result.status = .alreadyPublished
      } else {
        result.bytesWritten += (change.rows + change.kept).reduce(0) { $0 + $1.byteCount }
        result.status = .published
      }
    } catch {
      if (error as? LakeError)?.code != .ambiguous { try? lake.publisher.discard(staged) }
      throw error
    }
  }

  /// What the table's files are sorted by, so that its parts are found in few of them.
  var sort: [Output.SortKey] {
    if !model.sort.isEmpty {
      return model.sort.map { .init($0.column, isDescending: $0.isDescending) }
    }
    return model.kind == .merge
      ? model.uniqueKey.map { .init($0) } : [.init(Provenance.file), .init(Provenance.row)]
  }

  // MARK: - Steps

  func compute(
    _ query: Query, _ schema: Schema, _ part: String, _ staged: inout [DataFile]
  ) throws -> [DataFile] {
    let progress = workspace.context.progress
    let files = try workspace.engine.compute(
      query,
      into: Output(
        schema: schema,
        location: staging(part), sort: sort, partition: model.partitionBy),
      cancellation: cancellation,
      progress: { [label = unit.label] share in
        progress.report(task: label, step: "compute", done: Int64(share * 1000), total: 1000)
      })
    staged += files
    return files
  }

  func staging(_ part: String) -> String {
    lake.staging(unit.id, run: run.id, part: attemptPart(part))
  }

  /// The name of one computation of one attempt.
  func attemptPart(_ part: String) -> String { "\(part)-\(attempt)-\(position)" }

  /// Keeps apart what one attempt stages for several commits.
  private var position: String {
    switch delta.position {
    case .log(let number, _): "\(number)"
    case .snapshot(let id, _): "\(id)"
    default: "all"
    }
  }

  /// The rows of what is new, without those that are set aside.
  private func contributions(
    _ schema: Schema, _ rejects: RejectLog, _ staged: inout [DataFile],
    _ result: inout UnitResult
  ) throws -> [DataFile] {
    let progress = workspace.context.progress
    let bound = try timed("fetch", &result) {
      try builder(rejects, delta) {
        progress.report(task: unit.label, step: "fetch", done: $0, total: $1)
      }.build()
    }
    result.bytesRead += bound.byteCount
    let rows = try timed("compute", &result) {
      try compute(bound.query, schema, "rows", &staged)
    }
    for text in bound.texts {
      try text.finish()
      let tally = text.tally
      result.rowsRead += tally.rows + tally.quarantined + tally.droppedCount
      result.quarantined += tally.quarantined
      result.dropped += tally.droppedCount
    }
    try builder(rejects, delta).expectUnchanged()
    let audited = try timed("audit", &result) { try setAsideAudit(rows, schema) }
    result.checks += audited.outcomes.map(\.summary)
    result.quarantined += audited.quarantined
    return try timed("publish", &result) {
      try QuarantineTable(lake: lake, pipeline: model.pipeline).publish(
        model: model.name, batch: position, run: run, malformed: rejects, split: audited.split,
        replacing: delta.isRebuild ? .all : .files(quarantined), engine: workspace.engine,
        cancellation: cancellation)
      return try kept(rows, audited, schema, &staged)
    }
  }

  /// Files whose rows in quarantine are those of this commit.
  private var quarantined: Set<String> {
    Set(keepsRows ? delta.present : delta.present + delta.gone)
  }

  func builder(
    _ rejects: RejectLog, _ delta: Delta, progress: @escaping (Int64, Int64) -> Void = { _, _ in }
  ) -> QueryBuilder {
    QueryBuilder(
      workspace: workspace, survey: survey, unit: unit, rejects: rejects, progress: progress,
      delta: delta)
  }

  /// The checks that set rows aside, on contributions: before a key's latest row is looked for.
  func setAsideAudit(_ rows: [DataFile], _ schema: Schema) throws -> AuditResult {
    try Audit(
      checks: model.checks.filter { $0.severity == .quarantine }, schema: schema,
      label: unit.label
    ).run(staged: rows, engine: workspace.engine, cancellation: cancellation)
  }

  func kept(
    _ rows: [DataFile], _ audited: AuditResult, _ schema: Schema, _ staged: inout [DataFile]
  ) throws -> [DataFile] {
    guard let split = audited.split else { return rows }
    let files = try compute(split.keptRows, schema, "fit", &staged)
    try split.requireBalance(
      kept: files.reduce(0) { $0 + $1.rowCount }, rejected: split.rejected)
    return files
  }

  // MARK: - Append

  private func append(
    _ rows: [DataFile], _ schema: Schema, _ staged: inout [DataFile]
  ) throws -> Change {
    var change = Change(rows: rows)
    if delta.isRebuild {
      change.removed = nil
      change.changes.isFull = true
      return change
    }
    if keepsRows {
      // A file that comes back has rows already.
      change.changes.contributions.replaced = delta.present
      return change
    }
    change.changes.contributions = delta.changes
    guard let base, !delta.gone.isEmpty else { return change }
    let parts = TableParts(base, schema, workspace, Place(model: unit.label))
    let keys = TableParts.Keys.contributions(delta.gone)
    let affected = try parts.files(holding: keys)
    guard !affected.isEmpty else { return change }
    change.removed = affected
    change.kept = try compute(parts.others(than: keys, in: affected), schema, "kept", &staged)
    return change
  }

  // MARK: - Publish

  /// The files beside the new rows.
  private func others(_ change: Change, _ table: Table?) throws -> [DataFile] {
    guard let removed = change.removed, let table else { return [] }
    let gone = Set(removed.map(\.path))
    return try table.dataFiles().filter { !gone.contains($0.path) } + change.kept
  }

  private func publish(
    _ change: Change, _ staged: [DataFile], _ audit: Audit, _ schema: Schema
  ) throws -> PublishOutcome {
    try run.renewIfDue()
    return try lake.publisher.publish(
      unit.id, staged: staged, run: run, rebuilds: survey.tables[unit.id]?.problem != nil,
      cancellation: cancellation
    ) { table, consumption in
      let now = Survey.remembered(consumption, nil)
      // A rollback meanwhile: other rows, and other things to leave alone.
      guard (consumption?.held ?? .init()) == held else { throw overtaken }
      if now != unit.before {
        if try survey.isSettled(unit, by: now) { return .alreadyApplied }
        // What was computed is what came after a state that is not the table's any more.
        if !delta.isRebuild { throw overtaken }
      }
      if table?.currentSnapshot?.id != base?.currentSnapshot?.id {
        try expectPresent(change, table)
        if audit.hasTableScope {
          try audit.rerun(
            staged: change.rows, current: try others(change, table), engine: workspace.engine,
            cancellation: cancellation
          ).requirePublishable()
        }
      }
      return .apply(try publication(change, schema, consumption))
    }
  }

  private var overtaken: LakeError {
    LakeError(
      .conflict, "another run published meanwhile", at: Place(model: unit.label),
      advice: "run again")
  }

  /// Maintenance may have moved the rows that were to go into other files.
  private func expectPresent(_ change: Change, _ table: Table?) throws {
    guard let removed = change.removed, !removed.isEmpty else { return }
    let present = Set(try table?.dataFiles().map(\.path) ?? [])
    guard removed.allSatisfy({ present.contains($0.path) }) else { throw overtaken }
  }

  private func publication(
    _ change: Change, _ schema: Schema, _ consumption: Consumption?
  ) throws -> Publication {
    var next = consumption ?? Consumption()
    next.run = run.id.rawValue
    next.definition = ConsumedDefinition(
      fingerprint: unit.fingerprint, queries: try survey.queries(of: unit.node))
    next.inputs = unit.inputs.positions
    next.intervals = [:]
    next.pending = delta.postponed
    next.held.contributions = heldBack
    if delta.isRebuild { next.held = Consumption.Held() }
    next.deletions = change.deletions
    let update = TableUpdate(
      schema: schema, partitionBy: model.partitionBy,
      sort: sort.map { SortColumn($0.column, isDescending: $0.isDescending) },
      added: change.rows + change.kept,
      removal: change.removed.map { $0.isEmpty ? .none : .files($0.map(\.path)) } ?? .all,
      time: workspace.context.clock.now())
    return Publication(update: update, consumption: next, changes: change.changes)
  }
}
