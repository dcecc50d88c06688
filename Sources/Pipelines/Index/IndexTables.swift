import Auditing
import Core
import Engines
import Lake
import Operators
import Project

/// The three tables of an index, as files that follow its manifest (rule 16).
///
/// Each data file of `documents` and `postings` holds the rows of one segment and says in its path of
/// which; what a table lacks and what it has too much then follows from the manifest alone, whatever
/// version the table is at. `words` only grows.
struct IndexTables {
  let workspace: Workspace
  let model: Model
  let run: ActiveRun

  var lake: Lake { workspace.lake }

  /// The tables in the order in which they are published.
  static func ids(of model: Model) -> [TableID] {
    WordIndexSettings.tables.map { TableID(model.pipeline, $0.name) }
  }

  /// A table as it is, with its files; nil where there is none.
  struct Present {
    var table: Table?
    var files: [DataFile]
  }

  /// What one table gets.
  struct Staged {
    var id: TableID
    /// What there was when its rows were written.
    var present: Present
    var schema: Schema
    /// What the table's files must be, by label; those of it that were written for this, with files.
    var wanted: Set<String>
    var written: [String: [DataFile]]
    /// Of `words`: the rows there were, which the written ones follow.
    var rowsBefore: Int64?
    /// What the checks of the table have found, where it has any and they were made.
    var audit: AuditResult?

    var files: [DataFile] { written.values.flatMap { $0 } }
  }

  // MARK: - Staging

  /// Writes what a table lacks of a version of the index.
  ///
  /// - Parameters:
  ///   - change: The version, whose new files need not be in the lake yet.
  ///   - ahead: What has been done already, or is just being.
  func stage(
    _ name: String, _ change: IndexChange, _ open: OpenIndex, _ ahead: TablesAhead?
  ) throws -> Staged {
    let id = TableID(model.pipeline, name)
    let present = try ahead?.present(id) ?? present(id)
    return switch name {
    case "words": try words(id, present, change, open)
    case "documents": try documents(id, present, change, open, ahead?.rows)
    default: try postings(id, present, change, open)
    }
  }

  func present(_ id: TableID) throws -> Present {
    let table = try lake.catalog.load(id)
    return Present(table: table, files: try table?.dataFiles() ?? [])
  }

  func discard(_ staged: [Staged]) { discard(staged.flatMap(\.files)) }

  func discard(_ files: [DataFile]) { try? lake.publisher.discard(files) }

  func schema(_ id: TableID, _ table: Table?) throws -> Schema {
    let output = model.outputs.first { $0.name == id.model }
    return try Table.schema(
      for: output?.columns ?? Schema([]), over: table, replacesAllRows: false)
  }

  private func words(
    _ id: TableID, _ present: Present, _ change: IndexChange, _ open: OpenIndex
  ) throws -> Staged {
    let count = wordCount(of: present)
    let schema = try schema(id, present.table)
    var staged = Staged(
      id: id, present: present, schema: schema, wanted: [], written: [:], rowsBefore: count)
    let first = count + 1
    guard first < change.manifest.nextWordID else { return staged }
    let sources = try change.manifest.segments.filter { $0.wordIDLimit > first }.map { segment in
      SegmentRows.words(try open.reader(segment), try open.wordIDs(segment), from: first)
    }
    // New words of one batch come by their IDs. Where the table is behind by more than that, a word
    // may also be in several segments.
    let isNext =
      sources.count == 1 && (present.table?.indexVersion ?? 0) >= change.manifest.version
    if isNext {
      staged.written[""] = try workspace.engine.write(
        sources[0], into: output(schema, id, part: "words"), label: id.description,
        cancellation: workspace.context.cancellation)
      return staged
    }
    let names = sources.indices.map { "s\($0)" }
    let query = Query(
      sql: sources.count == 1
        ? "SELECT word_id, word FROM s0"
        : "SELECT word_id, any_value(word) AS word FROM ("
          + names.map { "SELECT * FROM \($0)" }.joined(separator: " UNION ALL ")
          + ") GROUP BY word_id",
      inputs: Dictionary(uniqueKeysWithValues: zip(names, sources.map { .batches($0) })),
      label: id.description)
    staged.written[""] = try compute(
      query, schema, id, part: "words", sort: [.init("word_id")])
    return staged
  }

  /// How many words of the index a table has. Their IDs are dense from 1: the number of rows is the
  /// greatest of them. The twin's are not the index's.
  func wordCount(of present: Present) -> Int64 {
    guard let table = present.table, (table.indexVersion ?? 0) > 0 else { return 0 }
    return present.files.reduce(0) { $0 + $1.rowCount }
  }

  /// Writes all rows of a table by SQL.
  func stageTwin(
    _ name: String, _ sql: String, _ inputs: [String: Query.Input]
  ) throws -> Staged {
    let id = TableID(model.pipeline, name)
    let present = try present(id)
    let schema = try schema(id, present.table)
    let query = Query(sql: sql, inputs: inputs, label: id.description)
    let files = try compute(
      query, schema, id, part: "twin", sort: sort(of: id).map { .init($0.column) })
    return Staged(
      id: id, present: present, schema: schema, wanted: [""], written: ["": files],
      rowsBefore: nil)
  }

