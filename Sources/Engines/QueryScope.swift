import CDuckDB
import Core

/// The surroundings in which one query runs: a connection, and a private catalog where the names
/// after FROM mean the query's inputs, so that queries that run at once do not see each other's.
///
/// Each view gets a catalog of its own, as its names are its pipeline's. Parameters are bound where
/// they stand in the query itself; inside views, where DuckDB takes none, they are variables of the
/// connection (rule 29 explains; values never become text).
final class QueryScope {
  let connection: DuckDBConnection
  let query: Query
  private let instance: DuckDBInstance
  private var catalogs: [String] = []
  private var scans: [ObjectIdentifier: Reading] = [:]
  private var isRecursive = false
  private var hasViews = false
  private var main = ""

  /// A source of batches and the views that show it.
  private struct Reading {
    var scan: BatchScan
    var views: [String]
  }

  init(_ query: Query, in instance: DuckDBInstance) throws {
    self.query = query
    self.instance = instance
    connection = try instance.connect()
    do {
      main = try build(query)
      try connection.run("USE \(main)")
    } catch {
      close()
      throw error
    }
  }

  /// Forgets the inputs. The scope is of no use afterwards.
  func close() {
    for reading in scans.values { reading.scan.close() }
    // What fails here is only memory that stays in use until the engine ends.
    try? connection.run("USE memory")
    for catalog in catalogs { try? connection.run("DETACH \(catalog)") }
    catalogs = []
  }

  // MARK: Building

  /// Makes a catalog with the query's inputs and returns its name.
  private func build(_ query: Query) throws -> String {
    let text = SQLText(query.sql)
    let tree = try connection.syntaxTree(of: text, at: Place(model: query.label))
    isRecursive = isRecursive || tree.isRecursive
    for name in tree.parameters {
      _ = try query.parameters.value(
        ofParameter: name, at: query.place(ofParameter: name))
    }
    let catalog = instance.freshCatalogName()
    try connection.run("ATTACH ':memory:' AS \(catalog)")
    catalogs.append(catalog)
    var made: Set<String> = []
    for reference in tree.references where made.insert(reference.key.lowercased()).inserted {
      let schema = reference.schema ?? "main"
      if reference.schema != nil {
        try connection.run("CREATE SCHEMA IF NOT EXISTS \(catalog).\(schema.quotedName)")
      }
      try make(
        try query.input(reference.key), as: reference.name, schema: schema, catalog: catalog,
        for: query)
    }
    try setVariables(query, catalog, names: tree.parameters)
    return catalog
  }

  private func make(
    _ input: Query.Input, as name: String, schema: String, catalog: String, for query: Query
  ) throws {
    let full = "\(catalog).\(schema.quotedName).\(name.quotedName)"
    switch input {
    case .files(let files, let fileSchema):
      try connection.run("CREATE VIEW \(full) AS \(ParquetInput.sql(files, fileSchema))")
    case .parquet(let files):
      try connection.run("CREATE VIEW \(full) AS \(try files.sql(connection))")
    case .batches(let source):
      let key = ObjectIdentifier(source)
      var reading = scans[key] ?? Reading(scan: BatchScan(source), views: [])
      reading.views.append(full)
      scans[key] = reading
      let id = reading.scan.id
      try connection.run("CREATE VIEW \(full) AS SELECT * FROM \(BatchFunction.name)(\(id))")
    case .rows(let set):
      let columns = set.schema.fields.map { "\($0.name.quotedName) \($0.type.duckDBName)" }
      try connection.run("CREATE TABLE \(full) (\(columns.joined(separator: ", ")))")
      try connection.append(set.rows, catalog: catalog, schema: schema, table: name)
    case .view(let view):
      hasViews = true
      let inner = try build(view)
      // The space keeps it apart from what the view itself reads there.
      let body = "\(inner).main.\"sluice view\""
      var sent = typed(view, inner, prefix: "CREATE VIEW \(body) AS ", suffix: "")
      sent.label = view.label
      try connection.execute(sent, [:]) { _ in }
      try connection.run("CREATE VIEW \(full) AS SELECT * FROM \(body)")
    }
  }

  private func setVariables(_ query: Query, _ catalog: String, names: [String]) throws {
    for name in names {
      let variable = QueryScope.variable(name, catalog)
      let sent = SentSQL(
        query.label, SQLText(""), prefix: "SET VARIABLE \(variable.quotedName) = $value", suffix: ""
      )
      let value = try query.parameters.value(
        ofParameter: name, at: query.place(ofParameter: name))
      try connection.execute(sent, ["value": value]) { _ in }
    }
  }

  private static func variable(_ parameter: String, _ catalog: String) -> String {
    "\(catalog) \(parameter.lowercased())"
  }

  /// The query's text with variables for its parameters: of the same types, but known to DuckDB
  /// before anything is bound.
  private func typed(_ query: Query, _ catalog: String, prefix: String, suffix: String) -> SentSQL {
    let written = SQLText(query.sql)
    let (text, edits) = written.replacingParameters { name in
      // A variable that is NULL would have a type.
      if let value = try? query.parameters.value(
        ofParameter: name, at: query.place(ofParameter: name)), value.isNull
      {
        return "(NULL)"
      }
      return "(getvariable(\(QueryScope.variable(name, catalog).quotedLiteral)))"
    }
    var sent = SentSQL(query.label, written, prefix: prefix, suffix: suffix)
    sent.file = query.file
    sent.text = "\(prefix)\(text)\n\(suffix)"
    sent.body = prefix.utf8.count..<prefix.utf8.count + text.utf8.count + 1
    sent.edits = edits
    return sent
  }

