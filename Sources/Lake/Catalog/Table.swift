import Core
import Stores

/// One version of a table, as a catalog loaded it. Reading through it always shows that version.
public struct Table: Sendable {
  public let id: TableID
  public let metadata: TableMetadata
  /// The N of `v<N>.metadata.json`; 0 where a server keeps the metadata.
  public let version: Int
  let store: any Store
  /// When it was read, by the catalog's clock.
  let loaded: Instant
  /// What the version hint said then; nil when it was missing or unreadable.
  let hintedVersion: Int?
  /// Opens what is outside the lake, for catalogs whose tables may be anywhere.
  let opener: StoreOpener?
  /// Where the metadata is: what the metadata log calls this version.
  let metadataLocation: String

  init(
    id: TableID, metadata: TableMetadata, version: Int, store: any Store, loaded: Instant,
    hintedVersion: Int?, opener: StoreOpener? = nil, metadataLocation: String? = nil
  ) {
    self.opener = opener
    self.metadataLocation =
      metadataLocation ?? store.uri(LakeLayout.metadata(id, version: version))
    self.id = id
    self.metadata = metadata
    self.version = version
    self.store = store
    self.loaded = loaded
    self.hintedVersion = hintedVersion
  }

  /// Absolute: a path or URI.
  public var location: String { metadata.location }
  public var schema: Schema { metadata.schema }
  public var partitionSpec: PartitionSpec { metadata.partitionSpec }
  public var currentSnapshot: Snapshot? { metadata.currentSnapshot }

  /// The columns that the table is partitioned by, in the order of `DataFile.partition`.
  public var partitionColumns: [PartitionColumn] {
    partitionSpec.fields.map { field in
      PartitionColumn(
        schema.fields.first { $0.id == field.sourceID }?.name ?? field.name, field.transform)
    }
  }

  /// The columns that the table's files are sorted by.
  public var sortColumns: [SortColumn] {
    metadata.sortOrder.fields.compactMap { field in
      guard field.transform == .identity,
        let column = schema.fields.first(where: { $0.id == field.sourceID })
      else { return nil }
      return SortColumn(column.name, isDescending: field.isDescending)
    }
  }

  /// The number of commits since the table was last maintained, or since its first that is kept.
  public var commitsSinceMaintenance: Int {
    history().prefix {
      !($0.operation == .replace && $0[summary: SummaryKey.commit] != nil
        && $0[summary: SummaryKey.rollback] == nil)
    }.count
  }

  public func property(_ key: String) -> String? { metadata[property: key] }

  /// The current snapshot, its parent, and so on: newest first.
  public func history() -> [Snapshot] { metadata.ancestry() }

  /// Rows in the current snapshot; nil where its writer did not say.
  public var rowCount: Int64? { currentSnapshot == nil ? 0 : currentSnapshot?.totalRecords }

  /// The same version seen at one of its snapshots, with the columns that the table had then.
  ///
  /// - Throws: `LakeError` `.invalid` when the table does not have it (any more).
  public func at(snapshot id: Int64) throws -> Table {
    guard let snapshot = metadata.snapshot(id) else {
      throw LakeError(
        .invalid, "the table has no snapshot \(id)", at: Place(model: self.id.description),
        advice: "it has \(snapshotsText)")
    }
    var copy = metadata
    copy.currentSnapshotID = id
    if let schema = snapshot.schemaID, copy.schemas.contains(where: { $0.id == schema }) {
      copy.currentSchemaID = schema
    }
    return Table(
      id: self.id, metadata: copy, version: version, store: store, loaded: loaded,
      hintedVersion: hintedVersion, opener: opener, metadataLocation: metadataLocation)
  }

  /// The table as it was at an instant: at the snapshot that was the current one then.
  ///
  /// - Throws: `LakeError` `.invalid` when no snapshot of that time is kept.
  public func at(_ instant: Instant) throws -> Table {
    let found = metadata.snapshotLog.last { $0.timestampMilliseconds <= instant.milliseconds }
    guard let id = found?.subject.integer else {
      throw LakeError(
        .invalid, "the table's history does not reach back to \(instant)",
        at: Place(model: id.description), advice: "it has \(snapshotsText)")
    }
    return try at(snapshot: id)
  }

