import Core
import Stores

extension Table {
  /// What this version and others of the same table need.
  func reachableKeys(also versions: [TableMetadata]) throws -> Set<String> {
    var union = metadata
    var hashes = Set<String>()
    for other in versions {
      let known = Set(union.snapshots.map(\.id))
      union.snapshots += other.snapshots.filter { !known.contains($0.id) }
      if let hash = other[property: SummaryKey.consumption] { hashes.insert(hash) }
    }
    let table = Table(
      id: id, metadata: union, version: version, store: store, loaded: loaded,
      hintedVersion: hintedVersion, opener: opener, metadataLocation: metadataLocation)
    return try table.reachableKeys().union(
      hashes.map { LakeLayout.consumption(id, hash: $0) })
  }

  /// The keys, below the lake's root, of every file that this version or one of its retained
  /// snapshots needs: metadata, manifest lists, manifests, data, and state files.
  ///
  /// What lies in the table's folders and is not among them is not read by anyone who reads the
  /// table; it may belong to a run that is still at work.
  public func reachableKeys() throws -> Set<String> {
    var keys: Set<String> = [LakeLayout.versionHint(id)]
    // Versions before this one stay for those who read them, whether or not the log names them yet.
    for version in 1...max(1, version) { keys.insert(LakeLayout.metadata(id, version: version)) }
    // A server names versions as it likes.
    for path in [metadataLocation] + metadata.metadataLog.compactMap(\.subject.string) {
      if let key = try? Table.key(of: path, in: store) { keys.insert(key) }
    }
    if let hash = property(SummaryKey.consumption) {
      keys.insert(LakeLayout.consumption(id, hash: hash))
    }
    let types = metadata.fieldTypes()
    var seen = Set<String>()
    for snapshot in metadata.snapshots {
      keys.insert(try Table.key(of: snapshot.manifestList, in: store))
      if let hash = snapshot[summary: SummaryKey.consumption] {
        keys.insert(LakeLayout.consumption(id, hash: hash))
      }
      if let hash = snapshot[summary: SummaryKey.changes] {
        keys.insert(LakeLayout.changes(id, hash: hash))
      }
      for manifest in try at(snapshot: snapshot.id).manifests()
      where seen.insert(manifest.path).inserted {
        keys.insert(try Table.key(of: manifest.path, in: store))
        for entry in try entries(manifest, types: types) where entry.isLive {
          keys.insert(try Table.key(of: entry.path, in: store))
        }
      }
    }
    return keys
  }
}
