import Core

/// What a query's WHERE asks of the one table it reads, as far as that compares columns with
/// constants; the rest is left to the engine.
enum QueryConditions {
  static func find(in node: JSON) -> (table: SyntaxTree.Reference, filter: RowFilter)? {
    guard node["type"]?.string == "SELECT_NODE", node["cte_map"]?["map"]?.array?.isEmpty != false,
      let table = node["from_table"], table["type"]?.string == "BASE_TABLE",
      table["sample"]?.isNull != false, table["column_name_alias"]?.array?.isEmpty != false,
      let name = table["table_name"]?.string, let condition = node["where_clause"]
    else { return nil }
    let schema = table["schema_name"]?.string ?? ""
    let alias = table["alias"]?.string ?? ""
    var terms: [RowFilter.Term] = []
    collect(condition, called: (alias.isEmpty ? name : alias).lowercased(), &terms)
    guard !terms.isEmpty else { return nil }
    return (
      SyntaxTree.Reference(schema: schema.isEmpty ? nil : schema, name: name), RowFilter(terms)
    )
  }

  private static func collect(
    _ node: JSON, called table: String, _ terms: inout [RowFilter.Term]
  ) {
    func add(_ column: JSON?, _ condition: RowFilter.Condition?) {
      guard let column = column.flatMap({ name(of: $0, in: table) }), let condition else { return }
      terms.append(.init(column, condition))
    }
    switch node["type"]?.string {
    case "CONJUNCTION_AND":
      for child in node["children"]?.array ?? [] { collect(child, called: table, &terms) }
    case "COMPARE_BETWEEN":
      add(node["input"], range(from: node["lower"], to: node["upper"]))
    case "COMPARE_IN":
      let items = node["children"]?.array ?? []
      let values = items.dropFirst().map(constant)
      if !values.contains(nil) { add(items.first, .oneOf(values.compactMap { $0 })) }
    case "OPERATOR_IS_NULL": add(node["children"]?.array?.first, .oneOf([.null]))
    case let kind?:
      guard let comparison = comparisons[kind] else { return }
      let (left, right) = (node["left"], node["right"])
      if let value = right.flatMap(constant) {
        add(left, comparison.condition(value))
      } else if let value = left.flatMap(constant) {
        add(right, comparison.reversed.condition(value))
      }
    default: return
    }
  }

  private enum Comparison {
    case equal, below, above

    var reversed: Comparison {
      switch self {
      case .equal: .equal
      case .below: .above
      case .above: .below
      }
    }

    func condition(_ value: Value) -> RowFilter.Condition? {
      if value.isNull { return nil }
      switch self {
      case .equal: return .oneOf([value])
      case .below: return .within(from: nil, to: value)
      case .above: return .within(from: value, to: nil)
      }
    }
  }

  private static let comparisons: [String: Comparison] = [
    "COMPARE_EQUAL": .equal, "COMPARE_LESSTHAN": .below, "COMPARE_LESSTHANOREQUALTO": .below,
    "COMPARE_GREATERTHAN": .above, "COMPARE_GREATERTHANOREQUALTO": .above,
  ]

  private static func range(from: JSON?, to: JSON?) -> RowFilter.Condition? {
    let ends = (from.flatMap(constant), to.flatMap(constant))
    if ends.0 == .null || ends.1 == .null { return nil }
    return ends.0 == nil && ends.1 == nil ? nil : .within(from: ends.0, to: ends.1)
  }

  private static func name(of node: JSON, in table: String) -> String? {
    guard node["type"]?.string == "COLUMN_REF", let names = node["column_names"]?.array else {
      return nil
    }
    let parts = names.compactMap(\.string)
    if parts.count == 1 { return parts[0] }
    return parts.count == 2 && parts[0].lowercased() == table ? parts[1] : nil
  }

  /// A constant, or a text that is cast to a date or a time; nil for anything else.
  private static func constant(_ node: JSON) -> Value? {
    switch node["type"]?.string {
    case "VALUE_CONSTANT":
      guard let value = node["value"] else { return nil }
      if value["is_null"]?.boolean == true { return .null }
      switch value["type"]?["id"]?.string {
      case "VARCHAR": return value["value"]?.string.map(Value.string)
      case "INTEGER", "BIGINT": return value["value"]?.integer.map(Value.integer)
      case "DECIMAL":
        guard let unscaled = value["value"]?.integer,
          let scale = value["type"]?["type_info"]?["scale"]?.integer
        else { return nil }
        return .decimal(unscaled: Int128(unscaled), scale: Int(scale))
      default: return nil
      }
    case "OPERATOR_CAST":
      guard case .string(let text)? = node["child"].flatMap(constant) else { return nil }
      switch node["cast_type"]?["id"]?.string {
      case "DATE": return ParquetStatistics.bound(text, .date)
      case "TIMESTAMP":
        return ParquetStatistics.bound(text, .timestamp)
          ?? ParquetStatistics.bound(text + " 00:00:00", .timestamp)
      case "BOOLEAN": return ["t": .boolean(true), "f": .boolean(false)][text]
      default: return nil
      }
    default: return nil
    }
  }
}
