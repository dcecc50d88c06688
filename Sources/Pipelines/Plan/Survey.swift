import Core
import Lake
import Project

/// A table as planning sees it.
struct TableView: Sendable {
  /// Nil when it was never published.
  var table: Table?
  var consumption: Consumption?
  /// Of a model that keeps an index.
  var index: IndexManifest?
  /// What stops this model: a foreign commit, damaged state.
  var problem: (any AnyFailure)?

  /// Where a reader of the whole table stands once it has read this version: the snapshot that last
  /// changed its rows, so that a compaction by another program is not news.
  var position: InputPosition {
    guard let table, let consumption else { return .nothing }
    let snapshot = table.history().first { $0[summary: SummaryKey.consumption] != nil }
    guard let id = (snapshot ?? table.currentSnapshot)?.id else { return .nothing }
    return .snapshot(id: id, definition: consumption.definition.fingerprint)
  }
}

/// All that planning has found out: a value, from which the units of every model follow.
struct Survey: Sendable {
  struct SourceKey: Hashable, Sendable {
    var pipeline: String
    var source: String
  }

  let project: Project
  let graph: Graph
  let library: QueryLibrary
  let now: Instant
  /// For the history of logs, read where something is new.
  let lake: Lake
  /// What one commit of an incremental model holds at most.
  var limits = BatchLimits.standard
  var sources: [SourceKey: SourceView] = [:]
  var tables: [TableID: TableView] = [:]
  /// Sources that could not be looked at.
  var obstacles: [SourceKey: any AnyFailure] = [:]
  /// What was named, where only that is looked at.
  var events: EventTargets?

  /// One model for one interval, or as a whole, before it is decided what happens to it.
  struct Unit: Sendable {
    var node: Graph.Node
    var interval: Interval?
    var inputs: UnitInputs
    var fingerprint: String
    var action: PlannedUnit.Action
    /// Why it is blocked.
    var obstacle: (any AnyFailure)?
    /// What the table remembered of this unit when it was planned.
    var before: Remembered?

    var id: TableID { TableID(node.model.pipeline, node.model.name) }
    var label: String { node.model.qualifiedName }
  }

  /// What a table remembers of one unit.
  struct Remembered: Hashable, Sendable {
    var definition: String
    var run: String
    var objects: Set<ConsumedObject>
    var inputs: [String: InputPosition]
  }

  func remembered(_ id: TableID, _ interval: Interval?) -> Remembered? {
    Survey.remembered(tables[id]?.consumption, interval)
  }

  static func remembered(_ consumption: Consumption?, _ interval: Interval?) -> Remembered? {
    guard let consumption else { return nil }
    guard let interval else {
      return Remembered(
        definition: consumption.definition.fingerprint, run: consumption.run, objects: [],
        inputs: consumption.inputs)
    }
    return consumption.intervals[interval].map {
      Remembered(
        definition: $0.definition, run: $0.run, objects: Set($0.objects), inputs: $0.inputs)
    }
  }

  // MARK: - What a unit reads

  func inputs(of node: Graph.Node, _ interval: Interval?) -> UnitInputs {
    var inputs = UnitInputs()
    for (name, leaf) in graph.leaves(of: node) {
      switch leaf {
      case .source(let pipeline, let source):
        guard let view = sources[SourceKey(pipeline: pipeline, source: source)] else { continue }
        add(
          view, name, interval, isIncremental: name == node.model.incremental?.on, to: &inputs)
      case .table(let id):
        let view = tables[id]
        let upstream = graph[id.description]?.model
        if let interval, upstream?.kind == .interval, id.pipeline == node.model.pipeline {
          // Read by interval: where it stands is the run that made that interval.
          if let record = view?.consumption?.intervals[interval] {
            inputs.positions[name] = .interval(run: record.run, definition: record.definition)
          } else {
            inputs.absent.append(id.description)
          }
        } else {
          let position = view?.position ?? .nothing
          inputs.positions[name] = position
          if position == .nothing { inputs.absent.append(id.description) }
        }
      }
    }
    return inputs
  }

  private func add(
    _ view: SourceView, _ name: String, _ interval: Interval?, isIncremental: Bool,
    to inputs: inout UnitInputs
  ) {
    let source = view.source.name
    guard let interval, case .intervals(let settings) = view.source.origin else {
      inputs.positions[name] = .log(number: view.state.number, definition: view.state.definition)
      if !isIncremental { inputs.files[source] = view.state }
      if view.state.number == 0 && view.state.files.isEmpty {
        inputs.missing.append(view.source.address)
      }
      return
    }
    let tiles = settings.uri.length.tiles(of: interval)
    var found: [LoggedFile] = []
    var missing: [String] = []
    for tile in tiles {
      if let file = view.file(of: tile) {
        found.append(file)
      } else {
        missing.append(Addresses.shown(settings.uri.expand(tile)))
      }
    }
    inputs.objects[source] = found
    if found.count < min(settings.require ?? tiles.count, tiles.count) {
      inputs.missing += missing
    }
  }

