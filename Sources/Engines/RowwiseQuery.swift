import Core

/// A query seen as a function of the single rows of one input (rule 10): each row of the result
/// comes from one row of that input, whatever other rows there are.
///
/// Where that holds, columns of the input can be carried to the result: the text gets them in every
/// SELECT on the way. Where it does not, the query means something else for a part of the input
/// than for all of it, and no model may be kept up to date by parts.
struct RowwiseQuery {
  /// `name` or `schema.name`, in lower case.
  private let input: String
  private let columns: [String]
  private let text: SQLText
  private let place: Place
  private let isAggregate: (String) throws -> Bool
  /// What to insert, by the index of the token before which it goes.
  private(set) var edits: [Int: String] = [:]

  /// - Parameters:
  ///   - isAggregate: Whether a function, by its name in lower case, makes one value of many rows.
  /// - Throws: `EngineError` `.badQuery` where a row of the result depends on more than one row.
  init(
    _ tree: SyntaxTree, of text: SQLText, input: String, carrying columns: [String],
    at place: Place, isAggregate: @escaping (String) throws -> Bool
  ) throws {
    self.input = input.lowercased()
    self.columns = columns
    self.text = text
    self.place = place
    self.isAggregate = isAggregate
    guard try carry(query: tree.root, [:]) != nil else {
      throw failure("its rows do not come from the input '\(input)'")
    }
  }

