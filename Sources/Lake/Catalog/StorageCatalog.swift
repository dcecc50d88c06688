import Core
import Stores

/// The catalog that needs nothing but the store: versions are files named `v<N>.metadata.json`,
/// and the next one is created by a conditional put.
///
/// The hint `version-hint.text` is only where readers start: a version above it is found by asking
/// for the next one. It is only ever raised, and the hinted version and those above are never
/// deleted.
public struct StorageCatalog: Catalog {
  /// A base that was read longer ago is read again before the put.
  static let baseLifetimeSeconds: Int64 = 3600

  private let store: any Store
  private let clock: Clock

  public init(store: any Store, clock: Clock = .system) {
    self.store = store
    self.clock = clock
  }

  public func load(_ id: TableID) throws -> Table? {
    guard let table = try loadAnywhere(id) else { return nil }
    guard isAtHome(table) else {
      throw LakeError(
        .invalid,
        "the table was made at \(table.location) and is now at "
          + store.uri(LakeLayout.table(id)),
        at: Place(file: table.metadataLocation, model: id.description),
        advice: "move the lake back, or make it at home here with 'sluice state relocate'")
    }
    return table
  }

  /// Whether the table names its files where they are.
  func isAtHome(_ table: Table) -> Bool {
    let expected = store.uri(LakeLayout.table(table.id))
    return table.location == expected || table.location == "file://" + expected
  }

  /// The newest version, whichever place it was made in.
  func loadAnywhere(_ id: TableID) throws -> Table? {
    let hint = try readHint(id)
    let hinted = hint?.version
    var head: (version: Int, bytes: [UInt8])?
    if let hinted, let found = try store.get(LakeLayout.metadata(id, version: hinted)) {
      head = (hinted, found.bytes)
    } else if let newest = try newestListed(id),
      let found = try store.get(LakeLayout.metadata(id, version: newest))
    {
      head = (newest, found.bytes)
    }
    guard var head else { return nil }
    while let next = try store.get(LakeLayout.metadata(id, version: head.version + 1)) {
      head = (head.version + 1, next.bytes)
    }
    return try table(
      id, head.version, head.bytes, hinted: hint?.isExact == true ? hinted : nil)
  }

  public func commit(
    _ update: TableUpdate, to id: TableID, base: Table?, ready: () throws -> Void,
    visible: () -> Void
  ) throws -> Table {
    try expectFresh(base, id)
    var builder = try CommitBuilder(id: id, base: base, update: update, store: store)
    do {
      try builder.writeFiles()
    } catch {
      try? store.delete(builder.written)
      throw error
    }
    let version = (base?.version ?? 0) + 1
    let bytes = Array(builder.metadata.json.description.utf8)
    let outcome: Outcome
    var isReady = false
    do {
      _ = try store.put(LakeLayout.metadata(id, version: version), .bytes(bytes), .absent) {
        try ready()
        try expectFresh(base, id)
        isReady = true
      }
      outcome = .ours
    } catch {
      guard isReady else {
        try? store.delete(builder.written)
        throw error
      }
      outcome = try findOut(id, version, snapshotID: builder.snapshotID, after: error)
    }
    if outcome == .others {
      try? store.delete(builder.written)
      throw conflict(id)
    }
    let holds: Bool
    do {
      holds = try lineageHolds(builder.snapshotID, id: id, version: version)
    } catch {
      throw ambiguous(id, version, error)
    }
    guard holds else {
      // The number had been used and cleared away while this writer slept. What it wrote is named
      // by that stale version, so it stays until maintenance takes both.
      throw conflict(id)
    }
    visible()
    let table = Table(
      id: id, metadata: builder.metadata, version: version, store: store, loaded: clock.now(),
      hintedVersion: nil)
    // The rows are published whatever becomes of the hint; the next run mends it.
    try? repair(table)
    return table
  }

  /// A version that was read long ago may have been used up and cleared away since (rule 20).
  private func expectFresh(_ base: Table?, _ id: TableID) throws {
    guard let base,
      clock.now() > base.loaded.adding(seconds: StorageCatalog.baseLifetimeSeconds)
    else { return }
    guard try load(id)?.version == base.version else { throw conflict(id) }
  }

  /// The metadata files are the catalog, and go with the table's other files.
  public func drop(_ id: TableID) throws {}

