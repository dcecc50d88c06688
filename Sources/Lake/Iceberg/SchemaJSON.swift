import Core

/// Schemas in Iceberg's JSON (table spec, appendix C), both ways.
enum SchemaJSON {
  static func write(_ schema: Schema, id: Int, identifiers: [Int] = []) -> JSON {
    var members: [JSON.Member] = [
      .init("type", "struct"), .init("schema-id", .integer(Int64(id))),
    ]
    if !identifiers.isEmpty {
      members.append(
        .init("identifier-field-ids", .array(identifiers.map { .integer(Int64($0)) })))
    }
    members.append(.init("fields", .array(schema.fields.map(writeField))))
    return .object(members)
  }

  private static func writeField(_ field: Field) -> JSON {
    var members: [JSON.Member] = [
      .init("id", .integer(Int64(field.id))), .init("name", .string(field.name)),
      .init("required", .boolean(field.isRequired)), .init("type", write(field.type)),
    ]
    if let text = field.documentation { members.append(.init("doc", .string(text))) }
    return .object(members)
  }

  static func write(_ type: FieldType) -> JSON {
    switch type {
    case .structure(let fields):
      return ["type": "struct", "fields": .array(fields.map(writeField))]
    case .list(let element):
      return [
        "type": "list", "element-id": .integer(Int64(element.id)),
        "element-required": .boolean(element.isRequired), "element": write(element.type),
      ]
    case .map(let key, let value):
      return [
        "type": "map", "key-id": .integer(Int64(key.id)), "key": write(key.type),
        "value-id": .integer(Int64(value.id)), "value-required": .boolean(value.isRequired),
        "value": write(value.type),
      ]
    case .bigint: return "long"
    case .decimal(let precision, let scale): return .string("decimal(\(precision), \(scale))")
    default: return .string(type.description)
    }
  }

  /// - Throws: `LakeError` `.damaged` or `.unsupported`, without a place.
  static func read(_ json: JSON) throws(LakeError) -> Schema {
    guard let items = json["fields"]?.array else {
      throw LakeError(.damaged, "a schema has no 'fields'")
    }
    return Schema(try readFields(items, depth: 0))
  }

  private static func readFields(_ items: [JSON], depth: Int) throws(LakeError) -> [Field] {
    guard depth < 64 else { throw LakeError(.damaged, "a schema is nested too deeply") }
    var fields: [Field] = []
    for item in items {
      guard let id = item["id"]?.integer, let name = item["name"]?.string,
        let type = item["type"]
      else { throw LakeError(.damaged, "a schema's field lacks id, name or type") }
      fields.append(
        Field(
          id: Int(id), name: name, type: try readType(type, depth: depth + 1),
          isRequired: item["required"]?.boolean ?? false, documentation: item["doc"]?.string))
    }
    return fields
  }

  private static func readType(_ json: JSON, depth: Int) throws(LakeError) -> FieldType {
    if let name = json.string { return try readPrimitive(name) }
    switch json["type"]?.string {
    case "struct": return .structure(try readFields(json["fields"]?.array ?? [], depth: depth))
    case "list":
      guard let id = json["element-id"]?.integer, let element = json["element"] else { break }
      return .list(
        element: Field(
          id: Int(id), name: "element", type: try readType(element, depth: depth + 1),
          isRequired: json["element-required"]?.boolean ?? false))
    case "map":
      guard let keyID = json["key-id"]?.integer, let key = json["key"],
        let valueID = json["value-id"]?.integer, let value = json["value"]
      else { break }
      return .map(
        key: Field(
          id: Int(keyID), name: "key", type: try readType(key, depth: depth + 1),
          isRequired: true),
        value: Field(
          id: Int(valueID), name: "value", type: try readType(value, depth: depth + 1),
          isRequired: json["value-required"]?.boolean ?? false))
    default: break
    }
    throw LakeError(.damaged, "a schema's type does not parse: \(json)")
  }

  private static func readPrimitive(_ text: String) throws(LakeError) -> FieldType {
    switch text {
    case "boolean": return .boolean
    case "int": return .int
    case "long": return .bigint
    case "float": return .float
    case "double": return .double
    case "date": return .date
    case "time": return .time
    case "timestamp": return .timestamp
    case "timestamptz": return .timestamptz
    case "string": return .string
    case "binary": return .binary
    case "uuid": return .uuid
    default: break
    }
    if text.hasPrefix("decimal("), text.hasSuffix(")") {
      let numbers = text.dropFirst(8).dropLast().split(separator: ",").map { part in
        Int(part.drop { $0 == " " }.prefix { $0 != " " })
      }
      if numbers.count == 2, let precision = numbers[0], let scale = numbers[1],
        (1...38).contains(precision), (0...precision).contains(scale)
      {
        return .decimal(precision: precision, scale: scale)
      }
    }
    if text.hasPrefix("fixed["), text.hasSuffix("]"),
      let byteCount = Int(text.dropFirst(6).dropLast()), byteCount > 0
    {
      return .fixed(byteCount: byteCount)
    }
    throw LakeError(
      .unsupported, "the schema has a column of type '\(text)', which Sluice does not know")
  }
}
