import Core

/// One line of a manifest list: a manifest, what it counts, and which partitions it touches.
struct ManifestFile: Sendable {
  var path: String
  var byteCount: Int64
  var specID: Int
  /// 0 data, 1 deletes.
  var content: Int64
  var sequenceNumber: Int64
  var minSequenceNumber: Int64
  var addedSnapshotID: Int64
  var addedFiles: Int64 = 0
  var existingFiles: Int64 = 0
  var deletedFiles: Int64 = 0
  var addedRows: Int64 = 0
  var existingRows: Int64 = 0
  var deletedRows: Int64 = 0
  /// One per partition field; nil where the writer gave none.
  var partitions: [PartitionSummary]?
  var keyMetadata: [UInt8]?

  var liveFiles: Int64 { addedFiles + existingFiles }

  mutating func count(_ entry: ManifestEntry) {
    switch entry.status {
    case .added:
      addedFiles += 1
      addedRows += entry.rowCount
    case .existing:
      existingFiles += 1
      existingRows += entry.rowCount
    case .deleted:
      deletedFiles += 1
      deletedRows += entry.rowCount
    }
  }
}

/// The values of one partition field within one manifest.
struct PartitionSummary: Sendable, Hashable {
  var containsNull: Bool
  var containsNaN: Bool?
  var lower: [UInt8]?
  var upper: [UInt8]?
}

/// Sums up the values of one partition field.
struct PartitionSummaryBuilder {
  let type: FieldType
  private var containsNull = false
  private var containsNaN = false
  private var lower: Value?
  private var upper: Value?

  init(type: FieldType) { self.type = type }

  mutating func add(_ value: Value) {
    switch value {
    case .null: containsNull = true
    case .float(let number) where number.isNaN: containsNaN = true
    case .double(let number) where number.isNaN: containsNaN = true
    default:
      if lower.map({ ValueOrder.isLess(value, $0) ?? false }) ?? true { lower = value }
      if upper.map({ ValueOrder.isLess($0, value) ?? false }) ?? true { upper = value }
    }
  }

  var summary: PartitionSummary {
    PartitionSummary(
      containsNull: containsNull, containsNaN: containsNaN,
      lower: lower.flatMap { SingleValue.encode($0, as: type) },
      upper: upper.flatMap { SingleValue.encode($0, as: type) })
  }
}

/// Reads and writes manifest lists.
enum ManifestList {
  static func read(_ bytes: [UInt8], path: String) throws -> [ManifestFile] {
    var files: [ManifestFile] = []
    try AvroReader(bytes, file: path).forEach { value in
      guard let manifest = value[500].string, let byteCount = value[501].long,
        let spec = value[502].long, let snapshot = value[503].long
      else {
        throw LakeError(
          .damaged,
          "entry \(files.count) of the manifest list lacks path, length, spec or snapshot",
          at: Place(file: path), advice: "restore the file from a copy")
      }
      files.append(
        ManifestFile(
          path: manifest, byteCount: byteCount, specID: Int(truncatingIfNeeded: spec),
          content: value[517].long ?? 0, sequenceNumber: value[515].long ?? 0,
          minSequenceNumber: value[516].long ?? 0, addedSnapshotID: snapshot,
          // A count that is not known is taken to be more than zero.
          addedFiles: value[504].long ?? 1, existingFiles: value[505].long ?? 1,
          deletedFiles: value[506].long ?? 1, addedRows: value[512].long ?? 0,
          existingRows: value[513].long ?? 0, deletedRows: value[514].long ?? 0,
          partitions: value[507].array?.map { item in
            PartitionSummary(
              containsNull: item[509].boolean ?? true, containsNaN: item[518].boolean,
              lower: item[510].bytes, upper: item[511].bytes)
          },
          keyMetadata: value[519].bytes))
    }
    return files
  }

  static func write(
    _ files: [ManifestFile], snapshotID: Int64, parentID: Int64?, sequenceNumber: Int64
  ) -> [UInt8] {
    var writer = AvroWriter(
      schema: ManifestSchema.manifestList,
      header: [
        ("snapshot-id", "\(snapshotID)"),
        ("parent-snapshot-id", parentID.map { "\($0)" } ?? "null"),
        ("sequence-number", "\(sequenceNumber)"), ("format-version", "2"),
      ])
    for file in files {
      writer.append { out in
        out.string(file.path)
        out.long(file.byteCount)
        out.int(file.specID)
        out.long(file.content)
        out.long(file.sequenceNumber)
        out.long(file.minSequenceNumber)
        out.long(file.addedSnapshotID)
        out.long(file.addedFiles)
        out.long(file.existingFiles)
        out.long(file.deletedFiles)
        out.long(file.addedRows)
        out.long(file.existingRows)
        out.long(file.deletedRows)
        out.optional(file.partitions) { out, summaries in
          out.array(summaries) { out, summary in
            out.boolean(summary.containsNull)
            out.optional(summary.containsNaN) { $0.boolean($1) }
            out.optional(summary.lower) { $0.byteString($1) }
            out.optional(summary.upper) { $0.byteString($1) }
          }
        }
        out.optional(file.keyMetadata) { $0.byteString($1) }
      }
    }
    return writer.finish()
  }
}