  // MARK: - What happens to it

  /// Decides what happens to one unit.
  ///
  /// - Parameter running: Qualified names of upstream models with something to run before.
  func unit(
    _ node: Graph.Node, _ interval: Interval?, selection: Selection, running: Set<String>
  ) throws -> Unit {
    let fingerprint = try DefinitionFingerprint(graph: graph, project: project, library: library)
      .of(node)
    let id = TableID(node.model.pipeline, node.model.name)
    var unit = Unit(
      node: node, interval: interval, inputs: inputs(of: node, interval),
      fingerprint: fingerprint, action: .upToDate,
      before: remembered(memory(of: node.model, selection) ?? id, interval))
    guard let reason = try reason(for: &unit, selection, running) else {
      // Nothing would run, as far as is known; what hides the rest must be told all the same.
      unit.obstacle = tables[id]?.problem ?? hiddenInput(of: unit)
      let absent = absentFiles(of: unit)
      if let obstacle = unit.obstacle {
        unit.action = .blocked(obstacle.description)
      } else if !absent.isEmpty {
        unit.action = .waiting(missing: absent)
      }
      return unit
    }
    if let why = held(unit, reason, selection) {
      unit.action = .held(why)
      return unit
    }
    unit.obstacle = obstacle(to: unit, reason, selection)
    if unit.obstacle == nil {
      do {
        _ = try schemaChanges(of: node)
      } catch let error as LakeError {
        unit.obstacle = error
      }
    }
    let absent = unit.inputs.absent.filter { !running.contains($0) }
    if let obstacle = unit.obstacle {
      unit.action = .blocked(obstacle.description)
    } else if !unit.inputs.missing.isEmpty {
      unit.action = .waiting(missing: unit.inputs.missing)
    } else if !absent.isEmpty {
      unit.action = .waiting(missing: absent.map { "table \($0)" })
    } else {
      unit.action = .run(reason)
    }
    return unit
  }

  /// Files of intervals that were asked for and have not come, which an incremental model would take.
  private func absentFiles(of unit: Unit) -> [String] {
    guard let on = unit.node.model.incremental?.on,
      case .source(let pipeline, let source)? = unit.node.inputs[on]
    else { return [] }
    return sources[SourceKey(pipeline: pipeline, source: source)]?.absent ?? []
  }

  /// Who remembers what the twin of an index has consumed: the last of its tables.
  private func memory(of model: Model, _ selection: Selection) -> TableID? {
    model.ownsIndex && selection.twin ? IndexTables.ids(of: model).last : nil
  }

  /// How the columns of a model's table will change with its next publication.
  ///
  /// - Throws: `LakeError` `.incompatibleSchema`.
  func schemaChanges(of node: Graph.Node) throws -> [SchemaChange] {
    let model = node.model
    guard !model.columns.fields.isEmpty,
      let table = tables[TableID(model.pipeline, model.name)]?.table
    else { return [] }
    // A changed model that is kept up to date by parts is built again as a whole.
    return try table.schemaChanges(
      to: model.tableColumns, replacesAllRows: model.kind == .full || model.incremental != nil)
  }

  /// Why it is not known whether an input that matters has changed.
  private func hiddenInput(of unit: Unit) -> (any AnyFailure)? {
    for (name, leaf) in graph.leaves(of: unit.node) {
      guard case .source(let pipeline, let source) = leaf,
        unit.node.model.settings(ofInput: name).onInputChange == .rebuild,
        case .files? = project[pipeline: pipeline]?[source: source]?.origin
      else { continue }
      if let obstacle = obstacles[SourceKey(pipeline: pipeline, source: source)] {
        return obstacle
      }
    }
    return nil
  }

