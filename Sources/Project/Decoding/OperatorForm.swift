import Core

extension Model.Operator {
  static let names = ["rank", "word_index"]

  /// `{name: {settings…}}`.
  static var form: Form<Model.Operator> {
    let settings: [JSON.Member] = [
      .init("rank", RankSettings.form.schema()),
      .init("word_index", WordIndexSettings.form.schema()),
    ]
    let schema: JSON = [
      "type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": false,
      "properties": .object(settings),
    ]
    return Form(placeholder: Model.Operator(name: "", settings: .null), schema: schema) {
      node, reader, name in
      guard let entries = node.mapping, let entry = entries.first, entries.count == 1 else {
        reader.fail(
          .badValue, "\(name) must be one operator with its settings", at: node.mark,
          advice: "write operator: {name: {input: …}}")
        return nil
      }
      guard names.contains(entry.key) else {
        reader.fail(
          .badValue, "unknown operator '\(entry.key.shortened)'", at: entry.keyMark,
          advice: suggestion(for: entry.key, among: names, called: "operators"))
        return nil
      }
      guard entry.value.mapping != nil else {
        reader.fail(
          .badValue, "the settings of '\(entry.key)' must be a mapping, not \(entry.value.shown)",
          at: entry.value.mark)
        return nil
      }
      let inputs = entry.value.inputs(reader)
      var oper = Model.Operator(
        name: entry.key, settings: entry.value.json, inputs: inputs,
        place: reader.place(entry.keyMark))
      if entry.key == "rank" {
        oper.rank = RankSettings.form.read(entry.value, reader, "'rank'")
        if oper.rank == nil { return nil }
      } else {
        oper.wordIndex = WordIndexSettings.form.read(entry.value, reader, "'word_index'")
        if oper.wordIndex == nil { return nil }
      }
      return oper
    }
  }
}

extension YAMLNode {
  /// The values of all keys called `input`, here and below.
  fileprivate func inputs(_ reader: Reader) -> [Model.Operator.Input] {
    switch content {
    case .scalar: []
    case .sequence(let items): items.flatMap { $0.inputs(reader) }
    case .mapping(let entries):
      entries.flatMap { entry -> [Model.Operator.Input] in
        guard entry.key == "input", let name = entry.value.scalar else {
          return entry.value.inputs(reader)
        }
        return [.init(name: name.text, place: reader.place(entry.value.mark))]
      }
    }
  }

  /// As JSON, by YAML 1.2's core schema: unquoted words may be null, booleans and numbers.
  var json: JSON {
    switch content {
    case .sequence(let items): return .array(items.map(\.json))
    case .mapping(let entries): return .object(entries.map { .init($0.key, $0.value.json) })
    case .scalar(let scalar):
      guard scalar.isPlain else { return .string(scalar.text) }
      if isNull { return .null }
      if let value = Value.booleans[scalar.text] { return .boolean(value) }
      if let value = Int64(scalar.text) { return .integer(value) }
      if Value.isNumber(scalar.text), let value = Double(scalar.text) { return .number(value) }
      return .string(scalar.text)
    }
  }
}