  // MARK: Running

  /// Names and types of the query's columns. Nothing is run.
  func columns() throws -> [(name: String, type: VectorType)] {
    try connection.columns(of: typed(query, main, prefix: "", suffix: ""))
  }

  /// The columns again, told apart where a bare NULL stands, which DuckDB says is an INTEGER.
  func columns(for declared: Schema) throws -> [(name: String, type: VectorType)] {
    var columns = try columns()
    let isDoubtful = columns.contains { column in
      guard case .integer(32, true) = column.type,
        let field = declared.fields.first(where: {
          $0.name.lowercased() == column.name.lowercased()
        }),
        case .refused = Conversion(from: column.type, to: field.type)
      else { return false }
      return true
    }
    guard isDoubtful else { return columns }
    let names = columns.indices.map { "c\($0)" }
    // With a TINYINT, a bare NULL makes a TINYINT and an INTEGER an INTEGER.
    let probes = names.enumerated().map { index, name in
      if case .integer(32, true) = columns[index].type {
        "coalesce(\(name), NULL::TINYINT)"
      } else {
        name
      }
    }
    let sent = typed(
      query, main, prefix: "SELECT \(probes.joined(separator: ", ")) FROM (",
      suffix: ") AS q(\(names.joined(separator: ", ")))")
    for (index, probe) in try connection.columns(of: sent).enumerated() {
      if case .integer(8, true) = probe.type, case .integer(32, true) = columns[index].type {
        columns[index].type = .null
      }
    }
    return columns
  }

  /// A statement around the query, for `execute`.
  func statement(prefix: String, suffix: String) -> SentSQL {
    var sent = SentSQL(query.label, SQLText(query.sql), prefix: prefix, suffix: suffix)
    sent.file = query.file
    // A failing row inside a view has its place in the view's text.
    if hasViews { sent.body = nil }
    return sent
  }

  /// Runs a statement around the query, with its parameters.
  func execute<T>(
    _ sent: SentSQL, isStreaming: Bool = false, _ body: (DuckDBResult) throws -> T
  ) throws -> T {
    try connection.execute(sent, query.parameters, isStreaming: isStreaming, body)
  }

  /// Batches come once. Where the plan of a statement would read them more than once, they are put
  /// into a table first. To be called before the statement is run.
  func materializeIfNeeded() throws {
    guard !scans.isEmpty else { return }
    if !isRecursive {
      let plan = try execute(statement(prefix: "EXPLAIN (FORMAT json) ", suffix: "")) {
        try $0.rows().flatMap { $0 }.map(\.description).joined()
      }
      let name = "\"name\": \"\(BatchFunction.name.uppercased())"
      let count = plan.split(separator: "\n").count { $0.contains(name) }
      if count <= scans.count { return }
    }
    for reading in scans.values {
      let id = reading.scan.id
      let table = "\(main).main.\"sluice batches \(id)\""
      try connection.run("CREATE TABLE \(table) AS SELECT * FROM \(BatchFunction.name)(\(id))")
      for view in reading.views {
        try connection.run("CREATE OR REPLACE VIEW \(view) AS SELECT * FROM \(table)")
      }
    }
  }

  /// Reads what the query left over of its sources of batches, so that all of it was validated.
  func drain() throws { for reading in scans.values { try reading.scan.drain() } }

  /// What a source of batches threw.
  var sourceFailure: (any Error)? { scans.values.lazy.compactMap(\.scan.failure).first }

  /// What measures how far the sources of batches are read.
  var sources: [any BatchSource] { scans.values.map(\.scan.source) }
}

extension Query {
  fileprivate func input(_ name: String) throws(EngineError) -> Input {
    if let input = inputs[name] { return input }
    if let key = inputs.keys.first(where: { $0.lowercased() == name.lowercased() }) {
      return inputs[key]!
    }
    let known = nearest(to: name, among: inputs.keys)
    throw EngineError(
      .badQuery, "\(name) stands after FROM, and there is no such source or model",
      at: Place(model: label),
      advice: known.map { "did you mean \($0)?" }
        ?? "the inputs are: \(inputs.keys.sorted().joined(separator: ", "))",
      exitCode: 2)
  }
}

extension Query {
  /// Where the SQL first names a parameter.
  func place(ofParameter name: String) -> Place {
    let text = SQLText(sql)
    let token = text.tokens.first { token in
      if case .parameter(let found) = token.kind { found == name } else { false }
    }
    let position = token.map { text.position(ofByte: $0.range.lowerBound) }
    return Place(file: file, line: position?.line, column: position?.column, model: label)
  }
}

extension DuckDBConnection {
  /// Parses one SELECT.
  func syntaxTree(of text: SQLText, at place: Place) throws -> SyntaxTree {
    let sent = SentSQL(
      place.description, SQLText(""), prefix: "SELECT json_serialize_sql($text::VARCHAR)::VARCHAR",
      suffix: "")
    let written = String(decoding: text.bytes, as: UTF8.self)
    let rows = try execute(sent, ["text": .string(written)]) { try $0.rows() }
    guard case .string(let serialized)? = rows.first?.first else {
      throw EngineError(.failed, "DuckDB gave no syntax tree", at: place)
    }
    return try SyntaxTree(serialized: serialized, of: text, at: place)
  }
}