  /// What keeps a unit from running although it should.
  private func obstacle(
    to unit: Unit, _ reason: Reason, _ selection: Selection
  ) -> (any AnyFailure)? {
    if let problem = tables[unit.id]?.problem, !selection.fullRefresh { return problem }
    let place = Place(model: unit.label, batch: unit.interval?.description)
    if selection.twin && unit.node.model.operator != nil && unit.node.model.sql == nil {
      return PipelineError(
        .unavailable, "the model's operator has no twin in SQL", at: place,
        advice: "run without --twin, or write \(unit.node.model.name).sql beside its file",
        exitCode: 2)
    }
    for (_, leaf) in graph.leaves(of: unit.node) {
      guard case .source(let pipeline, let source) = leaf else { continue }
      let key = SourceKey(pipeline: pipeline, source: source)
      if let obstacle = obstacles[key] { return obstacle }
      if let obstacle = sources[key]?.obstacle(to: unit.interval) { return obstacle }
    }
    if reason.isRebuildOfHistory, unit.node.model.onChange == .keep {
      return PipelineError(
        .historyExpired,
        "what is new in its input cannot be told from what it has consumed (\(reason))", at: place,
        advice: "its rows are to be kept (on_change: keep); where they may go, build it again "
          + "with --full-refresh")
    }
    if case .definitionChanged = reason, unit.node.model.onDefinition == .fail {
      return PipelineError(
        .definitionChanged, "the model's definition changed since its rows were published",
        at: place,
        advice: "rebuild it with --full-refresh, or write `on_definition: rebuild` in its file")
    }
    return nil
  }

  /// Why the unit runs, and what it then consumes.
  private func reason(
    for unit: inout Unit, _ selection: Selection, _ running: Set<String>
  ) throws -> Reason? {
    guard let incremental = unit.node.model.incremental else {
      return wholeReason(for: unit, selection, running)
    }
    let on = incremental.on
    var reason = wholeReason(for: unit, selection, running)
    // Rows of what is not known to be consumed are there already, or may be.
    let isForgotten = unit.before != nil && unit.before?.inputs[on] == nil
    let rebuilds = isForgotten || reason != nil && (reason != .new || tables[unit.id]?.table != nil)
    if reason == nil {
      let isRunning =
        if case .table(let pipeline, let model, _) = unit.node.inputs[on] {
          running.contains("\(pipeline).\(model)")
        } else { false }
      let isPending = tables[unit.id]?.consumption?.pending.isEmpty == false
      guard isRunning || isPending || unit.before?.inputs[on] != unit.inputs.positions[on] else {
        return !selection.twin && isBehind(unit) ? .tablesBehind : nil
      }
      reason =
        isForgotten && unit.node.model.onChange == .keep ? .historyExpired : .inputChanged([on])
      // What it will have done is not known yet.
      if isRunning { return reason }
    }
    switch try delta(of: unit, on, isRebuild: rebuilds) {
    case .delta(let delta): unit.inputs.take(delta)
    case .nothing: break
    case .expired: reason = .historyExpired
    case .rebuilt: reason = .inputRebuilt(on)
    }
    if unit.inputs.delta == nil, case .delta(let delta) = try delta(of: unit, on, isRebuild: true) {
      unit.inputs.take(delta)
    }
    return reason
  }

  /// Whether a killed run has left the tables of an index behind it.
  private func isBehind(_ unit: Unit) -> Bool {
    guard unit.node.model.ownsIndex, let index = tables[unit.id]?.index else { return false }
    return IndexTables.ids(of: unit.node.model).contains { id in
      (tables[id]?.table?.indexVersion ?? 0) < index.version
    }
  }

  /// Why the unit runs as far as its definition and the inputs go that it reads whole.
  private func wholeReason(
    for unit: Unit, _ selection: Selection, _ running: Set<String>
  ) -> Reason? {
    if selection.fullRefresh { return unit.before == nil ? .new : .fullRefresh }
    guard let before = unit.before else { return .new }
    if before.definition != unit.fingerprint { return .definitionChanged }
    if let reason = objectsMoved(unit, before) { return reason }
    var moved: [String] = []
    for (name, leaf) in graph.leaves(of: unit.node) {
      guard unit.node.model.settings(ofInput: name).onInputChange == .rebuild,
        name != unit.node.model.incremental?.on
      else { continue }
      if let position = unit.inputs.positions[name] {
        let isRunning =
          if case .table(let id) = leaf { running.contains(id.description) } else { false }
        if isRunning || before.inputs[name] != position { moved.append(name) }
      }
    }
    if !moved.isEmpty { return .inputChanged(Array(Set(moved)).sorted()) }
    return selection.force ? .forced : nil
  }

  /// Interval files that are not those that were consumed.
  private func objectsMoved(_ unit: Unit, _ before: Remembered) -> Reason? {
    var moved: [String] = []
    var republished = false
    for (source, files) in unit.inputs.objects {
      let key = SourceKey(pipeline: unit.node.model.pipeline, source: source)
      guard case .intervals(let settings) = sources[key]?.source.origin else { continue }
      let old = before.objects.filter { $0.source == source }
      if files.count != old.count {
        moved.append(source)
      } else if settings.onRepublish == .rerun {
        let versions = Dictionary(old.map { ($0.uri, $0.version) }) { first, _ in first }
        if files.contains(where: { versions[$0.key] != $0.version }) { republished = true }
      }
    }
    if republished { return .republished }
    return moved.isEmpty ? nil : .inputChanged(moved.sorted())
  }
}
