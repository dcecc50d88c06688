import Core

/// A check as written: its values are read once the column's type is known.
struct CheckDraft {
  enum Kind {
    case notNull
    case unique([Located<String>]?)
    case acceptedValues([YAMLNode])
    case between(YAMLNode?, YAMLNode?)
    case rowCount(Int?, Int?)
  }

  var kind: Kind
  var severity: Located<Check.Severity>?
  var name: Located<String>?
  var mark: YAMLNode.Mark

  /// What checks may stand under: a column, or a whole table.
  enum Scope { case column, table }

  private static let columnChecks = ["not_null", "unique", "accepted_values", "between"]
  private static let tableChecks = ["unique", "row_count"]

  static func list(_ scope: Scope) -> Form<[CheckDraft]> { .list(of: form(scope)) }

  /// `not_null`, or `{not_null: {severity: warn}}`.
  static func form(_ scope: Scope) -> Form<CheckDraft> {
    let names = scope == .column ? columnChecks : tableChecks
    let bare = scope == .column ? ["not_null", "unique"] : []
    var schema: JSON {
      let long: JSON = [
        "type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": false,
        "properties": .object(names.map { .init($0, settings($0, scope).schema()) }),
      ]
      return bare.isEmpty
        ? long : ["anyOf": [["enum": .array(bare.map { .string($0) })], long]]
    }
    let placeholder = CheckDraft(kind: .notNull, mark: .init(line: 1, column: 1))
    return Form(placeholder: placeholder, schema: schema) { node, reader, name in
      if node.scalar?.substitution == .failed { return nil }
      let empty = YAMLNode(content: .mapping([]), mark: node.mark)
      let written: (name: String, mark: YAMLNode.Mark, settings: YAMLNode)
      if let text = node.scalar?.text {
        written = (text, node.mark, empty)
      } else if let entries = node.mapping, let entry = entries.first, entries.count == 1 {
        written = (entry.key, entry.keyMark, entry.value.isNull ? empty : entry.value)
      } else {
        reader.fail(
          .badValue, "a check is one name, or one name with settings", at: node.mark,
          advice: "write not_null, or {between: {min: 0}}")
        return nil
      }
      guard names.contains(written.name) else {
        reader.fail(
          .badValue, "unknown check \(node.shown(written.name))", at: written.mark,
          advice: advice(for: written.name, scope, among: names))
        return nil
      }
      guard
        var draft = settings(written.name, scope).read(
          written.settings, reader, "'\(written.name)'")
      else { return nil }
      draft.mark = written.mark
      return draft
    }
  }

  private static func advice(for name: String, _ scope: Scope, among names: [String]) -> String? {
    switch scope {
    case .column where tableChecks.contains(name):
      "it checks a whole table: put it into the 'checks' beside 'columns'"
    case .table where columnChecks.contains(name):
      "it checks one column: put it into that column's 'checks'"
    default: suggestion(for: name, among: names, called: "checks here")
    }
  }

  private static func settings(_ name: String, _ scope: Scope) -> Form<CheckDraft> {
    switch name {
    case "not_null": return .object { keys in draft(.notNull, keys) }
    case "unique":
      if scope == .column { return .object { keys in draft(.unique(nil), keys) } }
      return .object { keys in
        let columns = keys.required(
          "columns", .list(of: Form<String>.text.located, isEmptyAllowed: false),
          "No two rows may agree in all of these.")
        return draft(.unique(columns), keys)
      }
    case "accepted_values":
      let values = Form<[YAMLNode]>.list(of: .literal, isEmptyAllowed: false)
      let short = values.map(
        placeholder: CheckDraft(kind: .notNull, mark: .init(line: 1, column: 1))
      ) {
        values, node, _ in CheckDraft(kind: .acceptedValues(values), mark: node.mark)
      }
      return .either(
        short: short,
        long: .object { keys in
          draft(.acceptedValues(keys.required("values", values, "The values allowed.")), keys)
        })
    case "between":
      return .object { keys in
        let min = keys.optional("min", .literal, "The least value allowed.")
        let max = keys.optional("max", .literal, "The greatest value allowed.")
        requireOneEnd(keys)
        return draft(.between(min, max), keys)
      }
    default:
      return .object { keys in
        let min = keys.optional("min", .integer(0...Int.max), "The fewest rows allowed.")
        let max = keys.optional("max", .integer(0...Int.max), "The most rows allowed.")
        requireOneEnd(keys)
        keys.verify { reader in
          if let min, let max, min > max, let mark = keys.mark(of: "min") {
            reader.fail(.badValue, "'min' is greater than 'max'", at: mark)
          }
        }
        return draft(.rowCount(min, max), keys)
      }
    }
  }

  private static func requireOneEnd(_ keys: Keys) {
    keys.verify { reader in
      if keys.mark(of: "min") == nil && keys.mark(of: "max") == nil {
        reader.fail(.missingKey, "'min' or 'max' is missing here", at: keys.mark)
      }
    }
  }

