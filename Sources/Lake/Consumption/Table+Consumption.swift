import Core
import Stores

/// Files named by the hash of their bytes: written once, verified whenever they are read.
struct StateFile: Sendable {
  let hash: String
  let key: String
  private let bytes: [UInt8]

  /// One that is still to be written.
  ///
  /// - Parameter key: Makes the key of the hash.
  init(_ json: JSON, key: (_ hash: String) -> String) {
    bytes = Packing.zstd(Array(json.description.utf8))
    hash = Packing.sha256(bytes)
    self.key = key(hash)
  }

  func write(to store: any Store) throws {
    do {
      _ = try store.put(key, .bytes(bytes), .absent)
    } catch let error as StoreError where error.code == .conditionFailed {
      // The name says what it holds: a lost answer to our own put.
    }
  }

  static func read(_ key: String, hash: String, from store: any Store) throws -> JSON {
    let file = store.uri(key)
    guard let found = try store.get(key) else {
      throw LakeError(
        .missing, "the table's state names a file that is not there", at: Place(file: file),
        advice: "see 'sluice state repair'")
    }
    guard Packing.sha256(found.bytes) == hash else {
      throw LakeError(
        .damaged, "the file's bytes are not those that its name promises", at: Place(file: file),
        advice: "restore the file from a copy, or see 'sluice state repair'")
    }
    do {
      return try JSON(parsing: Packing.unzstd(found.bytes))
    } catch {
      throw LakeError(.damaged, "the file does not parse: \(error)", at: Place(file: file))
    }
  }
}

extension Table {
  /// The hash of the consumption file that holds at the current snapshot: the nearest ancestor's
  /// that names one, else the table property's (rule 7).
  ///
  /// - Throws: `LakeError` `.foreignCommit` when another program changed the table's rows since.
  public func consumptionHash() throws -> String? {
    for snapshot in metadata.ancestry() {
      if let hash = snapshot[summary: SummaryKey.consumption] { return hash }
      if snapshot[summary: SummaryKey.commit] != nil { continue }
      // A foreign compaction moves rows between files and changes none of them.
      if snapshot.operation == .replace { continue }
      throw LakeError(
        .foreignCommit,
        "another program committed snapshot \(snapshot.id) "
          + "(\(snapshot[summary: "operation"] ?? "unknown operation") at \(snapshot.committed))",
        at: Place(model: id.description),
        advice: "take it as it is with 'sluice state accept', or rebuild with --full-refresh")
    }
    return property(SummaryKey.consumption)
  }

  /// What the table has consumed; nil for a table that keeps no consumption.
  ///
  /// - Throws: `LakeError` `.foreignCommit`, `.missing`, `.damaged`, `.unsupported`.
  public func consumption() throws -> Consumption? {
    try consumptionHash().map(consumption)
  }

  /// What it had consumed before other programs changed its rows.
  ///
  /// - Throws: `LakeError` `.missing`, `.damaged`, `.unsupported`.
  public func lastConsumption() throws -> Consumption? {
    let named = metadata.ancestry().lazy.compactMap { $0[summary: SummaryKey.consumption] }.first
    return try (named ?? property(SummaryKey.consumption)).map(consumption)
  }

  /// The newest consumption file that can be read, where the current one cannot, and what was
  /// published after it; the changes are nil where they are not on record.
  public func soundConsumption() throws -> (Consumption, [ChangeSet]?)? {
    for snapshot in metadata.ancestry() {
      guard let hash = snapshot[summary: SummaryKey.consumption] else { continue }
      do {
        let found = try consumption(hash)
        return (found, try? changes(since: snapshot.id))
      } catch let error as LakeError where error.code == .missing || error.code == .damaged {
        continue
      }
    }
    return nil
  }

  /// What Sluice has published since the snapshot `past`, oldest first; commits of other programs
  /// have published nothing.
  ///
  /// - Returns: Nil where the changes of one of the commits are not on record.
  public func published(since past: Int64) throws -> [ChangeSet]? {
    var sets: [ChangeSet] = []
    for snapshot in metadata.ancestry() {
      if snapshot.id == past { return sets.reversed() }
      guard snapshot[summary: SummaryKey.commit] != nil else { continue }
      if let hash = snapshot[summary: SummaryKey.changes] {
        sets.append(try changeSet(hash))
      } else if snapshot[summary: SummaryKey.consumption] != nil
        && snapshot[summary: SummaryKey.rollback] == nil
      {
        return nil
      }
    }
    return nil
  }

  /// - Parameter hash: As a summary says it.
  private func changeSet(_ hash: String) throws -> ChangeSet {
    if hash == ChangeSet.full { return ChangeSet(isFull: true) }
    let key = LakeLayout.changes(id, hash: hash)
    let json = try StateFile.read(key, hash: hash, from: store)
    do {
      return try ChangeSet(json: json)
    } catch {
      throw LakeError(
        error.code, error.message, at: Place(file: store.uri(key), model: id.description),
        advice: error.advice)
    }
  }

  func consumption(_ hash: String) throws -> Consumption {
    let key = LakeLayout.consumption(id, hash: hash)
    let json = try StateFile.read(key, hash: hash, from: store)
    do {
      return try Consumption(json: json)
    } catch {
      throw LakeError(
        error.code, error.message, at: Place(file: store.uri(key), model: id.description),
        advice: error.advice)
    }
  }

  /// What was published after the snapshot `past`, oldest first.
  ///
  /// - Returns: nil when `past` is not an ancestor any more, or the history since is incomplete:
  ///   the reader rebuilds.
  public func changes(since past: Int64) throws -> [ChangeSet]? {
    var sets: [ChangeSet] = []
    for snapshot in metadata.ancestry() {
      if snapshot.id == past { return sets.reversed() }
      if let hash = snapshot[summary: SummaryKey.changes] {
        sets.append(try changeSet(hash))
      } else if snapshot.operation != .replace {
        return nil
      }
    }
    return nil
  }
}
