import Core
import Stores

/// The schema in a Parquet file's footer.
///
/// Format: https://github.com/apache/parquet-format (README.md, LogicalTypes.md, parquet.thrift)
enum ParquetFooter {
  /// Bytes read at first: enough for most footers, so that one request does.
  private static let guess: Int64 = 64 << 10

  /// The columns of a file under the names and field IDs it has; 0 where it has no ID.
  ///
  /// - Throws: `LakeError` `.missing`, `.damaged`; what the store throws.
  static func schema(of path: String, byteCount: Int64, key: String, in store: any Store) throws
    -> Schema
  {
    func tail(_ wanted: Int64) throws -> [UInt8] {
      var bytes: [UInt8] = []
      _ = try store.read(
        key, range: max(0, byteCount - wanted)..<byteCount, ifMatch: nil, cancellation: .never
      ) { bytes.append(contentsOf: $0) }
      return bytes
    }
    func damaged(_ what: String) -> LakeError {
      LakeError(
        .damaged, "the data file \(what)", at: Place(file: path),
        advice: "restore the file from a copy")
    }
    do {
      var bytes = try tail(guess)
      guard bytes.count >= 12, bytes.suffix(4).elementsEqual("PAR1".utf8) else {
        throw damaged("is not a Parquet file")
      }
      let length = bytes.suffix(8).prefix(4).reversed().reduce(Int64(0)) { $0 << 8 | Int64($1) }
      guard length + 12 <= byteCount else { throw damaged("has a footer that is too long") }
      if length + 8 > Int64(bytes.count) { bytes = try tail(length + 8) }
      let footer = Array(bytes.dropLast(8).suffix(Int(length)))
      do {
        return try parse(footer)
      } catch {
        throw damaged("has a footer that does not parse, at its byte \(error.offset)")
      }
    } catch let error as StoreError where error.code == .notFound {
      throw LakeError(
        .missing, "the table's current version names a file that is not there",
        at: Place(file: path), advice: "restore the file from a copy, or roll the table back")
    }
  }

  /// One element of the flattened schema tree.
  private struct Element {
    var physical: Int64?
    var length: Int64?
    var isRepeated = false
    var isRequired = false
    var name = ""
    var childCount = 0
    var converted: Int64?
    var scale: Int64?
    var precision: Int64?
    var id = 0
    /// The field ID within the union of logical types.
    var logical: Int?
    var isUTC = false
  }

  static func parse(_ footer: [UInt8]) throws(ThriftReader.Malformed) -> Schema {
    var reader = ThriftReader(footer)
    var elements: [Element] = []
    try reader.structure { (reader, id, kind) throws(ThriftReader.Malformed) in
      guard id == 2, kind == .list else { return false }
      let (count, _) = try reader.list()
      for _ in 0..<count { elements.append(try element(&reader)) }
      return true
    }
    guard let root = elements.first else { throw ThriftReader.Malformed(offset: 0) }
    var next = 1
    var fields: [Field] = []
    for _ in 0..<root.childCount { fields.append(try field(elements, &next, depth: 0)) }
    return Schema(fields)
  }

  private static func element(
    _ reader: inout ThriftReader
  ) throws(ThriftReader.Malformed) -> Element {
    var element = Element()
    try reader.structure { (reader, id, kind) throws(ThriftReader.Malformed) in
      switch (id, kind) {
      case (1, .int32): element.physical = try reader.integer()
      case (2, .int32): element.length = try reader.integer()
      case (3, .int32):
        let repetition = try reader.integer()
        element.isRequired = repetition == 0
        element.isRepeated = repetition == 2
      case (4, .binary): element.name = try reader.text()
      case (5, .int32): element.childCount = Int(truncatingIfNeeded: try reader.integer())
      case (6, .int32): element.converted = try reader.integer()
      case (7, .int32): element.scale = try reader.integer()
      case (8, .int32): element.precision = try reader.integer()
      case (9, .int32): element.id = Int(truncatingIfNeeded: try reader.integer())
      case (10, .structure):
        try reader.structure { (reader, id, kind) throws(ThriftReader.Malformed) in
          element.logical = id
          guard (id == 7 || id == 8) && kind == .structure else { return false }
          try reader.structure { (_, id, kind) throws(ThriftReader.Malformed) in
            if id == 1 { element.isUTC = kind == .yes }
            return kind == .yes || kind == .no
          }
          return true
        }
      default: return false
      }
      return true
    }
    return element
  }

