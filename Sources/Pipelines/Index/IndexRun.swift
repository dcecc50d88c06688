import Auditing
import Core
import Formats
import Lake
import Operators
import Project
import Stores
import Synchronization

/// The way of a unit whose operator keeps an index: number the files of a batch, build a segment,
/// write the tables' rows, publish the manifest, and then the tables. Made anew for every attempt.
struct IndexRun {
  let workspace: Workspace
  let survey: Survey
  let unit: Survey.Unit
  /// Nil where only the tables are behind.
  let delta: Delta?
  let run: ActiveRun
  /// Whether the tables come from the model's SQL.
  let usesTwin: Bool

  var lake: Lake { workspace.lake }
  var cancellation: Cancellation { workspace.context.cancellation }
  var model: Model { unit.node.model }
  private var index: IndexStore { lake.index(unit.id) }
  private var open: OpenIndex { OpenIndex(index, cache: workspace.cache) }
  private var tables: IndexTables { IndexTables(workspace: workspace, model: model, run: run) }
  private var progress: any ProgressSink { workspace.context.progress }

  /// Computes and publishes. Fills `result` as it goes.
  func apply(_ result: inout UnitResult) throws {
    defer { progress.finish(task: unit.label) }
    guard let settings = model.operator?.wordIndex else {
      preconditionFailure("only indexes own tables")
    }
    if usesTwin {
      try publishTwin(settings, &result)
    } else if let delta {
      try publish(IndexBatch(self, settings, delta), &result)
    } else {
      guard let manifest = try index.newest() else { return }
      try follow(IndexChange(manifest), open, &result)
    }
  }

  // MARK: - A batch

  private func publish(_ batch: IndexBatch, _ result: inout UnitResult) throws {
    let rejects = try RejectLog(directory: try workspace.scratchFolder())
    var base = try base(open)
    guard try isBase(base) else {
      result.status = .alreadyPublished
      return
    }
    var burials = try batch.burials(base)
    // A large batch leaves no memory for that.
    let ahead =
      batch.hasFewFiles && !burials.isEmpty ? RowsAhead(burials, tables, base.open) : nil
    // What a later attempt leaves is other rows.
    defer { ahead?.drop(tables.discard) }
    let built = try batch.build(base, rejects, &result)
    defer { built.removeScratch() }
    try publish(rejects, of: batch, recalled: built.recalled, &result)
    for attempt in 1... {
      try run.renewIfDue()
      let change = try timed("merge", &result) { try batch.change(base, built, burials) }
      do {
        try publish(change, base, attempt == 1 ? ahead : nil, &result)
        result.status = .published
        return
      } catch let error as LakeError where error.code == .conflict && attempt < 20 {
        // Rule 32: the loser gives its words other numbers, if the batch is still to be done.
        base = try self.base(base.open)
        guard try isBase(base) else {
          result.status = .alreadyPublished
          return
        }
        burials = try batch.burials(base)
      }
    }
  }

  /// What the index is now.
  private func base(_ open: OpenIndex) throws -> IndexBase {
    IndexBase(
      manifest: try index.newest(), open: open, threads: workspace.project.engine.threads)
  }

  /// Quarantine comes first (rule 16).
  private func publish(
    _ rejects: RejectLog, of batch: IndexBatch, recalled: Set<String> = [],
    _ result: inout UnitResult
  ) throws {
    try timed("publish", &result) {
      _ = try QuarantineTable(lake: lake, pipeline: model.pipeline).publish(
        model: model.name, batch: batch.position, run: run, malformed: rejects,
        replacing: batch.delta.isRebuild
          ? .all : .files(recalled.union(batch.delta.present + batch.delta.gone)),
        engine: workspace.engine, cancellation: cancellation)
    }
  }

  private func publishTwin(_ settings: WordIndexSettings, _ result: inout UnitResult) throws {
    guard case .delta(let all) = try survey.delta(of: unit, settings.input, isRebuild: true) else {
      throw PipelineError(
        .upstreamFailed, "its input '\(settings.input)' cannot be read",
        at: Place(model: unit.label))
    }
    let batch = try IndexBatch(self, settings, all)
    let rejects = try RejectLog(directory: try workspace.scratchFolder())
    let twin = IndexTwin(workspace: workspace, batch: batch, model: model, run: run)
    let staged = try twin.stage(rejects, &result)
    do {
      let audited = try timed("audit", &result) { try tables.audit(staged) }
      result.checks = audited.flatMap { $0.outcomes.map(\.summary) }
      for audit in audited { try audit.requirePublishable() }
      try publish(rejects, of: batch, &result)
    } catch {
      tables.discard(staged)
      throw error
    }
    try timed("publish", &result) {
      try tables.publishTwin(staged, batch.consumption(nil), cancellation: cancellation)
    }
    result.bytesWritten = staged.flatMap(\.files).reduce(0) { $0 + $1.byteCount }
    result.status = .published
  }

