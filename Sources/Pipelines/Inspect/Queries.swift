import Auditing
import Core
import Engines
import Lake
import Project

extension Workspace {
  /// Runs SQL over the lake's tables, named `pipeline.model`; a name alone will do where only one
  /// pipeline has it. Views are models like any other.
  ///
  /// - Parameter visit: Called with the rows in order, a piece at a time; at least once.
  /// - Throws: `EngineError` `.badQuery`; `PipelineError` `.unknownName` with the nearest table.
  public func query(_ sql: String, visit: (RowSet) throws -> Void) throws {
    let label = "query"
    let shape = try engine.shape(of: sql, label: label)
    let library = QueryLibrary(remembered: [:], parse: planner.parse)
    var inputs: [String: Query.Input] = [:]
    for name in shape.inputs { inputs[name] = try table(named: name, library) }
    let query = Query(sql: sql, inputs: inputs, label: label)
    try engine.stream(query, cancellation: context.cancellation, visit: visit)
  }

  private func table(named name: String, _ library: QueryLibrary) throws -> Query.Input {
    let id = try tableID(of: name)
    if let model = project[pipeline: id.pipeline]?[model: id.model], model.kind == .view {
      let graph = try planner.graph(of: [id.pipeline], library: library)
      guard let node = graph[id.description] else { throw unknown(name) }
      return .view(try view(node, graph))
    }
    guard let table = try lake.catalog.load(id) else {
      if id.model == QuarantineNames.table, project[pipeline: id.pipeline] != nil {
        // Nothing was ever set aside: a table without rows, which is what people hope for.
        let schema = try Table.schema(
          for: QuarantineTable.columns, over: nil, replacesAllRows: true)
        return .files([], schema: schema)
      }
      guard project[pipeline: id.pipeline]?[model: id.model] != nil else { throw unknown(name) }
      throw PipelineError(
        .unknownName, "the table \(id) has no rows yet",
        advice: "make it with 'sluice run \(id.pipeline)'")
    }
    return .files(try table.dataFiles(), schema: table.schema)
  }

  private func view(_ node: Graph.Node, _ graph: Graph) throws -> Query {
    var inputs: [String: Query.Input] = [:]
    for (name, input) in node.inputs {
      guard case .table(let pipeline, let model, let table) = input else {
        throw PipelineError(
          .usage, "the view \(node.model.qualifiedName) reads the source '\(name)'",
          advice: "queries read tables; make the view a `full` model to query it", exitCode: 2)
      }
      if let upstream = graph["\(pipeline).\(model)"], upstream.model.kind == .view {
        inputs[name] = .view(try view(upstream, graph))
      } else {
        let id = TableID(pipeline, table)
        guard let stored = try lake.catalog.load(id) else {
          throw PipelineError(
            .unknownName,
            "the table \(id), which \(node.model.qualifiedName) reads, has no rows yet",
            advice: "make it with 'sluice run \(pipeline)'")
        }
        inputs[name] = .files(try stored.dataFiles(), schema: stored.schema)
      }
    }
    return Query(
      sql: node.model.sql?.text ?? "",
      parameters: project[pipeline: node.model.pipeline]?.params ?? [:], inputs: inputs,
      label: node.model.qualifiedName, file: node.model.sql?.displayPath)
  }

  /// The table that a name in a query stands for.
  private func tableID(of name: String) throws -> TableID {
    let parts = name.split(separator: ".", maxSplits: 1).map(String.init)
    if parts.count == 2 { return TableID(parts[0], parts[1]) }
    let owners = project.pipelines.filter { pipeline in
      name == QuarantineNames.table
        || pipeline.models.contains { $0.name == name || $0.outputs.contains { $0.name == name } }
    }
    guard let owner = owners.first else { throw unknown(name) }
    guard owners.count == 1 else {
      throw PipelineError(
        .usage, "several pipelines have a table '\(name)'",
        advice: "write one of \(owners.map { "\($0.name).\(name)" }.joined(separator: ", "))",
        exitCode: 2)
    }
    return TableID(owner.name, name)
  }

  private func unknown(_ name: String) -> PipelineError {
    let known = project.pipelines.flatMap { pipeline in
      (pipeline.models.map(\.name) + [QuarantineNames.table]).map { "\(pipeline.name).\($0)" }
    }
    let advice =
      nearest(to: name, among: known).map { "did you mean \($0)?" }
      ?? "the project has: \(known.joined(separator: ", "))"
    return PipelineError(
      .unknownName, "there is no table '\(name)'", advice: advice, exitCode: 2)
  }
}

/// The table every pipeline has for rows that were set aside.
enum QuarantineNames {
  static let table = "quarantine"
}
