import Core

/// The table property `schema.name-mapping.default`: field IDs by name, for files that carry none.
///
/// Format: the Iceberg table spec, "Column Projection" and appendix C.
struct NameMapping: Sendable, Hashable {
  static let property = "schema.name-mapping.default"

  struct Entry: Sendable, Hashable {
    var id: Int?
    var names: [String]
    var fields: [Entry]
  }

  var entries: [Entry]

  init(_ schema: Schema) { entries = schema.fields.map(Entry.init) }

  /// - Returns: Nil where the text is no mapping.
  init?(parsing text: String) {
    guard let json = try? JSON(parsing: text), let items = json.array else { return nil }
    entries = items.map(Entry.init(json:))
  }

  var json: JSON { .array(entries.map(\.json)) }

  /// The mapping for a schema that has moved on: names that a field had stay, unless another field
  /// has them now; what was dropped is still known.
  func following(_ schema: Schema) -> NameMapping {
    var next = self
    next.entries = NameMapping.merge(entries, NameMapping(schema).entries)
    return next
  }

  private static func merge(_ old: [Entry], _ new: [Entry]) -> [Entry] {
    let taken = Set(new.flatMap(\.names))
    var merged = new.map { entry in
      var entry = entry
      if let known = old.first(where: { $0.id == entry.id }) {
        entry.names += known.names.filter { !taken.contains($0) }
        entry.fields = merge(known.fields, entry.fields)
      }
      return entry
    }
    let present = Set(new.map(\.id))
    for var entry in old where !present.contains(entry.id) {
      entry.names.removeAll(where: taken.contains)
      if !entry.names.isEmpty { merged.append(entry) }
    }
    return merged
  }

  /// Whether a field has a name that it never had, or that another one had.
  static func differs(_ entries: [Entry], _ fields: [Field]) -> Bool {
    fields.contains { field in
      if let owner = entries.first(where: { $0.names.contains(field.name) }), owner.id != field.id {
        return true
      }
      guard let known = entries.first(where: { $0.id == field.id }) else { return false }
      return !known.names.contains(field.name) || differs(known.fields, field.type.children)
    }
  }

  /// The schema of a file without IDs, with those of the mapping; 0 where it has none.
  func applied(to schema: Schema) -> Schema {
    Schema(NameMapping.apply(entries, to: schema.fields))
  }

  private static func apply(_ entries: [Entry], to fields: [Field]) -> [Field] {
    fields.map { field in
      var field = field
      let entry = entries.first { $0.names.contains(field.name) }
      field.id = entry?.id ?? 0
      let below = entry?.fields ?? []
      switch field.type {
      case .structure(let children): field.type = .structure(apply(below, to: children))
      case .list(let element): field.type = .list(element: apply(below, to: [element])[0])
      case .map(let key, let value):
        let both = apply(below, to: [key, value])
        field.type = .map(key: both[0], value: both[1])
      default: break
      }
      return field
    }
  }
}

extension NameMapping.Entry {
  init(_ field: Field) {
    self.init(id: field.id, names: [field.name], fields: field.type.children.map(Self.init))
  }

  init(json: JSON) {
    self.init(
      id: json["field-id"]?.integer.map { Int($0) },
      names: (json["names"]?.array ?? []).compactMap(\.string),
      fields: (json["fields"]?.array ?? []).map(Self.init(json:)))
  }

  var json: JSON {
    var members: [JSON.Member] = []
    if let id { members.append(.init("field-id", .integer(Int64(id)))) }
    members.append(.init("names", .array(names.map(JSON.string))))
    if !fields.isEmpty { members.append(.init("fields", .array(fields.map(\.json)))) }
    return .object(members)
  }
}

extension FieldType {
  /// The fields right below a nested type, by the names that files give them.
  var children: [Field] {
    switch self {
    case .structure(let fields): fields
    case .list(let element): [element.named("element")]
    case .map(let key, let value): [key.named("key"), value.named("value")]
    default: []
    }
  }
}

extension Field {
  func named(_ name: String) -> Field {
    var copy = self
    copy.name = name
    return copy
  }
}
