import Core

/// A query's syntax tree, as DuckDB's `json_serialize_sql` gives it.
///
/// Binding would find the inputs too, but fails on parameters, USING, UNNEST and PIVOT (rule 26).
struct SyntaxTree {
  /// A name after FROM or JOIN that no CTE defines.
  struct Reference: Hashable {
    var schema: String?
    var name: String
    /// `name` or `schema.name`.
    var key: String { schema.map { "\($0).\(name)" } ?? name }
  }

  /// Each once, sorted by key.
  private(set) var references: [Reference] = []
  /// The `$name` parameters, each once, sorted.
  private(set) var parameters: [String] = []
  /// The tree without positions.
  private(set) var canonical = ""
  /// The tree itself: a query node.
  private(set) var root: JSON = .null
  /// Whether a part of it runs more than once.
  private(set) var isRecursive = false

  /// What WHERE asks of tables that are read in one place only, by their keys.
  private(set) var filters: [String: RowFilter] = [:]

  private var found: Set<Reference> = []
  private var counts: [Reference: Int] = [:]
  private var foundParameters: Set<String> = []
  private let text: SQLText
  private let place: Place

  /// - Parameter serialized: The answer of `json_serialize_sql` for `text`.
  /// - Parameter place: Of the text, for errors.
  init(serialized: String, of text: SQLText, at place: Place) throws(EngineError) {
    self.text = text
    self.place = place
    guard let root = try? JSON(parsing: SyntaxTree.withShortNumbers(serialized)) else {
      throw failure("the SQL is nested too deeply, or its syntax tree cannot be read")
    }
    try checkStatement(root)
    let tree = root["statements"]!.array![0]["node"] ?? .null
    self.root = tree
    try walk(tree, scope: [])
    canonical = SyntaxTree.withoutPositions(tree).description
    references = found.sorted { $0.key < $1.key }
    parameters = foundParameters.sorted()
    if let (reference, filter) = QueryConditions.find(in: tree), counts[reference] == 1 {
      filters[reference.key] = filter
    }
  }

  var shape: QueryShape {
    QueryShape(
      inputs: references.map(\.key), parameters: parameters, syntax: canonical,
      filters: filters)
  }

  private func checkStatement(_ root: JSON) throws(EngineError) {
    if root["error"]?.boolean == true {
      let message = root["error_message"]?.string ?? "it cannot be parsed"
      let position = root["position"]?.string.flatMap { Int($0) }
      if root["error_type"]?.string == "not implemented" {
        throw failure(
          "the SQL is not one SELECT that can be read here (DuckDB: \(message))",
          advice: "write one SELECT; DDL, INSERT and PIVOT are not possible, "
            + "and conditional aggregates do what PIVOT does")
      }
      throw failure(message, at: position)
    }
    let count = root["statements"]?.array?.count ?? 0
    guard count == 1 else {
      throw failure(
        count == 0 ? "the SQL is empty" : "the SQL holds \(count) statements",
        advice: "write one SELECT")
    }
  }

  // MARK: Walking

  /// - Parameter scope: The names that CTEs around `node` define, in lower case.
  private mutating func walk(_ node: JSON, scope: Set<String>) throws(EngineError) {
    switch node {
    case .array(let items): for item in items { try walk(item, scope: scope) }
    case .object(let members):
      switch node["type"]?.string {
      case "BASE_TABLE": try visitTable(node, scope)
      case "TABLE_FUNCTION":
        let name = node["function"]?["function_name"]?.string ?? "a function"
        throw failure(
          "\(name)(…) stands after FROM, where only sources and models may stand",
          at: location(node),
          advice: name.lowercased() == "unnest"
            ? "put unnest(…) into the SELECT list" : "declare what it reads as a source")
      case "SHOW_REF":
        throw failure("DESCRIBE, SHOW and SUMMARIZE are no SELECT", at: location(node))
      case "PIVOT" where node["aggregates"]?.array?.isEmpty == false:
        throw failure(
          "PIVOT is not possible in a model", at: location(node),
          advice: "use conditional aggregates: sum(x) FILTER (WHERE …)")
      default: break
      }
      if node["class"]?.string == "PARAMETER" { try visitParameter(node) }
      var inner = scope
      if let ctes = node["cte_map"]?["map"]?.array {
        for cte in ctes { try visitCTE(cte, &inner) }
      }
      if node["type"]?.string == "RECURSIVE_CTE_NODE" {
        isRecursive = true
        if let name = node["cte_name"]?.string { inner.insert(name.lowercased()) }
      }
      for member in members where member.name != "cte_map" {
        try walk(member.value, scope: inner)
      }
    default: break
    }
  }

