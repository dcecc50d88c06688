import Core
import Engines
import Formats
import Lake
import Project

/// Merge models (rule 11): of each key, the latest row among all contributions.
///
/// The latest row is the greatest of a total order, so where contributions only came, it is the
/// greater of the table's row and the new ones. Where one changed or went, all contributions are
/// asked again, of the keys concerned. Rows that say that their key is gone are contributions, too:
/// those that won are remembered beside the table (`Deletions`).
extension DeltaRun {
  /// - Parameter rows: The new contributions.
  func merge(
    _ rows: [DataFile], _ schema: Schema, _ staged: inout [DataFile]
  ) throws -> Change {
    let fresh = Query.Input.files(rows, schema: schema)
    guard let base, !delta.isRebuild else {
      var change = try replacement(by: [fresh], schema, &staged)
      if base == nil { change.removed = [] }
      change.changes.isFull = delta.isRebuild
      change.changes.contributions.added = delta.isRebuild ? [] : delta.changes.added
      return change
    }
    let parts = TableParts(base, schema, workspace, Place(model: unit.label))
    guard let deletions = try Deletions(of: self, parts) else {
      // Which keys were said to be gone, nothing tells: all contributions do.
      var all = [try everything(of: nil, schema, &staged)]
      if !heldBack.isEmpty {
        all.append(.view(try parts.rows(of: .contributions(heldBack))))
      }
      if keepsRows { all += [fresh, .files(try base.dataFiles(), schema: schema)] }
      return try replacement(by: all, schema, &staged)
    }
    let gone = keepsRows ? [] : delta.gone
    guard let keys = try touchedKeys(fresh, gone, parts, deletions, &staged) else {
      return Change(deletions: deletions.known)
    }
    let affected = try parts.files(holding: keys)
    let present = parts.rows(of: keys, in: affected)
    let absent = deletions.rows(of: keys)
    var candidates = [fresh, .view(present)] + (absent.map { [.view($0)] } ?? [])
    if !gone.isEmpty {
      candidates = [try everything(of: keys, schema, &staged)]
      if !heldBack.isEmpty {
        candidates += ([present] + (absent.map { [$0] } ?? [])).map { .view(heldRows(among: $0)) }
      }
    }
    let elected = try elect(candidates, schema, &staged)
    var change = Change(
      deletions: try deletions.replacing(keys, by: elected.deletions, &staged))
    let winners = Query.Input.files(elected.winners, schema: schema)
    let moved = try moved(from: present, to: winners)
    // Late rows that lose change nothing.
    guard !moved.isEmpty else { return change }
    let kept = parts.others(than: keys, in: affected)
    let union = Query(
      sql: "SELECT * FROM kept UNION ALL SELECT * FROM winners",
      inputs: ["kept": .view(kept), "winners": winners], label: unit.label)
    change.rows = try compute(union, schema, "merged", &staged)
    change.removed = affected
    let added = keepsRows ? [] : Set(delta.changes.added)
    change.changes.contributions.added = moved.filter(added.contains)
    change.changes.contributions.replaced = moved.filter { !added.contains($0) }
    return change
  }

  /// All rows of the table anew.
  private func replacement(
    by contributions: [Query.Input], _ schema: Schema, _ staged: inout [DataFile]
  ) throws -> Change {
    let elected = try elect(contributions, schema, &staged)
    var change = Change(rows: elected.winners)
    change.removed = nil
    change.changes.isFull = true
    if model.deleteMarker != nil {
      change.deletions = try elected.deletions.map { try lake.deletionFile($0, of: unit.id) }
    }
    return change
  }

  /// The keys whose latest row may be another one now.
  ///
  /// - Returns: Nil where there are none.
  private func touchedKeys(
    _ fresh: Query.Input, _ gone: [String], _ parts: TableParts, _ deletions: Deletions,
    _ staged: inout [DataFile]
  ) throws -> TableParts.Keys? {
    let fields = model.uniqueKey.compactMap { parts.schema[$0] }
    let names = fields.map(\.name.quotedName).joined(separator: ", ")
    var inputs = ["fresh": fresh]
    var sql = "SELECT \(names) FROM fresh"
    if !gone.isEmpty {
      let contributions = TableParts.Keys.contributions(gone)
      inputs["past"] = .view(try parts.rows(of: contributions))
      sql += " UNION ALL SELECT \(names) FROM past"
      if let absent = deletions.rows(of: contributions) {
        inputs["absent"] = .view(absent)
        sql += " UNION ALL SELECT \(names) FROM absent"
      }
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

  /// Of remembered rows, those of contributions of which a later version is held back: all there is
  /// of them.
  private func heldRows(among present: Query) -> Query {
    let keys = TableParts.Keys.contributions(heldBack)
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
    if !heldBack.isEmpty {
      let names = TableParts.Keys.contributions(heldBack)
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

  /// Of each key the last row; those that say that their key is gone apart.
  private func elect(
    _ candidates: [Query.Input], _ schema: Schema, _ staged: inout [DataFile]
  ) throws -> (winners: [DataFile], deletions: [DataFile]) {
    let latest = try compute(latest(of: candidates), schema, "latest", &staged)
    guard let marker = model.deleteMarker, let id = schema[marker]?.id,
      latest.contains(where: { $0.columns[id]?.upper != .boolean(false) })
    else { return (latest, []) }
    func those(_ condition: String) -> Query {
      Query(
        sql: "SELECT * FROM latest WHERE \(marker.quotedName) IS \(condition)",
        inputs: ["latest": .files(latest, schema: schema)], label: unit.label)
    }
    let winners = try compute(those("NOT TRUE"), schema, "present", &staged)
    return (winners, try computeDeletions(those("TRUE"), schema, "elected", &staged))
  }

  private func latest(of candidates: [Query.Input]) -> Query {
    var inputs: [String: Query.Input] = [:]
    for (index, input) in candidates.enumerated() { inputs["c\(index)"] = input }
    let all = inputs.keys.sorted().map { "SELECT * FROM \($0)" }.joined(separator: " UNION ALL ")
    // Nulls are the least. The columns come last: what one line was made into has an order too.
    var order = model.orderBy.map {
      "\($0.column.quotedName) \($0.isDescending ? "ASC" : "DESC") NULLS LAST"
    }
    let columns = model.tableColumns.fields.filter(\.isOrdered).map(\.name)
    order += ([Provenance.file, Provenance.row] + columns).map {
      "\($0.quotedName) DESC NULLS LAST"
    }
    let key = model.uniqueKey.map(\.quotedName).joined(separator: ", ")
    return Query(
      sql: "SELECT * FROM (\(all)) AS candidates QUALIFY row_number() OVER "
        + "(PARTITION BY \(key) ORDER BY \(order.joined(separator: ", "))) = 1",
      inputs: inputs, label: unit.label)
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
