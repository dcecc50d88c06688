import Core

/// Which files of a table are to be written again as fewer, larger ones: bin packing, per partition.
public struct Compaction: Sendable, Hashable {
  /// Files of at least this size stay as they are.
  public var smallByteCount: Int64
  /// A group of files is at most this large together; its rewritten file is about that large.
  public var targetByteCount: Int64
  /// Smaller groups are left until there are more of them, unless they make a file that is not
  /// small any more: the same rows are then rewritten a few times only, not every time.
  public var minimumFileCount: Int

  public init(
    smallByteCount: Int64 = 128_000_000, targetByteCount: Int64 = 512_000_000,
    minimumFileCount: Int = 4
  ) {
    self.smallByteCount = smallByteCount
    self.targetByteCount = targetByteCount
    self.minimumFileCount = minimumFileCount
  }

  /// Groups of files of the same partition, each to become one file. Small ones first in a group,
  /// so that a few tiny files do not make a large one be written again. Files with deleted rows stay
  /// as they are: what says so stays, too.
  public func groups(of files: [DataFile]) -> [[DataFile]] {
    var groups: [[DataFile]] = []
    let small = files.filter { $0.byteCount < smallByteCount && $0.deletes.isEmpty }
    let byPartition = Dictionary(grouping: small) { file in
      Partition(specID: file.specID, values: PartitionTuple.key(file.partition))
    }
    for members in byPartition.values {
      var group: [DataFile] = []
      var byteCount: Int64 = 0
      func close() {
        let isWorthIt =
          group.count >= max(2, minimumFileCount)
          || (group.count >= 2 && byteCount >= smallByteCount)
        if isWorthIt { groups.append(group) }
        (group, byteCount) = ([], 0)
      }
      for file in members.sorted(by: { ($0.byteCount, $0.path) < ($1.byteCount, $1.path) }) {
        if byteCount + file.byteCount > targetByteCount { close() }
        group.append(file)
        byteCount += file.byteCount
      }
      close()
    }
    return groups.sorted { $0[0].path < $1[0].path }
  }

  private struct Partition: Hashable {
    var specID: Int
    var values: [[UInt8]?]
  }
}
