import CJansson

/// A JSON value. Members keep their order; integers keep 64 bits.
public enum JSON: Sendable, Hashable {
  case null
  case boolean(Bool)
  case integer(Int64)
  case number(Double)
  case string(String)
  case array([JSON])
  case object([Member])

  public struct Member: Sendable, Hashable {
    public var name: String
    public var value: JSON
    public init(_ name: String, _ value: JSON) {
      self.name = name
      self.value = value
    }
  }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral,
  ExpressibleByNilLiteral
{
  public init(stringLiteral value: String) { self = .string(value) }
  public init(integerLiteral value: Int64) { self = .integer(value) }
  public init(booleanLiteral value: Bool) { self = .boolean(value) }
  public init(arrayLiteral elements: JSON...) { self = .array(elements) }
  public init(nilLiteral: ()) { self = .null }
  public init(dictionaryLiteral elements: (String, JSON)...) {
    self = .object(elements.map { Member($0, $1) })
  }
}

// Reading members. Each accessor answers nil where the shape differs; formats decide what then.
extension JSON {
  /// The first member of that name; nil also where this is not an object.
  public subscript(name: String) -> JSON? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.name == name }?.value
  }

  public var string: String? { if case .string(let value) = self { value } else { nil } }
  public var integer: Int64? { if case .integer(let value) = self { value } else { nil } }
  public var boolean: Bool? { if case .boolean(let value) = self { value } else { nil } }
  public var array: [JSON]? { if case .array(let value) = self { value } else { nil } }
  public var members: [Member]? { if case .object(let value) = self { value } else { nil } }
  public var isNull: Bool { self == .null }
  public var number: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }
}

/// Text that is not JSON.
public struct JSONError: Error, CustomStringConvertible, Sendable {
  public let message: String
  public let line: Int
  public let column: Int
  public var description: String { "not JSON at line \(line), column \(column): \(message)" }
}

extension JSON {
  /// Parses one JSON text (RFC 8259), through jansson.
  public init(parsing text: String) throws(JSONError) {
    var copy = text
    self = try copy.withUTF8 { JSON.parse(UnsafeRawBufferPointer($0)) }.get()
  }

  public init(parsing bytes: [UInt8]) throws(JSONError) {
    self = try bytes.withUnsafeBytes { JSON.parse($0) }.get()
  }

  public init(parsing bytes: UnsafeRawBufferPointer) throws(JSONError) {
    self = try JSON.parse(bytes).get()
  }

  private static func parse(_ bytes: UnsafeRawBufferPointer) -> Result<JSON, JSONError> {
    var error = json_error_t()
    let flags = Int(JSON_DECODE_ANY) | Int(JSON_ALLOW_NUL)
    guard
      let root = json_loadb(
        bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count, flags, &error)
    else {
      let message = withUnsafeBytes(of: error.text) { raw in
        String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
      }
      return .failure(
        JSONError(message: message, line: Int(error.line), column: Int(error.column)))
    }
    defer { sluice_json_release(root) }
    return .success(JSON(node: root))
  }

  private init(node: UnsafeMutablePointer<json_t>) {
    switch node.pointee.type {
    case JSON_OBJECT:
      var members: [Member] = []
      members.reserveCapacity(json_object_size(node))
      var iterator = json_object_iter(node)
      while let current = iterator {
        let name = String(cString: json_object_iter_key(current))
        members.append(Member(name, JSON(node: json_object_iter_value(current))))
        iterator = json_object_iter_next(node, current)
      }
      self = .object(members)
    case JSON_ARRAY:
      self = .array((0..<json_array_size(node)).map { JSON(node: json_array_get(node, $0)) })
    case JSON_STRING:
      let bytes = UnsafeRawBufferPointer(
        start: json_string_value(node), count: json_string_length(node))
      self = .string(String(decoding: bytes, as: UTF8.self))
    case JSON_INTEGER: self = .integer(json_integer_value(node))
    case JSON_REAL: self = .number(json_real_value(node))
    case JSON_TRUE: self = .boolean(true)
    case JSON_FALSE: self = .boolean(false)
    default: self = .null
    }
  }
}
