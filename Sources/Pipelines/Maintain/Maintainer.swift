import Core
import Lake
import Project
import Stores

extension Workspace {
  /// Compacts small files, expires old snapshots, and removes what nobody can need any more. Safe
  /// beside runs and readers (rule 19).
  ///
  /// - Throws: `PipelineError` `.unknownName`; a lake that cannot be read or written; `Cancelled`.
  ///   What goes wrong with one table is in its result.
  public func maintain(pipelines names: [String]) throws -> MaintenanceReport {
    let pipelines = try planner.selected(names)
    try lake.probe()
    let id = RunID(start: context.clock.now())
    let run = try ActiveRun(
      id, store: lake.store, clock: context.clock,
      graceSeconds: project.maintenance.graceSeconds)
    // It owns nothing that is not published once it is over.
    defer { try? run.finish() }
    return try Maintainer(workspace: self, run: run).maintain(pipelines)
  }
}

/// Goes over the tables of pipelines, and what lies beside them.
struct Maintainer {
  let workspace: Workspace
  let run: ActiveRun

  private var lake: Lake { workspace.lake }

  func maintain(_ pipelines: [Pipeline]) throws -> MaintenanceReport {
    var report = MaintenanceReport()
    let sweep = try self.sweep()
    let maintainer = tableMaintainer
    for pipeline in pipelines {
      for model in pipeline.models where model.ownsIndex {
        report.tables.append(
          try IndexMaintainer(workspace: workspace, model: model).maintain(run, sweep))
      }
      for name in try tables(of: pipeline) {
        try workspace.context.cancellation.check()
        report.tables.append(
          try maintainer.maintain(TableID(pipeline.name, name), sweep: sweep))
      }
    }
    var others = try lake.abandoned()
    for pipeline in pipelines {
      for source in pipeline.sources {
        others += try lake.sourceLog(pipeline: pipeline.name, source: source.name).oldCheckpoints()
      }
    }
    others = try others.filter(sweep.isOld) + unlogged(pipelines, sweep)
    try lake.store.delete(others.map(\.key))
    report.count(others)
    for pipeline in pipelines { try sweepExports(of: pipeline, sweep, &report) }
    return report
  }

  /// Removes what exports have replaced, or never finished, and a killed run has left. An export
  /// that takes such a file for its own at this very moment finds it missing, and writes it again.
  private func sweepExports(
    of pipeline: Pipeline, _ sweep: Sweep, _ report: inout MaintenanceReport
  ) throws {
    for file in try Leftovers(workspace: workspace, pipeline: pipeline).exportFiles()
    where sweep.isOld(file.object) {
      try file.store.delete([file.object.key])
      report.count([file.object])
    }
  }

  /// Landed copies that no log names.
  private func unlogged(_ pipelines: [Pipeline], _ sweep: Sweep) throws -> [Object] {
    let today = LandingDay(workspace.context.clock.now())
    return try pipelines.flatMap { pipeline in
      try pipeline.sources.flatMap { source in
        try lake.landing(pipeline: pipeline.name, source: source.name).unlogged(
          by: lake.sourceLog(pipeline: pipeline.name, source: source.name),
          today: today, isOld: sweep.isOld)
      }
    }
  }

  /// Maintains those of the tables that are due.
  func maintainDue(_ tables: [TableID]) throws -> [TableMaintenance] {
    let limit = workspace.project.maintenance.commitCount
    let counts = concurrently(tables, limit: 4) { [lake] id in
      try lake.catalog.load(id)?.commitsSinceMaintenance
    }
    let due = try zip(tables, counts).filter { try $1.get().map { $0 >= limit } ?? false }.map(\.0)
    guard !due.isEmpty else { return [] }
    let sweep = try self.sweep()
    let maintainer = tableMaintainer
    let indexes = workspace.project.pipelines.flatMap(\.models).filter { model in
      model.ownsIndex && model.ids.contains(where: due.contains)
    }
    return try indexes.map {
      try IndexMaintainer(workspace: workspace, model: $0).maintain(run, sweep)
    } + due.map { try maintainer.maintain($0, sweep: sweep) }
  }

  private var tableMaintainer: TableMaintainer {
    TableMaintainer(
      workspace: workspace, run: run, positions: positions(),
      // Their files are the index's segments, which it merges itself.
      uncompacted: Set(
        workspace.project.pipelines.flatMap(\.models).filter(\.ownsIndex).flatMap(\.ids)
          .filter { $0.model != "words" }))
  }

  /// The tables that the project declares, and those of models that are not there any more.
  private func tables(of pipeline: Pipeline) throws -> [String] {
    let declared = pipeline.models.flatMap(\.tables)
    let known = try declared + [QuarantineNames.table] + lake.modelsWithState(in: pipeline.name)
    return Set(known).sorted()
  }

  private func sweep() throws -> Sweep {
    try lake.sweep(by: run, graceSeconds: workspace.project.maintenance.graceSeconds)
  }

  /// The snapshots up to which tables have read others; nil where one of them does not tell.
  private func positions() -> Set<Int64>? {
    var found = Set<Int64>()
    for pipeline in workspace.project.pipelines {
      guard let models = try? tables(of: pipeline) else { return nil }
      for model in models {
        do {
          let table = try lake.catalog.load(TableID(pipeline.name, model))
          for case .snapshot(let id, _) in (try table?.consumption()?.inputs ?? [:]).values {
            found.insert(id)
          }
        } catch {
          return nil
        }
      }
    }
    return found
  }
}
