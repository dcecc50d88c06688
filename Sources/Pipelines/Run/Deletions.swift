import Core
import Engines
import Lake

/// The rows of a merge model that won and say that their key is gone (rule 11). The table does not
/// hold them, and late rows have to lose to them all the same: so they lie beside its state, and the
/// consumption file names them.
struct Deletions {
  /// More files than this become one.
  static let fileCountLimit = 8

  let run: DeltaRun
  let parts: TableParts
  /// As the table's state has them; nil for models without a delete marker.
  let known: [DeletionFile]?
  private let files: [DataFile]

  /// - Returns: Nil where the model has them and the table's state does not.
  init?(of run: DeltaRun, _ parts: TableParts) throws {
    self.run = run
    self.parts = parts
    guard run.model.deleteMarker != nil else {
      (known, files) = (nil, [])
      return
    }
    guard let known = run.survey.tables[run.unit.id]?.consumption?.deletions else { return nil }
    self.known = known
    files = try parts.table.dataFiles(of: known)
  }

  /// Those with certain values; nil where there are none at all.
  func rows(of keys: TableParts.Keys) -> Query? {
    files.isEmpty ? nil : parts.rows(of: keys, in: files)
  }

  /// What is to be remembered once those of some keys are others.
  func replacing(
    _ keys: TableParts.Keys, by elected: [DataFile], _ staged: inout [DataFile]
  ) throws -> [DeletionFile]? {
    guard let known else { return nil }
    var old = Set(try parts.files(holding: keys, among: files).map(\.path))
    if files.count - old.count + 1 > Deletions.fileCountLimit { old = Set(files.map(\.path)) }
    var added = elected
    if !old.isEmpty {
      let past = parts.others(than: keys, in: files.filter { old.contains($0.path) })
      added = try run.computeDeletions(
        Query(
          sql: "SELECT * FROM past UNION ALL SELECT * FROM elected",
          inputs: [
            "past": .view(past), "elected": .files(elected, schema: parts.schema),
          ], label: run.unit.label), parts.schema, "all", &staged)
    }
    let kept = zip(known, files).filter { !old.contains($1.path) }.map(\.0)
    return try kept + added.map { try run.lake.deletionFile($0, of: run.unit.id) }
  }
}

extension DeltaRun {
  /// Writes rows that say that their keys are gone beside the table's state.
  func computeDeletions(
    _ query: Query, _ schema: Schema, _ part: String, _ staged: inout [DataFile]
  ) throws -> [DataFile] {
    let files = try workspace.engine.compute(
      query,
      into: Output(
        schema: schema,
        location: lake.deletionStaging(unit.id, run: run.id, part: attemptPart(part)),
        sort: model.uniqueKey.map { .init($0) }),
      cancellation: cancellation, progress: { _ in })
    staged += files
    return files.filter { $0.rowCount > 0 }
  }
}
