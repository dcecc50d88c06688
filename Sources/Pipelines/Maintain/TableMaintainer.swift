import Core
import Engines
import Lake
import Project
import Stores

/// Keeps one table in shape: fewer and larger files, no old snapshots, nothing that nobody needs.
///
/// Compaction and expiry are one commit that changes no row. When another commit comes first, only
/// what that one has touched is given up; nothing is computed again.
struct TableMaintainer {
  let workspace: Workspace
  let run: ActiveRun
  /// The snapshots up to which other tables have read their inputs; nil where that cannot be told.
  let positions: Set<Int64>?
  /// Tables whose files stay as they are.
  var uncompacted: Set<TableID> = []

  private var lake: Lake { workspace.lake }
  private var settings: MaintenanceSettings { workspace.project.maintenance }

  /// Never throws but when interrupted; what goes wrong is in the result.
  func maintain(_ id: TableID, sweep: Sweep) throws -> TableMaintenance {
    try TableMaintenance.of(id, in: lake.store) { result in
      if let table = try lake.catalog.load(id) {
        try? lake.catalog.repair(table)
        try commit(table, &result)
      }
      return try sweep.removable(of: id)
    }
  }

  private struct Rewritten {
    var old: [DataFile]
    var new: [DataFile]
  }

  private func commit(_ table: Table, _ result: inout TableMaintenance) throws {
    let compaction = Compaction(
      smallByteCount: settings.smallByteCount, targetByteCount: settings.targetByteCount)
    let groups =
      uncompacted.contains(table.id) ? [] : compaction.groups(of: try table.dataFiles())
    guard !groups.isEmpty || !expired(of: table).isEmpty else { return }
    try publish(try rewrite(groups, of: table, part: "compact"), table.id, &result)
  }

  /// Writes files that name their columns without numbering them again, with IDs (rule 28).
  ///
  /// - Returns: Whether there were any; the table is then another version.
  func numberColumns(of table: Table) throws -> Bool {
    let files = try table.filesWithoutIDs()
    guard !files.isEmpty else { return false }
    if let file = files.first(where: { !$0.deletes.isEmpty }) {
      throw LakeError(
        .unsupported, "a data file has no field IDs, and another program deleted rows in it",
        at: Place(file: file.path, model: table.id.description),
        advice: "compact the table with that program before its columns get other names")
    }
    var result = TableMaintenance(pipeline: table.id.pipeline, model: table.id.model)
    try publish(try rewrite([files], of: table, part: "number"), table.id, &result)
    return true
  }

  private func rewrite(
    _ groups: [[DataFile]], of table: Table, part: String
  ) throws -> [Rewritten] {
    var rewritten: [Rewritten] = []
    do {
      for (index, group) in groups.enumerated() {
        try run.renewIfDue()
        rewritten.append(
          Rewritten(old: group, new: try rewrite(group, of: table, part: "\(part)-\(index)")))
      }
    } catch {
      try? lake.publisher.discard(rewritten.flatMap(\.new))
      throw error
    }
    return rewritten
  }

  private func publish(
    _ rewritten: [Rewritten], _ id: TableID, _ result: inout TableMaintenance
  ) throws {
    var taken: [Rewritten] = []
    var expiredCount = 0
    let outcome = try lake.publisher.publish(
      id, staged: rewritten.flatMap(\.new), run: run,
      cancellation: workspace.context.cancellation
    ) { current, _ in
      guard let current else { return .alreadyApplied }
      // Rows that were replaced or retracted meanwhile must not come back.
      let live = Set(try current.dataFiles().map(\.path))
      taken = rewritten.filter { $0.old.allSatisfy { live.contains($0.path) } }
      let expired = expired(of: current)
      expiredCount = expired.count
      guard !taken.isEmpty || !expired.isEmpty else { return .alreadyApplied }
      var update = TableUpdate(
        operation: .replace, schema: current.schema, partitionBy: current.partitionColumns,
        sort: current.sortColumns, added: taken.flatMap(\.new),
        removal: .files(taken.flatMap(\.old).map(\.path)), time: workspace.context.clock.now())
      update.expired = expired
      return .apply(Publication(update: update, consumption: nil, changes: nil))
    }
    guard case .published = outcome else { return }
    result.compactedFiles = taken.reduce(0) { $0 + $1.old.count }
    result.writtenFiles = taken.reduce(0) { $0 + $1.new.count }
    result.compactedBytes = taken.flatMap(\.old).reduce(0) { $0 + $1.byteCount }
    result.expiredSnapshots = expiredCount
  }

  private func expired(of table: Table) -> Set<Int64> {
    // Who has read how far is unknown: then nobody may be left behind.
    let age = max(settings.snapshotSeconds, positions == nil ? settings.maximumLagSeconds : 0)
    return Expiry(
      ageSeconds: age, minimumCount: settings.snapshotCount,
      maximumLagSeconds: settings.maximumLagSeconds
    ).expired(of: table, positions: positions ?? [], now: workspace.context.clock.now())
  }

  /// The same rows in one file, sorted as the table is; those of an older partition spec in as many
  /// as the newest makes of them.
  private func rewrite(_ group: [DataFile], of table: Table, part: String) throws -> [DataFile] {
    let query = Query(
      sql: "SELECT * FROM compacted", inputs: ["compacted": .files(group, schema: table.schema)],
      label: "\(table.id) (compaction)")
    let output = Output(
      schema: table.schema, location: lake.staging(table.id, run: run.id, part: part),
      sort: table.sortColumns.map { .init($0.column, isDescending: $0.isDescending) },
      partition: table.partitionColumns)
    let name = "\(table.id)"
    let progress = workspace.context.progress
    defer { progress.finish(task: name) }
    let files = try workspace.engine.compute(
      query, into: output, cancellation: workspace.context.cancellation,
      progress: {
        progress.report(task: name, step: "compact", done: Int64($0 * 1000), total: 1000)
      })
    let (before, after) = (rowCount(of: group), rowCount(of: files))
    guard before == after else {
      try? lake.publisher.discard(files)
      throw PipelineError(
        .init(rawValue: "rowsLost"), "compaction made \(after) rows of \(before)",
        at: Place(model: name), advice: "nothing was changed; please report this")
    }
    return files
  }

  private func rowCount(of files: [DataFile]) -> Int64 { files.reduce(0) { $0 + $1.rowCount } }
}
