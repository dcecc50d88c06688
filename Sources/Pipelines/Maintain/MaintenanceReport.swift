import Core
import Lake
import Stores

/// What maintenance did.
public struct MaintenanceReport: Sendable {
  public var tables: [TableMaintenance] = []
  /// What was removed outside the tables: records and claims of killed runs, replaced exports, old
  /// checkpoints.
  public var removedFiles = 0
  public var removedBytes: Int64 = 0

  mutating func count(_ removed: [Object]) {
    removedFiles += removed.count
    removedBytes += removed.reduce(0) { $0 + $1.byteCount }
  }

  public var isFailed: Bool { tables.contains { $0.failure != nil } }
}

/// What maintenance did to one table.
public struct TableMaintenance: Sendable {
  public var pipeline: String
  public var model: String
  /// Files that were written again, and how many came of them.
  public var compactedFiles = 0
  public var writtenFiles = 0
  public var compactedBytes: Int64 = 0
  public var expiredSnapshots = 0
  /// Files that nobody could need any more.
  public var removedFiles = 0
  public var removedBytes: Int64 = 0
  public var failure: (any AnyFailure)?

  /// Does the work on one table, and deletes what that finds removable. Never throws but when
  /// interrupted; what goes wrong is in the result.
  static func of(
    _ id: TableID, in store: any Store, _ work: (inout TableMaintenance) throws -> [Object]
  ) throws -> TableMaintenance {
    var result = TableMaintenance(pipeline: id.pipeline, model: id.model)
    do {
      let removable = try work(&result)
      try store.delete(removable.map(\.key))
      result.removedFiles = removable.count
      result.removedBytes = removable.reduce(0) { $0 + $1.byteCount }
    } catch let error as Cancelled {
      throw error
    } catch {
      result.failure = Pipelines.failure(error, model: id.description)
    }
    return result
  }

  /// `pageviews.top_pages: 12 files into 1, 40 snapshots expired, 60 files removed`.
  public var sentence: String {
    var parts: [String] = []
    if writtenFiles > 0 { parts.append("\(compactedFiles) files into \(writtenFiles)") }
    if expiredSnapshots > 0 { parts.append("\(expiredSnapshots) snapshots expired") }
    if removedFiles > 0 { parts.append("\(removedFiles) files removed") }
    if let failure { parts.append("failed: \(failure.message)") }
    return "\(pipeline).\(model): \(parts.isEmpty ? "in shape" : parts.joined(separator: ", "))"
  }

  public var isUnchanged: Bool {
    writtenFiles == 0 && expiredSnapshots == 0 && removedFiles == 0 && failure == nil
  }
}

extension MaintenanceReport {
  /// One object a line of `maintain --json`: tables, then everything else.
  public var jsonLines: [JSON] {
    tables.map(\.json) + [
      [
        "type": "lake", "removed_files": .integer(Int64(removedFiles)),
        "removed_bytes": .integer(removedBytes), "failed": .boolean(isFailed),
      ]
    ]
  }
}

extension TableMaintenance {
  public var json: JSON {
    [
      "type": "table", "pipeline": .string(pipeline), "model": .string(model),
      "compacted_files": .integer(Int64(compactedFiles)),
      "written_files": .integer(Int64(writtenFiles)),
      "compacted_bytes": .integer(compactedBytes),
      "expired_snapshots": .integer(Int64(expiredSnapshots)),
      "removed_files": .integer(Int64(removedFiles)), "removed_bytes": .integer(removedBytes),
      "error": failure?.json ?? .null,
    ]
  }
}
