import Core
import Engines
import Formats
import Kernels
import Lake
import Project
import Stores

/// A unit's query with everything it reads opened: what `compute` is given.
struct BoundQuery {
  var query: Query
  /// The text sources in it, each once, for tallies.
  var texts: [DelimitedSource]
  /// What became of the rows that an operator has read.
  var read = Tally()
  /// Keeps fetched objects from being evicted while the query runs.
  var copies: [LocalCopy]
  /// Bytes of sources and tables that are read.
  var byteCount: Int64
}

/// Turns a unit into a query: fetches its objects, opens its tables, binds its parameters.
struct QueryBuilder {
  let workspace: Workspace
  let survey: Survey
  let unit: Survey.Unit
  /// Takes malformed rows of sources that say `quarantine`.
  let rejects: RejectLog
  /// Told fetched bytes: done, total.
  let progress: (Int64, Int64) -> Void
  /// What an incremental model reads of its input; the query's rows then carry their provenance.
  var delta: Delta?
  /// Rows that stand for all of an input, by the name that the SQL has for it.
  var parts: [String: Query] = [:]

  var cancellation: Cancellation { workspace.context.cancellation }

  /// - Throws: `StoreError` `.changed` where an object is no longer the one in the log.
  func build() throws -> BoundQuery {
    var texts: [String: DelimitedSource] = [:]
    var copies: [String: [LocalCopy]] = [:]
    var tableBytes: Int64 = 0
    let query = try query(of: unit.node, &texts, &copies, &tableBytes)
    return BoundQuery(
      query: query, texts: texts.sorted { $0.key < $1.key }.map(\.value),
      copies: copies.values.flatMap { $0 }, byteCount: unit.inputs.byteCount + tableBytes)
  }

  private func query(
    of node: Graph.Node, _ texts: inout [String: DelimitedSource],
    _ copies: inout [String: [LocalCopy]], _ tableBytes: inout Int64
  ) throws -> Query {
    guard let sql = node.model.sql else {
      throw PipelineError(
        .unavailable, "the model has no SQL", at: Place(model: node.model.qualifiedName))
    }
    var text = sql.text
    var inputs: [String: Query.Input] = [:]
    for (name, input) in node.inputs.sorted(by: { $0.key < $1.key }) {
      if let delta, name == delta.input,
        node.model.qualifiedName == unit.node.model.qualifiedName
      {
        text = try workspace.engine.carrying(
          Provenance.names, of: name, through: text, label: sql.displayPath)
        inputs[name] = try open(delta, &texts, &copies, &tableBytes)
        continue
      }
      if let part = parts[name], node.model.qualifiedName == unit.node.model.qualifiedName {
        inputs[name] = .view(part)
        continue
      }
      inputs[name] = try open(input, &texts, &copies, &tableBytes)
    }
    var parameters = workspace.project[pipeline: node.model.pipeline]?.params ?? [:]
    if let interval = unit.interval {
      parameters["interval_start"] = .timestamp(interval.start)
      parameters["interval_end"] = .timestamp(interval.end)
    }
    return Query(
      sql: text, parameters: parameters, inputs: inputs, label: node.model.qualifiedName,
      file: sql.displayPath)
  }

  /// Opens what a name after FROM stands for.
  func open(
    _ input: Graph.Input, _ texts: inout [String: DelimitedSource],
    _ copies: inout [String: [LocalCopy]], _ tableBytes: inout Int64
  ) throws -> Query.Input {
    switch input {
    case .source(let pipeline, let name):
      let source = try source(pipeline, name)
      return try open(source, of: pipeline, unit.inputs.all(of: name), &texts, &copies)
    case .table(let pipeline, let model, let table):
      if let view = survey.graph["\(pipeline).\(model)"], view.model.kind == .view {
        return .view(try query(of: view, &texts, &copies, &tableBytes))
      }
      let (files, schema) = try files(of: TableID(pipeline, table))
      tableBytes += files.reduce(0) { $0 + $1.byteCount }
      return .files(files, schema: schema)
    }
  }

