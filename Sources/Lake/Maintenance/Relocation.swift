import Core
import Stores

/// Makes the tables of a lake that was moved, or copied, readable where they are now (rule 24):
/// Iceberg names every file by its full address.
///
/// All that names addresses is written again under names that follow from the content: manifests
/// and manifest lists of every snapshot that is kept, then one version of the metadata. That becomes
/// the table's by the same conditional put as any commit, or in a REST catalog by being registered
/// there. Whoever is killed on the way, or does it twice, leaves at most files that are found again
/// the next time. The old place is only known by name and is not touched.
public struct Relocation: Sendable {
  /// What has become of a table.
  public enum Outcome: Sendable, Hashable {
    case isAtHome
    /// The lake's root before; nil where an earlier try had come so far that nothing tells.
    case moved(from: String?)
    /// A REST catalog does not have it.
    case isUnknown
  }

  private let store: any Store
  private let clock: Clock
  private let catalog: StorageCatalog
  private let rest: RestCatalog?

  public init(_ lake: Lake) {
    store = lake.store
    clock = lake.clock
    catalog = StorageCatalog(store: lake.store, clock: lake.clock)
    rest = lake.catalog as? RestCatalog
  }

  /// The tables that the lake holds, in whichever place they were made.
  public func tables() throws -> [TableID] {
    var found = Set<TableID>()
    try store.list(prefix: LakeLayout.tablesPrefix) { page in
      for object in page where object.key.hasSuffix(".metadata.json") {
        let parts = object.key.split(separator: "/")
        if parts.count == 5 { found.insert(TableID(String(parts[1]), String(parts[2]))) }
      }
    }
    return found.sorted()
  }

  /// - Throws: `LakeError` `.invalid` where the table names files outside the lake that it was made
  ///   in, `.missing` where not all of the lake is here; what the catalog says.
  public func relocate(_ id: TableID) throws -> Outcome {
    if let rest { return try relocate(id, in: rest) }
    while true {
      guard let table = try catalog.loadAnywhere(id), !catalog.isAtHome(table) else {
        return .isAtHome
      }
      let rewriter = try Rewriter(store: store, table: table)
      let metadata = try rewriter.metadata(time: clock.now())
      let key = LakeLayout.metadata(id, version: table.version + 1)
      do {
        _ = try store.put(key, .bytes(Array(metadata.json.description.utf8)), .absent)
      } catch let error as StoreError where error.code == .conditionFailed {
        // Someone else did the same, or it was this very put whose answer was lost.
        continue
      }
      if let moved = try catalog.load(id) { try catalog.repair(moved) }
      return .moved(from: rewriter.before)
    }
  }

  // MARK: - In a REST catalog

  private func relocate(_ id: TableID, in rest: RestCatalog) throws -> Outcome {
    let known: Table?
    do {
      known = try rest.load(id)
    } catch let error as LakeError where error.code == .refused {
      throw LakeError(
        error.code, error.message, at: error.place,
        advice:
          "where the catalog reads metadata in the lake, keep the old place until this is done")
    }
    guard let table = known else {
      guard let location = try written(for: id) else { return .isUnknown }
      try rest.register(id, location)
      return .moved(from: nil)
    }
    guard !catalog.isAtHome(table) else { return .isAtHome }
    let rewriter = try Rewriter(store: store, table: table)
    // Always the same, so that it is found again.
    let metadata = try rewriter.metadata(time: Instant(seconds: 0))
    let bytes = Array(metadata.json.description.utf8)
    let key = LakeLayout.metadataPrefix(id) + RestMetadataName(after: table, bytes).text
    do {
      _ = try store.put(key, .bytes(bytes), .absent)
    } catch let error as StoreError where error.code == .conditionFailed {
      // An earlier try got so far.
    }
    try rest.move(id, from: table, to: store.uri(key))
    return .moved(from: rewriter.before)
  }

  /// The metadata that an earlier try wrote for a table which the catalog has dropped and not taken
  /// again. Of other metadata files nobody could say which was the table's newest.
  private func written(for id: TableID) throws -> String? {
    var found: (number: Int, location: String)?
    for object in try store.objects(below: LakeLayout.metadataPrefix(id)) {
      let name = object.key.dropFirst(LakeLayout.metadataPrefix(id).count)
      guard let named = RestMetadataName(parsing: String(name)),
        named.number > found?.number ?? -1, let bytes = try store.get(object.key)?.bytes,
        named.isName(of: bytes)
      else { continue }
      found = (named.number, store.uri(object.key))
    }
    return found?.location
  }

  /// One table's files with the addresses that hold now.
  private struct Rewriter {
    let store: any Store
    let table: Table
    /// The lake's root in the table's metadata.
    let before: String
    private let types: [Int: FieldType]

