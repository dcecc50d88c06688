import Core
import Engines
import Lake
import Project
import Stores

/// Finds out what is pending. The one piece of code behind both `plan` and `run`, so that they
/// cannot disagree; it changes nothing.
struct Planner {
  let workspace: Workspace

  init(_ workspace: Workspace) { self.workspace = workspace }

  private var project: Project { workspace.project }
  private var cancellation: Cancellation { workspace.context.cancellation }

  var parse: @Sendable (_ sql: String, _ label: String) throws -> QueryShape {
    { [engine = workspace.engine] sql, label in try engine.shape(of: sql, label: label) }
  }

  // MARK: - What there is

  /// - Throws: `PipelineError` `.unknownName` with the nearest name.
  func selected(_ names: [String]) throws -> [Pipeline] {
    try names.isEmpty
      ? project.pipelines
      : names.map { name in
        if let pipeline = project[pipeline: name] { return pipeline }
        let known = project.pipelines.map(\.name)
        throw PipelineError(
          .unknownName, "there is no pipeline '\(name)'",
          advice: nearest(to: name, among: known).map { "did you mean '\($0)'?" }
            ?? "the project has: \(known.joined(separator: ", "))",
          exitCode: 2)
      }
  }

  /// The models of these pipelines and of those whose tables they read.
  func graph(of pipelines: Set<String>, library: QueryLibrary) throws -> Graph {
    var included = pipelines
    while true {
      var part = project
      part.pipelines = project.pipelines.filter { included.contains($0.name) }
      var others = Set<String>()
      for model in part.pipelines.flatMap(\.models) {
        guard let sql = model.sql, let facts = try? library.facts(of: sql) else { continue }
        for input in facts.inputs {
          guard let dot = input.firstIndex(of: ".") else { continue }
          let owner = String(input[..<dot])
          if !included.contains(owner), project[pipeline: owner] != nil { others.insert(owner) }
        }
      }
      guard others.isEmpty else {
        included.formUnion(others)
        continue
      }
      return try part.graph { model in
        guard let sql = model.sql else { return [] }
        return try library.facts(of: sql).inputs
      }
    }
  }

  /// The intervals that a pipeline is asked for, in order.
  func intervals(
    of pipeline: Pipeline, _ selection: Selection, _ survey: Survey
  ) throws -> [Interval] {
    guard let settings = pipeline.interval else { return [] }
    if let events = survey.events { return events.intervals(of: pipeline, project) }
    guard let from = selection.from else { return [settings.defaultInterval] }
    guard let to = selection.to else { return [settings.every.interval(holding: from)] }
    return settings.every.intervals(from: from, to: to)
  }

  // MARK: - Looking

  /// Reads tables, logs and stores: everything that units follow from.
  func survey(_ selection: Selection) throws -> Survey {
    let pipelines = try selected(selection.pipelines)
    let tables = try loadTables()
    var remembered: [String: ConsumedQuery] = [:]
    for view in tables.values {
      remembered.merge(view.consumption?.definition.queries ?? [:]) { first, _ in first }
    }
    let library = QueryLibrary(remembered: remembered, parse: parse)
    let graph = try graph(of: Set(pipelines.map(\.name)), library: library)
    var survey = Survey(
      project: project, graph: graph, library: library, now: workspace.context.clock.now(),
      lake: workspace.lake)
    survey.limits = workspace.context.limits
    survey.tables = tables
    if let addresses = selection.events {
      let selected = Set(pipelines.map(\.name))
      var reads: [String: Set<Survey.SourceKey>] = [:]
      for node in graph.nodes where selected.contains(node.model.pipeline) {
        reads[node.model.pipeline, default: []].formUnion(sources(of: node, survey))
      }
      survey.events = try EventTargets(addresses, project: project, reads: reads)
    }
    try look(at: pipelines, selection, &survey)
    return survey
  }