  private func documents(
    _ id: TableID, _ present: Present, _ change: IndexChange, _ open: OpenIndex,
    _ ahead: RowsAhead?
  ) throws -> Staged {
    try parts(id, present, change, ahead) { segment in
      try documents(
        segment, change.dead(of: segment, open), open, threads: workspace.project.engine.threads)
    }
  }

  /// The rows of a segment's documents.
  ///
  /// - Parameters:
  ///   - names: The keys that some of the dead must have.
  ///   - threads: The most parts.
  func documents(
    _ segment: IndexManifest.Segment, _ dead: DeadDocuments, named names: [UInt32: String] = [:],
    _ open: OpenIndex, threads: Int
  ) throws -> [any BatchSource] {
    try SegmentRows.documents(
      open.reader(segment), except: dead, named: names,
      parts: segment.liveCount < 50_000 ? 1 : threads)
  }

  private func postings(
    _ id: TableID, _ present: Present, _ change: IndexChange, _ open: OpenIndex
  ) throws -> Staged {
    try parts(id, present, change, nil) { segment in
      try SegmentRows.postings(
        open.reader(segment), try open.wordIDs(segment),
        parts: segment.postingCount < 200_000 ? 1 : workspace.project.engine.threads)
    }
  }

  /// Writes the rows of segments whose files the table has not.
  private func parts(
    _ id: TableID, _ present: Present, _ change: IndexChange, _ ahead: RowsAhead?,
    rows: (IndexManifest.Segment) throws -> [any BatchSource]
  ) throws -> Staged {
    let segments = change.manifest.segments.filter { $0.liveCount > 0 }
    let schema = try schema(id, present.table)
    var staged = Staged(
      id: id, present: present, schema: schema, wanted: Set(segments.map { label($0, id) }),
      written: [:])
    let labels = Set(present.files.map { label(of: $0, id) })
    let lacking = segments.filter { !labels.contains(label($0, id)) }
    if let ahead {
      staged.written = try ahead.take(
        Set(lacking.map { label($0, id) }), of: schema, discard: discard)
    }
    for segment in lacking where staged.written[label(segment, id)] == nil {
      do {
        staged.written[label(segment, id)] = try write(rows(segment), of: segment, schema, id)
      } catch {
        discard([staged])
        throw error
      }
    }
    return staged
  }

  /// Writes the rows of one segment.
  func write(
    _ rows: [any BatchSource], of segment: IndexManifest.Segment, _ schema: Schema, _ id: TableID
  ) throws -> [DataFile] {
    let output = output(schema, id, part: label(segment, id))
    let results = concurrently(rows, limit: 8) { source in
      try workspace.engine.write(
        source, into: output, label: "\(id)", cancellation: workspace.context.cancellation)
    }
    do {
      return try results.flatMap { try $0.get() }
    } catch {
      discard(results.flatMap { (try? $0.get()) ?? [] })
      throw error
    }
  }

  private func compute(
    _ query: Query, _ schema: Schema, _ id: TableID, part: String, sort: [Output.SortKey]
  ) throws -> [DataFile] {
    try workspace.engine.compute(
      query, into: output(schema, id, part: part, sort: sort),
      cancellation: workspace.context.cancellation, progress: { _ in })
  }

  private func output(
    _ schema: Schema, _ id: TableID, part: String, sort: [Output.SortKey] = []
  ) -> Output {
    Output(schema: schema, location: lake.staging(id, run: run.id, part: part), sort: sort)
  }

  // MARK: - Labels

  /// What says in a file's path whose rows it holds: of `documents`, those of a segment without its
  /// dead; of `postings`, those of the segment as it is.
  func label(_ segment: IndexManifest.Segment, _ id: TableID) -> String {
    guard id.model == "documents", let dead = segment.dead else { return segment.name }
    return String(dead.name.dropLast(".dead".count))
  }

  /// `""` for a file that nobody here has written.
  func label(of file: DataFile, _ id: TableID) -> String {
    let parts = file.path.split(separator: "/")
    return parts.count < 2 ? "" : String(parts[parts.count - 2])
  }

  // MARK: - Checks

  /// Audits what would be published. Where that cannot be done, the rows are dropped.
  func audited(_ staged: Staged) throws -> Staged {
    guard let output = model.outputs.first(where: { $0.name == staged.id.model }),
      !output.checks.isEmpty
    else { return staged }
    do {
      let audit = try Audit(
        checks: output.checks, schema: staged.schema, label: staged.id.description)
      var current: [DataFile] = []
      if audit.hasTableScope { current = kept(staged) }
      var audited = staged
      audited.audit = try audit.run(
        staged: staged.files, current: current, engine: workspace.engine,
        cancellation: workspace.context.cancellation)
      return audited
    } catch {
      discard([staged])
      throw error
    }
  }

  private func kept(_ staged: Staged) -> [DataFile] {
    guard staged.rowsBefore == nil else { return staged.present.files }
    return staged.present.files.filter { staged.wanted.contains(label(of: $0, staged.id)) }
  }
}

extension Table {
  /// Of a table that follows an index: the version of the index's manifest whose rows it has; 0
  /// where they are the twin's.
  var indexVersion: Int? {
    let named = history().lazy.compactMap { $0[summary: SummaryKey.index] }.first
    return (named ?? property(SummaryKey.index)).flatMap { Int($0) }
  }
}