  private static func draft(_ kind: Kind, _ keys: Keys) -> CheckDraft {
    CheckDraft(
      kind: kind,
      severity: keys.optional(
        "severity", Form<Check.Severity>.word.located,
        "'error' stops publication (default), 'warn' only says so, 'quarantine' sets rows aside."),
      name: keys.optional("name", Form<String>.identifier.located, "What results call it."),
      mark: keys.mark)
  }
}

extension Form where Value == String {
  static var identifier: Form {
    text.map(placeholder: "") { text, node, reader in
      if NameRule.isIdentifier(text) { return text }
      reader.fail(
        .badValue, "the name \(node.shown) cannot be", at: node.mark,
        advice: "use letters, digits and '_', not starting with a digit")
      return nil
    }
  }
}

/// The checks of one table, from drafts: values typed, columns looked up, names made unique.
struct CheckBuilder {
  let reader: Reader
  let model: String
  let columns: Schema
  private var checks: [Check] = []
  private var marks: [String: YAMLNode.Mark] = [:]

  init(_ reader: Reader, model: String, columns: Schema) {
    self.reader = reader
    self.model = model
    self.columns = columns
  }

  /// - Parameter column: The column they stand under; nil for the whole table.
  mutating func add(_ drafts: [CheckDraft], under column: Field?) {
    for draft in drafts {
      guard let kind = kind(draft, column) else { continue }
      var place = reader.place(draft.mark)
      place.model = model
      let check = Check(
        name: draft.name?.value ?? defaultName(kind, column), kind: kind, column: column?.name,
        severity: draft.severity?.value ?? .error, place: place)
      if check.severity == .quarantine && !check.isRowLevel, let mark = draft.severity?.mark {
        reader.fail(
          .badValue, "'quarantine' sets rows aside, but this check judges no single row", at: mark,
          advice: "use error or warn")
      }
      if let first = marks[check.name] {
        reader.fail(
          .badValue, "a second check called '\(check.name)'", at: draft.name?.mark ?? draft.mark,
          advice: "the first is on line \(first.line); give this one a 'name' of its own")
      }
      marks[check.name] = draft.mark
      checks.append(check)
    }
  }

  var result: [Check] { checks }

  private func kind(_ draft: CheckDraft, _ column: Field?) -> Check.Kind? {
    switch draft.kind {
    case .notNull: return .notNull
    case .unique(let names):
      guard let names else { return column.map { .unique(columns: [$0.name]) } }
      for name in names { reader.require(column: name.value, in: columns, name.node) }
      return .unique(columns: names.map(\.value))
    case .acceptedValues(let nodes):
      guard let type = checkable(column, draft, needsOrder: false) else { return nil }
      let values = nodes.map { reader.value($0, as: type, name: "an accepted value") }
      let sound = values.compactMap { $0 }
      return sound.count == values.count ? .acceptedValues(sound) : nil
    case .between(let low, let high):
      guard let type = checkable(column, draft, needsOrder: true) else { return nil }
      let min = low.map { reader.value($0, as: type, name: "'min'") }
      let max = high.map { reader.value($0, as: type, name: "'max'") }
      if case .some(.none) = min { return nil }
      if case .some(.none) = max { return nil }
      if let min = min ?? nil, let max = max ?? nil, let low, max.precedes(min) == true {
        reader.fail(.badValue, "'min' is greater than 'max'", at: low.mark)
      }
      return .between(min: min ?? nil, max: max ?? nil)
    case .rowCount(let min, let max):
      return .rowCount(min: min.map(Int64.init), max: max.map(Int64.init))
    }
  }

  private func checkable(_ column: Field?, _ draft: CheckDraft, needsOrder: Bool) -> FieldType? {
    guard let column else { return nil }
    guard column.type.hasText, !needsOrder || column.type.isOrdered else {
      reader.fail(
        .badValue,
        "this check does not fit '\(column.name)', which is \(column.type.withArticle)",
        at: draft.mark)
      return nil
    }
    return column.type
  }

  private func defaultName(_ kind: Check.Kind, _ column: Field?) -> String {
    let prefix = column.map { $0.name + "_" } ?? ""
    switch kind {
    case .notNull: return prefix + "not_null"
    case .unique(let columns): return columns.joined(separator: "_") + "_unique"
    case .acceptedValues: return prefix + "accepted_values"
    case .between: return prefix + "between"
    case .rowCount: return prefix + "row_count"
    }
  }
}

extension Reader {
  /// Says so where a schema has no such column.
  @discardableResult
  func require(column: String, in columns: Schema, _ node: YAMLNode) -> Bool {
    if columns[column] != nil { return true }
    fail(
      .unknownName, "there is no column \(node.shown(column))", at: node.mark,
      advice: suggestion(for: column, among: columns.fields.map(\.name), called: "columns"))
    return false
  }
}
