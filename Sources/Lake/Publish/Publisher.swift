import Core
import Stores

/// What a publication consists of: the commit, what it has consumed by then, and what it changes.
public struct Publication: Sendable {
  public var update: TableUpdate
  /// Nil for tables that keep none: the quarantine.
  public var consumption: Consumption?
  public var changes: ChangeSet?

  public init(update: TableUpdate, consumption: Consumption?, changes: ChangeSet?) {
    self.update = update
    self.consumption = consumption
    self.changes = changes
  }
}

/// What a publisher makes of the table as it is now.
public enum Decision: Sendable {
  case apply(Publication)
  /// Someone else has published the same.
  case alreadyApplied
}

/// How a publication ended.
public enum PublishOutcome: Sendable {
  case published(Table)
  /// The staged files have been dropped. Nil where the decision was made without a table.
  case alreadyApplied(Table?)

  public var table: Table? {
    switch self {
    case .published(let table): table
    case .alreadyApplied(let table): table
    }
  }
}

/// The compare-and-swap loop: load, decide, write state files, commit; again on conflict.
public struct Publisher: Sendable {
  private let catalog: any Catalog
  private let store: any Store
  private let clock: Clock
  private let attemptLimit: Int

  public init(catalog: any Catalog, store: any Store, clock: Clock, attemptLimit: Int = 50) {
    self.catalog = catalog
    self.store = store
    self.clock = clock
    self.attemptLimit = attemptLimit
  }

  /// Publishes staged files.
  ///
  /// - Parameters:
  ///   - loaded: The table as the catalog had it a moment ago; nil where it is to be asked. Where it
  ///     has changed since, the swap is lost, and the catalog is asked then.
  ///   - staged: Every file that was staged for this publication; those that the commit does not
  ///     take are dropped once it is certain that nothing names them (rule 19).
  ///   - run: Refuses to publish once it has become too old.
  ///   - rebuilds: A full refresh: where what the table has consumed cannot be told (a foreign
  ///     commit, a lost file), `decide` gets nil for it instead of the publication failing.
  ///   - ready: Called before the commit becomes visible, when all else is done: who publishes
  ///     several tables in an order waits here for those before. What it throws ends the publication.
  ///   - visible: Called as soon as the commit is certain: those that come after may go on.
  ///   - decide: Called with the table as it is, again after every lost swap. What it throws ends
  ///     the publication and leaves the staged files alone.
  /// - Throws: `LakeError` `.conflict` after too many lost swaps, `.outdated`, `.ambiguous`,
  ///   `.tooOld`, `.foreignCommit`, and what `decide` and the store throw. After any of them but
  ///   `.ambiguous` nothing names the staged files.
  public func publish(
    _ id: TableID, loaded: Table? = nil, staged: [DataFile] = [], run: ActiveRun? = nil,
    rebuilds: Bool = false, cancellation: Cancellation = .never, ready: () throws -> Void = {},
    visible: () -> Void = {}, decide: (Table?, Consumption?) throws -> Decision
  ) throws -> PublishOutcome {
    var last: LakeError?
    var loaded = loaded
    for attempt in 0..<attemptLimit {
      try cancellation.check()
      let base = try loaded.take() ?? catalog.load(id)
      let publication: Publication
      switch try decide(base, consumption(of: base, rebuilds: rebuilds)) {
      case .alreadyApplied:
        // The metadata read above holds another commit in our place.
        dropIfPossible(staged.map(\.path))
        if let base { try? catalog.repair(base) }
        return .alreadyApplied(base)
      case .apply(let decided): publication = decided
      }
      try run?.checkMayPublish()
      let state = state(publication, id)
      // Nothing names these files before the commit does: they go to the store while it is made.
      let written = Job { [store] in
        for result in concurrently(state.files, limit: 2, { try $0.write(to: store) }) {
          try result.get()
        }
      }
      do {
        let table = try catalog.commit(
          state.update, to: id, base: base,
          ready: {
            try written.value()
            try ready()
          }, visible: visible)
        let taken = Set(state.update.added.map(\.path)).union(state.deletions)
        dropIfPossible(staged.map(\.path).filter { !taken.contains($0) })
        return .published(table)
      } catch let error as LakeError where error.code == .conflict {
        // Not named by anything: their nonces make these files this attempt's alone.
        try? written.value()
        try? store.delete(state.files.map(\.key))
        last = error
      } catch {
        try? written.value()
        if (error as? LakeError)?.code != .ambiguous {
          try? store.delete(state.files.map(\.key))
        }
        throw error
      }
      // Losers of one swap come back at different times.
      let ceiling = Int64(min(2000, 10 << min(attempt, 8)))
      clock.sleep(Int64.random(in: 0...ceiling), cancellation)
    }
    throw LakeError(
      .conflict, "gave up after losing \(attemptLimit) swaps to other commits",
      at: last?.place ?? Place(model: id.description), advice: "run again when it is quieter")
  }

  /// Drops files that were never offered to a commit, as after a failed audit.
  public func discard(_ staged: [DataFile]) throws { try drop(staged.map(\.path)) }

  private func consumption(of table: Table?, rebuilds: Bool) throws -> Consumption? {
    do {
      return try table?.consumption()
    } catch let error as LakeError where rebuilds {
      switch error.code {
      case .foreignCommit, .missing, .damaged: return nil
      default: throw error
      }
    }
  }

  /// What is published stays published; files that cannot be dropped are maintenance's.
  private func dropIfPossible(_ paths: [String]) { try? drop(paths) }

  private func drop(_ paths: [String]) throws {
    guard !paths.isEmpty else { return }
    try store.delete(try paths.map { try Table.key(of: $0, in: store) })
  }

  /// What a publication writes beside the commit.
  private struct State {
    /// Which names the files.
    var update: TableUpdate
    /// The consumption and change files.
    var files: [StateFile] = []
    /// Files of the update that only the consumption file names.
    var deletions: [String]
  }

  private func state(_ publication: Publication, _ id: TableID) -> State {
    var update = publication.update
    var files: [StateFile] = []
    let deletions = publication.consumption?.deletions
    if let consumption = publication.consumption {
      let file = StateFile(consumption.json(nonce: Nonce.hex())) {
        LakeLayout.consumption(id, hash: $0)
      }
      update.summary[SummaryKey.consumption] = file.hash
      update.properties[SummaryKey.consumption] = file.hash
      update.summary[SummaryKey.run] = consumption.run
      files.append(file)
    }
    if let deletions {
      // Who looks for files that are needed has to read only the consumption files that name some.
      if !deletions.isEmpty { update.summary[SummaryKey.deletions] = "\(deletions.count)" }
      update.properties[SummaryKey.deletions] = "\(deletions.count)"
    }
    if publication.changes == ChangeSet(isFull: true) {
      update.summary[SummaryKey.changes] = ChangeSet.full
    } else if let changes = publication.changes {
      let file = StateFile(changes.json(nonce: Nonce.hex())) {
        LakeLayout.changes(id, hash: $0)
      }
      update.summary[SummaryKey.changes] = file.hash
      files.append(file)
    }
    return State(
      update: update, files: files,
      deletions: (deletions ?? []).map { store.uri(LakeLayout.statePrefix(id) + $0.name) })
  }
}
