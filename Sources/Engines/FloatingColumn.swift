import Core

/// A column of floating-point numbers outside lists and maps.
struct FloatingColumn {
  var id: Int
  var expression: String

  static func all(in schema: Schema) -> [FloatingColumn] {
    schema.fields.flatMap { find($0, $0.name.quotedName) }
  }

  private static func find(_ field: Field, _ expression: String) -> [FloatingColumn] {
    switch field.type {
    case .float, .double: return [FloatingColumn(id: field.id, expression: expression)]
    case .structure(let children):
      return children.flatMap {
        find($0, "struct_extract(\(expression), \($0.name.quotedLiteral))")
      }
    default: return []
    }
  }
}
