import Core

extension Output {
  /// ` ORDER BY …` over the declared columns; empty when any order will do.
  func orderBy(label: String) throws(EngineError) -> String {
    // By place: the cast value counts, not what the query calls the same.
    let columns = schema.fields.enumerated().map { ($0.element.name, "\($0.offset + 1)") }
    return try Output.orderBy(sort, columns, label: label)
  }

  /// - Parameter columns: The names that a key may have, each with its SQL.
  static func orderBy(
    _ sort: [SortKey], _ columns: [(name: String, sql: String)], label: String
  ) throws(EngineError) -> String {
    guard !sort.isEmpty else { return "" }
    var keys: [String] = []
    for key in sort {
      guard let column = columns.first(where: { $0.name == key.column }) else {
        throw EngineError(
          .wrongColumns, "the sort key \(key.column) is no column of the result",
          at: Place(model: label),
          advice: nearest(to: key.column, among: columns.map(\.name)).map { "did you mean \($0)?" },
          exitCode: 2)
      }
      keys.append("\(column.sql) \(key.isDescending ? "DESC" : "ASC") NULLS FIRST")
    }
    return " ORDER BY \(keys.joined(separator: ", "))"
  }
}
