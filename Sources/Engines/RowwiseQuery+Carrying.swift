import Core

extension DuckDBConnection {
  /// The text of a query with columns of one input carried to its result.
  ///
  /// - Throws: `EngineError` `.badQuery` where the query is not row-wise over that input.
  func carrying(
    _ columns: [String], of input: String, through sql: String, at place: Place
  ) throws -> String {
    let aggregates = try aggregateNames()
    func analyse(_ text: SQLText) throws -> (SyntaxTree, RowwiseQuery) {
      let tree = try syntaxTree(of: text, at: place)
      return (
        tree,
        try RowwiseQuery(tree, of: text, input: input, carrying: columns, at: place) {
          aggregates.contains($0)
        }
      )
    }
    let (tree, query) = try analyse(SQLText(sql))
    guard !query.edits.isEmpty else { return sql }
    // The text was changed by its tokens; the parser says whether it says what was meant: the same
    // query, the columns added, and nothing left to add.
    let text = query.edited
    guard let (again, rest) = try? analyse(SQLText(text)), rest.edits.isEmpty,
      again.root.withoutColumns(columns) == tree.root.withoutColumns(columns)
    else {
      throw EngineError(
        .badQuery, "the SQL does not show where its rows' file and batch can be added",
        at: place,
        advice: "select \(columns.joined(separator: ", ")) of '\(input)' yourself", exitCode: 2)
    }
    return text
  }

  private func aggregateNames() throws -> Set<String> {
    let sql =
      "SELECT DISTINCT lower(function_name) FROM duckdb_functions() "
      + "WHERE function_type = 'aggregate'"
    let sent = SentSQL("functions", SQLText(""), prefix: sql, suffix: "")
    let rows = try execute(sent, [:]) { try $0.rows() }
    return Set(rows.compactMap { if case .string(let name)? = $0.first { name } else { nil } })
  }
}

extension JSON {
  /// A syntax tree without positions, and without plain references to `columns` in SELECT lists.
  fileprivate func withoutColumns(_ columns: [String]) -> JSON {
    switch self {
    case .array(let items): return .array(items.map { $0.withoutColumns(columns) })
    case .object(let members):
      return .object(
        members.compactMap { member in
          if ["query_location", "named_param_map"].contains(member.name) { return nil }
          guard member.name == "select_list", let items = member.value.array else {
            return Member(member.name, member.value.withoutColumns(columns))
          }
          let kept = items.filter { item in
            let name = item["column_names"]?.array?.last?.string?.lowercased() ?? ""
            return item["type"]?.string != "COLUMN_REF" || !columns.contains(name)
          }
          return Member(member.name, .array(kept.map { $0.withoutColumns(columns) }))
        })
    default: return self
    }
  }
}