  /// The text with the columns in it.
  var edited: String {
    var bytes: [UInt8] = []
    for (index, token) in text.tokens.enumerated() {
      if let edit = edits[index] { bytes += Array(edit.utf8) }
      bytes += text.bytes[token.range]
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Names that CTEs define, in lower case, and whether their rows come from the input.
  private typealias Scope = [String: Bool]

  // MARK: Queries

  /// - Returns: The FROM of the first SELECT whose rows come from the input; nil where the query
  ///   does not read it at all.
  private mutating func carry(query node: JSON, _ outer: Scope) throws -> Int? {
    switch node["type"]?.string {
    case "SELECT_NODE":
      let scope = try ctes(of: node, outer)
      return try carry(select: node, scope)
    case "SET_OPERATION_NODE":
      let scope = try ctes(of: node, outer)
      let branches = node["children"]?.array ?? [node["left"] ?? .null, node["right"] ?? .null]
      let carried = try branches.map { try carry(query: $0, scope) }
      if carried.allSatisfy({ $0 == nil }) { return nil }
      let type = node["setop_type"]?.string ?? ""
      guard ["UNION", "UNION_BY_NAME"].contains(type), node["setop_all"]?.boolean == true else {
        throw failure(
          "\(type.split(separator: "_").first ?? "a set operation") compares its rows with others",
          advice: "UNION ALL keeps every row")
      }
      guard carried.allSatisfy({ $0 != nil }) else {
        throw failure("a part of its UNION ALL has rows that do not come from '\(input)'")
      }
      try check(modifiersOf: node, scope)
      return carried[0]
    default:
      try refuseReads(in: node, outer, "a recursive query")
      return nil
    }
  }

  private mutating func ctes(of node: JSON, _ outer: Scope) throws -> Scope {
    var scope = outer
    for cte in node["cte_map"]?["map"]?.array ?? [] {
      guard let name = cte["key"]?.string?.lowercased() else { continue }
      let body = cte["value"]?["query"]?["node"] ?? .null
      scope[name] = try carry(query: body, scope) != nil
    }
    return scope
  }

  private mutating func carry(select node: JSON, _ scope: Scope) throws -> Int? {
    let parts = ["select_list", "where_clause", "group_expressions", "having", "qualify"]
    guard let carrier = try carry(table: node["from_table"] ?? .null, scope) else {
      for part in parts + ["modifiers"] {
        try refuseReads(in: node[part] ?? .null, scope, "a subquery")
      }
      return nil
    }
    for part in parts {
      try refuseReads(in: node[part] ?? .null, scope, "a subquery")
      try refuseAggregates(in: node[part] ?? .null)
    }
    let isGrouped =
      node["group_expressions"]?.array?.isEmpty == false
      || node["group_sets"]?.array?.isEmpty == false
      || node["aggregate_handling"]?.string == "FORCE_AGGREGATES"
    if isGrouped { throw failure("GROUP BY makes one row of several") }
    for (part, name) in [("having", "HAVING"), ("qualify", "QUALIFY"), ("sample", "a sample")] {
      if node[part]?.isNull == false { throw failure("\(name) looks at several rows") }
    }
    try check(modifiersOf: node, scope)
    return try insert(into: node["select_list"]?.array ?? [], carrier)
  }

  private func check(modifiersOf node: JSON, _ scope: Scope) throws {
    for modifier in node["modifiers"]?.array ?? [] {
      switch modifier["type"]?.string {
      case "DISTINCT_MODIFIER": throw failure("DISTINCT compares its rows with each other")
      case "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER":
        throw failure("LIMIT counts rows across batches")
      default:
        try refuseReads(in: modifier, scope, "a subquery")
        try refuseAggregates(in: modifier)
      }
    }
  }

  // MARK: What stands after FROM

  /// The table of a FROM clause whose rows come from the input.
  private struct Carrier {
    /// What qualifies its columns; empty where nothing does.
    var alias: String
    /// Where it begins: the index of a token.
    var start: Int
  }

  private mutating func carry(table node: JSON, _ scope: Scope) throws -> Carrier? {
    let alias = node["alias"]?.string ?? ""
    switch node["type"]?.string {
    case "BASE_TABLE":
      guard isCarrier(node, scope) else { return nil }
      try refuseSample(node)
      let offset = node["query_location"]?.integer ?? -1
      guard let start = text.tokens.firstIndex(where: { $0.range.lowerBound == Int(offset) })
      else { throw unreadable }
      return Carrier(
        alias: alias.isEmpty ? node["table_name"]?.string ?? "" : alias, start: start)
    case "SUBQUERY":
      guard let from = try carry(query: node["subquery"]?["node"] ?? .null, scope) else {
        return nil
      }
      try refuseSample(node)
      guard let start = text.openParenthesis(before: from) else { throw unreadable }
      return Carrier(alias: alias, start: start)
    case "JOIN":
      let left = try carry(table: node["left"] ?? .null, scope)
      let right = try carry(table: node["right"] ?? .null, scope)
      try refuseReads(in: node["condition"] ?? .null, scope, "a join condition")
      if left == nil && right == nil { return nil }
      guard left == nil || right == nil else {
        throw failure("it joins '\(input)' with itself")
      }
      try check(join: node, isLeft: left != nil)
      return left ?? right
    default:
      try refuseReads(in: node, scope, "a part of its FROM")
      return nil
    }
  }

  private func check(join node: JSON, isLeft: Bool) throws {
    let kind = node["join_type"]?.string ?? ""
    let isRight =
      switch kind {
      case "INNER": true
      case "LEFT", "SEMI", "ANTI": isLeft
      case "RIGHT": !isLeft
      default: false
      }
    guard isRight && node["ref_type"]?.string != "POSITIONAL" else {
      throw failure(
        "a \(kind) JOIN there gives rows that come from no row of '\(input)'",
        advice: "let '\(input)' stand on the side that the join keeps")
    }
  }

  private func refuseSample(_ node: JSON) throws {
    if node["sample"]?.isNull == false { throw failure("a sample looks at several rows") }
  }

  private func isCarrier(_ table: JSON, _ scope: Scope) -> Bool {
    let name = table["table_name"]?.string?.lowercased() ?? ""
    let schema = table["schema_name"]?.string?.lowercased() ?? ""
    if schema.isEmpty, let isCarrier = scope[name] { return isCarrier }
    return (schema.isEmpty ? name : "\(schema).\(name)") == input
  }

  // MARK: Expressions

  private func refuseReads(in node: JSON, _ outer: Scope, _ what: String) throws {
    switch node {
    case .array(let items): for item in items { try refuseReads(in: item, outer, what) }
    case .object(let members):
      if node["type"]?.string == "BASE_TABLE", isCarrier(node, outer) {
        throw failure("\(what) reads all of '\(input)'", at: node)
      }
      var scope = outer
      for cte in node["cte_map"]?["map"]?.array ?? [] {
        try refuseReads(in: cte["value"] ?? .null, scope, what)
        if let name = cte["key"]?.string { scope[name.lowercased()] = false }
      }
      for member in members where member.name != "cte_map" {
        try refuseReads(in: member.value, scope, what)
      }
    default: break
    }
  }

  /// Subqueries may do what they like with other inputs.
  private func refuseAggregates(in node: JSON) throws {
    switch node {
    case .array(let items): for item in items { try refuseAggregates(in: item) }
    case .object(let members):
      let name = node["function_name"]?.string ?? ""
      switch node["class"]?.string {
      case "SUBQUERY": return
      case "WINDOW": throw failure("\(name)(…) OVER looks at several rows", at: node)
      case "FUNCTION" where node["is_operator"]?.boolean != true:
        if try isAggregate(name.lowercased()) {
          throw failure("\(name)(…) makes one value of many rows", at: node)
        }
      default: break
      }
      for member in members { try refuseAggregates(in: member.value) }
    default: break
    }
  }

  // MARK: The text

  /// Adds the columns that a SELECT does not have yet.
  ///
  /// - Returns: Its FROM.
  private mutating func insert(into list: [JSON], _ carrier: Carrier) throws -> Int {
    guard let from = text.from(before: carrier.start) else { throw unreadable }
    let missing = columns.filter { column in
      !list.contains { RowwiseQuery.selects($0, column, of: carrier.alias) }
    }
    guard !missing.isEmpty else { return from }
    let names = missing.map { column in
      carrier.alias.isEmpty
        ? column.quotedName : "\(carrier.alias.quotedName).\(column.quotedName)"
    }
    // DuckDB lets a list end in a comma.
    let last = text.tokens[..<from].last { $0.kind != .gap }
    let comma = last.map { text.bytes[$0.range].elementsEqual(",".utf8) } ?? false
    edits[from] = (comma ? " " : ", ") + names.joined(separator: ", ") + " "
    return from
  }

  private static func selects(_ item: JSON, _ column: String, of alias: String) -> Bool {
    let given = item["alias"]?.string?.lowercased() ?? ""
    switch item["type"]?.string {
    case "COLUMN_REF":
      let names = (item["column_names"]?.array ?? []).compactMap { $0.string?.lowercased() }
      let isOurs = names.count == 1 || names.dropLast().last == alias.lowercased()
      return names.last == column && isOurs && (given.isEmpty || given == column)
    case "STAR":
      let relation = item["relation_name"]?.string ?? ""
      let excluded = (item["exclude_list"]?.array ?? []).contains {
        $0.string?.lowercased() == column
      }
      return item["columns"]?.boolean != true && !excluded
        && (relation.isEmpty || relation.lowercased() == alias.lowercased())
    default: return false
    }
  }

  // MARK: Failures

  private var unreadable: EngineError {
    failure(
      "where its rows come from cannot be followed",
      advice: "write SELECT … FROM …, or select \(columns.joined(separator: ", ")) yourself")
  }

  private func failure(
    _ reason: String, at node: JSON? = nil, advice: String? = nil
  ) -> EngineError {
    var place = place
    if let offset = node?["query_location"]?.integer, offset < text.bytes.count {
      (place.line, place.column) = text.position(ofByte: Int(offset))
    }
    return EngineError(
      .badQuery,
      "the SQL cannot be applied to parts of '\(input)': \(reason)", at: place,
      advice: advice
        ?? "do that in a `full` or `interval` model that reads this one, or choose that kind here",
      exitCode: 2)
  }
}