  /// All tables of the project, by name.
  private func loadTables() throws -> [TableID: TableView] {
    let ids = project.pipelines.flatMap { pipeline in
      pipeline.models.filter { $0.kind != .view }.flatMap { $0.ids }
    }
    let views = try concurrently(ids, limit: 8) { try load($0) }.map { try $0.get() }
    return Dictionary(uniqueKeysWithValues: zip(ids, views))
  }

  func load(_ id: TableID) throws -> TableView {
    if let model = project[pipeline: id.pipeline]?[model: id.model], model.ownsIndex {
      return try loadIndex(id)
    }
    guard let table = try workspace.lake.catalog.load(id) else { return TableView() }
    do {
      try table.requireHome()
      return TableView(table: table, consumption: try table.consumption())
    } catch let error as LakeError {
      return TableView(table: table, problem: error)
    }
  }

  /// An index: what it has consumed is in its manifest.
  private func loadIndex(_ id: TableID) throws -> TableView {
    do {
      let manifest = try workspace.lake.index(id).newest()
      return TableView(consumption: manifest?.consumption, index: manifest)
    } catch let error as LakeError {
      return TableView(problem: error)
    }
  }

  private func look(
    at pipelines: [Pipeline], _ selection: Selection, _ survey: inout Survey
  ) throws {
    for pipeline in pipelines {
      let nodes = survey.graph.nodes.filter { $0.model.pipeline == pipeline.name }
      let asked = try intervals(of: pipeline, selection, survey)
      for key in Set(nodes.flatMap { sources(of: $0, survey) }).sorted(by: Survey.SourceKey.less) {
        guard let source = project[pipeline: key.pipeline]?[source: key.source] else { continue }
        try cancellation.check()
        let wanted = wanted(of: source, nodes, asked, selection, survey, key)
        do {
          survey.sources[key] = try sourcePlanner.look(
            source, of: key.pipeline, wanted: wanted, allowRemovals: selection.allowRemovals)
        } catch let error as any AnyFailure {
          // Its readers fail; the others go on.
          survey.obstacles[key] = error
        }
      }
    }
  }

  var sourcePlanner: SourcePlanner {
    SourcePlanner(
      lake: workspace.lake, opener: workspace.opener, addresses: workspace.addresses,
      cancellation: cancellation, lander: Lander(workspace))
  }

  private func sources(of node: Graph.Node, _ survey: Survey) -> [Survey.SourceKey] {
    survey.graph.leaves(of: node).compactMap { _, leaf in
      guard case .source(let pipeline, let source) = leaf else { return nil }
      return Survey.SourceKey(pipeline: pipeline, source: source)
    }
  }

  /// Which intervals' files to look for, and which known ones to look at again.
  private func wanted(
    of source: Source, _ nodes: [Graph.Node], _ asked: [Interval], _ selection: Selection,
    _ survey: Survey, _ key: Survey.SourceKey
  ) -> SourcePlanner.Wanted {
    if let events = survey.events {
      return .init(
        tiles: events.tiles[key] ?? [], recheck: { _ in true }, objects: events.objects[key] ?? [],
        listsWhenNew: nodes.contains { events.isAbout(pipeline: $0.model.pipeline) })
    }
    let again = selection.force || selection.fullRefresh
    guard case .intervals(let settings) = source.origin else {
      return .init(tiles: [], recheck: { _ in false }, landedSuffices: again)
    }
    var tiles = Set<Interval>()
    var rechecked = Set<Interval>()
    for node in nodes where sources(of: node, survey).contains(where: { $0.source == source.name })
    {
      let consumed =
        survey.tables[TableID(node.model.pipeline, node.model.name)]?.consumption?.intervals ?? [:]
      for interval in asked {
        let parts = settings.uri.length.tiles(of: interval)
        let known = consumed[interval]?.objects.filter { $0.source == source.name }.count ?? 0
        if again || known < parts.count { tiles.formUnion(parts) }
      }
      if settings.onRepublish == .rerun {
        let since = survey.now.microseconds - settings.recheckMilliseconds * 1000
        // Also what is in the log and was never read, because a run failed in between.
        for interval in asked + consumed.keys where interval.end.microseconds >= since {
          rechecked.formUnion(settings.uri.length.tiles(of: interval))
        }
      }
    }
    return .init(
      tiles: tiles.union(rechecked).sorted(), recheck: { again || rechecked.contains($0) },
      landedSuffices: again)
  }

