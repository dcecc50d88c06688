import Core
import Stores

/// Makes the files of one commit attempt: manifests, manifest list, and the metadata in memory.
struct CommitBuilder {
  /// Manifests are merged once a snapshot has more than this many.
  static let manifestCountLimit = 100
  /// Manifests of at least half this size are not merged any more.
  static let manifestTargetByteCount: Int64 = 8 << 20

  let id: TableID
  let base: Table?
  /// The base as it was at the snapshot that the new one follows.
  private let parent: Table?
  let update: TableUpdate
  let store: any Store
  let snapshotID: Int64
  let commitID = Nonce.uuid()
  private(set) var metadata: TableMetadata
  /// The keys of what has been written; unreferenced when the attempt fails.
  private(set) var written: [String] = []
  private var manifestCount = 0
  /// Those of them that are not in the store yet: each waits for the disk, or an answer, and they
  /// need not do so one after the other.
  private var unwritten: [(key: String, bytes: [UInt8])] = []
  /// No more bytes than these wait.
  private static let mostUnwritten = 32 << 20

  /// - Throws: `LakeError` `.incompatibleSchema`, `.invalid`, `.conflict`.
  init(id: TableID, base: Table?, update: TableUpdate, store: any Store) throws {
    self.id = id
    self.base = base
    self.update = update
    self.store = store
    var snapshotID = Nonce.snapshotID()
    while base?.metadata.snapshot(snapshotID) != nil { snapshotID = Nonce.snapshotID() }
    self.snapshotID = snapshotID
    parent = try update.rollsBackTo.flatMap { try base?.at(snapshot: $0) } ?? base
    metadata = try MetadataEvolution.evolve(
      base?.metadata, to: update, id: id, location: store.uri(LakeLayout.table(id)))
  }

  /// The sequence number of the new snapshot.
  private var sequenceNumber: Int64 { (base?.metadata.lastSequenceNumber ?? 0) + 1 }

  /// Writes manifests and manifest list.
  mutating func writeFiles() throws {
    let types = metadata.fieldTypes()
    let spec = metadata.partitionSpec
    let partitionTypes = ManifestSchema.partitionTypes(spec, types).compactMap { $0 }
    try checkPartitions(spec, partitionTypes)

    var manifests: [ManifestFile] = []
    if !update.added.isEmpty {
      let order = metadata.defaultSortOrderID
      manifests.append(
        try write(
          update.added.map { file in
            ManifestEntry(
              adding: file, snapshotID: snapshotID, types: types, sortOrderID: order)
          }, spec: spec, types: types))
    }
    var removed = RemovedFiles()
    let remover = try FileRemover(
      update.removal, spec: spec, partitionTypes: partitionTypes, id: id)
    let present = (try parent?.manifests() ?? []).filter { $0.liveFiles > 0 }
    for manifest in present {
      manifests.append(try remove(remover, from: manifest, types: types, counting: &removed))
    }
    try remover.check(removed)
    manifests = try merge(manifests, types: types)

    let listPath = "snap-\(snapshotID)-1-\(commitID).avro"
    let listKey = LakeLayout.metadataPrefix(id) + listPath
    let list = ManifestList.write(
      manifests, snapshotID: snapshotID, parentID: parent?.metadata.currentSnapshotID,
      sequenceNumber: sequenceNumber)
    try put(listKey, list)
    try flush()
    addSnapshot(manifests: manifests, removed: removed, list: store.uri(listKey))
  }

  private func checkPartitions(_ spec: PartitionSpec, _ types: [FieldType]) throws {
    var paths = Set<String>()
    for file in update.added {
      guard file.partition.count == spec.fields.count,
        zip(file.partition, types).allSatisfy({ value, type in
          value.isNull || SingleValue.encode(value, as: type) != nil
        })
      else {
        throw LakeError(
          .invalid,
          "a staged file's partition \(file.partition) does not fit the table's columns "
            + "(\(spec.fields.map(\.name).joined(separator: ", ")))",
          at: Place(file: file.path, model: id.description))
      }
      guard paths.insert(file.path).inserted else {
        throw LakeError(
          .invalid, "a file is staged twice", at: Place(file: file.path, model: id.description))
      }
    }
  }