  /// A CTE sees those before it, and itself where it is recursive.
  private mutating func visitCTE(_ cte: JSON, _ scope: inout Set<String>) throws(EngineError) {
    try walk(cte["value"] ?? .null, scope: scope)
    if let name = cte["key"]?.string { scope.insert(name.lowercased()) }
  }

  private mutating func visitTable(_ node: JSON, _ scope: Set<String>) throws(EngineError) {
    let name = node["table_name"]?.string ?? ""
    let schema = node["schema_name"]?.string ?? ""
    let position = location(node)
    if let position, position < text.bytes.count, text.bytes[position] == UInt8(ascii: "'") {
      throw failure(
        "the file '\(name)' stands after FROM, where only sources and models may stand",
        at: position, advice: "declare it as a source")
    }
    if let catalog = node["catalog_name"]?.string, !catalog.isEmpty {
      throw failure(
        "\(catalog).\(schema).\(name) has three parts", at: position,
        advice: "sources and models are called name or pipeline.name")
    }
    if let clause = node["at_clause"], !clause.isNull {
      throw failure("\(name) AT (…): inputs are read as they are now", at: position)
    }
    if schema.isEmpty {
      if !scope.contains(name.lowercased()) { insert(Reference(name: name)) }
      return
    }
    // `recurring.c` is the table so far of the recursive CTE `c`.
    if schema.lowercased() == "recurring" && scope.contains(name.lowercased()) { return }
    if ["main", "temp", "system", "memory", "pg_catalog", "information_schema"]
      .contains(schema.lowercased())
    {
      throw failure(
        "\(schema).\(name): the name \(schema) belongs to DuckDB", at: position,
        advice: "sources and models are called name or pipeline.name")
    }
    insert(Reference(schema: schema, name: name))
  }

  private mutating func insert(_ reference: Reference) {
    found.insert(reference)
    counts[reference, default: 0] += 1
  }

  private mutating func visitParameter(_ node: JSON) throws(EngineError) {
    let name = node["identifier"]?.string ?? ""
    guard let first = name.first, !first.isNumber else {
      throw failure("a parameter without a name", advice: "write $name")
    }
    foundParameters.insert(name)
  }

  private func location(_ node: JSON) -> Int? {
    if let position = node["query_location"]?.integer { return Int(position) }
    return node["function"]?["query_location"]?.integer.map { Int($0) }
  }

  private func failure(
    _ message: String, at offset: Int? = nil, advice: String? = nil
  ) -> EngineError {
    var place = place
    var message = message
    if let offset {
      let (line, column) = text.position(ofByte: offset)
      (place.line, place.column) = (line, column)
      if place.file == nil { message += " (line \(line), column \(column) of the SQL)" }
    }
    return EngineError(.badQuery, message, at: place, advice: advice, exitCode: 2)
  }

  // MARK: The canonical form

  private static func withoutPositions(_ node: JSON) -> JSON {
    switch node {
    case .array(let items): return .array(items.map(withoutPositions))
    case .object(let members):
      return .object(
        members.filter { $0.name != "query_location" && $0.name != "named_param_map" }
          .map { JSON.Member($0.name, withoutPositions($0.value)) })
    default: return node
    }
  }

  /// DuckDB writes numbers of more than 64 bits, and `Infinity`, bare; JSON readers refuse them,
  /// so they become strings.
  static func withShortNumbers(_ text: String) -> [UInt8] {
    var result: [UInt8] = []
    let bytes = Array(text.utf8)
    result.reserveCapacity(bytes.count)
    var i = 0
    while i < bytes.count {
      let start = i
      switch bytes[i] {
      case UInt8(ascii: "\""):
        i += 1
        while i < bytes.count && bytes[i] != UInt8(ascii: "\"") {
          i += bytes[i] == UInt8(ascii: "\\") ? 2 : 1
        }
        i = min(i + 1, bytes.count)
        result += bytes[start..<i]
      case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "I"),
        UInt8(ascii: "N"):
        while i < bytes.count && !isDelimiter(bytes[i]) { i += 1 }
        let isPlain = bytes[start..<i].allSatisfy { $0 < UInt8(ascii: "A") } && i - start <= 18
        if !isPlain { result.append(UInt8(ascii: "\"")) }
        result += bytes[start..<i]
        if !isPlain { result.append(UInt8(ascii: "\"")) }
      default:
        result.append(bytes[i])
        i += 1
      }
    }
    return result
  }

  private static func isDelimiter(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: ","), UInt8(ascii: "}"), UInt8(ascii: "]"), 0x20, 0x0A, 0x0D, 0x09: true
    default: false
    }
  }
}
