import Core

/// How a table's schema follows the columns that its model declares.
enum SchemaEvolution {
  /// The schema with the names, order and types of `desired`, and the IDs of `current` wherever a
  /// name, or a former name, is known; new fields get IDs above `lastColumnID`.
  ///
  /// Allowed: adding, dropping, renaming and reordering fields, int → bigint, float → double, a
  /// decimal of greater precision, required → optional. A column that has been dropped and comes
  /// back is new.
  ///
  /// - Parameter replacesAllRows: No row of the present files survives, so a column that cannot
  ///   follow is dropped and added again under a new ID.
  /// - Throws: `LakeError` `.incompatibleSchema` naming every column that cannot follow.
  static func evolve(
    _ current: Schema, to desired: Schema, lastColumnID: inout Int, replacesAllRows: Bool
  ) throws(LakeError) -> Schema {
    var current = current
    if replacesAllRows {
      let present = current.fields
      current.fields.removeAll { field in
        guard
          let wanted = desired.fields.first(where: {
            SchemaEvolution.origin(of: $0, in: present, desired: desired.fields)?.id
              == field.id
          })
        else { return false }
        var probe = Context(next: 1)
        _ = probe.fields([field.named(wanted.name)], [wanted], path: "")
        return !probe.problems.isEmpty
      }
    }
    var context = Context(next: lastColumnID + 1, keepsRequired: replacesAllRows)
    let fields = context.fields(current.fields, desired.fields, path: "")
    if !context.problems.isEmpty {
      throw LakeError(
        .incompatibleSchema, context.problems.joined(separator: "; "),
        advice: "rebuild the table with --full-refresh, or give the column another name")
    }
    lastColumnID = context.next - 1
    return Schema(fields)
  }

  private struct Context {
    var next: Int
    var keepsRequired = false
    var problems: [String] = []

    mutating func fresh() -> Int {
      defer { next += 1 }
      return next
    }

    mutating func fields(_ current: [Field], _ desired: [Field], path: String) -> [Field] {
      // IDs of one level first, then those of the children, as Iceberg numbers new tables.
      var result: [Field] = []
      let origins = desired.map { SchemaEvolution.origin(of: $0, in: current, desired: desired) }
      for (field, known) in zip(desired, origins) {
        var copy = field
        if let known {
          copy.id = known.id
          if field.isRequired && !known.isRequired {
            problems.append("column '\(path)\(field.name)' cannot become required")
          }
        } else {
          copy.id = fresh()
          // Rows of older files hold null there.
          if !current.isEmpty && !keepsRequired { copy.isRequired = false }
        }
        result.append(copy)
      }
      for index in result.indices {
        result[index].type = type(
          origins[index]?.type, result[index].type, path: path + result[index].name)
      }
      return result
    }

    mutating func type(_ current: FieldType?, _ desired: FieldType, path: String) -> FieldType {
      switch (current, desired) {
      case (.structure(let old)?, .structure(let new)):
        return .structure(fields(old, new, path: path + "."))
      case (nil, .structure(let new)): return .structure(fields([], new, path: path + "."))
      case (.list(let old)?, .list(let new)):
        return .list(element: child(old, new, path: path + ".element"))
      case (nil, .list(let new)):
        return .list(element: child(nil, new, path: path + ".element"))
      case (.map(let oldKey, let oldValue)?, .map(let key, let value)):
        if oldKey.type.description != key.type.description {
          problems.append("the keys of column '\(path)' cannot change their type")
        }
        let newKey = child(oldKey, key, path: path + ".key")
        return .map(key: newKey, value: child(oldValue, value, path: path + ".value"))
      case (nil, .map(let key, let value)):
        var (newKey, newValue) = (key, value)
        (newKey.id, newValue.id) = (fresh(), fresh())
        newKey.type = type(nil, key.type, path: path + ".key")
        newValue.type = type(nil, value.type, path: path + ".value")
        return .map(key: newKey, value: newValue)
      case (let old?, let new) where SchemaEvolution.widens(old, to: new): return new
      case (nil, let new): return new
      case (let old?, let new):
        problems.append("column '\(path)' is \(old) and cannot become \(new)")
        return old
      }
    }

    private mutating func child(_ current: Field?, _ desired: Field, path: String) -> Field {
      var copy = desired
      copy.id = current?.id ?? fresh()
      copy.type = type(current?.type, desired.type, path: path)
      return copy
    }
  }

  /// The present field that a declared one continues: of its name, else of a former name that no
  /// declared field has now.
  private static func origin(of field: Field, in current: [Field], desired: [Field]) -> Field? {
    if let known = current.first(where: { $0.name == field.name }) { return known }
    return field.formerNames.lazy.compactMap { name in
      desired.contains { $0.name == name } ? nil : current.first { $0.name == name }
    }.first
  }

  /// Whether files written with `old` read correctly as `new`.
  static func widens(_ old: FieldType, to new: FieldType) -> Bool {
    switch (old, new) {
    case (.int, .bigint), (.float, .double): true
    case (.decimal(let p, let s), .decimal(let wider, let scale)): s == scale && wider >= p
    default: old == new
    }
  }
}