  public func repair(_ table: Table) throws {
    guard table.hintedVersion != table.version else { return }
    let key = LakeLayout.versionHint(table.id)
    // Raised by compare-and-swap, so that a slow writer never lowers it.
    while true {
      let hint = try readHint(table.id)
      let version = max(hint?.version ?? 0, table.version)
      if let hint, hint.version == version, hint.isExact { return }
      let found = try hint?.object ?? store.head(key)
      let text = Array("\(version)".utf8)
      do {
        _ = try store.put(key, .bytes(text), found.map { .matches($0.version) } ?? .absent)
        return
      } catch let error as StoreError where error.code == .conditionFailed {
        continue
      }
    }
  }

  // MARK: - Outcomes

  private enum Outcome { case ours, others }

  /// Finds out what became of a put whose answer was a failure.
  ///
  /// - Throws: `failure` itself where it is certain that nothing was put, else `.ambiguous`.
  private func findOut(
    _ id: TableID, _ version: Int, snapshotID: Int64, after failure: any Error
  ) throws -> Outcome {
    let key = LakeLayout.metadata(id, version: version)
    do {
      if let found = try store.get(key) {
        let metadata = try TableMetadata(parsing: found.bytes, file: store.uri(key))
        return metadata.snapshot(snapshotID) == nil ? .others : .ours
      }
    } catch {
      throw ambiguous(id, version, failure)
    }
    switch (failure as? StoreError)?.code {
    // Refused, but nothing there: a version that came and went, so the base is old.
    case .conditionFailed: return .others
    case .denied, .full, .notAnObject, .badAddress, .unsafe: throw failure
    // The request may still be under way.
    default: throw ambiguous(id, version, failure)
    }
  }

  private func ambiguous(_ id: TableID, _ version: Int, _ cause: any Error) -> LakeError {
    let what = (cause as? any AnyFailure)?.message ?? "\(cause)"
    return LakeError(
      .ambiguous, "it is not known whether the commit succeeded: \(what)",
      at: Place(file: store.uri(LakeLayout.metadata(id, version: version)), model: id.description),
      advice: "run again: what was published is recognised")
  }

  /// Whether the newest version descends from the one just written (rule 20).
  ///
  /// A version at or above the hint is never deleted; so only a hint above ours can mean that our
  /// number had been used before and was cleared away, and then the newest version tells.
  private func lineageHolds(_ snapshotID: Int64, id: TableID, version: Int) throws -> Bool {
    if let hint = try readHint(id), hint.version <= version { return true }
    guard let head = try newestListed(id), head > version else { return true }
    guard let found = try store.get(LakeLayout.metadata(id, version: head)) else { return false }
    let file = store.uri(LakeLayout.metadata(id, version: head))
    return try TableMetadata(parsing: found.bytes, file: file).snapshot(snapshotID) != nil
  }

  private func conflict(_ id: TableID) -> LakeError {
    LakeError(
      .conflict, "another commit came first", at: Place(model: id.description),
      advice: "run again")
  }

  // MARK: - Reading

  private func table(_ id: TableID, _ version: Int, _ bytes: [UInt8], hinted: Int?) throws -> Table
  {
    let file = store.uri(LakeLayout.metadata(id, version: version))
    let metadata = try TableMetadata(parsing: bytes, file: file)
    return Table(
      id: id, metadata: metadata, version: version, store: store, loaded: clock.now(),
      hintedVersion: hinted)
  }

  private struct Hint {
    var version: Int
    /// Nothing but digits: some readers fail on a newline (rule 21).
    var isExact: Bool
    var object: Object
  }

  /// Nil when the hint is missing or not a number: it is then mended.
  private func readHint(_ id: TableID) throws -> Hint? {
    guard let found = try store.get(LakeLayout.versionHint(id)) else { return nil }
    let text = String(decoding: found.bytes, as: UTF8.self)
    let digits = text.drop { $0.isWhitespace }.prefix { !$0.isWhitespace }
    guard let version = Int(digits), version > 0 else { return nil }
    return Hint(version: version, isExact: text == "\(version)", object: found.object)
  }

  private func newestListed(_ id: TableID) throws -> Int? {
    let prefix = LakeLayout.metadataPrefix(id) + "v"
    var newest: Int?
    try store.list(prefix: prefix) { page in
      for object in page where object.key.hasSuffix(".metadata.json") {
        let number = object.key.dropFirst(prefix.count).dropLast(".metadata.json".count)
        if let version = Int(number), version > 0 { newest = max(newest ?? 0, version) }
      }
    }
    return newest
  }
}
