import Core

/// How one kind of value is written: reading it and describing it to editors from one declaration.
struct Form<Value> {
  /// Stands in where reading failed, so that the rest of a file can still be read; it never gets
  /// out, because the failure does.
  let placeholder: () -> Value
  /// Draft 2020-12.
  let schema: () -> JSON
  /// - Parameter name: What messages call the value: `'timeout'`.
  /// - Returns: Nil after telling the reader what is wrong.
  let read: (_ node: YAMLNode, _ reader: Reader, _ name: String) -> Value?

  init(
    placeholder: @autoclosure @escaping () -> Value, schema: @autoclosure @escaping () -> JSON,
    read: @escaping (_ node: YAMLNode, _ reader: Reader, _ name: String) -> Value?
  ) {
    self.placeholder = placeholder
    self.schema = schema
    self.read = read
  }

  /// The same writing, read as something else; `transform` reports its own mistakes.
  func map<Other>(
    placeholder: @autoclosure @escaping () -> Other,
    _ transform: @escaping (_ value: Value, _ node: YAMLNode, _ reader: Reader) -> Other?
  ) -> Form<Other> {
    let (schema, read) = (schema, read)
    return Form<Other>(placeholder: placeholder(), schema: schema()) { node, reader, name in
      read(node, reader, name).flatMap { transform($0, node, reader) }
    }
  }

  var located: Form<Located<Value>> {
    let placeholder = placeholder
    return map(placeholder: Located(value: placeholder(), node: .nothing)) {
      value, node, _ in
      Located(value: value, node: node)
    }
  }
}

extension Form {
  /// A scalar of which `parse` makes a value.
  ///
  /// - Parameters:
  ///   - expects: Completes "must be …": `a duration such as 60s`.
  ///   - suggest: Completes the message for text that `parse` refuses.
  static func scalar(
    placeholder: @autoclosure @escaping () -> Value, expects: String,
    schema: @autoclosure @escaping () -> JSON,
    suggest: @escaping (String) -> String? = { _ in nil },
    parse: @escaping (YAMLNode.Scalar) -> Value?
  ) -> Form {
    Form(placeholder: placeholder(), schema: schema()) { node, reader, name in
      if let scalar = node.scalar {
        if scalar.substitution == .failed { return nil }
        if let value = parse(scalar) { return value }
      }
      var advice = node.isSecret ? nil : (node.scalar?.text).flatMap(suggest)
      if var plain = node.scalar, !plain.isPlain {
        plain.isPlain = true
        if parse(plain) != nil { advice = "remove the quotes" }
      }
      reader.fail(
        .badValue, "\(name) must be \(expects), not \(node.shown)", at: node.mark, advice: advice)
      return nil
    }
  }

  /// A value that may also be written as `${…}`.
  static func substitutable(_ schema: JSON) -> JSON {
    ["anyOf": [schema, ["$ref": "#/$defs/substitution"]]]
  }
}

extension Form {
  /// A list of `form`; nothing at all is an empty list.
  static func list<Item>(
    of form: Form<Item>, isEmptyAllowed: Bool = true
  ) -> Form where Value == [Item] {
    var schema: [JSON.Member] {
      [JSON.Member("type", isEmptyAllowed ? ["array", "null"] : "array")]
        + [JSON.Member("items", form.schema())]
        + (isEmptyAllowed ? [] : [JSON.Member("minItems", 1)])
    }
    return Form(placeholder: [], schema: .object(schema)) { node, reader, name in
      guard let items = node.sequence ?? (node.isNull && isEmptyAllowed ? [] : nil) else {
        if node.scalar?.substitution != .failed {
          reader.fail(
            .badValue, "\(name) must be a list, not \(node.shown)", at: node.mark,
            advice: "write [a, b], or a line '- a' for each")
        }
        return nil
      }
      if items.isEmpty && !isEmptyAllowed {
        reader.fail(.badValue, "\(name) is empty", at: node.mark)
        return nil
      }
      // Without the items that are wrong: what is wrong with the others is wanted too.
      return items.enumerated().compactMap { index, item in
        form.read(item, reader, "item \(index + 1) of \(name)")
      }
    }
  }

