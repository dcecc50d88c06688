import Core
import Engines
import Formats
import Lake
import Operators
import Project

/// The tables of an index from its model's SQL, which gives a row `file, word` for each word of each
/// file: `run --twin`. All files are read, and the tables are as those of a new index; there is no
/// index to search.
struct IndexTwin {
  let workspace: Workspace
  let batch: IndexBatch
  let model: Model
  let run: ActiveRun

  private var tables: IndexTables { IndexTables(workspace: workspace, model: model, run: run) }

  /// What the SQL gives.
  private static let pairs = Schema([
    Field(name: "file", type: .string), Field(name: "word", type: .string),
  ]).withFreshIDs()

  private static let numbered = Schema([
    Field(name: "doc_id", type: .bigint), Field(name: "file", type: .string),
    Field(name: "size", type: .bigint), Field(name: "version", type: .string),
  ]).withFreshIDs()

  /// Computes the rows of the three tables.
  func stage(_ rejects: RejectLog, _ result: inout UnitResult) throws -> [IndexTables.Staged] {
    guard let sql = model.sql else {
      throw PipelineError(
        .unavailable, "the model's operator has no twin in SQL",
        at: Place(model: model.qualifiedName))
    }
    let (documents, copies) = try batch.allDocuments(rejects, &result)
    let rows = TextRows(
      documents.map {
        .init(
          key: $0.key, version: $0.version, path: $0.path, byteCount: $0.size, state: $0.state)
      }, batch.format, cancellation: workspace.context.cancellation)
    let input = model.operator?.wordIndex?.input ?? ""
    let pairs = try timed("compute", &result) {
      try withExtendedLifetime(copies) {
        try compute(
          Query(
            sql: sql.text, parameters: workspace.project[pipeline: model.pipeline]?.params ?? [:],
            inputs: [input: .batches(rows)], label: model.qualifiedName, file: sql.displayPath),
          IndexTwin.pairs, at: workspace.scratchFile())
      }
    }
    let rejected = rows.rejected
    try batch.setAside(
      rejected.map { (documents[$0.index], $0.rejection.reason, $0.rejection.message) }, rejects,
      &result)
    let bad = Set(rejected.map(\.index))
    let good = documents.indices.filter { !bad.contains($0) }.map { documents[$0] }
    result.rowCount += Int64(good.count)
    return try timed("compute", &result) { try stage(pairs, good) }
  }

  private func stage(
    _ pairs: [DataFile], _ documents: [IndexDocument]
  ) throws -> [IndexTables.Staged] {
    let inputs: [String: Query.Input] = [
      "pairs": .files(pairs, schema: IndexTwin.pairs),
      "d": .rows(
        RowSet(
          schema: IndexTwin.numbered,
          rows: documents.map {
            [.integer(Int64($0.id)), .string($0.key), .integer($0.size), .string($0.version)]
          })),
    ]
    var staged = [
      try tables.stageTwin(
        "words",
        "SELECT row_number() OVER (ORDER BY word) AS word_id, word "
          + "FROM (SELECT DISTINCT word FROM pairs) AS w", inputs)
    ]
    do {
      staged.append(
        try tables.stageTwin(
          "documents",
          "SELECT d.*, coalesce(t.tokens, 0) AS tokens, 1 AS segment FROM d LEFT JOIN "
            + "(SELECT file, count(*) AS tokens FROM pairs GROUP BY file) t ON t.file = d.file",
          inputs))
      var last = inputs
      last["w"] = .files(staged[0].files, schema: staged[0].schema)
      staged.append(
        try tables.stageTwin(
          "postings",
          "SELECT w.word_id, list(d.doc_id ORDER BY d.doc_id) AS doc_ids, 1 AS segment "
            + "FROM (SELECT DISTINCT file, word FROM pairs) p JOIN d ON d.file = p.file "
            + "JOIN w ON w.word = p.word GROUP BY w.word_id", last))
      return staged
    } catch {
      tables.discard(staged)
      throw error
    }
  }

  private func compute(
    _ query: Query, _ schema: Schema, at location: String
  ) throws -> [DataFile] {
    try workspace.engine.compute(
      query, into: Output(schema: schema, location: location),
      cancellation: workspace.context.cancellation, progress: { _ in })
  }
}
