import Core

/// Which snapshots of a table are not kept any longer.
public struct Expiry: Sendable, Hashable {
  /// How long a snapshot stays after another has taken its place.
  public var ageSeconds: Int64
  /// So many of the newest stay, however old.
  public var minimumCount: Int
  /// How long the history is kept for consumers that have not read it (rule 8).
  public var maximumLagSeconds: Int64

  public init(
    ageSeconds: Int64 = 5 * 86_400, minimumCount: Int = 10, maximumLagSeconds: Int64 = 7 * 86_400
  ) {
    self.ageSeconds = ageSeconds
    self.minimumCount = minimumCount
    self.maximumLagSeconds = maximumLagSeconds
  }

  /// - Parameters:
  ///   - positions: The snapshots up to which others have read the table.
  /// - Returns: The IDs of the snapshots that may go. Never the current one, one that a branch or
  ///   tag names, or one that some consumer still has to read.
  public func expired(
    of table: Table, positions: Set<Int64> = [], now: Instant
  ) -> Set<Int64> {
    let metadata = table.metadata
    let line = metadata.ancestry()
    var kept = Set(line.prefix(max(1, minimumCount)).map(\.id))
    // A snapshot stops being the table's when the next one comes, not when it is made.
    var replaced: [Int64: Instant] = [:]
    for (newer, older) in zip(line, line.dropFirst()) { replaced[older.id] = newer.committed }
    let limit = now.adding(seconds: -ageSeconds)
    for snapshot in metadata.snapshots where (replaced[snapshot.id] ?? snapshot.committed) > limit {
      kept.insert(snapshot.id)
    }
    let lag = now.adding(seconds: -maximumLagSeconds)
    if let oldest = line.lastIndex(where: {
      positions.contains($0.id) && (replaced[$0.id] ?? now) > lag
    }) {
      kept.formUnion(line[...oldest].map(\.id))
    }
    // What lies between kept ones stays, so that each can still be followed back.
    if let last = line.lastIndex(where: { kept.contains($0.id) }) {
      kept.formUnion(line[...last].map(\.id))
    }
    // Without what lies between: an old tag would hold all that came after it.
    kept.formUnion(metadata.otherReferences.compactMap { $0.value["snapshot-id"]?.integer })
    return Set(metadata.snapshots.map(\.id)).subtracting(kept)
  }
}

extension TableMetadata {
  /// Members that name files of statistics, by snapshot.
  static let statistics: Set<String> = ["statistics", "partition-statistics"]

  /// Drops snapshots, and the history that reached back to them.
  mutating func expire(_ expired: Set<Int64>) {
    guard !expired.isEmpty else { return }
    let referenced = Set(otherReferences.compactMap { $0.value["snapshot-id"]?.integer })
    let gone = expired.subtracting(referenced).subtracting([currentSnapshotID ?? -1])
    snapshots.removeAll { gone.contains($0.id) }
    for index in unknown.indices where TableMetadata.statistics.contains(unknown[index].name) {
      unknown[index].value = .array(
        (unknown[index].value.array ?? []).filter { item in
          item["snapshot-id"]?.integer.map { !gone.contains($0) } ?? true
        })
    }
    // As in Iceberg's own library: a log with holes would tell what was current when wrongly.
    if let last = snapshotLog.lastIndex(where: { entry in
      entry.subject.integer.map { gone.contains($0) } ?? false
    }) {
      snapshotLog.removeFirst(last + 1)
    }
  }
}
