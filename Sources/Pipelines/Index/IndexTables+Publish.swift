import Core
import Lake
import Project

extension IndexTables {
  /// Starts to publish the tables of a version of the index.
  ///
  /// - Parameters:
  ///   - change: The version, whose new files need not be in the lake yet.
  ///   - version: Its number, as it is or as it is going to be.
  ///   - ahead: What has been done already, or is just being.
  ///   - audits: Whether the tables' checks are made.
  func publication(
    of change: IndexChange, version: Int, _ open: OpenIndex, ahead: TablesAhead? = nil,
    isSmall: Bool = false, audits: Bool = false, cancellation: Cancellation
  ) -> IndexPublication {
    let works = WordIndexSettings.tables.map { table in
      { @Sendable in
        let staged = try stage(table.name, change, open, ahead)
        // Before its commit is made, which drops what it has no use for.
        return audits ? try audited(staged) : staged
      }
    }
    return IndexPublication(self, works, isSmall: isSmall, cancellation: cancellation) {
      try decide($0, $1, version, change.manifest.consumption)
    }
  }

  /// Publishes tables that follow no index: all their rows are new.
  func publishTwin(
    _ staged: [Staged], _ consumption: Consumption, cancellation: Cancellation
  ) throws {
    try run.renewIfDue()
    let works = staged.map { staged in { @Sendable in staged } }
    _ = try IndexPublication(self, works, isSmall: false, cancellation: cancellation) { staged, _ in
      .apply(publication(staged, version: 0, removal: .all, consumption))
    }.finish()
  }

  /// Publishes one table in its turn.
  ///
  /// - Parameters:
  ///   - ready: Waits for it.
  ///   - visible: Ends it.
  /// - Returns: Whether it changed.
  /// - Throws: What `ready` and `decide` throw, and what publishing does. The rows are dropped then.
  func commit(
    _ staged: Staged, cancellation: Cancellation, ready: () throws -> Void, visible: () -> Void,
    decide: (Staged, Table?) throws -> Decision
  ) throws -> Bool {
    do {
      let outcome = try lake.publisher.publish(
        staged.id, loaded: staged.present.table, staged: staged.files, run: run, rebuilds: true,
        cancellation: cancellation, ready: ready, visible: visible
      ) { base, _ in try decide(staged, base) }
      if case .published = outcome { return true }
      // One that has nothing to do has not waited.
      try ready()
      visible()
      return false
    } catch {
      // A commit whose outcome is unknown may name its files.
      if (error as? LakeError)?.code != .ambiguous { discard([staged]) }
      throw error
    }
  }

  private func decide(
    _ staged: Staged, _ base: Table?, _ version: Int, _ consumption: Consumption
  ) throws -> Decision {
    if let present = base?.indexVersion, present >= version { return .alreadyApplied }
    var removal = TableUpdate.Removal.none
    var present = staged.present
    if base?.currentSnapshot?.id != present.table?.currentSnapshot?.id
      || base?.location != present.table?.location
    {
      present = Present(table: base, files: try base?.dataFiles() ?? [])
    }
    if let before = staged.rowsBefore {
      guard wordCount(of: present) == before else { throw overtaken(staged.id) }
      if before == 0 { removal = .all }
    } else {
      let labels = Set(present.files.map { label(of: $0, staged.id) })
      guard staged.wanted.subtracting(labels) == Set(staged.written.keys) else {
        throw overtaken(staged.id)
      }
      removal = .files(
        present.files.filter { !staged.wanted.contains(label(of: $0, staged.id)) }.map(\.path))
    }
    return .apply(publication(staged, version: version, removal: removal, consumption))
  }

  private func publication(
    _ staged: Staged, version: Int, removal: TableUpdate.Removal, _ consumption: Consumption
  ) -> Publication {
    var update = TableUpdate(
      schema: staged.schema, sort: sort(of: staged.id), added: staged.files, removal: removal,
      time: workspace.context.clock.now())
    update.summary[SummaryKey.index] = "\(version)"
    update.properties[SummaryKey.index] = "\(version)"
    var consumption = consumption
    consumption.run = run.id.rawValue
    return Publication(
      update: update, consumption: consumption, changes: ChangeSet(isFull: true))
  }

  func sort(of id: TableID) -> [SortColumn] {
    switch id.model {
    case "documents": [SortColumn("file")]
    default: [SortColumn("word_id")]
    }
  }

  private func overtaken(_ id: TableID) -> LakeError {
    LakeError(
      .conflict, "another run published meanwhile", at: Place(model: id.description),
      advice: "run again")
  }
}
