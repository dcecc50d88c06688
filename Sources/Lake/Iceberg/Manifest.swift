import Core

/// Reads and writes manifests.
enum Manifest {
  /// - Parameter file: A line of the manifest list; entries inherit its numbers.
  /// - Returns: Every entry, deleted ones included.
  static func read(
    _ bytes: [UInt8], _ file: ManifestFile, spec: PartitionSpec, types: [Int: FieldType]
  ) throws -> [ManifestEntry] {
    let reader = try AvroReader(bytes, file: file.path)
    let partitionTypes = ManifestSchema.partitionTypes(spec, types)
    var entries: [ManifestEntry] = []
    try reader.forEach { value in
      let stored = value[2]
      guard let status = value[0].long.flatMap(ManifestEntry.Status.init),
        let path = stored[100].string, let rowCount = stored[103].long,
        let byteCount = stored[104].long
      else {
        throw LakeError(
          .damaged, "entry \(entries.count) of the manifest lacks status, path, rows or size",
          at: Place(file: file.path), advice: "restore the file from a copy")
      }
      let isAdded = status == .added
      entries.append(
        ManifestEntry(
          status: status, snapshotID: value[1].long ?? file.addedSnapshotID,
          sequenceNumber: value[3].long ?? (isAdded ? file.sequenceNumber : 0),
          fileSequenceNumber: value[4].long ?? (isAdded ? file.sequenceNumber : 0),
          content: stored[134].long ?? 0, path: path,
          format: stored[101].string ?? "PARQUET",
          partition: zip(spec.fields, partitionTypes).map { field, type in
            ManifestSchema.read(stored[102][field.id], type)
          },
          rowCount: rowCount, byteCount: byteCount, columnSizes: counts(stored[108], 117, 118),
          valueCounts: counts(stored[109], 119, 120),
          nullCounts: counts(stored[110], 121, 122), nanCounts: counts(stored[137], 138, 139),
          lowerBounds: bounds(stored[125], 126, 127), upperBounds: bounds(stored[128], 129, 130),
          keyMetadata: stored[131].bytes,
          splitOffsets: stored[132].array?.compactMap(\.long),
          equalityIDs: stored[135].array?.compactMap(\.long), sortOrderID: stored[140].long))
    }
    return entries
  }

  private static func counts(_ value: AvroValue, _ key: Int, _ item: Int)
    -> [ManifestEntry.Count]?
  {
    value.array?.compactMap { pair in
      guard let field = pair[key].long, let count = pair[item].long else { return nil }
      return .init(field: Int(truncatingIfNeeded: field), count: count)
    }
  }

  private static func bounds(_ value: AvroValue, _ key: Int, _ item: Int)
    -> [ManifestEntry.Bound]?
  {
    value.array?.compactMap { pair in
      guard let field = pair[key].long, let bytes = pair[item].bytes else { return nil }
      return .init(field: Int(truncatingIfNeeded: field), bytes: bytes)
    }
  }

  /// - Returns: The file's bytes, and its line for the manifest list as far as it is known here.
  static func write(
    _ entries: [ManifestEntry], path: String, snapshotID: Int64, sequenceNumber: Int64,
    schema: Schema, schemaID: Int, spec: PartitionSpec, types: [Int: FieldType], content: Int64 = 0
  ) -> (bytes: [UInt8], file: ManifestFile) {
    let partitionTypes = ManifestSchema.partitionTypes(spec, types).map { $0 ?? .string }
    var writer = AvroWriter(
      schema: ManifestSchema.manifest(spec: spec, types: partitionTypes),
      header: [
        ("schema", SchemaJSON.write(schema, id: schemaID).description),
        ("schema-id", "\(schemaID)"), ("partition-spec", spec.fieldsJSON.description),
        ("partition-spec-id", "\(spec.id)"), ("format-version", "2"),
        ("content", content == 0 ? "data" : "deletes"),
      ])
    var file = ManifestFile(
      path: path, byteCount: 0, specID: spec.id, content: content,
      sequenceNumber: sequenceNumber, minSequenceNumber: sequenceNumber,
      addedSnapshotID: snapshotID, partitions: [])
    var summaries = partitionTypes.map { PartitionSummaryBuilder(type: $0) }
    for entry in entries {
      file.count(entry)
      for (index, value) in entry.partition.enumerated() where index < summaries.count {
        summaries[index].add(value)
      }
      if entry.isLive {
        file.minSequenceNumber = min(
          file.minSequenceNumber, entry.sequenceNumber ?? sequenceNumber)
      }
      writer.append { encode(entry, partitionTypes, to: &$0) }
    }
    file.partitions = summaries.map(\.summary)
    let bytes = writer.finish()
    file.byteCount = Int64(bytes.count)
    return (bytes, file)
  }

  private static func encode(
    _ entry: ManifestEntry, _ types: [FieldType], to out: inout AvroEncoder
  ) {
    out.long(entry.status.rawValue)
    out.optional(entry.snapshotID) { $0.long($1) }
    out.optional(entry.sequenceNumber) { $0.long($1) }
    out.optional(entry.fileSequenceNumber) { $0.long($1) }
    out.long(entry.content)
    out.string(entry.path)
    out.string(entry.format)
    for (index, type) in types.enumerated() {
      let value = index < entry.partition.count ? entry.partition[index] : .null
      ManifestSchema.write(value, type, to: &out)
    }
    out.long(entry.rowCount)
    out.long(entry.byteCount)
    for counts in [entry.columnSizes, entry.valueCounts, entry.nullCounts, entry.nanCounts] {
      out.optional(counts) { out, items in
        out.array(items) { out, item in
          out.int(item.field)
          out.long(item.count)
        }
      }
    }
    for bounds in [entry.lowerBounds, entry.upperBounds] {
      out.optional(bounds) { out, items in
        out.array(items) { out, item in
          out.int(item.field)
          out.byteString(item.bytes)
        }
      }
    }
    out.optional(entry.keyMetadata) { $0.byteString($1) }
    out.optional(entry.splitOffsets) { $0.array($1) { $0.long($1) } }
    out.optional(entry.equalityIDs) { $0.array($1) { $0.long($1) } }
    out.optional(entry.sortOrderID) { $0.long($1) }
  }
}
