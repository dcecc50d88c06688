import Auditing
import Core
import Formats
import Lake
import Operators
import Project
import Stores

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
    let before = result
    do {
      // A large batch leaves no memory for rows ahead, which find out whether that was right.
      try publish(batch, trustingNumbers: batch.hasFewFiles, &result)
    } catch let error as OperatorError where error.code == .otherName {
      result = before
      try publish(batch, trustingNumbers: false, &result)
    }
  }

  private func publish(
    _ batch: IndexBatch, trustingNumbers: Bool, _ result: inout UnitResult
  ) throws {
    let rejects = try RejectLog(directory: try workspace.scratchFolder())
    var base = try base(open, of: batch, trustingNumbers: trustingNumbers)
    guard try isBase(base) else {
      result.status = .alreadyPublished
      return
    }
    var burials = try batch.burials(base)
    let ahead = batch.hasFewFiles ? TablesAhead(burials, tables, base.open) : nil
    // What a later attempt leaves is other rows.
    defer { ahead?.rows?.drop(tables.discard) }
    do {
      let built = try batch.build(
        base, besideRows: ahead?.rows?.rowCount ?? 0, rejects, &result)
      defer { built.removeScratch() }
      var isQuarantined = false
      for attempt in 1... {
        try run.renewIfDue()
        let change = try timed("merge", &result) { try batch.change(base, built, burials) }
        do {
          try publish(
            change, base, attempt == 1 ? ahead : nil, isSmall: batch.hasFewFiles, &result
          ) { result in
            // Quarantine comes first (rule 16).
            guard !isQuarantined else { return }
            try publish(rejects, of: batch, recalled: built.recalled, &result)
            isQuarantined = true
          }
          result.status = .published
          return
        } catch let error as LakeError
          where error.code == .conflict && isQuarantined && attempt < 20
        {
          if let unexpected = ahead?.rows?.unexpected { throw unexpected }
          // Rule 32: the loser gives its words other numbers, if the batch is still to be done.
          base = try self.base(base.open, of: batch, trustingNumbers: false)
          guard try isBase(base) else {
            result.status = .alreadyPublished
            return
          }
          burials = try batch.burials(base)
        }
      }
    } catch {
      // What went wrong may have come of taking a document for another file's.
      if let unexpected = ahead?.rows?.unexpected { throw unexpected }
      throw error
    }
  }

  /// What the index is now.
  private func base(
    _ open: OpenIndex, of batch: IndexBatch, trustingNumbers: Bool
  ) throws -> IndexBase {
    IndexBase(
      manifest: try index.newest(), open: open, threads: workspace.project.engine.threads,
      trustsNumbers: trustingNumbers)
  }

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
      let audits = try timed("audit", &result) { try staged.map(tables.audited) }
        .compactMap(\.audit)
      result.checks = audits.flatMap { $0.outcomes.map(\.summary) }
      for audit in audits { try audit.requirePublishable() }
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

  /// - Parameter first: Publishes what comes before the index.
  private func publish(
    _ change: IndexChange, _ base: IndexBase, _ ahead: TablesAhead?, isSmall: Bool,
    _ result: inout UnitResult, first: (inout UnitResult) throws -> Void
  ) throws {
    var next = change.manifest
    next.version = (base.manifest?.version ?? 0) + 1
    next.written = workspace.context.clock.now()
    try run.renewIfDue()
    let publication = tables.publication(
      of: change, version: next.version, base.open, ahead: ahead, isSmall: isSmall,
      audits: true, cancellation: cancellation)
    // The manifest waits where nobody sees it until the tables' rows are written.
    let turns = Turns()
    let commit = Job { [index, run, next] in
      try index.commit(next, after: base.manifest) {
        try turns.wait(for: 1)
        try run.checkMayPublish()
      }
    }
    var published: IndexManifest?
    do {
      let staged = try timed("compute", &result) {
        progress.report(task: unit.label, step: "tables", done: 0, total: 0)
        // Meanwhile; nothing names the index's files yet.
        try change.upload(to: index)
        return try publication.staged()
      }
      try first(&result)
      let audits = staged.compactMap(\.audit)
      result.checks = audits.flatMap { $0.outcomes.map(\.summary) }
      for audit in audits { try audit.requirePublishable() }
      try timed("publish", &result) {
        progress.report(task: unit.label, step: "publish", done: 0, total: 0)
        try run.renewIfDue()
        _ = try publication.finish {
          turns.pass()
          published = try commit.value()
        }
      }
      result.bytesWritten =
        change.manifest.newBytes(since: base.manifest)
        + staged.flatMap(\.files).reduce(0) { $0 + $1.byteCount }
    } catch {
      turns.stop(at: 1)
      _ = try? commit.value()
      publication.stop()
      let code = (error as? LakeError)?.code
      guard let published else {
        if code != .ambiguous { try? change.discard(from: index) }
        throw error
      }
      guard code == .conflict else { throw error }
      // Another run is at its tables: what they lack after it, we do.
      try follow(IndexChange(published), base.open, &result)
      result.bytesWritten = change.manifest.newBytes(since: base.manifest)
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
        try run.renewIfDue()
        let publication = tables.publication(
          of: change, version: change.manifest.version, open, cancellation: cancellation)
        let isChanged = try publication.finish()
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
