import Core
import Stores

/// Finds the files of one table that nobody can need any more.
///
/// A file goes when it is older than the grace period and than every run that lives (rule 19), and
/// no version of the table that was the newest within the grace period names it: whoever loaded one
/// can read it to the end. Metadata files stay longer (rule 20).
public struct Sweep: Sendable {
  /// Rule 20: numbers of versions must not come free while a paused writer may still use one.
  static let metadataSeconds: Int64 = 7 * 86_400
  /// Versions that are read at once.
  private static let readLimit = 8

  private let lake: Lake
  /// By the store's clock.
  private let now: Instant
  private let graceSeconds: Int64
  /// What is younger is spared.
  private let limit: Instant

  /// - Parameter now: The time by the store's clock, by which its objects' ages are told (rule 22).
  public init(lake: Lake, now: Instant, graceSeconds: Int64, oldestRun: Instant?) {
    self.lake = lake
    self.now = now
    self.graceSeconds = graceSeconds
    let grace = now.adding(seconds: -graceSeconds)
    limit = min(grace, oldestRun ?? grace)
  }

  /// Whether an object that nothing names is old enough to go. One without a time stays.
  public func isOld(_ object: Object) -> Bool { object.modified.map { $0 < limit } ?? false }

  /// The same for numbered versions, whose numbers must not come free too soon (rule 20).
  public func isOldMetadata(_ object: Object) -> Bool {
    let limit = min(limit, now.adding(seconds: -Sweep.metadataSeconds))
    return object.modified.map { $0 < limit } ?? false
  }

  /// The objects of a table's folders that may go. Works for tables that were never published.
  public func removable(of id: TableID) throws -> [Object] {
    // Listed first: what a commit names after that was not there, or is younger than the limit.
    var old: [Object] = []
    var versions: [Int: Object] = [:]
    var hasMetadata = false
    for prefix in [LakeLayout.table(id) + "/", LakeLayout.statePrefix(id)] {
      try lake.store.list(prefix: prefix) { page in
        for object in page {
          if let version = LakeLayout.metadataVersion(of: object.key, id) {
            versions[version] = object
            hasMetadata = true
          } else if object.key.hasSuffix(".metadata.json") {
            hasMetadata = true
          } else if isOld(object) {
            old.append(object)
          }
        }
      }
    }
    guard let table = try lake.catalog.load(id) else {
      // A table that this catalog does not know, and another does.
      return hasMetadata ? [] : old
    }
    let recent = try table.version == 0 ? logged(by: table) : recent(versions, before: table)
    let needed = try table.reachableKeys(also: recent)
    old.removeAll { needed.contains($0.key) }
    return old + removableMetadata(versions, of: table)
  }

  /// The versions before `table` that were the newest at some time within the grace period.
  private func recent(
    _ versions: [Int: Object], before table: Table
  ) throws -> [TableMetadata] {
    let doubtful = versions.keys.filter { $0 < table.version && !isPast($0, versions) }.sorted()
    return try concurrently(doubtful, limit: Sweep.readLimit) { [lake] version in
      let key = LakeLayout.metadata(table.id, version: version)
      guard let found = try lake.store.get(key) else { return nil }
      let metadata = try TableMetadata(parsing: found.bytes, file: lake.store.uri(key))
      // Nobody reads here what was written for the place from which the lake was moved.
      return metadata.location == table.location ? metadata : nil
    }.compactMap { try $0.get() }
  }

  /// The same where a server names the versions: those that the table's log tells of.
  private func logged(by table: Table) throws -> [TableMetadata] {
    let log = table.metadata.metadataLog
    let ends =
      log.dropFirst().map(\.timestampMilliseconds) + [
        table.metadata.lastUpdatedMilliseconds
      ]
    let doubtful = zip(log, ends).compactMap { entry, end in
      Instant(microseconds: end * 1000) < limit ? nil : entry.subject.string
    }
    return try concurrently(doubtful, limit: Sweep.readLimit) { address in
      // One that the server keeps elsewhere, or has let go of, nobody reads here.
      guard let (store, key) = try? table.locate(address), let found = try store.get(key) else {
        return nil
      }
      let metadata = try TableMetadata(parsing: found.bytes, file: address)
      return metadata.location == table.location ? metadata : nil
    }.compactMap { try $0.get() }
  }

  /// Whether a version has not been the newest within the grace period.
  private func isPast(_ version: Int, _ versions: [Int: Object]) -> Bool {
    guard let next = versions[version + 1] else {
      // Numbers have no gaps but those that an earlier sweep has made, of what was old then.
      return versions.keys.contains { $0 > version }
    }
    return next.modified.map { $0 < limit } ?? false
  }

  /// Metadata files that neither the table's log names nor a slow writer could fall back to.
  private func removableMetadata(_ versions: [Int: Object], of table: Table) -> [Object] {
    let logged = Set(table.metadata.metadataLog.compactMap(\.subject.string))
    return versions.filter { version, object in
      version < min(table.version, table.hintedVersion ?? table.version)
        && isOldMetadata(object) && isPast(version, versions)
        && !logged.contains(lake.store.uri(object.key))
    }.map(\.value)
  }
}
