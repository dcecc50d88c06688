import Core

/// `columns:` and `checks:`, of a model or of one of an operator's outputs.
struct TableDraft {
  struct Column {
    var type: FieldType
    var description: String?
    var formerNames: [String] = []
    var checks: [CheckDraft]
  }

  var description: String?
  var columns: [Named<Column>]
  var tableChecks: [CheckDraft]
  /// Whether all columns could be read.
  var isSound: Bool

  var schema: Schema {
    Schema(
      columns.map {
        Field(
          name: $0.name, type: $0.value.type, documentation: $0.value.description,
          formerNames: $0.value.formerNames)
      })
  }

  /// One of an operator's outputs.
  static var form: Form<TableDraft> {
    .object { keys in
      var table = read(keys, isRequired: true)
      table.description = keys.optional("description", .text, "What a row is, in a line.")
      return table
    }
  }

  static func read(_ keys: Keys, isRequired: Bool) -> TableDraft {
    let columns = keys.attempt(
      "columns", .named("column", column, names: .column),
      "By name, each column's type, in the table's order.", isRequired: isRequired)
    let checks = keys.optional(
      "checks", CheckDraft.list(.table), default: [], "Conditions on the table as a whole.")
    var isSound = true
    keys.verify { reader in
      let written = keys.entry("columns")?.mapping
      if let written, written.isEmpty, let mark = keys.mark(of: "columns") {
        reader.fail(.badValue, "no columns", at: mark)
      }
      reader.checkColumns((columns ?? []).map { ($0.name, $0.mark) })
      isSound = columns?.count == written?.count
    }
    return TableDraft(columns: columns ?? [], tableChecks: checks, isSound: isSound)
  }

  private static var column: Form<Column> {
    .either(
      short: Form<FieldType>.type.map(placeholder: Column(type: .string, checks: [])) {
        type, _, _ in
        Column(type: type, checks: [])
      },
      long: .object { keys in
        Column(
          type: keys.required("type", .type, "Its type, such as bigint or list<string>."),
          description: keys.optional("description", .text, "What it holds, in a line."),
          formerNames: keys.optional(
            "renamed_from", .list(of: .text), default: [],
            "Names it had before: the table's column of such a name keeps its rows."),
          checks: keys.optional(
            "checks", CheckDraft.list(.column), default: [], "Conditions on each of its values."))
      })
  }

  func checks(_ reader: Reader, model: String) -> [Check] {
    let schema = schema
    var builder = CheckBuilder(reader, model: model, columns: schema)
    for (column, field) in zip(columns, schema.fields) {
      builder.add(column.value.checks, under: field)
    }
    if isSound { builder.add(tableChecks, under: nil) }
    return builder.result
  }
}