  // MARK: - Units

  /// The units of one model, in the order of their intervals.
  ///
  /// - Parameter running: Qualified names of models with something to run before this one.
  func units(
    of node: Graph.Node, _ selection: Selection, _ survey: Survey, running: Set<String>
  ) throws -> [Survey.Unit] {
    let units = try allUnits(of: node, selection, survey, running: running)
    guard let events = survey.events, !events.isAbout(pipeline: node.model.pipeline) else {
      return units
    }
    // Nothing it reads was named: what is pending all the same is done, and the rest left alone.
    return units.filter { if case .run = $0.action { true } else { false } }
  }

  private func allUnits(
    of node: Graph.Node, _ selection: Selection, _ survey: Survey, running: Set<String>
  ) throws -> [Survey.Unit] {
    guard node.model.kind != .view, let pipeline = project[pipeline: node.model.pipeline] else {
      return []
    }
    guard node.model.kind == .interval else {
      var unit = try survey.unit(node, nil, selection: selection, running: running)
      refuseUnlessRowwise(&unit)
      return [unit]
    }
    let asked = try intervals(of: pipeline, selection, survey)
    let id = TableID(node.model.pipeline, node.model.name)
    let consumed = Set(survey.tables[id]?.consumption?.intervals.keys.map { $0 } ?? [])
    if selection.fullRefresh && selection.from == nil {
      return try consumed.union(asked).sorted().map {
        try survey.unit(node, $0, selection: selection, running: running)
      }
    }
    // Beyond what is asked for: intervals whose files were published again, and nothing else.
    var others = selection
    (others.force, others.fullRefresh) = (false, false)
    let republished = try consumed.subtracting(asked).filter { mayBeRepublished($0, node, survey) }
      .map { try survey.unit(node, $0, selection: others, running: running) }
      .filter { $0.action == .run(.republished) }
    let units = try asked.map {
      try survey.unit(node, $0, selection: selection, running: running)
    }
    return (units + republished).sorted { $0.interval! < $1.interval! }
  }

  /// Rule 10, where the text is not the one that was found to be row-wise before.
  private func refuseUnlessRowwise(_ unit: inout Survey.Unit) {
    guard case .run = unit.action, unit.before?.definition != unit.fingerprint else { return }
    do {
      try checkRowwise(unit.node)
    } catch {
      let known = failure(error, model: unit.label)
      unit.obstacle = known
      unit.action = .blocked(known.description)
    }
  }

  /// - Throws: `EngineError` `.badQuery` where an incremental model's SQL cannot be applied to
  ///   parts of its input; `PipelineError` `.usage` where a model's groups are not those that it
  ///   says.
  func checkRowwise(_ node: Graph.Node) throws {
    if let recompute = node.model.recompute, let sql = node.model.sql {
      let shape = try workspace.engine.shape(of: sql.text, label: sql.displayPath)
      try GroupedQuery.check(
        shape.syntax, of: recompute.on, by: recompute.columns, at: Place(file: sql.displayPath))
    }
    guard let incremental = node.model.incremental, node.model.kind != .operator,
      let sql = node.model.sql
    else { return }
    _ = try workspace.engine.carrying(
      Provenance.names, of: incremental.on, through: sql.text, label: sql.displayPath)
  }

  private func mayBeRepublished(
    _ interval: Interval, _ node: Graph.Node, _ survey: Survey
  ) -> Bool {
    sources(of: node, survey).contains { key in
      guard let source = survey.sources[key]?.source, case .intervals(let settings) = source.origin
      else { return false }
      let since = survey.now.microseconds - settings.recheckMilliseconds * 1000
      return settings.onRepublish == .rerun && interval.end.microseconds >= since
    }
  }