    init(store: any Store, table: Table) throws {
      self.store = store
      self.table = table
      types = table.metadata.fieldTypes()
      let suffix = "/" + LakeLayout.table(table.id)
      guard table.location.hasSuffix(suffix) else {
        throw LakeError(
          .invalid, "the table was made at \(table.location), which is no place in a lake",
          at: Place(model: table.id.description))
      }
      before = Rewriter.plain(String(table.location.dropLast(suffix.count)))
    }

    private static func plain(_ address: String) -> String {
      address.hasPrefix("file://") ? String(address.dropFirst(7)) : address
    }

    /// The key of a file, by the address it had.
    private func key(_ address: String) throws -> String {
      let plain = Rewriter.plain(address)
      guard plain.hasPrefix(before + "/") else {
        throw LakeError(
          .invalid, "the table names a file outside the lake that it was made in, \(before)",
          at: Place(file: address, model: table.id.description))
      }
      return String(plain.dropFirst(before.utf8.count + 1))
    }

    private func moved(_ address: String) throws -> String { store.uri(try key(address)) }

    func metadata(time: Instant) throws -> TableMetadata {
      var metadata = table.metadata
      metadata.location = store.uri(LakeLayout.table(table.id))
      var manifests: [String: ManifestFile] = [:]
      for index in metadata.snapshots.indices {
        metadata.snapshots[index].manifestList = try list(
          metadata.snapshots[index], &manifests)
      }
      for index in metadata.properties.indices {
        metadata.properties[index].value = replaced(metadata.properties[index].value)
      }
      metadata.unknown = metadata.unknown.map { .init($0.name, replaced($0.value)) }
      // Earlier versions are here as well, though they tell of the old place.
      for index in metadata.metadataLog.indices {
        metadata.metadataLog[index].subject = replaced(metadata.metadataLog[index].subject)
      }
      metadata.metadataLog.append(
        .init(
          timestampMilliseconds: metadata.lastUpdatedMilliseconds,
          subject: .string(replaced(table.metadataLocation))))
      metadata.lastUpdatedMilliseconds = max(
        time.milliseconds, metadata.lastUpdatedMilliseconds + 1)
      return metadata
    }

    /// - Returns: The address of the rewritten manifest list.
    private func list(
      _ snapshot: Snapshot, _ manifests: inout [String: ManifestFile]
    ) throws -> String {
      let old = try read(snapshot.manifestList)
      var files = try ManifestList.read(old, path: snapshot.manifestList)
      for index in files.indices {
        let path = files[index].path
        if manifests[path] == nil { manifests[path] = try manifest(files[index]) }
        // All but these is the list's own to say.
        files[index].path = manifests[path]!.path
        files[index].byteCount = manifests[path]!.byteCount
      }
      return try write(
        ManifestList.write(
          files, snapshotID: snapshot.id, parentID: snapshot.parentID,
          sequenceNumber: snapshot.sequenceNumber), as: "snap-\(snapshot.id)-")
    }

    private func manifest(_ file: ManifestFile) throws -> ManifestFile {
      guard file.content == 0 else {
        throw LakeError(
          .unsupported, "the table has deletes of another program, which name files by address",
          at: Place(file: file.path, model: table.id.description),
          advice: "rebuild it at the old place with --full-refresh, and move the lake then")
      }
      let spec = try table.spec(file.specID)
      var entries = try Manifest.read(try read(file.path), file, spec: spec, types: types)
      for index in entries.indices { entries[index].path = try moved(entries[index].path) }
      let made = Manifest.write(
        entries, path: "", snapshotID: file.addedSnapshotID, sequenceNumber: file.sequenceNumber,
        schema: table.schema, schemaID: table.metadata.currentSchemaID, spec: spec, types: types)
      var copy = file
      copy.path = try write(made.bytes, as: "")
      copy.byteCount = Int64(made.bytes.count)
      return copy
    }

    private func read(_ address: String) throws -> [UInt8] {
      let key = try key(address)
      guard let found = try store.get(key) else {
        throw LakeError(
          .missing, "the table names a file that was not moved with it",
          at: Place(file: store.uri(key), model: table.id.description),
          advice: "copy the rest of the lake, then do this again")
      }
      return found.bytes
    }

    private func write(_ bytes: [UInt8], as stem: String) throws -> String {
      let key = LakeLayout.metadataPrefix(table.id) + stem + Packing.sha256(bytes) + ".avro"
      do {
        _ = try store.put(key, .bytes(bytes), .absent)
      } catch let error as StoreError where error.code == .conditionFailed {
        // The name says what it holds: an earlier try got so far.
      }
      return store.uri(key)
    }

    private func replaced(_ text: String) -> String { (try? moved(text)) ?? text }

    private func replaced(_ json: JSON) -> JSON {
      switch json {
      case .string(let text): .string(replaced(text))
      case .array(let items): .array(items.map(replaced))
      case .object(let members): .object(members.map { .init($0.name, replaced($0.value)) })
      default: json
      }
    }
  }
}
