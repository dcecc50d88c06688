import Core
import Lake
import Project

/// One unit with its attempts: what a thread of a run does. Never throws; what went wrong is in the
/// result.
struct UnitJob: Sendable {
  let workspace: Workspace
  let selection: Selection
  let survey: Survey
  let run: ActiveRun
  let claims: Claims?
  let hooks: HookCaller
  /// At least 1.
  let attempts: Int
  private static let conflictAttempts = 20

  func perform(_ unit: Survey.Unit) -> UnitResult {
    let result =
      claims?.holding(unit) { waited in attempt(unit, isStale: waited) }
      ?? attempt(unit, isStale: false)
    announce(result)
    if result.status == .published { hooks.published(result) }
    return result
  }

  /// Says what became of the unit, where nobody watches bars.
  private func announce(_ result: UnitResult) {
    var fields: [(String, JSON)] = [
      ("pipeline", .string(result.pipeline)), ("model", .string(result.model)),
    ]
    if let interval = result.interval { fields.append(("interval", .string("\(interval)"))) }
    let milliseconds = result.seconds.reduce(0) { $0 + $1.seconds } * 1000
    fields += [
      ("rows", .integer(result.rowCount)), ("quarantined", .integer(result.quarantined)),
      ("milliseconds", .integer(Int64(milliseconds))),
    ]
    workspace.context.log.write(LogEntry(.info, result.status.rawValue, fields))
  }

  /// - Parameter isStale: Another run may have published since the survey.
  private func attempt(_ unit: Survey.Unit, isStale: Bool) -> UnitResult {
    var result = UnitResult(
      pipeline: unit.node.model.pipeline, model: unit.node.model.name, interval: unit.interval,
      status: .failed, reason: reason(of: unit))
    var survey = survey
    var unit = unit
    for attempt in 1...max(attempts, UnitJob.conflictAttempts) {
      result.attempts = attempt
      do {
        try workspace.context.cancellation.check()
        if attempt > 1 || isStale {
          if let file = result.failure?.place.file {
            survey.events = survey.events?.adding(file, project: workspace.project)
          }
          try replan(&unit, &survey)
        }
        try perform(unit, survey, attempt, &result)
        result.failure = nil
        return result
      } catch is Cancelled {
        result.status = .skipped
        result.reason = "interrupted"
        return result
      } catch {
        let known = failure(error, model: unit.label, interval: unit.interval)
        result.failure = known
        result.status = .failed
        // A lost race says that another run came further: there is less to do each time.
        let limit =
          known.qualifiedCode == "lake.conflict" ? UnitJob.conflictAttempts : attempts
        guard known.isTransient && attempt < limit else { return result }
        workspace.context.log.warning(
          "\(unit.label): attempt \(attempt) failed, trying again: \(known)",
          ("pipeline", .string(unit.node.model.pipeline)),
          ("model", .string(unit.node.model.name)), ("attempt", .integer(Int64(attempt))))
        workspace.context.clock.sleep(
          Int64.random(in: 100...200) << min(attempt, 5), workspace.context.cancellation)
      }
    }
    return result
  }

  private func perform(
    _ unit: Survey.Unit, _ survey: Survey, _ attempt: Int, _ result: inout UnitResult
  ) throws {
    result = UnitResult(
      pipeline: result.pipeline, model: result.model, interval: result.interval,
      status: .failed, reason: result.reason, attempts: attempt)
    var view = survey.tables[unit.id] ?? TableView()
    if case .run = unit.action {
      view = try apply(unit, survey, attempt, &result)
    }
    result.exports = try timed("export", &result) {
      try Exporter(workspace).write(unit, view, run: run.id)
    }
    switch unit.action {
    case .upToDate: result.status = result.exports.isEmpty ? .upToDate : .exported
    case .held(let why):
      result.status = result.exports.isEmpty ? .held : .exported
      result.reason = why
    default: break
    }
  }