  /// Names of the user's choice, each with a `form`; nothing at all is an empty mapping.
  static func named<Item>(
    _ noun: String, _ form: Form<Item>, names: NameRule = .identifier
  ) -> Form where Value == [Named<Item>] {
    var schema: [JSON.Member] {
      [
        JSON.Member("type", ["object", "null"]),
        JSON.Member("additionalProperties", form.schema()),
      ] + (names.pattern.map { [JSON.Member("propertyNames", ["pattern": .string($0)])] } ?? [])
    }
    return Form(placeholder: [], schema: .object(schema)) { node, reader, name in
      guard let entries = node.mapping ?? (node.isNull ? [] : nil) else {
        if node.scalar?.substitution != .failed {
          reader.fail(
            .badValue, "\(name) must be a mapping of names, not \(node.shown)", at: node.mark,
            advice: "write 'name: …' for each \(noun)")
        }
        return nil
      }
      return entries.compactMap { entry -> Named<Item>? in
        names.check(entry.key, noun: noun, at: entry.keyMark, reader)
        guard let value = form.read(entry.value, reader, "\(noun) '\(entry.key)'") else {
          return nil
        }
        return Named(name: entry.key, mark: entry.keyMark, value: value)
      }
    }
  }

  /// A scalar in `short`, or all that `long` declares.
  static func either(short: Form, long: Form) -> Form {
    Form(
      placeholder: long.placeholder(), schema: ["anyOf": [short.schema(), long.schema()]]
    ) { node, reader, name in
      node.mapping == nil ? short.read(node, reader, name) : long.read(node, reader, name)
    }
  }
}

/// An entry of a mapping whose keys are names.
struct Named<Value> {
  var name: String
  var mark: YAMLNode.Mark
  var value: Value
}

/// What names may look like.
enum NameRule {
  /// Part of a path, of SQL and of `--set`: letters, digits and `_`, not starting with a digit.
  case identifier
  /// Anything that can be written on one line: names of columns come from other people's files.
  case column
  /// `name` or `pipeline.name`.
  case qualified

  var pattern: String? {
    let word = "[A-Za-z_][A-Za-z0-9_]{0,99}"
    switch self {
    case .identifier: return "^\(word)$"
    case .qualified: return "^\(word)(\\.\(word))?$"
    case .column: return nil
    }
  }

  func check(_ name: String, noun: String, at mark: YAMLNode.Mark, _ reader: Reader) {
    switch self {
    case .identifier:
      if !NameRule.isIdentifier(name) {
        reader.fail(
          .badValue, "the \(noun) name '\(name.shortened)' cannot be", at: mark,
          advice: "use letters, digits and '_', not starting with a digit")
      }
    case .qualified:
      let parts = name.split(separator: ".", omittingEmptySubsequences: false)
      if parts.count > 2 || !parts.allSatisfy({ NameRule.isIdentifier(String($0)) }) {
        reader.fail(
          .badValue, "the \(noun) name '\(name.shortened)' cannot be", at: mark,
          advice: "write it as in SQL: name, or pipeline.name")
      }
    case .column:
      if name.isEmpty || name.count > 255 || name.contains(where: \.isNewline) {
        reader.fail(.badValue, "the \(noun) name '\(name.shortened)' cannot be", at: mark)
      }
    }
  }

  static func isIdentifier(_ name: String) -> Bool {
    guard let first = name.unicodeScalars.first, !("0"..."9").contains(first),
      name.utf8.count <= 100
    else { return false }
    return name.unicodeScalars.allSatisfy { scalar in
      switch scalar {
      case "a"..."z", "A"..."Z", "0"..."9", "_": true
      default: false
      }
    }
  }
}
