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
      pipeline.models.flatMap { model in
        model.tables.map { name in
          let output = model.outputs.first { $0.name == name }
          return check(output?.checks ?? model.checks, TableID(pipeline.name, name))
        }
      }
    }
  }

  private func check(_ checks: [Check], _ id: TableID) -> TableCheck {
    var result = TableCheck(pipeline: id.pipeline, model: id.model, checks: nil, failure: nil)
    do {
      guard let table = try lake.catalog.load(id) else { return result }
      _ = try table.consumption()
      let audit = try Audit(
        checks: checks, schema: table.schema, label: id.description,
        partitionColumns: table.partitionColumns.map(\.column), interval: nil)
      let audited = try audit.run(
        staged: table.dataFiles(), current: [], engine: engine,
        cancellation: context.cancellation)
      result.checks = audited.outcomes.map(\.summary)
    } catch {
      result.failure = failure(error, model: id.description)
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
