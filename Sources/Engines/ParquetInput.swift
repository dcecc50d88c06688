import Core

/// Parquet files as a relation.
enum ParquetInput {
  /// A SELECT of the schema's columns. Files whose columns are all found under their field IDs are
  /// read together; those of another layout, or with deleted rows, by a projection of their own
  /// (rule 28).
  static func sql(_ files: [DataFile], _ schema: Schema) -> String {
    if files.isEmpty {
      let columns = schema.fields.map {
        "NULL::\($0.type.duckDBName) AS \($0.name.quotedName)"
      }
      return "SELECT \(columns.joined(separator: ", ")) WHERE false"
    }
    var plain: [DataFile] = []
    var groups: [(layout: Schema, deletes: [DeleteFile], files: [DataFile])] = []
    var places: [GroupKey: Int] = [:]
    for file in files {
      guard let layout = file.layout else {
        plain.append(file)
        continue
      }
      let key = GroupKey(layout: layout, deletes: file.deletes)
      if let place = places[key] {
        groups[place].files.append(file)
      } else {
        places[key] = groups.count
        groups.append((layout, file.deletes, [file]))
      }
    }
    var parts = plain.isEmpty ? [] : [byID(plain, schema)]
    parts += groups.map { group in
      FileProjection(layout: group.layout, deletes: group.deletes).sql(group.files, schema)
    }
    return parts.joined(separator: " UNION ALL ")
  }

  private struct GroupKey: Hashable {
    var layout: Schema
    var deletes: [DeleteFile]
  }

  private static func byID(_ files: [DataFile], _ schema: Schema) -> String {
    let fields = schema.fields.map {
      "\($0.id): {'name': \($0.name.quotedLiteral), 'type': \($0.type.duckDBName.quotedLiteral), "
        + "'default_value': NULL}"
    }
    // The columns are in the files: a path such as day=1/ must not override them.
    return "SELECT * FROM read_parquet([\(list(files.map(\.path)))], "
      + "schema = MAP {\(fields.joined(separator: ", "))}, hive_partitioning = false)"
  }

  /// Paths as the elements of a list.
  static func list(_ paths: [String]) -> String {
    paths.map { pattern(localPath($0)).quotedLiteral }.joined(separator: ", ")
  }

  /// The path without `file://`.
  static func localPath(_ address: String) -> String {
    address.hasPrefix("file://") ? String(address.dropFirst(7)) : address
  }

  /// A glob that matches just this path.
  private static func pattern(_ path: String) -> String {
    path.reduce(into: "") { $0 += "*?[".contains($1) ? "[\($1)]" : "\($1)" }
  }
}
