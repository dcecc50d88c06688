import Core

/// Reads files of one layout as a table's schema: columns by ID wherever they are called what, new
/// ones as nulls, nested ones rebuilt, deleted rows left out.
struct FileProjection {
  let layout: Schema
  let deletes: [DeleteFile]

  func sql(_ files: [DataFile], _ schema: Schema) -> String {
    let columns = schema.fields.map { field in
      "\(value(of: field.id, as: field.type)) AS \(field.name.quotedName)"
    }
    let rowNumbers = deletes.isEmpty ? "" : ", file_row_number = true"
    var sql =
      "SELECT \(columns.joined(separator: ", ")) FROM read_parquet("
      + "[\(ParquetInput.list(files.map(\.path)))]\(rowNumbers), hive_partitioning = false) AS f"
    if !deletes.isEmpty { sql += " WHERE \(conditions.joined(separator: " AND "))" }
    return sql
  }

  private func value(of id: Int, as type: FieldType) -> String {
    guard id > 0, let source = layout.fields.first(where: { $0.id == id }) else {
      return "NULL::\(type.duckDBName)"
    }
    return FileProjection.value("f.\(source.name.quotedName)", source.type, as: type, depth: 0)
  }

  /// An expression for a value of the file as the wanted type.
  ///
  /// - Parameter depth: Keeps the variables of lambdas apart.
  private static func value(
    _ column: String, _ source: FieldType, as type: FieldType, depth: Int
  ) -> String {
    let name = "e\(depth)"
    switch (source, type) {
    case (.structure(let inside), .structure(let wanted)):
      let members = wanted.map { field in
        let found = inside.first { $0.id == field.id && field.id > 0 }
        let member =
          found.map {
            value(
              "struct_extract(\(column), \($0.name.quotedLiteral))", $0.type, as: field.type,
              depth: depth)
          } ?? "NULL::\(field.type.duckDBName)"
        return "\(field.name.quotedName) := \(member)"
      }
      return cast(
        "CASE WHEN \(column) IS NULL THEN NULL "
          + "ELSE struct_pack(\(members.joined(separator: ", "))) END", type)
    case (.list(let inside), .list(let wanted)):
      let element = value(name, inside.type, as: wanted.type, depth: depth + 1)
      return cast("list_transform(\(column), lambda \(name): \(element))", type)
    case (.map(let insideKey, let insideValue), .map(let key, let wanted)):
      let newKey = value("\(name).key", insideKey.type, as: key.type, depth: depth + 1)
      let newValue = value("\(name).value", insideValue.type, as: wanted.type, depth: depth + 1)
      return cast(
        "map_from_entries(list_transform(map_entries(\(column)), lambda \(name): "
          + "struct_pack(key := \(newKey), value := \(newValue))))", type)
    case (.binary, .uuid), (.fixed, .uuid): return cast("lower(hex(\(column)))", type)
    default: return cast(column, type)
    }
  }

  private static func cast(_ expression: String, _ type: FieldType) -> String {
    "CAST(\(expression) AS \(type.duckDBName))"
  }

  /// What holds for rows that no delete file names.
  private var conditions: [String] {
    deletes.map { delete in
      let from = "read_parquet([\(ParquetInput.list([delete.path]))], hive_partitioning = false)"
      let columns = FileProjection(layout: delete.layout, deletes: [])
      switch delete.kind {
      case .positions(let path):
        let (pathColumn, position) = (
          columns.value(of: 2_147_483_546, as: .string),
          columns.value(of: 2_147_483_545, as: .bigint)
        )
        return "file_row_number NOT IN (SELECT \(position) FROM \(from) AS f "
          + "WHERE \(pathColumn) = \(path.quotedLiteral) AND \(position) IS NOT NULL)"
      case .equality(let fields):
        let names = fields.indices.map { "d\($0)" }
        let deleted = zip(fields, names).map { field, name in
          "\(columns.value(of: field.id, as: field.type)) AS \(name)"
        }
        let same = zip(fields, names).map { field, name in
          "d.\(name) IS NOT DISTINCT FROM \(value(of: field.id, as: field.type))"
        }
        return "NOT EXISTS (SELECT 1 FROM (SELECT \(deleted.joined(separator: ", ")) "
          + "FROM \(from) AS f) AS d WHERE \(same.joined(separator: " AND ")))"
      }
    }
  }
}
