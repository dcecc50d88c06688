import Core

extension FieldType {
  /// What is wrong with a type's text, and where.
  struct Mistake: Error {
    /// In characters from the text's start.
    let offset: Int
    let message: String
    let advice: String?
  }

  static let plainTypes: [(name: String, type: FieldType)] = [
    ("boolean", .boolean), ("int", .int), ("bigint", .bigint), ("float", .float),
    ("double", .double), ("date", .date), ("time", .time), ("timestamp", .timestamp),
    ("timestamptz", .timestamptz), ("string", .string), ("binary", .binary), ("uuid", .uuid),
  ]

  /// Parses `bigint`, `decimal(10,2)`, `list<…>`, `map<…,…>`, `struct<a: int, …>`.
  init(parsing text: String) throws(Mistake) {
    var parser = TypeParser(text)
    self = try parser.type(depth: 0)
    try parser.end()
  }
}

private struct TypeParser {
  private let characters: [Character]
  private var index = 0
  private static let maxDepth = 32

  init(_ text: String) { characters = Array(text) }

  mutating func type(depth: Int) throws(FieldType.Mistake) -> FieldType {
    skipSpaces()
    let start = index
    guard depth < TypeParser.maxDepth else {
      throw mistake(start, "a type nested deeper than \(TypeParser.maxDepth) levels")
    }
    let name = word()
    switch name {
    case "decimal": return try decimal()
    case "list":
      try expect("<", after: "list", as: "list<int>")
      let element = try type(depth: depth + 1)
      try expect(">", after: "the element's type", as: "list<int>")
      return .list(element: Field(name: "element", type: element))
    case "map":
      try expect("<", after: "map", as: "map<string, int>")
      let keyStart = index
      let key = try type(depth: depth + 1)
      if key.isNested { throw mistake(keyStart, "a map's key cannot be a \(key)") }
      try expect(",", after: "the key's type", as: "map<string, int>")
      let value = try type(depth: depth + 1)
      try expect(">", after: "the value's type", as: "map<string, int>")
      return .map(
        key: Field(name: "key", type: key, isRequired: true),
        value: Field(name: "value", type: value))
    case "struct": return try structure(depth: depth)
    default:
      if let plain = FieldType.plainTypes.first(where: { $0.name == name }) { return plain.type }
      throw unknown(name, at: start)
    }
  }

  func end() throws(FieldType.Mistake) {
    let rest = characters[index...].drop { $0 == " " }
    if !rest.isEmpty {
      throw mistake(rest.startIndex, "'\(String(rest).shortened)' after the type's end")
    }
  }

  private mutating func decimal() throws(FieldType.Mistake) -> FieldType {
    try expect("(", after: "decimal", as: "decimal(10,2)")
    let start = index
    let precision = try number()
    try expect(",", after: "the precision", as: "decimal(10,2)")
    let scale = try number()
    try expect(")", after: "the scale", as: "decimal(10,2)")
    guard (1...38).contains(precision), scale <= precision else {
      throw mistake(
        start, "decimal(\(precision),\(scale)) cannot be",
        advice: "the precision is 1 to 38, the scale at most the precision")
    }
    return .decimal(precision: precision, scale: scale)
  }

  private mutating func structure(depth: Int) throws(FieldType.Mistake) -> FieldType {
    let example = "struct<a: int, b: string>"
    try expect("<", after: "struct", as: example)
    var fields: [Field] = []
    repeat {
      skipSpaces()
      let start = index
      let name = word()
      guard !name.isEmpty else { throw mistake(start, "a field's name is missing", as: example) }
      if fields.contains(where: { $0.name.lowercased() == name.lowercased() }) {
        throw mistake(start, "the field '\(name)' twice in one struct")
      }
      try expect(":", after: "the field's name", as: example)
      fields.append(Field(name: name, type: try type(depth: depth + 1)))
    } while take(",")
    try expect(">", after: "the field's type", as: example)
    return .structure(fields)
  }

  private func unknown(_ name: String, at start: Int) -> FieldType.Mistake {
    let aliases = [
      "bool": "boolean", "integer": "int", "int32": "int", "long": "bigint", "int64": "bigint",
      "real": "float", "float64": "double", "varchar": "string", "text": "string",
      "datetime": "timestamp", "blob": "binary", "bytes": "binary", "numeric": "decimal(10,2)",
      "array": "list<int>", "number": "decimal(10,2)", "smallint": "int", "char": "string",
    ]
    let names = FieldType.plainTypes.map(\.name) + ["decimal", "list", "map", "struct"]
    let advice =
      aliases[name.lowercased()].map { "did you mean '\($0)'?" }
      ?? suggestion(for: name, among: names, called: "types")
    return mistake(
      start, name.isEmpty ? "a type is missing" : "unknown type '\(name)'", advice: advice)
  }

  private mutating func word() -> String {
    let word = characters[index...].prefix { $0.isLetter || $0.isNumber || $0 == "_" }
    index += word.count
    return String(word)
  }

  private mutating func number() throws(FieldType.Mistake) -> Int {
    skipSpaces()
    let digits = characters[index...].prefix { $0.isASCII && $0.isNumber }
    guard let number = Int(String(digits)) else {
      throw mistake(index, "a number is missing", as: "decimal(10,2)")
    }
    index += digits.count
    return number
  }

  private mutating func skipSpaces() {
    while index < characters.count, characters[index] == " " { index += 1 }
  }

  private mutating func take(_ character: Character) -> Bool {
    skipSpaces()
    guard index < characters.count, characters[index] == character else { return false }
    index += 1
    return true
  }

  private mutating func expect(
    _ character: Character, after what: String, as example: String
  ) throws(FieldType.Mistake) {
    if !take(character) { throw mistake(index, "no '\(character)' after \(what)", as: example) }
  }

  private func mistake(
    _ offset: Int, _ message: String, as example: String? = nil, advice: String? = nil
  ) -> FieldType.Mistake {
    FieldType.Mistake(
      offset: offset, message: message, advice: advice ?? example.map { "write it as in \($0)" })
  }
}
