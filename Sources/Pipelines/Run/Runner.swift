import Auditing
import Core
import Lake
import Project
import Transport

/// Carries out what the planner finds: sources to their logs, then model after model, the intervals
/// of a model several at once. Then again for files that are still waited for.
final class Runner {
  private let workspace: Workspace
  private let selection: Selection
  private let started: Instant
  private let id: RunID
  private let transfersBefore: TransferCounters.Snapshot
  private let landedBefore: LandingTally.Snapshot
  /// Begun with the first thing that changes the lake: a run with nothing to do writes nothing.
  private var active: ActiveRun?
  private var claims: Claims?
  private var results: [UnitKey: UnitResult] = [:]
  /// Qualified names, in the order in which they came to their turn.
  private var models: [String] = []
  private var notes: [String] = []

  private struct UnitKey: Hashable {
    var model: String
    var interval: Interval?
  }

  init(_ workspace: Workspace, _ selection: Selection) {
    self.workspace = workspace
    self.selection = selection
    started = workspace.context.clock.now()
    transfersBefore = workspace.opener.transfers
    landedBefore = workspace.landed.snapshot
    id = RunID(start: started)
  }

  private var clock: Clock { workspace.context.clock }
  private var hooks: HookCaller {
    HookCaller(project: workspace.project, run: id.rawValue, context: workspace.context)
  }
  private var cancellation: Cancellation { workspace.context.cancellation }

  func run() throws -> RunReport {
    var isInterrupted = false
    do {
      while let pause = try round() { clock.sleep(pause, cancellation) }
    } catch is Cancelled {
      isInterrupted = true
    } catch {
      // Nothing can be planned any more; what was done stays done and is written down.
      guard active != nil else {
        tellOfFailures([], stoppedBy: failure(error))
        throw error
      }
      notes.append("stopped: \(error)")
      _ = try? finish(isInterrupted: false, stoppedBy: failure(error))
      throw error
    }
    return try finish(isInterrupted: isInterrupted)
  }

  // MARK: - Rounds

  /// Does all that can be done now.
  ///
  /// - Returns: Milliseconds until files that are waited for are worth another look; nil when
  ///   nothing is waited for, or not any longer.
  private func round() throws -> Int64? {
    var survey = try loggedSurvey()
    // What a writer killed right after its commit has left behind (rule 21).
    let planner = workspace.planner
    let pipelines = try planner.selected(selection.pipelines)
    let quarantines = pipelines.compactMap { pipeline in
      try? workspace.lake.catalog.load(
        QuarantineTable(lake: workspace.lake, pipeline: pipeline.name).id)
    }
    for table in survey.tables.values.compactMap(\.table) + quarantines {
      try? workspace.lake.catalog.repair(table)
    }
    let selected = Set(pipelines.map(\.name))
    notes = try pipelines.flatMap { pipeline in
      try planner.notes(on: pipeline, selection, survey).map { "\(pipeline.name): \($0)" }
    }
    let nodes = survey.graph.nodes.filter {
      selected.contains($0.model.pipeline) && $0.model.kind != .view
    }
    for (place, node) in nodes.enumerated() {
      let units = try planner.units(of: node, selection, survey, running: [])
        .filter { isOpen($0) }
      // Those after it may read what it has published.
      if try apply(units, of: node, survey), place + 1 < nodes.count {
        let views = concurrently(node.model.ids, limit: 4) { try planner.load($0) }
        for (id, view) in zip(node.model.ids, views) { survey.tables[id] = try view.get() }
      }
      try cancellation.check()
    }
    guard survey.events == nil else {
      try refuseLostEvents(survey)
      // What is waited for was not named, and would not be looked at.
      return nil
    }
    return try pause(survey)
  }

  /// Rule 2: a message may be acknowledged only once what it names is in the log. An object that
  /// could not be looked at is therefore a failure of the run, even where no unit needs it yet.
  private func refuseLostEvents(_ survey: Survey) throws {
    guard !results.values.contains(where: { $0.status == .failed }) else { return }
    let sources = survey.obstacles.sorted { Survey.SourceKey.less($0.key, $1.key) }.map(\.value)
    let files = survey.sources.sorted { Survey.SourceKey.less($0.key, $1.key) }.flatMap { _, view in
      view.obstacles.sorted { $0.key < $1.key }.map(\.value)
    }
    if let obstacle = (sources + files).first { throw obstacle }
  }

