import Core
import Engines
import Formats
import Lake
import Project

/// Merge models (rule 11): of each key, the latest row among all contributions.
///
/// The latest row is the greatest of a total order, so where contributions only came, it is the
/// greater of the table's row and the new ones. Where one changed or went, and where rows can say
/// that a key is gone, all contributions are asked again, of the keys concerned.
extension DeltaRun {
  /// - Parameter rows: The new contributions.
  func merge(
    _ rows: [DataFile], _ schema: Schema, _ staged: inout [DataFile]
  ) throws -> Change {
    let fresh = Query.Input.files(rows, schema: schema)
    guard let base, !delta.isRebuild else {
      var change = Change(rows: try compute(latest(of: [fresh], schema), schema, "latest", &staged))
      change.removed = base == nil ? [] : nil
      change.changes.isFull = delta.isRebuild
      change.changes.contributions.added = delta.isRebuild ? [] : delta.changes.added
      return change
    }
    let gone = keepsRows ? [] : delta.gone
    if model.deleteMarker != nil && !gone.isEmpty {
      // Which keys those files said were gone, no table knows.
      var all = [try everything(of: nil, schema, &staged)]
      if !held.contributions.isEmpty {
        let parts = TableParts(base, schema, workspace, Place(model: unit.label))
        all.append(.view(try parts.rows(of: .contributions(held.contributions))))
      }
      var change = Change(rows: try compute(latest(of: all, schema), schema, "latest", &staged))
      change.removed = nil
      change.changes.isFull = true
      return change
    }
    let parts = TableParts(base, schema, workspace, Place(model: unit.label))
    guard let keys = try touchedKeys(fresh, gone, parts, &staged) else { return Change() }
    let affected = try parts.files(holding: keys)
    let present = parts.rows(of: keys, in: affected)
    var candidates: [Query.Input] = []
    if gone.isEmpty && model.deleteMarker == nil {
      candidates = [fresh, .view(present)]
    } else {
      candidates = [try everything(of: keys, schema, &staged)]
      if keepsRows { candidates += [fresh, .view(present)] }
      if !held.contributions.isEmpty {
        candidates.append(.view(heldRows(among: present)))
      }
    }
    let winners = try compute(latest(of: candidates, schema), schema, "latest", &staged)
    let moved = try moved(from: present, to: .files(winners, schema: schema))
    // Late rows that lose change nothing.
    guard !moved.isEmpty else { return Change() }
    let kept = parts.others(than: keys, in: affected)
    let union = Query(
      sql: "SELECT * FROM kept UNION ALL SELECT * FROM winners",
      inputs: ["kept": .view(kept), "winners": .files(winners, schema: schema)],
      label: unit.label)
    var change = Change(rows: try compute(union, schema, "merged", &staged))
    change.removed = affected
    let added = keepsRows ? [] : Set(delta.changes.added)
    change.changes.contributions.added = moved.filter(added.contains)
    change.changes.contributions.replaced = moved.filter { !added.contains($0) }
    return change
  }

  /// The keys whose latest row may be another one now.
  ///
  /// - Returns: Nil where there are none.
  private func touchedKeys(
    _ fresh: Query.Input, _ gone: [String], _ parts: TableParts, _ staged: inout [DataFile]
  ) throws -> TableParts.Keys? {
    let fields = model.uniqueKey.compactMap { parts.schema[$0] }
    let names = fields.map(\.name.quotedName).joined(separator: ", ")
    var inputs = ["fresh": fresh]
    var sql = "SELECT \(names) FROM fresh"
    if !gone.isEmpty {
      inputs["past"] = .view(try parts.rows(of: .contributions(gone)))
      sql += " UNION ALL SELECT \(names) FROM past"
    }
    let schema = Schema(fields.map { Field(name: $0.name, type: $0.type) }).withFreshIDs()
    let files = try workspace.engine.compute(
      Query(
        sql: "SELECT DISTINCT \(names) FROM (\(sql)) AS touched", inputs: inputs,
        label: unit.label),
      into: Output(schema: schema, location: staging("keys")), cancellation: cancellation,
      progress: { _ in })
    staged += files
    return files.isEmpty ? nil : .rows(of: files, schema: schema)
  }

