import Core
import Lake

extension IndexTables {
  /// Publishes the tables, one after the other, each naming the manifest's version.
  ///
  /// - Parameters:
  ///   - manifest: As it is published, or as it is going to be.
  ///   - first: Publishes the manifest, where that is still to be done. The tables are prepared
  ///     meanwhile; none of them becomes visible before it returns, nor at all where it throws.
  /// - Returns: Whether any of them changed.
  /// - Throws: `LakeError` `.conflict` where a table is not as it was when the rows were written;
  ///   before all else, what `first` throws. The staged files are dropped then.
  func publish(
    _ staged: [Staged], _ manifest: IndexManifest, cancellation: Cancellation,
    after first: (@Sendable () throws -> Void)? = nil
  ) throws -> Bool {
    try publish(staged, cancellation, after: first) { try decide($0, $1, manifest) }
  }

  /// Publishes tables that follow no index: all their rows are new.
  func publishTwin(
    _ staged: [Staged], _ consumption: Consumption, cancellation: Cancellation
  ) throws {
    _ = try publish(staged, cancellation, after: nil) { staged, _ in
      .apply(publication(staged, version: 0, removal: .all, consumption))
    }
  }

  /// Prepares all tables side by side; each becomes visible once the one before it is.
  private func publish(
    _ staged: [Staged], _ cancellation: Cancellation, after first: (@Sendable () throws -> Void)?,
    decide: @escaping @Sendable (Staged, Table?) throws -> Decision
  ) throws -> Bool {
    try run.renewIfDue()
    let turns = Turns(of: first == nil ? 1 : 0)
    let leading = first.map { first in
      Job {
        do {
          try first()
          turns.pass()
        } catch {
          turns.stop(at: 0)
          throw error
        }
      }
    }
    let places = Array(staged.enumerated())
    let outcomes = concurrently(places, limit: staged.count) { index, table in
      let place = index + 1
      do {
        let outcome = try lake.publisher.publish(
          table.id, staged: table.files, run: run, rebuilds: true, cancellation: cancellation,
          ready: { try turns.wait(for: place) }, visible: { turns.pass() }
        ) { base, _ in try decide(table, base) }
        if case .published = outcome { return true }
        // One that had nothing to do has not waited.
        try turns.wait(for: place)
        turns.pass()
        return false
      } catch {
        turns.stop(at: place)
        // A commit whose outcome is unknown may name its files.
        if (error as? LakeError)?.code != .ambiguous { discard([table]) }
        throw error
      }
    }
    try leading?.value()
    let failures = outcomes.compactMap { outcome in
      if case .failure(let error) = outcome { error } else { nil }
    }
    // Those after the first have stopped because of it.
    if let error = failures.first { throw error }
    return try outcomes.contains { try $0.get() }
  }

  private func decide(
    _ staged: Staged, _ base: Table?, _ manifest: IndexManifest
  ) throws -> Decision {
    if let version = base?.indexVersion, version >= manifest.version { return .alreadyApplied }
    var removal = TableUpdate.Removal.none
    if let before = staged.rowsBefore {
      guard try wordCount(of: base) == before else { throw overtaken(staged.id) }
      if before == 0 { removal = .all }
    } else {
      let present = try base?.dataFiles() ?? []
      let labels = Set(present.map { label(of: $0, staged.id) })
      guard staged.wanted.subtracting(labels) == Set(staged.written.keys) else {
        throw overtaken(staged.id)
      }
      removal = .files(
        present.filter { !staged.wanted.contains(label(of: $0, staged.id)) }.map(\.path))
    }
    return .apply(
      publication(staged, version: manifest.version, removal: removal, manifest.consumption))
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

/// Lets threads go on one after the other, in the order of their numbers.
private final class Turns: @unchecked Sendable {
  // Unchecked: what varies is guarded by the monitor.

  /// One that comes before has failed, and what was to follow it is not to be done.
  struct Stopped: Error {}

  private let monitor = Monitor()
  private var next: Int
  private var stopped = Int.max

  /// - Parameter first: Whose turn it is.
  init(of first: Int) { next = first }

  /// Waits until all before have passed.
  ///
  /// - Throws: `Stopped` once one of them has stopped.
  func wait(for number: Int) throws {
    try monitor.withLock {
      while next < number && stopped > number { monitor.wait() }
      if next < number { throw Stopped() }
    }
  }

  /// Ends the turn of the one whose turn it is.
  func pass() {
    monitor.withLock {
      next += 1
      monitor.wakeAll()
    }
  }

  /// Stops those after one that has failed.
  func stop(at number: Int) {
    monitor.withLock {
      stopped = min(stopped, number)
      monitor.wakeAll()
    }
  }
}
