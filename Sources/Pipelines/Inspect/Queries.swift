import Auditing
import Core
import Engines
import Lake
import Project

extension Workspace {
  /// Runs SQL over the lake's tables, named `pipeline.model`; a name alone will do where only one
  /// pipeline has it. Views are models like any other.
  ///
  /// - Parameters:
  ///   - asOf: Where in the tables' history; nil is as they are now.
  ///   - visit: Called with the rows in order, a piece at a time; at least once.
  /// - Throws: `EngineError` `.badQuery`; `PipelineError` `.unknownName` with the nearest table;
  ///   `LakeError` `.invalid` where the history of a table does not reach that far.
  public func query(
    _ sql: String, asOf: AsOf? = nil, visit: (RowSet) throws -> Void
  ) throws {
    let label = "query"
    let shape = try engine.shape(of: sql, label: label)
    let tables = QueryTables(
      workspace: self, library: QueryLibrary(remembered: [:], parse: planner.parse), asOf: asOf)
    var inputs: [String: Query.Input] = [:]
    for name in shape.inputs {
      inputs[name] = try tables.input(named: name, filter: shape.filters[name] ?? .all)
    }
    let query = Query(sql: sql, inputs: inputs, label: label)
    try engine.stream(query, cancellation: context.cancellation, visit: visit)
  }
}

/// A place in tables' history.
public enum AsOf: Sendable, Hashable {
  case time(Instant)
  case snapshot(Int64)
  /// A branch or a tag.
  case reference(String)
}

/// Finds what the names in a query stand for.
private struct QueryTables {
  let workspace: Workspace
  let library: QueryLibrary
  let asOf: AsOf?
  private let pins = IndexPins()

  init(workspace: Workspace, library: QueryLibrary, asOf: AsOf?) {
    self.workspace = workspace
    self.library = library
    self.asOf = asOf
  }

  private var project: Project { workspace.project }

  /// - Parameter filter: What the query asks of the rows; files without such rows are left out.
  func input(named name: String, filter: RowFilter) throws -> Query.Input {
    let id = try tableID(of: name)
    if let model = project[pipeline: id.pipeline]?[model: id.model], model.kind == .view {
      let graph = try workspace.planner.graph(of: [id.pipeline], library: library)
      guard let node = graph[id.description] else { throw unknown(name) }
      return .view(try view(node, graph))
    }
    guard let table = try load(id) else {
      if id.model == QuarantineNames.table, project[pipeline: id.pipeline] != nil {
        // Nothing was ever set aside: a table without rows, which is what people hope for.
        let schema = try Table.schema(
          for: QuarantineTable.columns, over: nil, replacesAllRows: true)
        return .files([], schema: schema)
      }
      guard isMade(id) else { throw unknown(name) }
      throw PipelineError(
        .unknownName, "the table \(id) has no rows yet",
        advice: "make it with 'sluice run \(id.pipeline)'")
    }
    return .files(try table.dataFiles(filter.typed(for: table.schema)), schema: table.schema)
  }

  private func isMade(_ id: TableID) -> Bool {
    project[pipeline: id.pipeline]?.models.contains { $0.tables.contains(id.model) } ?? false
  }

  /// Tables that follow an index are read at one and the same version of it (rule 16).
  private func load(_ id: TableID) throws -> Table? {
    let owner = project[pipeline: id.pipeline]?.models.first {
      $0.ownsIndex && $0.tables.contains(id.model)
    }
    guard let owner, asOf == nil else { return try loadAlone(id) }
    return try pins.table(id, of: owner, in: workspace.lake.catalog)
  }

  private func loadAlone(_ id: TableID) throws -> Table? {
    guard let table = try workspace.lake.catalog.load(id), let asOf else {
      return try workspace.lake.catalog.load(id)
    }
    return try table.at(asOf)
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
        guard let stored = try load(id) else {
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
        || pipeline.models.contains { $0.name == name || $0.tables.contains(name) }
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
      (pipeline.models.flatMap { $0.kind == .view ? [$0.name] : $0.tables }
        + [QuarantineNames.table]).map { "\(pipeline.name).\($0)" }
    }
    let advice =
      nearest(to: name, among: known).map { "did you mean \($0)?" }
      ?? "the project has: \(known.joined(separator: ", "))"
    return PipelineError(
      .unknownName, "there is no table '\(name)'", advice: advice, exitCode: 2)
  }
}

extension Table {
  /// The table as it was then.
  ///
  /// - Throws: `PipelineError` `.unknownName`; `LakeError` `.invalid` where its history does not
  ///   reach that far.
  func at(_ asOf: AsOf) throws -> Table {
    switch asOf {
    case .time(let instant): return try at(instant)
    case .snapshot(let snapshot): return try at(snapshot: snapshot)
    case .reference(let name):
      guard let snapshot = snapshotID(named: name) else {
        throw PipelineError(
          .unknownName, "the table \(id) has no branch or tag '\(name)'",
          advice: "--as-of takes a time, a snapshot's number, a branch or a tag", exitCode: 2)
      }
      return try at(snapshot: snapshot)
    }
  }
}

extension RowFilter {
  /// With texts read as the dates and times that the columns hold.
  fileprivate func typed(for schema: Schema) -> RowFilter {
    RowFilter(
      terms.map { term in
        let type = schema[term.column]?.type
        func typed(_ value: Value) -> Value {
          guard case .string(let text) = value,
            let instant = try? CommandLineTime.parse(text, option: "")
          else { return value }
          switch type {
          case .timestamp: return .timestamp(instant)
          case .timestamptz: return .timestamptz(instant)
          case .date where text.utf8.count == 10:
            return .date(Int32(instant.microseconds / 86_400_000_000))
          default: return value
          }
        }
        switch term.condition {
        case .within(let from, let to):
          return Term(term.column, .within(from: from.map(typed), to: to.map(typed)))
        case .oneOf(let values): return Term(term.column, .oneOf(values.map(typed)))
        }
      })
  }
}

/// The table every pipeline has for rows that were set aside.
enum QuarantineNames {
  static let table = "quarantine"
}
