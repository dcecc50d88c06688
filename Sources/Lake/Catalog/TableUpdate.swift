import Core

/// What a commit does to a table; a table that is not there yet is created.
public struct TableUpdate: Sendable {
  /// Which of the present files go.
  public enum Removal: Sendable {
    case none
    case all
    /// The files of exactly these partition tuples, in the order of `partitionBy`; shorter tuples
    /// stand for all that begin so.
    case partitions([[Value]])
    /// These addresses; each must be live, else the commit is a conflict.
    case files([String])
  }

  /// Nil: what the files say (`append`, `overwrite`, `delete`).
  public var operation: Operation?
  /// The columns that the table shall have. IDs other than 0 are those that the added files were
  /// written with (from `Table.schema(for:over:…)`) and must be what the table gives them.
  public var schema: Schema
  public var partitionBy: [PartitionColumn]
  public var sort: [SortColumn]
  public var added: [DataFile]
  public var removal: Removal
  /// Snapshots that are not kept any longer.
  public var expired: Set<Int64> = []
  /// The snapshot, of those that led to the current one, whose rows the new one starts from; those
  /// since are undone. Nil is the current one.
  public var rollsBackTo: Int64?
  /// Further keys of the snapshot's summary.
  public var summary: [String: String]
  /// Table properties to set.
  public var properties: [String: String]
  public var time: Instant

  public init(
    operation: Operation? = nil, schema: Schema, partitionBy: [PartitionColumn] = [],
    sort: [SortColumn] = [], added: [DataFile] = [], removal: Removal = .none,
    summary: [String: String] = [:], properties: [String: String] = [:], time: Instant
  ) {
    self.operation = operation
    self.schema = schema
    self.partitionBy = partitionBy
    self.sort = sort
    self.added = added
    self.removal = removal
    self.summary = summary
    self.properties = properties
    self.time = time
  }

  /// Takes a table back to one of its snapshots, with the columns it had then. The undone snapshots
  /// are no ancestors of the new one any more, so that readers of changes rebuild (rule 15).
  ///
  /// - Throws: `LakeError` `.invalid` where the snapshot did not lead to the current one.
  public static func rollback(
    of table: Table, to snapshot: Int64, time: Instant
  ) throws -> TableUpdate {
    let past = try table.at(snapshot: snapshot)
    guard table.history().contains(where: { $0.id == snapshot }) else {
      throw LakeError(
        .invalid, "snapshot \(snapshot) did not lead to the current one",
        at: Place(model: table.id.description),
        advice: "it was undone itself, or lies on a branch; roll back to what is in between")
    }
    var update = TableUpdate(
      operation: .replace, schema: past.schema, partitionBy: table.partitionColumns,
      sort: table.sortColumns, summary: [SummaryKey.rollback: "\(snapshot)"], time: time)
    update.rollsBackTo = snapshot
    return update
  }

  /// A commit that changes no row: what it publishes is in its state files.
  public static func keepingRows(of table: Table, time: Instant) -> TableUpdate {
    TableUpdate(
      schema: table.schema, partitionBy: table.partitionColumns, sort: table.sortColumns, time: time
    )
  }

  var replacesAllRows: Bool { if case .all = removal { true } else { false } }
}

/// Keys that Sluice writes into snapshot summaries and table properties.
public enum SummaryKey {
  /// A UUID per attempt: how a writer knows its own commit, and Sluice its own snapshots.
  public static let commit = "sluice.commit"
  /// The hash of the consumption file; in the summary and as a table property.
  public static let consumption = "sluice.consumption"
  /// The hash of the change file.
  public static let changes = "sluice.changes"
  /// How many deletion files the consumption file names; left out where none. In the summary and,
  /// perhaps 0, as a table property.
  public static let deletions = "sluice.deletions"
  /// The snapshot that a table was taken back to.
  public static let rollback = "sluice.rollback-to"
  /// Of a table that follows an index: the version of the index's manifest whose rows it has. In the
  /// summary and as a table property.
  public static let index = "sluice.index-manifest"
  /// The run that published.
  public static let run = "sluice.run"
}

extension Table {
  /// The schema, with IDs, that `columns` will have in a table once committed: what an engine
  /// writes files with.
  ///
  /// - Parameter replacesAllRows: The commit will remove all present files, so that columns may
  ///   change their types freely.
  /// - Throws: `LakeError` `.incompatibleSchema`.
  public static func schema(
    for columns: Schema, over base: Table?, replacesAllRows: Bool
  ) throws -> Schema {
    var lastColumnID = base?.metadata.lastColumnID ?? 0
    do {
      return try SchemaEvolution.evolve(
        base?.schema ?? Schema([]), to: columns, lastColumnID: &lastColumnID,
        replacesAllRows: replacesAllRows)
    } catch {
      throw LakeError(
        error.code, error.message, at: Place(model: base?.id.description), advice: error.advice)
    }
  }
}
