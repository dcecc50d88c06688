import Auditing
import Core
import Engines
import Formats
import Lake
import Project
import Stores

/// The way of one unit: fetch, compute, audit, publish, export. Made anew for every attempt, so
/// that nothing of a failed one is left but staged files that nothing refers to.
struct UnitRun {
  let workspace: Workspace
  let survey: Survey
  let unit: Survey.Unit
  let run: ActiveRun
  let attempt: Int
  /// Whether the rows come from the model's SQL although it has an operator.
  let usesTwin: Bool

  private var lake: Lake { workspace.lake }
  private var cancellation: Cancellation { workspace.context.cancellation }
  private var model: Model { unit.node.model }
  private var taskName: String {
    unit.label + (unit.interval.map { " \($0)" } ?? "")
  }

  /// Computes and publishes. Fills `result` as it goes, so that a failure shows how far it came.
  func apply(_ result: inout UnitResult) throws {
    let progress = workspace.context.progress
    defer { progress.finish(task: taskName) }
    try numberColumns()
    let rejects = try RejectLog(directory: try workspace.scratchFolder())

    let base = survey.tables[unit.id]?.table
    let schema = try Table.schema(
      for: model.columns, over: base, replacesAllRows: unit.interval == nil)
    var builder = QueryBuilder(
      workspace: workspace, survey: survey, unit: unit, rejects: rejects,
      progress: { progress.report(task: taskName, step: "fetch", done: $0, total: $1) })
    let groups = try timed("compute", &result) {
      try Recomputation(unit, survey, workspace, schema, keysAt: staging("keys"))
    }
    if let groups, let on = model.recompute?.on { builder.parts[on] = groups.input }
    let rank = usesTwin ? nil : model.operator?.rank
    var bound: BoundQuery
    if let rank {
      let ready = try timed("fetch", &result) { try builder.build(rank) }
      bound = try timed("compute", &result) {
        try ready.run { [taskName] share in
          progress.report(
            task: taskName, step: "rank", done: Int64(share * 1000), total: 1000)
        }
      }
    } else {
      bound = try timed("fetch", &result) { try builder.build() }
    }
    result.bytesRead = bound.byteCount

    var staged = groups?.keyFiles ?? []
    var files: [DataFile] = []
    var outcome: PublishOutcome
    do {
      files = try timed("compute", &result) { try compute(bound.query, schema) }
      staged += files
      let kept = try timed("compute", &result) {
        try groups.map { try compute($0.others, schema, part: "others") } ?? []
      }
      staged += kept
      try count(bound, &result)
      try builder.expectUnchanged()
      let audit = try Audit(
        checks: model.checks, schema: schema, label: unit.label,
        partitionColumns: partitionColumns, interval: unit.interval)
      let audited = try timed("audit", &result) {
        progress.report(task: taskName, step: "audit", done: 0, total: 0)
        return try audit.run(
          staged: files,
          current: audit.hasTableScope ? try self.kept(in: base, groups) + kept : [],
          engine: workspace.engine,
          cancellation: cancellation)
      }
      result.checks = audited.outcomes.map(\.summary)
      result.quarantined += audited.quarantined
      files = try timed("publish", &result) {
        // Also where the checks stop the rest: what was wrong with the input is then on record.
        try setAside(audited, rejects, files, schema)
      }
      outcome = try timed("publish", &result) {
        progress.report(task: taskName, step: "publish", done: 0, total: 0)
        return try publish(files, beside: kept, groups, staged, audit, base, schema)
      }
    } catch {
      // Never offered to a commit unless the outcome is unknown: then maintenance decides.
      if (error as? LakeError)?.code != .ambiguous { try? lake.publisher.discard(staged) }
      throw error
    }
    result.rowCount = files.reduce(0) { $0 + $1.rowCount }
    result.bytesWritten = files.reduce(0) { $0 + $1.byteCount }
    if case .alreadyApplied = outcome {
      result.status = .alreadyPublished
      result.bytesWritten = 0
    } else {
      result.status = .published
    }
  }

