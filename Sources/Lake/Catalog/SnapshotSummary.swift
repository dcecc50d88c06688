import Core

/// The summary of a snapshot: what changed, what there is now, and Sluice's own keys.
enum SnapshotSummary {
  static func make(
    _ update: TableUpdate, commitID: String, manifests: [ManifestFile], removed: RemovedFiles,
    parent: Snapshot?
  ) -> [Snapshot.SummaryEntry] {
    let addedBytes = update.added.reduce(0) { $0 + $1.byteCount }
    let addedRows = update.added.reduce(0) { $0 + $1.rowCount }
    let operation: Operation =
      update.operation
      ?? (removed.fileCount == 0 ? .append : update.added.isEmpty ? .delete : .overwrite)
    var entries: [(String, String)] = [("operation", operation.rawValue)]
    entries.append((SummaryKey.commit, commitID))
    for (key, value) in update.summary.sorted(by: { $0.key < $1.key }) {
      entries.append((key, value))
    }
    func add(_ key: String, _ number: Int64) {
      if number != 0 { entries.append((key, "\(number)")) }
    }
    add("added-data-files", Int64(update.added.count))
    add("deleted-data-files", Int64(removed.fileCount))
    add("added-records", addedRows)
    add("deleted-records", removed.rowCount)
    add("added-files-size", addedBytes)
    add("removed-files-size", removed.byteCount)
    let changed = removed.partitions.union(update.added.map { PartitionTuple.key($0.partition) })
    add("changed-partition-count", Int64(changed.count))

    let data = manifests.filter { $0.content == 0 }
    let rows = data.reduce(0) { $0 + $1.addedRows + $1.existingRows }
    entries.append(("total-records", "\(rows)"))
    entries.append(("total-data-files", "\(data.reduce(0) { $0 + $1.liveFiles })"))
    // Manifest lists do not hold sizes; a parent that does not say leaves the total unknown.
    let before = parent == nil ? 0 : parent?[summary: "total-files-size"].flatMap { Int64($0) }
    if let before {
      entries.append(("total-files-size", "\(before + addedBytes - removed.byteCount)"))
    }
    let deletes = manifests.filter { $0.content != 0 }.reduce(0) { $0 + $1.liveFiles }
    entries.append(("total-delete-files", "\(deletes)"))
    entries.append(("total-position-deletes", "0"))
    entries.append(("total-equality-deletes", "0"))
    return entries.map { Snapshot.SummaryEntry($0.0, $0.1) }
  }
}