  /// Publishes all that is pending; what an incremental model has to consume may take several
  /// commits, each of which stands for itself.
  ///
  /// - Returns: The table after the last, where something is to be exported from it.
  private func apply(
    _ unit: Survey.Unit, _ survey: Survey, _ attempt: Int, _ result: inout UnitResult
  ) throws -> TableView {
    if unit.node.model.ownsIndex { return try applyIndex(unit, survey, &result) }
    guard var delta = unit.inputs.delta else {
      if unit.node.model.incremental != nil {
        throw LakeError(
          .conflict, "what its input holds changed while it was looked at",
          at: Place(model: unit.label), advice: "run again")
      }
      try UnitRun(
        workspace: workspace, survey: survey, unit: unit, run: run, attempt: attempt,
        usesTwin: selection.twin
      ).apply(&result)
      return try exported(unit)
    }
    var (unit, survey) = (unit, survey)
    while true {
      try DeltaRun(
        workspace: workspace, survey: survey, unit: unit, delta: delta, run: run, attempt: attempt
      ).apply(&result)
      guard !delta.isLast else { return try exported(unit) }
      survey.tables[unit.id] = try workspace.planner.load(unit.id)
      unit = try survey.unit(unit.node, nil, selection: Selection(), running: [])
      guard case .run = unit.action, let next = unit.inputs.delta else {
        if let obstacle = unit.obstacle { throw obstacle }
        return survey.tables[unit.id]!
      }
      delta = next
    }
  }

  /// The same for an index and the tables that follow it.
  private func applyIndex(
    _ unit: Survey.Unit, _ survey: Survey, _ result: inout UnitResult
  ) throws -> TableView {
    var (unit, survey) = (unit, survey)
    while true {
      try IndexRun(
        workspace: workspace, survey: survey, unit: unit, delta: unit.inputs.delta, run: run,
        usesTwin: selection.twin
      ).apply(&result)
      guard unit.inputs.delta?.isLast == false, !selection.twin else { return try exported(unit) }
      for id in unit.node.model.ids { survey.tables[id] = try workspace.planner.load(id) }
      unit = try survey.unit(unit.node, nil, selection: Selection(), running: [])
      guard case .run = unit.action else {
        if let obstacle = unit.obstacle { throw obstacle }
        return survey.tables[unit.id]!
      }
    }
  }

  /// What a unit has published, as exports see it.
  private func exported(_ unit: Survey.Unit) throws -> TableView {
    guard !Exporter(workspace).exports(of: unit).isEmpty else { return TableView() }
    return try workspace.planner.load(unit.id)
  }

  private func reason(of unit: Survey.Unit) -> String {
    if case .run(let reason) = unit.action { return reason.description }
    return "export pending"
  }

  /// Looks again at what the unit reads: an object may have another version now (rule 2), and
  /// another run may have published meanwhile.
  private func replan(_ unit: inout Survey.Unit, _ survey: inout Survey) throws {
    let planner = workspace.planner
    for (_, leaf) in survey.graph.leaves(of: unit.node) {
      switch leaf {
      case .table(let id): survey.tables[id] = try planner.load(id)
      case .source(let pipeline, let name):
        guard let source = workspace.project[pipeline: pipeline]?[source: name] else { continue }
        var tiles: [Interval] = []
        if case .intervals(let settings) = source.origin, let interval = unit.interval {
          tiles = settings.uri.length.tiles(of: interval)
        }
        survey.sources[.init(pipeline: pipeline, source: name)] = try relogged(
          source, pipeline, tiles, survey.events)
      }
    }
    for id in Set([unit.id] + unit.node.model.ids) { survey.tables[id] = try planner.load(id) }
    var again = try survey.unit(unit.node, unit.interval, selection: selection, running: [])
    // What has not been published by anyone still has to be, for the reason it had. What an
    // incremental model consumes is found anew.
    if again.before == unit.before, unit.inputs.delta == nil, case .upToDate = again.action {
      again.action = unit.action
    }
    unit = again
    if let obstacle = unit.obstacle { throw obstacle }
  }

  private func relogged(
    _ source: Source, _ pipeline: String, _ tiles: [Interval], _ events: EventTargets?
  ) throws -> SourceView {
    let wanted = SourcePlanner.Wanted(
      tiles: tiles, recheck: { _ in true },
      // Of events, what they name and what has failed: nothing is listed.
      objects: events.map { $0.objects[.init(pipeline: pipeline, source: source.name)] ?? [] },
      landedSuffices: selection.force || selection.fullRefresh)
    for attempt in 1... {
      let view = try workspace.planner.sourcePlanner.look(
        source, of: pipeline, wanted: wanted, allowRemovals: selection.allowRemovals)
      do {
        let appended = try workspace.planner.sourcePlanner.append(view)
        if let failure = appended.landingFailure { throw failure }
        return appended
      } catch let error as LakeError where error.code == .conflict && attempt < 20 {
        workspace.context.clock.sleep(
          Int64.random(in: 0...50), workspace.context.cancellation)
      }
    }
    preconditionFailure("the loop returns or throws")
  }
}