  /// Rule 28: where a column gets a name that files without IDs hold another one under, or do not
  /// know, these come first. All other models write all of their files again.
  private func numberColumns() throws {
    guard unit.interval != nil, let base = survey.tables[unit.id]?.table,
      try base.renames(to: model.columns),
      try TableMaintainer(workspace: workspace, run: run, positions: nil).numberColumns(of: base)
    else { return }
    throw LakeError(
      .conflict, "files without field IDs were written again, before columns get other names",
      at: Place(model: unit.label), advice: "run again")
  }

  // MARK: - Compute

  private func staging(_ part: String? = nil) -> String {
    let attempt = (unit.interval.map(\.description) ?? "all") + "-\(attempt)"
    return lake.staging(
      unit.id, run: run.id, part: attempt + (part.map { "-\($0)" } ?? ""))
  }

  private func compute(
    _ query: Query, _ schema: Schema, part: String? = nil
  ) throws -> [DataFile] {
    let progress = workspace.context.progress
    let output = Output(
      schema: schema, location: staging(part),
      sort: model.sort.map { .init($0.column, isDescending: $0.isDescending) },
      partition: model.partitionBy)
    var files = try workspace.engine.compute(
      query, into: output, cancellation: cancellation,
      progress: { [taskName] share in
        progress.report(
          task: taskName, step: "compute", done: Int64(share * 1000), total: 1000)
      })
    markInterval(&files)
    return files
  }

  /// The interval comes first in the partitions of interval tables.
  private func markInterval(_ files: inout [DataFile]) {
    guard let interval = unit.interval else { return }
    for index in files.indices {
      files[index].partition = interval.partition + files[index].partition
    }
  }

  /// Every row that was read is accounted for: passed on, set aside, or dropped as declared.
  private func count(_ bound: BoundQuery, _ result: inout UnitResult) throws {
    let tallies = try bound.texts.map { text in
      try text.finish()
      return text.tally
    }
    for tally in tallies + [bound.read] {
      result.rowsRead += tally.rows + tally.quarantined + tally.droppedCount
      result.quarantined += tally.quarantined
      result.dropped += tally.droppedCount
    }
  }

  private var partitionColumns: [String] {
    unit.interval == nil ? [] : ["interval_start", "interval_end"]
  }

  /// The files that stay in the table beside the staged ones.
  private func kept(in table: Table?, _ groups: Recomputation?) throws -> [DataFile] {
    guard let table else { return [] }
    if let groups {
      let gone = Set(groups.affected.map(\.path))
      return try table.dataFiles().filter { !gone.contains($0.path) }
    }
    guard let interval = unit.interval else { return [] }
    return try table.dataFiles().filter { !$0.partition.starts(with: interval.partition) }
  }

  // MARK: - Quarantine

  /// Publishes the rows that do not belong, first (rule 16), and gives the files that do.
  private func setAside(
    _ audited: AuditResult, _ rejects: RejectLog, _ staged: [DataFile], _ schema: Schema
  ) throws -> [DataFile] {
    let quarantine = QuarantineTable(lake: lake, pipeline: model.pipeline)
    try quarantine.publish(
      model: model.name, batch: unit.interval?.description ?? "full", run: run,
      malformed: rejects, split: audited.split, engine: workspace.engine,
      cancellation: cancellation)
    try audited.requirePublishable()
    guard let split = audited.split else { return staged }
    var files = try split.writeKept(
      into: Output(
        schema: schema, location: staging("kept"),
        sort: model.sort.map { .init($0.column, isDescending: $0.isDescending) },
        partition: model.partitionBy),
      engine: workspace.engine, cancellation: cancellation)
    markInterval(&files)
    try lake.publisher.discard(staged)
    return files
  }

  // MARK: - Publish