  private func files(of id: TableID) throws -> ([DataFile], Schema) {
    let table = try table(id)
    let upstream = survey.graph[id.description]?.model
    guard let interval = unit.interval, upstream?.kind == .interval,
      id.pipeline == unit.node.model.pipeline
    else { return (try table.dataFiles(), table.schema) }
    return (try table.dataFiles(.exactly(interval)), table.schema)
  }

  /// Opens a source's files.
  private func open(
    _ source: Source, of pipeline: String, _ objects: [LoggedFile],
    carriesProvenance: Bool = false, _ texts: inout [String: DelimitedSource],
    _ copies: inout [String: [LocalCopy]]
  ) throws -> Query.Input {
    let local = try self.local(
      source, of: pipeline, objects, carriesProvenance: carriesProvenance, &copies)
    if case .parquet = source.format {
      let files = local.map { file in
        ParquetFiles.File(
          path: file.path, name: file.name, contribution: file.provenance!.file,
          batch: file.provenance!.batch)
      }
      return .parquet(
        ParquetFiles(files, schema: source.columns, carriesProvenance: carriesProvenance))
    }
    let opened = try DelimitedSource(
      files: local, format: format(of: source), rejects: rejects(of: source),
      carriesProvenance: carriesProvenance, cancellation: cancellation)
    if texts[source.name] == nil || carriesProvenance { texts[source.name] = opened }
    return .batches(opened)
  }

  func source(_ pipeline: String, _ name: String) throws -> Source {
    guard let source = workspace.project[pipeline: pipeline]?[source: name] else {
      throw PipelineError(
        .unknownName, "there is no source '\(name)'", at: Place(model: unit.label))
    }
    return source
  }

  /// Takes the malformed rows of a source, where they are to be kept.
  func rejects(of source: Source) -> RejectLog? {
    source.malformed == .quarantine ? rejects : nil
  }

  /// A source's files, here.
  func local(
    _ source: Source, of pipeline: String, _ objects: [LoggedFile],
    carriesProvenance: Bool = false, _ copies: inout [String: [LocalCopy]]
  ) throws -> [InputFile] {
    let local = try copies[source.name] ?? fetch(objects, of: source.name, in: pipeline)
    copies[source.name] = local
    return try zip(objects, local).map { object, copy in
      InputFile(
        path: copy.path,
        // Rows set aside are found again by the name that the table's rows have.
        name: carriesProvenance ? object.key : workspace.addresses.address(of: object.key),
        byteCount: try byteCount(of: object, at: copy),
        provenance: .init(file: object.key, batch: Int64(object.batch)))
    }
  }

  // MARK: - The incremental input

  /// The rows that are to be consumed, with the columns of `Provenance`.
  private func open(
    _ delta: Delta, _ texts: inout [String: DelimitedSource],
    _ copies: inout [String: [LocalCopy]], _ tableBytes: inout Int64
  ) throws -> Query.Input {
    let query: Query
    switch delta.origin {
    case .files(let key, let files):
      return try open(
        source(key.pipeline, key.source), of: key.pipeline, files, carriesProvenance: true,
        &texts, &copies)
    case .contributions(let id):
      let table = try table(id)
      if delta.isRebuild {
        let files = try table.dataFiles()
        tableBytes += files.reduce(0) { $0 + $1.byteCount }
        return .files(files, schema: table.schema)
      }
      let parts = TableParts(table, table.schema, workspace, Place(model: unit.label))
      query = try parts.rows(of: .contributions(delta.present))
    case .intervals(let id, let intervals):
      query = try TableParts.rows(of: intervals, in: table(id))
    case .whole(let id):
      let table = try table(id)
      query = Query(
        sql: "SELECT *, $file AS \(Provenance.file), NULL::bigint AS \(Provenance.batch), "
          + "NULL::bigint AS \(Provenance.row) FROM whole",
        parameters: ["file": .string(id.description)],
        inputs: ["whole": .files(try table.dataFiles(), schema: table.schema)],
        label: id.description)
    }
    for case .files(let files, _) in query.inputs.values {
      tableBytes += files.reduce(0) { $0 + $1.byteCount }
    }
    return .view(query)
  }