  /// The snapshot of a branch or tag; nil where there is none of that name.
  public func snapshotID(named name: String) -> Int64? {
    if name == "main" { return metadata.currentSnapshotID }
    return metadata.otherReferences.first { $0.name == name }?.value["snapshot-id"]?.integer
  }

  private var snapshotsText: String {
    guard let first = metadata.snapshotLog.first, let last = metadata.snapshotLog.last else {
      return "no snapshots"
    }
    func text(_ entry: TableMetadata.LogEntry) -> String {
      "\(entry.subject) of \(Instant(microseconds: entry.timestampMilliseconds * 1000))"
    }
    return "snapshots from \(text(first)) to \(text(last))"
  }

  /// The live files of the current snapshot that may hold rows of `filter`, ready to be read by an
  /// engine.
  ///
  /// - Throws: `LakeError` `.missing`, `.damaged`; `.unsupported` for files that Sluice cannot read.
  public func dataFiles(_ filter: RowFilter = .all) throws -> [DataFile] {
    try scan(filter).files
  }

  /// The same, with what was passed over.
  public func scan(_ filter: RowFilter = .all) throws -> FileScan { try FileScan(self, filter) }

  func spec(_ id: Int) throws -> PartitionSpec {
    guard let spec = metadata.partitionSpecs.first(where: { $0.id == id }) else {
      throw LakeError(
        .damaged, "a manifest names the partition spec \(id), which the table does not have",
        at: Place(model: self.id.description))
    }
    return spec
  }

  /// The current snapshot's manifests.
  func manifests() throws -> [ManifestFile] {
    guard let snapshot = currentSnapshot else { return [] }
    return try ManifestList.read(read(snapshot.manifestList), path: snapshot.manifestList)
  }

  func entries(_ manifest: ManifestFile, types: [Int: FieldType]) throws -> [ManifestEntry] {
    try Manifest.read(
      read(manifest.path), manifest, spec: spec(manifest.specID), types: types)
  }

  private func read(_ path: String) throws -> [UInt8] {
    let (store, key) = try locate(path)
    guard let found = try store.get(key) else {
      throw LakeError(
        .missing, "the table's current version names a file that is not there",
        at: Place(file: path, model: id.description),
        advice: "restore the file from a copy, or roll the table back")
    }
    return found.bytes
  }

  /// Tables of others may lie anywhere; those that are to be written lie in the lake.
  ///
  /// - Throws: `LakeError` `.invalid` where the catalog keeps the table at another place.
  public func requireHome() throws {
    let home = store.uri(LakeLayout.table(id))
    guard location != home && location != "file://" + home else { return }
    throw LakeError(
      .invalid, "the catalog keeps the table at \(location), outside this lake",
      at: Place(model: id.description),
      advice: "such tables can be read, not written; where the lake was moved, "
        + "'sluice state relocate' tells the catalog")
  }

  /// Where a file of the table is: in the lake, or where the table's catalog allows tables to be.
  func locate(_ path: String) throws -> (store: any Store, key: String) {
    do {
      return (store, try Table.key(of: path, in: store))
    } catch {
      guard let opener else { throw error }
      return try opener.locate(path)
    }
  }

  /// The key of an absolute path or URI within the lake's store.
  static func key(of path: String, in store: any Store) throws -> String {
    let root = store.root.hasSuffix("/") ? store.root : store.root + "/"
    if path.hasPrefix(root) { return String(path.dropFirst(root.count)) }
    if path.hasPrefix("file://"), path.dropFirst(7).hasPrefix(root) {
      return String(path.dropFirst(7 + root.count))
    }
    throw LakeError(
      .invalid, "the table names a file outside this lake, whose root is \(store.root)",
      at: Place(file: path),
      advice: "move the lake back: its tables name their files by full address")
  }
}
