import Auditing
import Core
import Lake
import Project

extension Workspace {
  /// Audits published tables again, as they are now. Changes nothing.
  ///
  /// - Throws: `PipelineError` `.unknownName`. What goes wrong with one table is in its result.
  public func check(pipelines: [String]) throws -> [TableCheck] {
    try planner.selected(pipelines).flatMap { pipeline in
      pipeline.models.filter { $0.kind != .view && $0.outputs.isEmpty }.map { model in
        check(model, TableID(pipeline.name, model.name))
      }
    }
  }

  private func check(_ model: Model, _ id: TableID) -> TableCheck {
    var result = TableCheck(pipeline: id.pipeline, model: id.model, checks: nil, failure: nil)
    do {
      guard let table = try lake.catalog.load(id) else { return result }
      _ = try table.consumption()
      let audit = try Audit(
        checks: model.checks, schema: table.schema, label: model.qualifiedName,
        partitionColumns: table.partitionColumns.map(\.column), interval: nil)
      let audited = try audit.run(
        staged: table.dataFiles(), current: [], engine: engine,
        cancellation: context.cancellation)
      result.checks = audited.outcomes.map(\.summary)
    } catch {
      result.failure = failure(error, model: model.qualifiedName)
    }
    return result
  }
}

extension TableCheck {
  /// Whether a check of severity `error` failed, or the table could not be read.
  public var isFailed: Bool {
    failure != nil || (checks ?? []).contains { !$0.isPassed && $0.severity == "error" }
  }

  public var json: JSON {
    [
      "type": "table", "pipeline": .string(pipeline), "model": .string(model),
      "checks": checks.map { .array($0.map(\.json)) } ?? .null, "failed": .boolean(isFailed),
      "error": failure?.json ?? .null,
    ]
  }
}
