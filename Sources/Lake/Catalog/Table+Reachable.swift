import Core
import Stores

extension Table {
  /// What this version and others of the same table need.
  ///
  /// Of those others only what is there: where an earlier sweep has taken a snapshot's files, by a
  /// clock or a run that this one does not know, nobody can read it any more.
  func reachableKeys(also versions: [TableMetadata]) throws -> Set<String> {
    var seen = Set<String>()
    var keys = try reachableKeys(&seen)
    var known = Set(metadata.snapshots.map(\.id))
    for other in versions {
      let past = Table(
        id: id, metadata: other, version: version, store: store, loaded: loaded,
        hintedVersion: hintedVersion, opener: opener, metadataLocation: metadataLocation)
      try past.reachState(
        other[property: SummaryKey.consumption],
        namesFiles: other[property: SummaryKey.deletions] ?? "0" != "0", &keys)
      keys.formUnion(past.statisticsKeys)
      for snapshot in other.snapshots where known.insert(snapshot.id).inserted {
        do {
          try past.reach(snapshot, &keys, &seen)
        } catch let error as LakeError where error.code == .missing {}
      }
    }
    return keys
  }

  /// The keys, below the lake's root, of every file that this version or one of its retained
  /// snapshots needs: metadata, manifest lists, manifests, data, and state files.
  ///
  /// What lies in the table's folders and is not among them is not read by anyone who reads the
  /// table; it may belong to a run that is still at work.
  public func reachableKeys() throws -> Set<String> {
    var seen = Set<String>()
    return try reachableKeys(&seen)
  }

  /// - Parameter seen: The manifests that were read already.
  private func reachableKeys(_ seen: inout Set<String>) throws -> Set<String> {
    var keys: Set<String> = [LakeLayout.versionHint(id)]
    // Versions before this one stay for those who read them, whether or not the log names them yet.
    for version in 1...max(1, version) { keys.insert(LakeLayout.metadata(id, version: version)) }
    // A server names versions as it likes.
    for path in [metadataLocation] + metadata.metadataLog.compactMap(\.subject.string) {
      if let key = try? Table.key(of: path, in: store) { keys.insert(key) }
    }
    try reachState(
      property(SummaryKey.consumption),
      namesFiles: property(SummaryKey.deletions) ?? "0" != "0", &keys)
    keys.formUnion(statisticsKeys)
    for snapshot in metadata.snapshots { try reach(snapshot, &keys, &seen) }
    return keys
  }

  /// Files of statistics that other programs have made of snapshots.
  private var statisticsKeys: [String] {
    metadata.unknown.filter { TableMetadata.statistics.contains($0.name) }.flatMap { list in
      (list.value.array ?? []).compactMap { item in
        item["statistics-path"]?.string.flatMap { try? Table.key(of: $0, in: store) }
      }
    }
  }

  private func reach(
    _ snapshot: Snapshot, _ keys: inout Set<String>, _ seen: inout Set<String>
  ) throws {
    keys.insert(try Table.key(of: snapshot.manifestList, in: store))
    try reachState(
      snapshot[summary: SummaryKey.consumption],
      namesFiles: snapshot[summary: SummaryKey.deletions] != nil, &keys)
    if let hash = snapshot[summary: SummaryKey.changes], hash != ChangeSet.full {
      keys.insert(LakeLayout.changes(id, hash: hash))
    }
    let types = metadata.fieldTypes()
    for manifest in try at(snapshot: snapshot.id).manifests()
    where seen.insert(manifest.path).inserted {
      keys.insert(try Table.key(of: manifest.path, in: store))
      for entry in try entries(manifest, types: types) where entry.isLive {
        keys.insert(try Table.key(of: entry.path, in: store))
      }
    }
  }

  /// A consumption file, and the files that it names.
  private func reachState(
    _ hash: String?, namesFiles: Bool, _ keys: inout Set<String>
  ) throws {
    guard let hash, keys.insert(LakeLayout.consumption(id, hash: hash)).inserted, namesFiles else {
      return
    }
    do {
      for file in try consumption(hash).deletions ?? [] {
        keys.insert(LakeLayout.statePrefix(id) + file.name)
      }
    } catch let error as LakeError where error.code == .missing || error.code == .damaged {
      // What it named, nobody can find any more; repairing the table does without.
    }
  }
}
