import Core

/// A query seen as a function of groups of one input's rows (rule 10): the rows of the result that
/// have certain values follow from the input's rows of the same values, whatever other rows there
/// are. Only then may groups be built again without the others.
struct GroupedQuery {
  private let input: String
  private let columns: [String]
  private let place: Place

  /// - Parameters:
  ///   - syntax: The query's tree, as `QueryShape` has it.
  ///   - columns: Of the input, and of the result.
  /// - Throws: `PipelineError` `.usage` where groups may depend on each other, exit code 2.
  static func check(
    _ syntax: String, of input: String, by columns: [String], at place: Place
  ) throws {
    let query = GroupedQuery(
      input: input.lowercased(), columns: columns.map { $0.lowercased() }, place: place)
    try query.check((try? JSON(parsing: syntax)) ?? .null)
  }

  private func check(_ root: JSON) throws {
    guard root["type"]?.string == "SELECT_NODE",
      root["cte_map"]?["map"]?.array?.isEmpty != false
    else { throw failure("it is not one plain SELECT") }
    let names = try carrier(root["from_table"] ?? .null)
    guard count(of: input, in: root) == 1 else { throw failure("it reads '\(input)' twice") }
    if holds("WINDOW", root) { throw failure("a window looks at rows of other groups") }
    for part in ["qualify", "sample"] where root[part].map({ !$0.isNull }) ?? false {
      throw failure("\(part.uppercased()) looks at rows of other groups")
    }
    for modifier in root["modifiers"]?.array ?? []
    where modifier["type"]?.string != "ORDER_MODIFIER" {
      throw failure("DISTINCT and LIMIT look at rows of other groups")
    }
    guard (root["group_sets"]?.array?.count ?? 0) <= 1 else {
      throw failure("GROUPING SETS, ROLLUP and CUBE make rows of several groups")
    }
    let selected = root["select_list"]?.array ?? []
    let isByAll = root["aggregate_handling"]?.string == "FORCE_AGGREGATES"
    let grouped = (root["group_expressions"]?.array ?? []).map { item in
      // GROUP BY 1
      guard item["class"]?.string == "CONSTANT", let number = item["value"]?["value"]?.integer,
        selected.indices.contains(Int(number) - 1)
      else { return item }
      return selected[Int(number) - 1]
    }
    for column in columns {
      let isSelected = selected.contains { item in
        isColumn(column, item, of: names)
          && ["", column].contains((item["alias"]?.string ?? "").lowercased())
      }
      guard isSelected else { throw failure("it does not select '\(column)' as it is") }
      guard isByAll || grouped.contains(where: { isColumn(column, $0, of: names) }) else {
        throw failure("it does not group by '\(column)'")
      }
    }
  }

  /// - Returns: What the input's columns may be qualified with, in lower case.
  private func carrier(_ table: JSON) throws -> Set<String> {
    switch table["type"]?.string {
    case "BASE_TABLE":
      guard name(of: table) == input else {
        throw failure("'\(input)' does not come first after FROM")
      }
      let alias = (table["alias"]?.string ?? "").lowercased()
      return alias.isEmpty ? [(table["table_name"]?.string ?? "").lowercased()] : [alias]
    case "JOIN":
      guard ["INNER", "LEFT"].contains(table["join_type"]?.string ?? "") else {
        throw failure("a join keeps rows of the other side")
      }
      return try carrier(table["left"] ?? .null)
    default: throw failure("'\(input)' does not stand by itself after FROM")
    }
  }

  private func name(of table: JSON) -> String {
    let schema = table["schema_name"]?.string ?? ""
    let name = table["table_name"]?.string ?? ""
    return (schema.isEmpty ? name : "\(schema).\(name)").lowercased()
  }

  private func isColumn(_ column: String, _ item: JSON, of names: Set<String>) -> Bool {
    guard item["class"]?.string == "COLUMN_REF",
      let parts = item["column_names"]?.array?.compactMap({ $0.string?.lowercased() }),
      parts.last == column
    else { return false }
    return parts.count == 1 || names.contains(parts[parts.count - 2])
  }

  private func count(of input: String, in node: JSON) -> Int {
    let own = node["type"]?.string == "BASE_TABLE" && name(of: node) == input ? 1 : 0
    return children(of: node).reduce(own) { $0 + count(of: input, in: $1) }
  }

  private func holds(_ kind: String, _ node: JSON) -> Bool {
    node["class"]?.string == kind || children(of: node).contains { holds(kind, $0) }
  }

  private func children(of node: JSON) -> [JSON] {
    node.array ?? node.members?.map(\.value) ?? []
  }

  private func failure(_ why: String) -> PipelineError {
    PipelineError(
      .usage, "groups of its rows cannot be built again by themselves: \(why)", at: place,
      advice: "write one SELECT … FROM \(input) … GROUP BY \(columns.joined(separator: ", ")), "
        + "or leave 'recompute' out", exitCode: 2)
  }
}
