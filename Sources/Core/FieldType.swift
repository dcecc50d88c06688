/// The types of columns, as project files write them and as Iceberg v2 stores them.
public indirect enum FieldType: Sendable, Hashable, CustomStringConvertible {
  case boolean
  /// 32 bits.
  case int
  /// 64 bits; Iceberg calls it `long`.
  case bigint
  case float
  case double
  case decimal(precision: Int, scale: Int)
  /// Days since 1970-01-01.
  case date
  /// Microseconds since midnight.
  case time
  /// Microseconds since 1970-01-01T00:00:00, no zone.
  case timestamp
  /// Microseconds since 1970-01-01T00:00:00 UTC.
  case timestamptz
  case string
  case binary
  case uuid
  /// That many bytes: in tables of other programs; in SQL as `binary`.
  case fixed(byteCount: Int)
  case list(element: Field)
  case map(key: Field, value: Field)
  case structure([Field])

  /// As written in project files: `decimal(10,2)`, `list<bigint>`, `struct<a: int, b: string>`.
  public var description: String {
    switch self {
    case .boolean: "boolean"
    case .int: "int"
    case .bigint: "bigint"
    case .float: "float"
    case .double: "double"
    case .decimal(let precision, let scale): "decimal(\(precision),\(scale))"
    case .date: "date"
    case .time: "time"
    case .timestamp: "timestamp"
    case .timestamptz: "timestamptz"
    case .string: "string"
    case .binary: "binary"
    case .uuid: "uuid"
    case .fixed(let byteCount): "fixed[\(byteCount)]"
    case .list(let element): "list<\(element.type)>"
    case .map(let key, let value): "map<\(key.type),\(value.type)>"
    case .structure(let fields):
      "struct<\(fields.map { "\($0.name): \($0.type)" }.joined(separator: ", "))>"
    }
  }

  public var isNested: Bool {
    switch self {
    case .list, .map, .structure: true
    default: false
    }
  }
}

/// A named, numbered, typed place in a schema. IDs are Iceberg's: stable for the table's life.
public struct Field: Sendable, Hashable {
  /// 0 until the table assigns one.
  public var id: Int
  public var name: String
  public var type: FieldType
  public var isRequired: Bool
  public var documentation: String?
  /// Names that a declared column had before: a table that knows one of them renames its column.
  /// Tables' own schemas have none.
  public var formerNames: [String]

  public init(
    id: Int = 0, name: String, type: FieldType, isRequired: Bool = false,
    documentation: String? = nil, formerNames: [String] = []
  ) {
    self.formerNames = formerNames
    self.id = id
    self.name = name
    self.type = type
    self.isRequired = isRequired
    self.documentation = documentation
  }
}

/// The ordered fields of a table, an input or a result.
public struct Schema: Sendable, Hashable {
  public var fields: [Field]

  public init(_ fields: [Field]) { self.fields = fields }

  public subscript(name: String) -> Field? { fields.first { $0.name == name } }

  /// The schema with IDs 1, 2, … given in Iceberg's order for new tables: all fields of one level
  /// first, then the children of each.
  public func withFreshIDs(startingAt first: Int = 1) -> Schema {
    var next = first
    return Schema(Schema.number(fields, next: &next))
  }

  private static func number(_ fields: [Field], next: inout Int) -> [Field] {
    var numbered = fields
    for index in numbered.indices {
      numbered[index].id = next
      next += 1
    }
    for index in numbered.indices {
      switch numbered[index].type {
      case .structure(let children):
        numbered[index].type = .structure(number(children, next: &next))
      case .list(let element):
        numbered[index].type = .list(element: number([element], next: &next)[0])
      case .map(let key, let value):
        let both = number([key, value], next: &next)
        numbered[index].type = .map(key: both[0], value: both[1])
      default: break
      }
    }
    return numbered
  }

  /// The greatest ID in use, nested fields included; 0 when there is none.
  public var highestID: Int { Schema.highestID(of: fields) }

  private static func highestID(of fields: [Field]) -> Int {
    fields.reduce(0) { highest, field in
      let below =
        switch field.type {
        case .structure(let children): highestID(of: children)
        case .list(let element): highestID(of: [element])
        case .map(let key, let value): highestID(of: [key, value])
        default: 0
        }
      return max(highest, field.id, below)
    }
  }
}