  /// - Parameter kept: Of the groups' files, the rows that stay.
  private func publish(
    _ files: [DataFile], beside kept: [DataFile], _ groups: Recomputation?, _ staged: [DataFile],
    _ audit: Audit, _ audited: Table?, _ schema: Schema
  ) throws -> PublishOutcome {
    try run.renewIfDue()
    let known = Set(files.map(\.path))
    return try lake.publisher.publish(
      unit.id, staged: files + staged.filter { !known.contains($0.path) }, run: run,
      // Only a full refresh gets this far with a table that a stranger has changed.
      rebuilds: survey.tables[unit.id]?.problem != nil, cancellation: cancellation
    ) { table, consumption in
      let now = Survey.remembered(consumption, unit.interval)
      let held = survey.tables[unit.id]?.consumption?.held ?? .init()
      // A rollback meanwhile: what it has undone must not come back by this.
      if let theirs = consumption?.held,
        theirs.isWhole != held.isWhole
          || unit.interval.map({ theirs.intervals[$0] != held.intervals[$0] }) ?? false
      {
        throw LakeError(
          .conflict, "the table was rolled back meanwhile", at: Place(model: unit.label),
          advice: "run again")
      }
      if now != unit.before, try survey.isSettled(unit, by: now) { return .alreadyApplied }
      if groups != nil && table?.currentSnapshot?.id != audited?.currentSnapshot?.id {
        throw LakeError(
          .conflict, "another commit came while groups of rows were built again",
          at: Place(model: unit.label), advice: "run again")
      }
      if audit.hasTableScope && table?.currentSnapshot?.id != audited?.currentSnapshot?.id {
        // Rule 18: what was unique beside the rows of then may not be beside those of now.
        try audit.rerun(
          staged: files, current: try self.kept(in: table, groups), engine: workspace.engine,
          cancellation: cancellation
        ).requirePublishable()
      }
      var publication = try publication(files, schema, consumption, replaces: now != nil)
      if let groups {
        publication.update.added += kept
        publication.update.removal =
          groups.affected.isEmpty ? .none : .files(groups.affected.map(\.path))
      }
      return .apply(publication)
    }
  }

  private func publication(
    _ files: [DataFile], _ schema: Schema, _ consumption: Consumption?, replaces: Bool
  ) throws -> Publication {
    let mine = survey.consumed(by: unit)
    let rowCount = files.reduce(0) { $0 + $1.rowCount }
    var next = consumption ?? Consumption()
    next.run = run.id.rawValue
    next.definition = ConsumedDefinition(
      fingerprint: unit.fingerprint, queries: try survey.queries(of: unit.node))
    var changes = ChangeSet()
    if let interval = unit.interval {
      next.held.intervals[interval] = nil
      next.intervals[interval] = ConsumedInterval(
        definition: unit.fingerprint, run: run.id.rawValue,
        objects: mine.objects.sorted { ($0.source, $0.uri) < ($1.source, $1.uri) },
        inputs: mine.inputs, rowCount: rowCount)
      changes.intervals = replaces ? .init(replaced: [interval]) : .init(added: [interval])
    } else {
      next.inputs = mine.inputs
      next.intervals = [:]
      next.held = Consumption.Held()
      changes.isFull = true
    }
    let update = TableUpdate(
      schema: schema, partitionBy: PartitionColumn.identity(partitionColumns) + model.partitionBy,
      sort: model.sort.map { SortColumn($0.column, isDescending: $0.isDescending) },
      added: files, removal: unit.interval.map { .partitions([$0.partition]) } ?? .all,
      time: workspace.context.clock.now())
    return Publication(update: update, consumption: next, changes: changes)
  }
}

/// Runs a step and adds the time it took.
func timed<T>(_ step: String, _ result: inout UnitResult, _ body: () throws -> T) rethrows -> T {
  let start = monotonicSeconds()
  defer {
    let spent = monotonicSeconds() - start
    if let index = result.seconds.firstIndex(where: { $0.step == step }) {
      result.seconds[index].seconds += spent
    } else {
      result.seconds.append((step, spent))
    }
  }
  return try body()
}

extension AuditResult.Outcome {
  var summary: CheckOutcome {
    CheckOutcome(
      name: name, severity: severity.rawValue, isPassed: isPassed, failingRows: failingRows,
      message: message)
  }
}

extension RejectLog: RejectedRows {}
