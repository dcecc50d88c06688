import Core
import Stores

/// One version of a table, as a catalog loaded it. Reading through it always shows that version.
public struct Table: Sendable {
  public let id: TableID
  public let metadata: TableMetadata
  /// The N of `v<N>.metadata.json`.
  public let version: Int
  let store: any Store
  /// When it was read, by the catalog's clock.
  let loaded: Instant
  /// What the version hint said then; nil when it was missing or unreadable.
  let hintedVersion: Int?

  init(
    id: TableID, metadata: TableMetadata, version: Int, store: any Store, loaded: Instant,
    hintedVersion: Int?
  ) {
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
    history().prefix { !($0.operation == .replace && $0[summary: SummaryKey.commit] != nil) }.count
  }

  public func property(_ key: String) -> String? { metadata[property: key] }

  /// The current snapshot, its parent, and so on: newest first.
  public func history() -> [Snapshot] { metadata.ancestry() }

  /// Rows in the current snapshot; nil where its writer did not say.
  public var rowCount: Int64? { currentSnapshot == nil ? 0 : currentSnapshot?.totalRecords }

  /// The same version seen at one of its snapshots.
  ///
  /// - Throws: `LakeError` `.invalid` when the table does not have it (any more).
  public func at(snapshot id: Int64) throws -> Table {
    guard metadata.snapshot(id) != nil else {
      throw LakeError(
        .invalid, "the table has no snapshot \(id)", at: Place(model: self.id.description),
        advice: "see 'sluice state show' for those it has")
    }
    var copy = metadata
    copy.currentSnapshotID = id
    return Table(
      id: self.id, metadata: copy, version: version, store: store, loaded: loaded,
      hintedVersion: hintedVersion)
  }

  /// The live files of the current snapshot that may hold rows of `filter`.
  public func dataFiles(_ filter: PartitionFilter = .all) throws -> [DataFile] {
    var files: [DataFile] = []
    try forEachDataFile(filter) { files.append($0) }
    return files
  }

  /// Visits the live files of the current snapshot that may hold rows of `filter`; manifests
  /// without such files are not read.
  ///
  /// - Throws: `LakeError` `.unsupported` when the table has delete files, which would have to be
  ///   applied.
  public func forEachDataFile(
    _ filter: PartitionFilter = .all, _ visit: (DataFile) throws -> Void
  ) throws {
    let types = metadata.fieldTypes()
    for manifest in try manifests() where manifest.liveFiles > 0 {
      guard manifest.content == 0 else {
        throw LakeError(
          .unsupported, "the table has delete files, which another program wrote",
          at: Place(file: manifest.path, model: id.description),
          advice: "compact the table with the program that wrote them")
      }
      let spec = try self.spec(manifest.specID)
      let matcher = filter.matcher(spec: spec, schema: schema, types: types)
      guard matcher.mayMatch(manifest.partitions) else { continue }
      for entry in try entries(manifest, types: types) where entry.isLive {
        if matcher.matches(entry.partition) { try visit(entry.dataFile(types: types)) }
      }
    }
  }

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
    guard let found = try store.get(Table.key(of: path, in: store)) else {
      throw LakeError(
        .missing, "the table's current version names a file that is not there",
        at: Place(file: path, model: id.description),
        advice: "restore the file from a copy, or roll the table back")
    }
    return found.bytes
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
      advice: "a lake that was moved is mended by 'sluice state relocate'")
  }
}