  /// Whether what was planned is what comes next; false where another run has done it.
  private func isBase(_ base: IndexBase) throws -> Bool {
    let now = Survey.remembered(base.manifest?.consumption, nil)
    if now == unit.before { return true }
    if try survey.isSettled(unit, by: now) { return false }
    throw LakeError(
      .conflict, "another run published meanwhile", at: Place(model: unit.label),
      advice: "run again")
  }

  private func publish(
    _ change: IndexChange, _ base: IndexBase, _ ahead: RowsAhead?, _ result: inout UnitResult
  ) throws {
    let staged = try timed("compute", &result) {
      progress.report(task: unit.label, step: "tables", done: 0, total: 0)
      return try stage(change, base.open, ahead)
    }
    var next = change.manifest
    next.version = (base.manifest?.version ?? 0) + 1
    next.written = workspace.context.clock.now()
    let published = Published()
    do {
      let audited = try timed("audit", &result) { try tables.audit(staged) }
      result.checks = audited.flatMap { $0.outcomes.map(\.summary) }
      for audit in audited { try audit.requirePublishable() }
      try timed("publish", &result) {
        progress.report(task: unit.label, step: "publish", done: 0, total: 0)
        _ = try tables.publish(staged, next, cancellation: cancellation) { [next] in
          try run.checkMayPublish()
          try published.set(index.commit(next, after: base.manifest))
        }
      }
    } catch {
      let code = (error as? LakeError)?.code
      if let manifest = published.manifest {
        guard code == .conflict else { throw error }
        // Another run is at its tables: what they lack after it, we do.
        try follow(IndexChange(manifest), base.open, &result)
      } else {
        if code != .ambiguous {
          tables.discard(staged)
          try? change.discard(from: index)
        }
        throw error
      }
    }
    result.bytesWritten =
      change.manifest.newBytes(since: base.manifest)
      + staged.flatMap(\.files).reduce(0) { $0 + $1.byteCount }
  }

  /// What a commit of the index has come to.
  private final class Published: Sendable {
    private let state = Mutex<IndexManifest?>(nil)

    /// Nil where nothing was published, as far as is known.
    var manifest: IndexManifest? { state.withLock { $0 } }

    func set(_ manifest: IndexManifest) { state.withLock { $0 = manifest } }
  }

  /// Writes the rows that the tables lack, and meanwhile puts the index's files into the lake;
  /// nothing names any of them yet.
  private func stage(
    _ change: IndexChange, _ open: OpenIndex, _ ahead: RowsAhead?
  ) throws -> [IndexTables.Staged] {
    let works: [@Sendable () throws -> [IndexTables.Staged]] = [
      { try tables.stage(change, open, ahead: ahead) },
      {
        try change.upload(to: index)
        return []
      },
    ]
    let results = concurrently(works, limit: works.count) { work in try work() }
    do {
      return try results.flatMap { try $0.get() }
    } catch {
      tables.discard(results.flatMap { (try? $0.get()) ?? [] })
      try? change.discard(from: index)
      throw error
    }
  }

  // MARK: - Tables that are behind

  /// Brings the tables to a version of the index, or to a newer one that has come meanwhile.
  private func follow(
    _ change: IndexChange, _ open: OpenIndex, _ result: inout UnitResult
  ) throws {
    var change = change
    for attempt in 1... {
      do {
        let staged = try tables.stage(change, open)
        let isChanged = try tables.publish(staged, change.manifest, cancellation: cancellation)
        result.status = isChanged ? .published : .alreadyPublished
        return
      } catch let error as LakeError where error.code == .conflict && attempt < 20 {
        if let newest = try index.newest() { change = IndexChange(newest) }
      }
    }
  }
}

extension IndexManifest {
  /// Bytes of files that an earlier version did not name.
  fileprivate func newBytes(since base: IndexManifest?) -> Int64 {
    let known = Set(base?.segments.flatMap(\.files).map(\.name) ?? [])
    return segments.flatMap(\.files).filter { !known.contains($0.name) }
      .reduce(0) { $0 + $1.byteCount }
  }
}