  /// Of the table's rows, those of contributions of which a later version is held back: all there is
  /// of them.
  private func heldRows(among present: Query) -> Query {
    let keys = TableParts.Keys.contributions(held.contributions)
    return Query(
      sql: "SELECT p.* FROM p SEMI JOIN k ON \(keys.matches("p", "k"))",
      inputs: ["p": .view(present), "k": keys.input], label: unit.label)
  }

  /// All contributions there are now, without rows that are set aside and without those that are
  /// held back; of some keys only.
  private func everything(
    of keys: TableParts.Keys?, _ schema: Schema, _ staged: inout [DataFile]
  ) throws -> Query.Input {
    guard case .delta(let whole) = try survey.delta(of: unit, delta.input, isRebuild: true) else {
      throw PipelineError(
        .upstreamFailed, "its input '\(delta.input)' cannot be read", at: Place(model: unit.label))
    }
    // What is set aside was set aside when it came.
    let ignored = try RejectLog(directory: try workspace.scratchFolder())
    let builder = builder(ignored, whole)
    let bound = try builder.build()
    var query = bound.query
    let held = Set(held.contributions).subtracting(delta.present)
    if !held.isEmpty {
      let names = TableParts.Keys.contributions(Array(held))
      query = Query(
        sql: "SELECT t.* FROM t ANTI JOIN k ON \(names.matches("t", "k"))",
        inputs: ["t": .view(query), "k": names.input], label: unit.label)
    }
    if let keys {
      query = Query(
        sql: "SELECT t.* FROM t SEMI JOIN k ON \(keys.matches("t", "k"))",
        inputs: ["t": .view(query), "k": keys.input], label: unit.label)
    }
    let rows = try compute(query, schema, "all", &staged)
    for text in bound.texts { try text.finish() }
    try builder.expectUnchanged()
    return .files(
      try kept(rows, setAsideAudit(rows, schema), schema, &staged), schema: schema)
  }

  /// Of each key the last row, where that does not say that the key is gone.
  private func latest(of candidates: [Query.Input], _ schema: Schema) -> Query {
    var inputs: [String: Query.Input] = [:]
    for (index, input) in candidates.enumerated() { inputs["c\(index)"] = input }
    let all = inputs.keys.sorted().map { "SELECT * FROM \($0)" }.joined(separator: " UNION ALL ")
    // Nulls are the least. The columns come last: what one line was made into has an order too.
    var order = model.orderBy.map {
      "\($0.column.quotedName) \($0.isDescending ? "ASC" : "DESC") NULLS LAST"
    }
    let rest = [Provenance.file, Provenance.row] + schema.fields.filter(\.isOrdered).map(\.name)
    order += rest.map { "\($0.quotedName) DESC NULLS LAST" }
    let key = model.uniqueKey.map(\.quotedName).joined(separator: ", ")
    var sql =
      "SELECT * FROM (\(all)) AS candidates QUALIFY row_number() OVER "
      + "(PARTITION BY \(key) ORDER BY \(order.joined(separator: ", "))) = 1"
    if let marker = model.deleteMarker {
      sql = "SELECT * FROM (\(sql)) AS winners WHERE \(marker.quotedName) IS NOT TRUE"
    }
    return Query(sql: sql, inputs: inputs, label: unit.label)
  }

  /// The contributions that have other rows in the table than before.
  private func moved(from present: Query, to winners: Query.Input) throws -> [String] {
    let name = Provenance.file
    let found = try workspace.engine.rows(
      Query(
        sql: "SELECT DISTINCT \(name) FROM ((SELECT * FROM present EXCEPT SELECT * FROM winners) "
          + "UNION ALL (SELECT * FROM winners EXCEPT SELECT * FROM present)) AS moved",
        inputs: ["present": .view(present), "winners": winners], label: unit.label),
      cancellation: cancellation)
    return found.rows.compactMap { if case .string(let file) = $0[0] { file } else { nil } }
  }
}

extension Field {
  /// Whether values of the type can be told greater from less.
  fileprivate var isOrdered: Bool { if case .map = type { false } else { true } }
}