  // MARK: - The plan

  func plan(_ selection: Selection) throws -> Plan {
    let survey = try survey(selection)
    var running = Set<String>()
    var unitsByPipeline: [String: [PlannedUnit]] = [:]
    let selectedNames = Set(try selected(selection.pipelines).map(\.name))
    for node in survey.graph.nodes where selectedNames.contains(node.model.pipeline) {
      let units = try units(of: node, selection, survey, running: running)
      if units.contains(where: { if case .run = $0.action { true } else { false } }) {
        running.formUnion(node.model.ids.map(\.description))
      }
      unitsByPipeline[node.model.pipeline, default: []] += try units.map { unit in
        PlannedUnit(
          model: unit.node.model.name, interval: unit.interval, action: unit.action,
          fileCount: unit.inputs.fileCount, byteCount: unit.inputs.byteCount,
          exports: try Exporter(workspace).planned(of: unit))
      }
    }
    return Plan(
      pipelines: try selected(selection.pipelines).map { pipeline in
        let sources = survey.sources.filter { $0.key.pipeline == pipeline.name }
        return PipelinePlan(
          pipeline: pipeline.name, intervals: try intervals(of: pipeline, selection, survey),
          batches: sources.sorted { $0.key.source < $1.key.source }.flatMap(\.value.planned),
          units: unitsByPipeline[pipeline.name] ?? [],
          notes: try notes(on: pipeline, selection, survey))
      })
  }

  /// What a run leaves alone and a reader should know of.
  func notes(on pipeline: Pipeline, _ selection: Selection, _ survey: Survey) throws -> [String] {
    var notes: [String] = survey.sources.filter { $0.key.pipeline == pipeline.name }
      .sorted { Survey.SourceKey.less($0.key, $1.key) }.flatMap(\.value.notes)
    let fingerprints = DefinitionFingerprint(
      graph: survey.graph, project: project, library: survey.library)
    let asked = Set(try intervals(of: pipeline, selection, survey))
    for node in survey.graph.nodes
    where node.model.pipeline == pipeline.name && node.model.kind == .interval {
      let id = TableID(pipeline.name, node.model.name)
      let current = try fingerprints.of(node)
      let older = (survey.tables[id]?.consumption?.intervals ?? [:]).filter {
        $0.value.definition != current && !asked.contains($0.key)
      }.keys.sorted()
      if let first = older.first, let last = older.last {
        notes.append(
          "\(node.model.name): built by another definition: \(older.count) "
            + "interval\(older.count == 1 ? "" : "s") from \(first) to \(last); "
            + "run them with --from and --to, or all with --full-refresh")
      }
    }
    for node in survey.graph.nodes where node.model.pipeline == pipeline.name {
      // A change that cannot be is the unit's obstacle.
      let changes = (try? survey.schemaChanges(of: node)) ?? []
      guard !changes.isEmpty else { continue }
      notes.append(
        "\(node.model.name): the table's columns will change: "
          + changes.map(\.description).joined(separator: ", "))
    }
    for node in survey.graph.nodes where node.model.pipeline == pipeline.name {
      let id = TableID(pipeline.name, node.model.name)
      guard let held = survey.tables[id]?.consumption?.held.text else { continue }
      notes.append(
        "\(node.model.name): held back since it was rolled back: \(held); "
          + "'sluice state forget \(id) --held' lets it in again")
    }
    let known = Set(pipeline.models.flatMap { [$0.name] + $0.outputs.map(\.name) })
    for model in try workspace.lake.modelsWithState(in: pipeline.name) where !known.contains(model)
    {
      notes.append(
        "\(model): the table is in the lake but no model makes it any more; nothing deletes it")
    }
    return notes
  }
}

extension Survey.SourceKey {
  static func less(_ a: Self, _ b: Self) -> Bool {
    (a.pipeline, a.source) < (b.pipeline, b.source)
  }
}