  /// A survey whose new batches are in the logs. A lost put starts over with a new look (rule 1).
  private func loggedSurvey() throws -> Survey {
    for attempt in 1... {
      try cancellation.check()
      var survey = try workspace.planner.survey(selection)
      do {
        for (key, view) in survey.sources where !view.changes.isEmpty {
          try begin()
          let appended = try workspace.planner.sourcePlanner.append(view)
          survey.sources[key] = appended
          // Its readers fail; the others go on.
          if let failure = appended.landingFailure { survey.obstacles[key] = failure }
        }
        return survey
      } catch let error as LakeError where error.code == .conflict && attempt < 20 {
        clock.sleep(Int64.random(in: 0...50), cancellation)
      }
    }
    preconditionFailure("the loop returns or throws")
  }

  /// Whether a unit is still to be decided: new, or waiting so far.
  private func isOpen(_ unit: Survey.Unit) -> Bool {
    guard let result = results[UnitKey(model: unit.label, interval: unit.interval)] else {
      return true
    }
    return result.status == .waiting
  }

  /// When to look again for what is waited for.
  private func pause(_ survey: Survey) throws -> Int64? {
    let elapsed = (clock.now().microseconds - started.microseconds) / 1000
    var pauses: [Int64] = []
    for key in results.keys where results[key]?.status == .waiting {
      guard let node = survey.graph[key.model] else { continue }
      let waits = survey.graph.leaves(of: node).compactMap { _, leaf -> Source.Wait? in
        guard case .source(let pipeline, let source) = leaf,
          case .intervals(let settings)? = survey.sources[
            .init(pipeline: pipeline, source: source)]?.source.origin
        else { return nil }
        return settings.wait
      }
      for wait in waits {
        if elapsed < wait.timeoutMilliseconds {
          pauses.append(
            max(1, min(wait.everyMilliseconds, wait.timeoutMilliseconds - elapsed)))
        } else if wait.onTimeout == .fail {
          let still = results[key]?.reason ?? ""
          results[key]?.status = .failed
          results[key]?.failure = PipelineError(
            .timedOut, "its files did not come in time: still \(still)",
            at: Place(model: key.model, batch: key.interval?.description),
            advice: "run again once they are published, or raise the source's `wait.timeout`")
        }
      }
    }
    return pauses.min()
  }

  // MARK: - Units

  /// - Returns: Whether there was anything to do.
  private func apply(
    _ units: [Survey.Unit], of node: Graph.Node, _ survey: Survey
  ) throws -> Bool {
    var ready: [Survey.Unit] = []
    for unit in units {
      if let failed = failedUpstream(of: unit, survey) {
        record(unit, .skipped, "\(failed) failed")
        continue
      }
      switch unit.action {
      case .upToDate, .held:
        if try !Exporter(workspace).planned(of: unit).isEmpty {
          ready.append(unit)
        } else if case .held(let why) = unit.action {
          record(unit, .held, why)
        } else {
          record(unit, .upToDate, "up to date")
        }
      case .waiting(let missing): record(unit, .waiting, "waiting for \(summary(missing))")
      case .blocked(let why):
        record(unit, .failed, why, failure: unit.obstacle)
      case .run: ready.append(unit)
      }
    }
    guard !ready.isEmpty else { return false }
    try begin()
    let pipeline = workspace.project[pipeline: node.model.pipeline]
    let job = UnitJob(
      workspace: workspace, selection: selection, survey: survey, run: try begin(),
      claims: claims, hooks: hooks, attempts: 1 + (pipeline?.interval?.retries ?? 2))
    let outcomes = concurrently(ready, limit: pipeline?.interval?.parallel ?? 1) { unit in
      job.perform(unit)
    }
    for (unit, outcome) in zip(ready, outcomes) {
      let result = try outcome.get()
      put(UnitKey(model: unit.label, interval: unit.interval), result)
    }
    return true
  }

  /// The table that failed in this run, for the same interval or as a whole, and that `unit` reads.
  private func failedUpstream(of unit: Survey.Unit, _ survey: Survey) -> String? {
    let tables = survey.graph.leaves(of: unit.node).compactMap { _, leaf in
      if case .table(let id) = leaf { id } else { nil }
    }
    let upstream = Set(
      survey.graph.nodes.filter { !$0.model.ids.allSatisfy { !tables.contains($0) } }
        .map(\.model.qualifiedName))
    return results.filter { key, result in
      upstream.contains(key.model) && (result.status == .failed || result.status == .skipped)
        && (key.interval == nil || unit.interval == nil || key.interval == unit.interval)
    }.keys.map(\.model).min()
  }

