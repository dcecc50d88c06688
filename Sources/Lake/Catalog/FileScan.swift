import Core
import Stores

/// The live files of a snapshot that may hold rows of a filter, found by manifests alone; how much
/// was passed over is counted.
public struct FileScan: Sendable {
  public private(set) var files: [DataFile] = []
  /// Manifests of data files that were not read, because no file in them can matter.
  public private(set) var prunedManifestCount = 0
  /// Files of manifests that were read, passed over by their partition or their statistics.
  public private(set) var prunedFileCount = 0

  init(_ table: Table, _ filter: RowFilter) throws {
    let types = table.metadata.fieldTypes()
    let manifests = try table.manifests().filter { $0.liveFiles > 0 }
    let deletes = try DeleteIndex(table, manifests.filter { $0.content != 0 }, types: types)
    var matchers: [Int: FileMatcher] = [:]
    for manifest in manifests where manifest.content == 0 {
      let spec = try table.spec(manifest.specID)
      let matcher =
        matchers[spec.id]
        ?? FileMatcher(filter, spec: spec, schema: table.schema, types: types)
      matchers[spec.id] = matcher
      guard matcher.mayMatch(manifest.partitions) else {
        prunedManifestCount += 1
        continue
      }
      for entry in try table.entries(manifest, types: types) where entry.isLive {
        guard matcher.mayMatch(entry) else {
          prunedFileCount += 1
          continue
        }
        guard entry.format.uppercased() == "PARQUET" else {
          throw LakeError(
            .unsupported, "the table has a data file in the format \(entry.format)",
            at: Place(file: entry.path, model: table.id.description),
            advice: "Sluice reads Parquet; rewrite the table with the program that wrote it")
        }
        var file = entry.dataFile(types: types)
        file.specID = spec.id
        file.deletes = deletes.deletes(for: entry, spec: spec)
        files.append(file)
      }
    }
    try FileLayouts(table).fill(&files)
  }
}

/// The delete files of a snapshot, by which data files they concern.
private struct DeleteIndex {
  private struct Delete {
    var entry: ManifestEntry
    var specID: Int
    var isUnpartitioned: Bool
    var layout: Schema
    /// The columns compared, of equality deletes.
    var columns: [Field] = []
  }

  private var deletes: [Delete] = []

  /// Field IDs of a position delete file's columns and of its bounds.
  private static let pathID = 2_147_483_546
  private static let positionID = 2_147_483_545

  init(_ table: Table, _ manifests: [ManifestFile], types: [Int: FieldType]) throws {
    guard !manifests.isEmpty else { return }
    let layouts = FileLayouts(table)
    let names = Dictionary(
      table.metadata.schemas.flatMap(\.schema.fields).map { ($0.id, $0.name) },
      uniquingKeysWith: { $1 })
    for manifest in manifests {
      let spec = try table.spec(manifest.specID)
      for entry in try table.entries(manifest, types: types) where entry.isLive {
        let place = Place(file: entry.path, model: table.id.description)
        guard entry.format.uppercased() == "PARQUET" else {
          throw LakeError(
            .unsupported, "the table has deleted rows in a file of the format \(entry.format)",
            at: place, advice: "compact the table with the program that wrote it")
        }
        var delete = Delete(
          entry: entry, specID: spec.id, isUnpartitioned: spec.fields.isEmpty,
          layout: try layouts.layout(of: entry.path, byteCount: entry.byteCount))
        if entry.content == 2 {
          delete.columns = try (entry.equalityIDs ?? []).map { id in
            guard let type = types[Int(id)], !type.isNested else {
              throw LakeError(
                .unsupported, "rows are deleted by the column \(id), which is nested or unknown",
                at: place, advice: "compact the table with the program that wrote it")
            }
            return Field(id: Int(id), name: names[Int(id)] ?? "column \(id)", type: type)
          }
          guard !delete.columns.isEmpty else {
            throw LakeError(
              .damaged, "a file of deleted rows does not say by which columns", at: place)
          }
        } else if !delete.layout.fields.contains(where: { $0.id == DeleteIndex.pathID }) {
          delete.layout = DeleteIndex.numbered(delete.layout)
        }
        deletes.append(delete)
      }
    }
  }

  /// Position delete files are known by their columns' names, too.
  private static func numbered(_ layout: Schema) -> Schema {
    Schema(
      layout.fields.map { field in
        var field = field
        if field.name == "file_path" { field.id = pathID }
        if field.name == "pos" { field.id = positionID }
        return field
      })
  }

  /// Which delete files concern a data file (table spec, "Scan Planning").
  func deletes(for data: ManifestEntry, spec: PartitionSpec) -> [DeleteFile] {
    deletes.compactMap { delete in
      let (older, newer) = (data.sequenceNumber ?? 0, delete.entry.sequenceNumber ?? 0)
      let kind: DeleteFile.Kind
      if delete.entry.content == 2 {
        let isSamePartition =
          delete.specID == spec.id
          && PartitionTuple.key(delete.entry.partition) == PartitionTuple.key(data.partition)
        guard older < newer, delete.isUnpartitioned || isSamePartition else { return nil }
        kind = .equality(delete.columns)
      } else {
        guard older <= newer, delete.entry.mayName(data.path, id: DeleteIndex.pathID) else {
          return nil
        }
        kind = .positions(of: data.path)
      }
      return DeleteFile(
        path: delete.entry.path, byteCount: delete.entry.byteCount, kind: kind,
        layout: delete.layout)
    }
  }
}

extension ManifestEntry {
  /// Whether a position delete file may have rows for a data file, by the bounds of its paths.
  fileprivate func mayName(_ path: String, id: Int) -> Bool {
    let path = Array(path.utf8)
    let lower = lowerBounds?.first { $0.field == id }?.bytes
    let upper = upperBounds?.first { $0.field == id }?.bytes
    if let lower, path.lexicographicallyPrecedes(lower) { return false }
    if let upper, upper.lexicographicallyPrecedes(path) { return false }
    return true
  }
}
