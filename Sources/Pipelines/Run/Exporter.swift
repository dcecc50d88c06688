import Core
import Engines
import Kernels
import Lake
import Project
import Stores

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Writes files for people and programs outside the lake: content-named, then marked complete, so
/// that doing it twice does nothing (rule 17).
struct Exporter {
  let workspace: Workspace
  private static let mostAtOnce = 4

  init(_ workspace: Workspace) { self.workspace = workspace }

  // MARK: - Planning

  /// The exports of a unit that are missing or out of date, or will be once the unit has run.
  func planned(of unit: Survey.Unit) throws -> [PlannedExport] {
    try exports(of: unit).compactMap { export in
      let reason: String?
      switch unit.action {
      case .waiting, .blocked: reason = nil
      case .run: reason = "table changed"
      case .upToDate, .held: reason = try pending(export, unit.interval, unit.before)
      }
      return reason.map {
        PlannedExport(
          name: export.name, reason: $0, destination: destination(export, unit.interval))
      }
    }
  }

  func exports(of unit: Survey.Unit) -> [Export] {
    guard let pipeline = workspace.project[pipeline: unit.node.model.pipeline] else { return [] }
    return pipeline.exports.filter { $0.model == unit.node.model.name }
  }

  private func destination(_ export: Export, _ interval: Interval?) -> String {
    let folder = export.to.expand(partition: interval?.partitionPath ?? "")
    return folder.hasSuffix("/") ? String(folder.dropLast()) : folder
  }

  private func folder(_ export: Export, _ interval: Interval?) throws -> ExportFolder {
    let destination = destination(export, interval)
    return ExportFolder(store: try workspace.opener.open(destination), folder: "")
  }

  /// Why an export has to be written although its table is up to date; nil when it need not be.
  private func pending(
    _ export: Export, _ interval: Interval?, _ table: Survey.Remembered?
  ) throws -> String? {
    guard let table else { return nil }
    let folder = try folder(export, interval)
    guard let marker = try folder.marker() else { return "not there" }
    if marker.definition != fingerprint(of: export) { return "definition changed" }
    if marker.state != state(table) { return "table changed" }
    return try folder.isComplete(marker) ? nil : "its file is gone"
  }

  private func state(_ table: Survey.Remembered) -> String { "\(table.run) \(table.definition)" }

  private func fingerprint(of export: Export) -> String {
    let json: JSON = [
      "format": .string(export.format.rawValue),
      "compression": .string(export.compression.rawValue),
      "header": .boolean(export.header), "columns": .array(export.columns.map(JSON.string)),
      "sort": .array(export.sort.map { .array([.string($0.column), .boolean($0.isDescending)]) }),
    ]
    return hash(json.description)
  }

  // MARK: - Writing

  /// Writes the exports of a unit that are pending.
  ///
  /// - Parameter view: The table as it is now that the unit is published.
  func write(_ unit: Survey.Unit, _ view: TableView, run: RunID) throws -> [ExportResult] {
    guard let table = view.table,
      let remembered = Survey.remembered(view.consumption, unit.interval)
    else { return [] }
    // Each reads the table by itself, and mostly waits for one thread that writes its file.
    return try concurrently(exports(of: unit), limit: Exporter.mostAtOnce) { export in
      try workspace.context.cancellation.check()
      return try pending(export, unit.interval, remembered) == nil
        ? nil : try write(export, unit, table, remembered, run)
    }.compactMap { try $0.get() }
  }

  private func write(
    _ export: Export, _ unit: Survey.Unit, _ table: Table, _ remembered: Survey.Remembered,
    _ run: RunID
  ) throws -> ExportResult {
    let files = try table.dataFiles(unit.interval.map(RowFilter.exactly) ?? .all)
    let scratch = try workspace.scratchFile()
    defer { unlink(scratch) }
    let rowCount = try workspace.engine.export(
      Query(
        sql: "SELECT * FROM exported", inputs: ["exported": .files(files, schema: table.schema)],
        label: unit.label),
      to: TextOutput(
        format: export.format == .csv ? .csv(header: export.header) : .parquet,
        columns: export.columns,
        sort: export.sort.map { .init($0.column, isDescending: $0.isDescending) }, path: scratch),
      cancellation: workspace.context.cancellation)

    var finished = scratch
    var suffix = export.format == .csv ? ".csv" : ".parquet"
    if export.format == .csv && export.compression == .gzip {
      finished = scratch + ".gz"
      suffix += ".gz"
      try gzipFile(from: scratch, to: finished)
    }
    defer { if finished != scratch { unlink(finished) } }

    let folder = try folder(export, unit.interval)
    let wanted = ExportMarker(
      interval: unit.interval, state: state(remembered), definition: fingerprint(of: export),
      run: run.rawValue, rowCount: rowCount)
    let marker = try folder.publish(
      [finished], stem: export.model, suffix: suffix, marker: wanted
    ) { present in
      guard let present, present.state == wanted.state, present.definition == wanted.definition
      else { return true }
      // The same rows were exported by another run meanwhile.
      return try !folder.isComplete(present)
    }
    let file = marker.files.first
    return ExportResult(
      name: export.name, file: destination(export, unit.interval) + "/" + (file?.name ?? ""),
      rowCount: marker.rowCount, byteCount: file?.byteCount ?? 0)
  }
}