  private static func field(
    _ elements: [Element], _ next: inout Int, depth: Int
  ) throws(ThriftReader.Malformed) -> Field {
    guard next < elements.count, depth < 64 else { throw ThriftReader.Malformed(offset: 0) }
    let element = elements[next]
    next += 1
    guard element.childCount > 0 else {
      let leaf = Field(
        id: element.id, name: element.name, type: primitive(element),
        isRequired: element.isRequired)
      // A repeated field outside a list is a list of required elements.
      guard element.isRepeated else { return leaf }
      return Field(
        id: element.id, name: element.name,
        type: .list(element: Field(name: "element", type: leaf.type, isRequired: true)))
    }
    var children: [Field] = []
    let isRepeating = next < elements.count && elements[next].isRepeated
    for _ in 0..<element.childCount {
      children.append(try field(elements, &next, depth: depth + 1))
    }
    var type = FieldType.structure(children)
    if element.converted == 3 || element.logical == 3, children.count == 1, isRepeating {
      type = .list(element: listElement(children[0], of: element.name))
    } else if element.converted == 1 || element.converted == 2 || element.logical == 2,
      children.count == 1, case .list(let pairs) = children[0].type,
      case .structure(let both) = pairs.type, both.count == 2
    {
      type = .map(key: renamed(both[0], "key"), value: renamed(both[1], "value"))
    }
    let field = Field(
      id: element.id, name: element.name, type: type, isRequired: element.isRequired)
    guard element.isRepeated else { return field }
    return Field(
      id: element.id, name: element.name,
      type: .list(element: Field(name: "element", type: type, isRequired: true)))
  }

  /// The element of a list, of the three levels that are usual or of the two that some write.
  private static func listElement(_ repeated: Field, of name: String) -> Field {
    guard case .list(let inner) = repeated.type else { return renamed(repeated, "element") }
    if case .structure(let children) = inner.type, children.count == 1,
      repeated.name != "array", repeated.name != name + "_tuple"
    {
      return renamed(children[0], "element")
    }
    var element = inner
    element.id = repeated.id
    return element
  }

  private static func renamed(_ field: Field, _ name: String) -> Field {
    var copy = field
    copy.name = name
    return copy
  }

  private static func primitive(_ element: Element) -> FieldType {
    if element.logical == 5 || element.converted == 5,
      let precision = element.precision, (1...38).contains(precision)
    {
      return .decimal(
        precision: Int(precision), scale: Int(max(0, min(element.scale ?? 0, precision))))
    }
    switch element.physical {
    case 0: return .boolean
    case 1: return element.converted == 6 || element.logical == 6 ? .date : .int
    case 2:
      switch (element.logical, element.converted) {
      case (7?, _), (nil, 7?), (nil, 8?): return .time
      case (8?, _): return element.isUTC ? .timestamptz : .timestamp
      case (nil, 9?), (nil, 10?): return .timestamptz
      default: return .bigint
      }
    case 3: return .timestamp
    case 4: return .float
    case 5: return .double
    case 7:
      if element.logical == 14 { return .uuid }
      return .fixed(byteCount: Int(truncatingIfNeeded: element.length ?? 0))
    default:
      let isText = element.converted == 0 || element.converted == 4 || element.converted == 19
      let isLogicalText = [1, 4, 12].contains(element.logical ?? 0)
      return isText || isLogicalText ? .string : .binary
    }
  }
}
