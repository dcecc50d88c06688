import Core
import Engines
import Lake

/// Rows of a table found by the values of some columns, and the data files that hold them: what
/// copy-on-write needs to touch no other file.
struct TableParts {
  let table: Table
  /// As the table will be; files are read into it.
  let schema: Schema
  let workspace: Workspace
  let place: Place

  init(_ table: Table, _ schema: Schema, _ workspace: Workspace, _ place: Place) {
    self.table = table
    self.schema = schema
    self.workspace = workspace
    self.place = place
  }

  /// The values that are looked for.
  struct Keys {
    var columns: [String]
    /// Rows of those columns, each once.
    var input: Query.Input
    /// Least and greatest value of each column that has an order in statistics; nil where it is not
    /// known. Nulls are in `hasNull`.
    var bounds: [(lower: Value, upper: Value)?]
    var hasNull: [Bool]
    /// Of a single column, all values in order, where they are known.
    var values: [Value]? = nil

    static func contributions(_ names: [String]) -> Keys {
      let field = Field(name: Provenance.file, type: .string)
      let sorted = Set(names).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
      let bounds = sorted.first.map { (Value.string($0), Value.string(sorted.last!)) }
      return Keys(
        columns: [Provenance.file],
        input: .rows(RowSet(schema: Schema([field]), rows: sorted.map { [.string($0)] })),
        bounds: [bounds], hasNull: [false], values: sorted.map(Value.string))
    }

    /// The rows of files with just these columns.
    static func rows(of files: [DataFile], schema: Schema) -> Keys {
      let columns = schema.fields
      return Keys(
        columns: columns.map(\.name), input: .files(files, schema: schema),
        bounds: columns.map { field in
          // -0.0 equals 0.0 in SQL and is less in statistics.
          guard field.type != .float, field.type != .double else { return nil }
          let all = files.compactMap { file -> (Value, Value)? in
            guard let statistics = file.columns[field.id], let lower = statistics.lower,
              let upper = statistics.upper
            else { return nil }
            return (lower, upper)
          }
          guard all.count == files.count, let first = all.first else { return nil }
          return all.dropFirst().reduce(first) { bounds, next in
            (
              ValueOrder.isLess(next.0, bounds.0) == true ? next.0 : bounds.0,
              ValueOrder.isLess(bounds.1, next.1) == true ? next.1 : bounds.1
            )
          }
        },
        hasNull: columns.map { field in
          files.contains { $0.columns[field.id]?.nullCount != 0 }
        })
    }

    /// `t.a IS NOT DISTINCT FROM k.a AND …`
    func matches(_ table: String, _ keys: String) -> String {
      columns.map { column in
        let name = column.quotedName
        return "\(table).\(name) IS NOT DISTINCT FROM \(keys).\(name)"
      }.joined(separator: " AND ")
    }
  }

  /// The rows with those values, as a query.
  func rows(of keys: Keys) throws -> Query {
    rows(of: keys, in: try candidates(keys))
  }

  func rows(of keys: Keys, in files: [DataFile]) -> Query {
    select("SEMI", keys, files)
  }

  /// The rows of these files that do not have those values.
  func others(than keys: Keys, in files: [DataFile]) -> Query {
    select("ANTI", keys, files)
  }

  private func select(_ join: String, _ keys: Keys, _ files: [DataFile]) -> Query {
    Query(
      sql: "SELECT t.* FROM t \(join) JOIN k ON \(keys.matches("t", "k"))",
      inputs: ["t": .files(files, schema: schema), "k": keys.input],
      label: table.id.description)
  }

  /// The data files that hold at least one row with those values.
  func files(holding keys: Keys) throws -> [DataFile] {
    try files(holding: keys, among: try candidates(keys))
  }

  func files(holding keys: Keys, among candidates: [DataFile]) throws -> [DataFile] {
    var holding: [DataFile] = []
    // A query for many files at once; statistics have already spared most.
    let size = 50
    for start in stride(from: 0, to: candidates.count, by: size) {
      let part = Array(candidates[start..<min(start + size, candidates.count)])
      var inputs: [String: Query.Input] = ["k": keys.input]
      let counts = part.enumerated().map { index, file in
        inputs["f\(index)"] = .files([file], schema: schema)
        return "SELECT \(index)::int AS file, EXISTS (SELECT 1 FROM f\(index) SEMI JOIN k ON "
          + "\(keys.matches("f\(index)", "k"))) AS holds"
      }
      let found = try workspace.engine.rows(
        Query(
          sql: counts.joined(separator: " UNION ALL "), inputs: inputs,
          label: table.id.description),
        cancellation: workspace.context.cancellation)
      for row in found.rows {
        if case .integer(let index) = row[0], row[1] == .boolean(true) {
          holding.append(part[Int(index)])
        }
      }
    }
    return holding
  }

  /// The files that may hold such rows, as far as manifests and statistics tell.
  private func candidates(_ keys: Keys) throws -> [DataFile] {
    var filter = RowFilter.all
    for (index, column) in keys.columns.enumerated()
    where !keys.hasNull[index] && table.schema[column]?.id == schema[column]?.id {
      if let bounds = keys.bounds[index] {
        filter = filter && .within(column, from: bounds.lower, to: bounds.upper)
      }
    }
    let files = try table.dataFiles(filter)
    guard let values = keys.values, let id = schema[keys.columns[0]]?.id else { return files }
    return files.filter { file in
      guard let lower = file.columns[id]?.lower, let upper = file.columns[id]?.upper else {
        return true
      }
      return values.hasOne(from: lower, to: upper)
    }
  }

  /// The rows of these intervals of an interval table; each is a contribution of its own.
  static func rows(of intervals: [Interval], in table: Table) throws -> Query {
    let fields = [
      Field(name: "interval_start", type: .timestamp),
      Field(name: "interval_end", type: .timestamp),
      Field(name: "name", type: .string),
    ]
    let wanted = Set(intervals)
    let files = try table.dataFiles().filter { file in
      guard file.partition.count == 2, case .timestamp(let start) = file.partition[0],
        case .timestamp(let end) = file.partition[1], start < end
      else { return true }
      return wanted.contains(Interval(start: start, end: end))
    }
    return Query(
      sql: "SELECT t.*, k.name AS \(Provenance.file), NULL::bigint AS \(Provenance.batch), "
        + "NULL::bigint AS \(Provenance.row) FROM t JOIN k "
        + "ON t.interval_start = k.interval_start AND t.interval_end = k.interval_end",
      inputs: [
        "t": .files(files, schema: table.schema),
        "k": .rows(
          RowSet(
            schema: Schema(fields),
            rows: intervals.map {
              [.timestamp($0.start), .timestamp($0.end), .string(Delta.name(of: $0))]
            })),
      ], label: table.id.description)
  }
}

extension [Value] {
  /// Whether a value of an ordered array lies between the two, both included.
  fileprivate func hasOne(from lower: Value, to upper: Value) -> Bool {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if ValueOrder.isLess(self[middle], lower) == true { low = middle + 1 } else { high = middle }
    }
    return low < count && ValueOrder.isLess(upper, self[low]) != true
  }
}
