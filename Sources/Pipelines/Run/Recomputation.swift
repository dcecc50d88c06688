import Core
import Engines
import Lake
import Project

/// Which groups of a full model's rows have to be built again, where it says by which columns it
/// groups and a table that it reads says what changed (rule 10).
///
/// A group's rows depend on the input's rows of the same values alone, so groups of which no row
/// came, changed or went stay as they are. Copy-on-write touches the files that hold the others.
struct Recomputation {
  /// The input's rows of these groups.
  let input: Query
  /// Present files that hold some of these groups.
  let affected: [DataFile]
  /// Rows of other groups in those files.
  let others: Query
  /// Staged for the run, and part of no commit.
  let keyFiles: [DataFile]

  /// - Parameter schema: As the table will be.
  /// - Returns: Nil where the table has to be built as a whole.
  init?(
    _ unit: Survey.Unit, _ survey: Survey, _ workspace: Workspace, _ schema: Schema,
    keysAt location: String
  ) throws {
    let model = unit.node.model
    guard let recompute = model.recompute, case .run(.inputChanged([recompute.on])) = unit.action,
      case .table(let pipeline, _, let name)? = unit.node.inputs[recompute.on],
      let before = unit.before, before.definition == unit.fingerprint,
      case .snapshot(let past, _)? = before.inputs[recompute.on],
      let base = survey.tables[unit.id]?.table, base.schema == schema,
      // Rows that were set aside are known by the table, not by the group.
      !model.checks.contains(where: { $0.severity == .quarantine }),
      let view = survey.tables[TableID(pipeline, name)], let upstream = view.table,
      let changes = try upstream.changes(since: past), !changes.contains(where: \.isFull)
    else { return nil }
    let then = try upstream.at(snapshot: past)
    let place = Place(model: unit.label)
    let parts: [Query]
    if survey.graph["\(pipeline).\(name)"]?.model.kind == .interval {
      var folded = FoldedChanges<Interval>()
      for set in changes { folded.fold(set.intervals) }
      let moved = folded.result
      parts = [
        try TableParts.rows(of: moved.added + moved.replaced, in: upstream),
        try TableParts.rows(of: moved.replaced + moved.removed, in: then),
      ]
    } else {
      var folded = FoldedChanges<String>()
      for set in changes { folded.fold(set.contributions) }
      let moved = folded.result
      parts = try [
        (upstream, moved.added + moved.replaced), (then, moved.replaced + moved.removed),
      ]
      .map { table, names in
        try TableParts(table, table.schema, workspace, place).rows(of: .contributions(names))
      }
    }
    let fields = recompute.columns.compactMap { schema[$0] }
    let columns = fields.map(\.name.quotedName).joined(separator: ", ")
    let keySchema = Schema(fields.map { Field(name: $0.name, type: $0.type) }).withFreshIDs()
    let files = try workspace.engine.compute(
      Query(
        sql: "SELECT DISTINCT \(columns) FROM (SELECT \(columns) FROM present "
          + "UNION ALL SELECT \(columns) FROM past) AS touched",
        inputs: ["present": .view(parts[0]), "past": .view(parts[1])], label: unit.label),
      into: Output(schema: keySchema, location: location),
      cancellation: workspace.context.cancellation, progress: { _ in })
    keyFiles = files
    guard !files.isEmpty else {
      func nothing(of schema: Schema) -> Query {
        Query(sql: "FROM t", inputs: ["t": .files([], schema: schema)], label: unit.label)
      }
      affected = []
      (input, others) = (nothing(of: upstream.schema), nothing(of: schema))
      return
    }
    let keys = TableParts.Keys.rows(of: files, schema: keySchema)
    let own = TableParts(base, schema, workspace, place)
    affected = try own.files(holding: keys)
    others = own.others(than: keys, in: affected)
    input = try TableParts(upstream, upstream.schema, workspace, place).rows(of: keys)
  }
}