  /// The manifest without what the remover takes; itself when that is nothing.
  private mutating func remove(
    _ remover: FileRemover, from manifest: ManifestFile, types: [Int: FieldType],
    counting removed: inout RemovedFiles
  ) throws -> ManifestFile {
    guard let base, manifest.content == 0 || remover.isAll else { return manifest }
    let spec = try base.spec(manifest.specID)
    let matcher = try remover.matcher(for: spec, types: types)
    guard matcher.mayMatch(manifest.partitions) else { return manifest }
    var entries: [ManifestEntry] = []
    var count = 0
    for var entry in try base.entries(manifest, types: types) where entry.isLive {
      if matcher.removes(entry) {
        entry.status = .deleted
        entry.snapshotID = snapshotID
        removed.add(entry)
        count += 1
      } else {
        entry.status = .existing
      }
      entries.append(entry)
    }
    guard count > 0 else { return manifest }
    return try write(entries, spec: spec, types: types, content: manifest.content)
  }

  /// Bounds the number of manifests: small ones of the same spec become one, in their order.
  private mutating func merge(
    _ manifests: [ManifestFile], types: [Int: FieldType]
  ) throws -> [ManifestFile] {
    guard let base, manifests.count > CommitBuilder.manifestCountLimit else { return manifests }
    var kept: [ManifestFile] = []
    var bins: [(specID: Int, content: Int64, byteCount: Int64, members: [ManifestFile])] = []
    for manifest in manifests {
      // What this commit wrote stays apart: its entries say what the commit did.
      guard manifest.addedSnapshotID != snapshotID,
        manifest.byteCount < CommitBuilder.manifestTargetByteCount / 2
      else {
        kept.append(manifest)
        continue
      }
      let bin = bins.lastIndex { bin in
        bin.specID == manifest.specID && bin.content == manifest.content
      }
      if let bin,
        bins[bin].byteCount + manifest.byteCount <= CommitBuilder.manifestTargetByteCount
      {
        bins[bin].members.append(manifest)
        bins[bin].byteCount += manifest.byteCount
      } else {
        bins.append((manifest.specID, manifest.content, manifest.byteCount, [manifest]))
      }
    }
    for bin in bins {
      if bin.members.count == 1 {
        kept.append(bin.members[0])
        continue
      }
      var entries: [ManifestEntry] = []
      for member in bin.members {
        for var entry in try base.entries(member, types: types) where entry.isLive {
          entry.status = .existing
          entries.append(entry)
        }
      }
      kept.append(
        try write(entries, spec: base.spec(bin.specID), types: types, content: bin.content))
    }
    return kept
  }

  private mutating func write(
    _ entries: [ManifestEntry], spec: PartitionSpec, types: [Int: FieldType], content: Int64 = 0
  ) throws -> ManifestFile {
    let key = LakeLayout.metadataPrefix(id) + "\(commitID)-m\(manifestCount).avro"
    manifestCount += 1
    let made = Manifest.write(
      entries, path: store.uri(key), snapshotID: snapshotID, sequenceNumber: sequenceNumber,
      schema: metadata.schema, schemaID: metadata.currentSchemaID, spec: spec, types: types,
      content: content)
    try put(key, made.bytes)
    return made.file
  }

  private mutating func put(_ key: String, _ bytes: [UInt8]) throws {
    unwritten.append((key, bytes))
    if unwritten.reduce(0, { $0 + $1.bytes.count }) > CommitBuilder.mostUnwritten { try flush() }
  }

  private mutating func flush() throws {
    // Before the puts: one that fails half-way may still have written.
    written += unwritten.map(\.key)
    defer { unwritten = [] }
    try store.put(new: unwritten)
  }

  private mutating func addSnapshot(
    manifests: [ManifestFile], removed: RemovedFiles, list: String
  ) {
    let summary = SnapshotSummary.make(
      update, commitID: commitID, manifests: manifests, removed: removed,
      parent: parent?.currentSnapshot)
    let time = max(update.time.milliseconds, (base?.metadata.lastUpdatedMilliseconds ?? -1) + 1)
    metadata.lastUpdatedMilliseconds = time
    metadata.lastSequenceNumber = sequenceNumber
    metadata.snapshots.append(
      Snapshot(
        id: snapshotID, parentID: parent?.metadata.currentSnapshotID,
        sequenceNumber: sequenceNumber, timestampMilliseconds: time, manifestList: list,
        summary: summary, schemaID: metadata.currentSchemaID))
    metadata.currentSnapshotID = snapshotID
    metadata.snapshotLog.append(
      .init(timestampMilliseconds: time, subject: .integer(snapshotID)))
    metadata.expire(update.expired)
    guard let base else { return }
    metadata.metadataLog.append(
      .init(
        timestampMilliseconds: base.metadata.lastUpdatedMilliseconds,
        subject: .string(base.metadataLocation)))
    let limit = metadata[property: "write.metadata.previous-versions-max"].flatMap(Int.init) ?? 100
    metadata.metadataLog.removeFirst(max(0, metadata.metadataLog.count - max(1, limit)))
  }
}
