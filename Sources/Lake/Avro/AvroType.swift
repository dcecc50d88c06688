import Core
import Synchronization

/// The type of a value in an Avro file, as its writer declared it.
///
/// Format: https://avro.apache.org/docs/1.11.1/specification/
indirect enum AvroType: Sendable {
  case null
  case boolean
  /// `int` and `long` are encoded alike.
  case long
  case float
  case double
  case bytes
  case string
  case fixed(byteCount: Int)
  case enumeration(symbolCount: Int)
  case record(AvroRecord)
  case array(AvroType)
  case map(AvroType)
  case union([AvroType])
}

/// A record type: its fields in the order of encoding, found by Iceberg's field ID.
final class AvroRecord: Sendable {
  struct Field: Sendable {
    var name: String
    /// Nil where the writer gave none.
    var id: Int?
    var type: AvroType
  }

  let name: String
  let fields: [Field]
  private let positions: [Int: Int]

  init(name: String, fields: [Field]) {
    self.name = name
    self.fields = fields
    var positions: [Int: Int] = [:]
    for (position, field) in fields.enumerated() {
      if let id = field.id { positions[id] = position }
    }
    self.positions = positions
  }

  func position(of id: Int) -> Int? { positions[id] }
}

/// A decoded value.
indirect enum AvroValue: Sendable {
  case null
  case boolean(Bool)
  case long(Int64)
  case float(Float)
  case double(Double)
  /// `bytes` and `fixed`.
  case bytes([UInt8])
  case string(String)
  case record(AvroRecord, [AvroValue])
  case array([AvroValue])
  case map([(key: String, value: AvroValue)])

  /// The field of that Iceberg ID; null where the writer did not know it.
  subscript(id: Int) -> AvroValue {
    guard case .record(let record, let values) = self, let position = record.position(of: id)
    else { return .null }
    return values[position]
  }

  var isNull: Bool { if case .null = self { true } else { false } }
  var boolean: Bool? { if case .boolean(let value) = self { value } else { nil } }
  var long: Int64? { if case .long(let value) = self { value } else { nil } }
  var bytes: [UInt8]? { if case .bytes(let value) = self { value } else { nil } }
  var string: String? { if case .string(let value) = self { value } else { nil } }
  var array: [AvroValue]? { if case .array(let value) = self { value } else { nil } }
}

/// Avro types out of an Avro schema's JSON.
struct AvroSchemaParser {
  private var named: [String: AvroType] = [:]
  private var depth = 0
  /// By their texts, of which all the manifests of a lake have a handful; and parsing one takes
  /// longer than reading the few rows behind it.
  private static let known = Mutex<[[UInt8]: AvroType]>([:])
  private static let mostKnown = 16

  /// - Throws: `LakeError` `.damaged`, without a place; what parsing JSON throws.
  static func parse(_ text: [UInt8]) throws -> AvroType {
    if let type = known.withLock({ $0[text] }) { return type }
    var parser = AvroSchemaParser()
    let type = try parser.type(JSON(parsing: text))
    known.withLock { known in
      if known.count >= mostKnown { known = [:] }
      known[text] = type
    }
    return type
  }

  private mutating func type(_ json: JSON) throws(LakeError) -> AvroType {
    depth += 1
    defer { depth -= 1 }
    guard depth <= 64 else { throw LakeError(.damaged, "the Avro schema is nested too deeply") }
    switch json {
    case .string(let name): return try reference(name)
    case .array(let branches):
      var types: [AvroType] = []
      for branch in branches { types.append(try type(branch)) }
      return .union(types)
    case .object: return try compound(json)
    default: throw LakeError(.damaged, "the Avro schema holds \(json), which is no type")
    }
  }

  private func reference(_ name: String) throws(LakeError) -> AvroType {
    switch name {
    case "null": return .null
    case "boolean": return .boolean
    case "int", "long": return .long
    case "float": return .float
    case "double": return .double
    case "bytes": return .bytes
    case "string": return .string
    default:
      guard let type = named[name] else {
        throw LakeError(.damaged, "the Avro schema names an unknown type '\(name)'")
      }
      return type
    }
  }

  private mutating func compound(_ json: JSON) throws(LakeError) -> AvroType {
    guard let kind = json["type"] else {
      throw LakeError(.damaged, "the Avro schema holds a type without 'type'")
    }
    guard let kindName = kind.string else { return try type(kind) }
    switch kindName {
    case "record":
      var fields: [AvroRecord.Field] = []
      for field in json["fields"]?.array ?? [] {
        guard let name = field["name"]?.string, let fieldType = field["type"] else {
          throw LakeError(.damaged, "the Avro schema holds a field without name or type")
        }
        fields.append(
          AvroRecord.Field(
            name: name, id: field["field-id"]?.integer.map(Int.init(truncatingIfNeeded:)),
            type: try type(fieldType)))
      }
      let record = AvroType.record(
        AvroRecord(name: json["name"]?.string ?? "", fields: fields))
      define(json, as: record)
      return record
    case "array":
      guard let items = json["items"] else {
        throw LakeError(.damaged, "the Avro schema holds an array without 'items'")
      }
      return .array(try type(items))
    case "map":
      guard let values = json["values"] else {
        throw LakeError(.damaged, "the Avro schema holds a map without 'values'")
      }
      return .map(try type(values))
    case "fixed":
      guard let size = json["size"]?.integer, (0...1 << 20).contains(size) else {
        throw LakeError(.damaged, "the Avro schema holds a fixed type without a sensible size")
      }
      let fixed = AvroType.fixed(byteCount: Int(size))
      define(json, as: fixed)
      return fixed
    case "enum":
      let symbols = AvroType.enumeration(symbolCount: json["symbols"]?.array?.count ?? 0)
      define(json, as: symbols)
      return symbols
    default: return try reference(kindName)
    }
  }

  private mutating func define(_ json: JSON, as type: AvroType) {
    guard let name = json["name"]?.string else { return }
    named[name] = type
    if let space = json["namespace"]?.string { named["\(space).\(name)"] = type }
  }
}