  private func table(_ id: TableID) throws -> Table {
    guard let table = survey.tables[id]?.table else {
      throw PipelineError(
        .upstreamFailed, "its input \(id) has no rows yet", at: Place(model: unit.label))
    }
    return table
  }

  /// Brings objects here, or finds them here; each is the version that the log names.
  private func fetch(
    _ objects: [LoggedFile], of source: String, in pipeline: String
  ) throws -> [LocalCopy] {
    let total = objects.reduce(0) { $0 + $1.byteCount }
    var done: Int64 = 0
    return try objects.map { logged in
      try cancellation.check()
      let (store, object) = try workspace.locate(logged, of: source, in: pipeline)
      let before = done
      let copy = try workspace.cache.fetch(object, from: store, cancellation: cancellation) {
        progress(before + $0, total)
      }
      done += logged.byteCount
      progress(done, total)
      return copy
    }
  }

  /// The size that the log names; where a web server did not say one, the size of what came.
  private func byteCount(of object: LoggedFile, at copy: LocalCopy) throws -> Int64 {
    if object.byteCount >= 0 { return object.byteCount }
    let (store, key) = try workspace.opener.locate(copy.path)
    return try store.head(key)?.byteCount ?? 0
  }

  /// Rule 2 for files that were read where they are: each must still be the version in the log once
  /// it has been read. Copies were verified as they came, and landed ones never change.
  ///
  /// - Throws: `StoreError` `.changed`.
  func expectUnchanged() throws {
    let sources = Set(unit.inputs.objects.keys).union(unit.inputs.files.keys)
    let read = sources.flatMap(unit.inputs.all) + (delta?.files ?? [])
    for logged in read where logged.landed == nil {
      let (store, key) = try workspace.opener.locate(
        workspace.addresses.addressToOpen(logged.key))
      guard store.localPath(key) != nil else { continue }
      guard try store.head(key)?.version == Version(logged.version) else {
        throw StoreError(
          .changed, "the file was changed while it was read",
          at: Place(file: workspace.addresses.address(of: logged.key)),
          advice: "run again; write new files under new names")
      }
    }
  }

  /// How a source's text is read.
  func format(of source: Source) throws -> DelimitedFormat {
    switch source.format {
    case .csv(let csv):
      DelimitedFormat(
        delimiter: csv.delimiter, quote: csv.quote, hasHeader: csv.header,
        encoding: csv.encoding.kernel, compression: source.compression.kernel,
        columns: source.columns.fields, malformed: source.malformed.format,
        nullTexts: csv.nullValues)
    case .json:
      .jsonLines(
        compression: source.compression.kernel, columns: source.columns.fields,
        malformed: source.malformed.format)
    case .parquet, .text:
      throw PipelineError(
        .unavailable, "SQL cannot read source '\(source.name)', whose format is text",
        at: source.place, advice: "text is read by operators; SQL reads csv, json and parquet",
        exitCode: 2)
    }
  }
}

extension Source.Encoding {
  var kernel: TextEncoding {
    switch self {
    case .utf8: .utf8
    case .latin1: .latin1
    case .windows1252: .windows1252
    }
  }
}

extension Source.Compression {
  var kernel: Kernels.Compression {
    switch self {
    case .auto: .auto
    case .none: .none
    case .gzip: .gzip
    case .zstd: .zstd
    }
  }
}

extension Source.Misfit {
  var format: MalformedPolicy {
    switch self {
    case .fail: .fail
    case .drop: .drop
    case .quarantine: .quarantine
    }
  }
}