  private func summary(_ missing: [String]) -> String {
    guard let first = missing.first else { return "its input" }
    return missing.count == 1 ? first : "\(first) and \(missing.count - 1) more"
  }

  private func record(
    _ unit: Survey.Unit, _ status: UnitResult.Status, _ reason: String,
    failure: (any AnyFailure)? = nil
  ) {
    var result = UnitResult(
      pipeline: unit.node.model.pipeline, model: unit.node.model.name, interval: unit.interval,
      status: status, reason: reason)
    result.failure = failure
    put(UnitKey(model: unit.label, interval: unit.interval), result)
  }

  private func put(_ key: UnitKey, _ result: UnitResult) {
    if !models.contains(key.model) { models.append(key.model) }
    results[key] = result
  }

  // MARK: - The run itself

  /// Begins to change the lake: checks that it is safe to, and says that the run lives.
  @discardableResult
  private func begin() throws -> ActiveRun {
    if let active { return active }
    try workspace.lake.probe()
    let run = try ActiveRun(
      id, store: workspace.lake.store, clock: clock,
      graceSeconds: workspace.project.maintenance.graceSeconds)
    active = run
    claims = Claims(of: run, in: workspace)
    return run
  }

  /// Maintains the published tables that are due. Whatever becomes of that, the run has done its
  /// work.
  private func maintain(_ units: [UnitResult]) {
    guard let active, workspace.project.maintenance.isAutomatic else { return }
    var tables = Set<TableID>()
    for unit in units where unit.status == .published {
      let model = workspace.project[pipeline: unit.pipeline]?[model: unit.model]
      tables.formUnion((model?.tables ?? []).map { TableID(unit.pipeline, $0) })
      if unit.quarantined > 0 { tables.insert(TableID(unit.pipeline, QuarantineNames.table)) }
    }
    do {
      let done = try Maintainer(workspace: workspace, run: active).maintainDue(tables.sorted())
      for table in done where !table.isUnchanged { notes.append("maintenance: \(table.sentence)") }
    } catch {
      notes.append("maintenance failed: \(error)")
    }
  }

  /// Tells the hooks of the pipelines in which something failed.
  private func tellOfFailures(_ units: [UnitResult], stoppedBy error: (any AnyFailure)? = nil) {
    let pipelines = (try? workspace.planner.selected(selection.pipelines)) ?? []
    for pipeline in pipelines {
      let failed = units.filter { $0.pipeline == pipeline.name && $0.status == .failed }
      if error == nil && failed.isEmpty { continue }
      hooks.failed(pipeline, failed, error)
    }
  }

  private func finish(
    isInterrupted: Bool, stoppedBy error: (any AnyFailure)? = nil
  ) throws -> RunReport {
    let units = models.flatMap { model in
      results.filter { $0.key.model == model }.map(\.value).sorted { a, b in
        guard let a = a.interval, let b = b.interval else { return false }
        return a < b
      }
    }
    let statuses = Set(units.map(\.status))
    let status: RunReport.Status
    if isInterrupted {
      status = .interrupted
    } else if !statuses.isDisjoint(with: [.failed, .skipped]) {
      status = .failed
    } else if !statuses.isDisjoint(with: [.published, .exported, .alreadyPublished]) {
      status = .done
    } else {
      status = statuses.contains(.waiting) ? .waiting : .unchanged
    }
    if !isInterrupted { maintain(units) }
    if !isInterrupted { tellOfFailures(units, stoppedBy: error) }
    var report = RunReport(
      run: id.rawValue, started: started, finished: clock.now(), units: units, notes: notes,
      status: status)
    let transfers = workspace.opener.transfers
    report.transfers = .init(
      requests: transfers.requests - transfersBefore.requests,
      retries: transfers.retries - transfersBefore.retries,
      bytesReceived: transfers.bytesReceived - transfersBefore.bytesReceived,
      bytesSent: transfers.bytesSent - transfersBefore.bytesSent)
    let landed = workspace.landed.snapshot
    report.landed = .init(
      fileCount: landed.fileCount - landedBefore.fileCount,
      byteCount: landed.byteCount - landedBefore.byteCount)
    claims?.end()
    if let active {
      try workspace.lake.history.write(id, report.json.members ?? [])
      try active.finish()
    }
    return report
  }
}
