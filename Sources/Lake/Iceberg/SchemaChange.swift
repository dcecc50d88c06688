import Core

/// One way in which a table's columns will differ, for plans.
public enum SchemaChange: Sendable, Hashable, CustomStringConvertible {
  case add(String, FieldType)
  case drop(String)
  case rename(from: String, to: String)
  case widen(String, from: FieldType, to: FieldType)
  /// A nested column gets, loses or widens fields of its own.
  case reshape(String, to: FieldType)
  /// All rows are made anew, and the column is another of the same name.
  case replace(String, from: FieldType, to: FieldType)
  case reorder

  public var description: String {
    switch self {
    case .add(let name, let type): "add \(name) \(type)"
    case .drop(let name): "drop \(name)"
    case .rename(let old, let new): "rename \(old) to \(new)"
    case .widen(let name, let old, let new): "widen \(name) from \(old) to \(new)"
    case .reshape(let name, let new): "reshape \(name) to \(new)"
    case .replace(let name, let old, let new): "replace \(name) \(old) by \(name) \(new)"
    case .reorder: "reorder"
    }
  }

  /// What leads from one schema to the next, by field IDs.
  static func between(_ old: Schema, _ new: Schema) -> [SchemaChange] {
    var changes: [SchemaChange] = []
    var replaced = Set<Int>()
    for field in new.fields {
      if let known = old.fields.first(where: { $0.id == field.id }) {
        if known.name != field.name {
          changes.append(.rename(from: known.name, to: field.name))
        }
        if known.type != field.type {
          changes.append(
            field.type.isNested
              ? .reshape(field.name, to: field.type)
              : .widen(field.name, from: known.type, to: field.type))
        }
      } else if let gone = old[field.name], !new.fields.contains(where: { $0.id == gone.id }) {
        replaced.insert(gone.id)
        changes.append(.replace(field.name, from: gone.type, to: field.type))
      } else {
        changes.append(.add(field.name, field.type))
      }
    }
    for field in old.fields
    where !replaced.contains(field.id) && !new.fields.contains(where: { $0.id == field.id }) {
      changes.append(.drop(field.name))
    }
    let stayed = new.fields.map(\.id).filter { id in old.fields.contains { $0.id == id } }
    if stayed != old.fields.map(\.id).filter(stayed.contains) { changes.append(.reorder) }
    return changes
  }
}

extension Table {
  /// How the table's columns will change once `columns` are committed.
  ///
  /// - Throws: `LakeError` `.incompatibleSchema`.
  public func schemaChanges(
    to columns: Schema, replacesAllRows: Bool
  ) throws -> [SchemaChange] {
    SchemaChange.between(
      schema, try Table.schema(for: columns, over: self, replacesAllRows: replacesAllRows))
  }
}
