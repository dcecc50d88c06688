import Core

extension Form where Value == String {
  /// Text that is not empty; a number or a boolean is its own text.
  static var text: Form { text(expecting: "text") }

  static func text(expecting expects: String) -> Form {
    .scalar(
      placeholder: "", expects: expects,
      schema: ["type": ["string", "number", "boolean"], "minLength": 1]
    ) { scalar in
      let isNull = scalar.isPlain && ["null", "Null", "NULL", "~"].contains(scalar.text)
      return scalar.text.isEmpty || isNull ? nil : scalar.text
    }
  }
}

extension Form where Value == String {
  /// Text that may be empty, in quotes.
  static var anyText: Form {
    .scalar(
      placeholder: "", expects: "text", schema: ["type": ["string", "number", "boolean"]]
    ) { scalar in
      let isNull = scalar.isPlain && ["", "null", "Null", "NULL", "~"].contains(scalar.text)
      return isNull ? nil : scalar.text
    }
  }

  /// A path or URI, made absolute.
  static var location: Form {
    text(expecting: "a path or URI").map(placeholder: "/") { text, node, reader in
      do throws(Location.Mistake) {
        let location = try Location.resolve(text, against: reader.directory)
        if let password = Location.password(in: location) { Redaction.shared.register(password) }
        return location
      } catch {
        reader.fail(in: node, error.message, advice: error.advice, noun: "path or URI")
        return nil
      }
    }
  }
}

extension Form where Value == String {
  /// A path on this machine, made absolute.
  static var localPath: Form {
    location.map(placeholder: "/") { location, node, reader in
      if location.hasPrefix("/") { return location }
      reader.fail(.badValue, "a folder of this machine is needed here", at: node.mark)
      return nil
    }
  }
}

extension Form where Value == Bool {
  static var boolean: Form {
    .scalar(
      placeholder: false, expects: "true or false", schema: substitutable(["type": "boolean"]),
      suggest: { text in
        switch text.lowercased() {
        case "yes", "on", "y": "write 'true'"
        case "no", "off", "n": "write 'false'"
        default: nil
        }
      }
    ) { scalar in scalar.isNumberLike ? Core.Value.booleans[scalar.text] : nil }
  }
}

extension Form where Value == Int {
  static func integer(_ range: ClosedRange<Int>) -> Form {
    let expects =
      range.upperBound == .max
      ? (range.lowerBound == .min
        ? "a whole number" : "a whole number of \(range.lowerBound) or more")
      : "a whole number from \(range.lowerBound) to \(range.upperBound)"
    var schema: JSON {
      var members = [JSON.Member("type", "integer")]
      if range.lowerBound != .min {
        members.append(.init("minimum", .integer(Int64(range.lowerBound))))
      }
      if range.upperBound != .max {
        members.append(.init("maximum", .integer(Int64(range.upperBound))))
      }
      return substitutable(.object(members))
    }
    return .scalar(placeholder: range.lowerBound, expects: expects, schema: schema) { scalar in
      guard scalar.isNumberLike, let number = Int(scalar.text), range.contains(number) else {
        return nil
      }
      return number
    }
  }
}

extension Form where Value == Int64 {
  /// Milliseconds.
  static var duration: Form {
    .scalar(
      placeholder: 0, expects: "a duration such as 60s, 5m, 24h or 3d",
      schema: substitutable(["type": "string", "pattern": "^([0-9]+(ms|s|m|h|d))+$"]),
      suggest: { text in Int(text) == nil ? nil : "add the unit: '\(text)s' is seconds" }
    ) { Units.milliseconds($0.text) }
  }

  /// Bytes, at least one.
  static var size: Form {
    .scalar(
      placeholder: 1, expects: "a size such as 512MB, 4GB or 4GiB",
      schema: substitutable([
        "type": ["string", "integer"],
        "pattern": "^[0-9]+(\\.[0-9]+)? *([KkMmGgTt][Ii]?)?[Bb]?$",
      ])
    ) { scalar in Units.bytes(scalar.text).flatMap { $0 > 0 ? $0 : nil } }
  }
}

extension Form where Value == Int64 {
  /// Milliseconds, more than none.
  static var positiveDuration: Form {
    .scalar(
      placeholder: 1, expects: "a duration such as 60s, longer than nothing",
      schema: duration.schema()
    ) { scalar in Units.milliseconds(scalar.text).flatMap { $0 > 0 ? $0 : nil } }
  }
}

extension Form where Value == Double {
  static var percent: Form {
    .scalar(
      placeholder: 0, expects: "a share such as 20%",
      schema: substitutable(["type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?%$"]),
      suggest: { text in Value(text) == nil ? nil : "add the '%'" }
    ) { Units.percent($0.text) }
  }
}

extension Form
where Value: CaseIterable & RawRepresentable, Value.RawValue == String, Value.AllCases == [Value] {
  /// One of the words that stand for the type's cases.
  static var word: Form {
    let words = Value.allCases.map(\.rawValue)
    return .scalar(
      placeholder: Value.allCases[0],
      expects: words.count == 1 ? "'\(words[0])'" : "one of \(words.joined(separator: ", "))",
      schema: substitutable(["enum": .array(words.map { .string($0) })]),
      suggest: { text in nearest(to: text, among: words).map { "did you mean '\($0)'?" } }
    ) { Value(rawValue: $0.text) }
  }
}

extension Form where Value == FieldType {
  /// A column's type, mistakes located inside it.
  static var type: Form {
    Form<String>.text(expecting: "a type").map(placeholder: .string) { text, node, reader in
      do throws(FieldType.Mistake) {
        return try FieldType(parsing: text)
      } catch {
        reader.fail(
          in: node, atOffset: error.offset, error.message, advice: error.advice, noun: "type")
        return nil
      }
    }.described(as: [
      "type": "string",
      "pattern": .string(
        "^ *(\(FieldType.plainTypes.map(\.name).joined(separator: "|"))"
          + "|decimal *\\(.*\\)|list *<.*>|map *<.*>|struct *<.*>) *$"),
    ])
  }
}

extension Form where Value == YAMLNode {
  /// A scalar whose type other keys give.
  static var literal: Form {
    Form(
      placeholder: .nothing,
      schema: ["type": ["string", "number", "boolean"]]
    ) { node, reader, name in
      guard let scalar = node.scalar, !node.isNull || scalar.substitution != .none else {
        reader.fail(.badValue, "\(name) must be a value, not \(node.shown)", at: node.mark)
        return nil
      }
      return scalar.substitution == .failed ? nil : node
    }
  }

  /// Anything at all.
  static var anything: Form {
    Form(
      placeholder: .nothing,
      schema: .boolean(true)
    ) { node, _, _ in node }
  }
}

extension Form where Value == UInt8 {
  /// One byte that separates fields.
  static var delimiter: Form {
    .scalar(
      placeholder: 0, expects: "one ASCII character, or 'tab'",
      schema: substitutable(["type": "string", "pattern": "^([\\t -~]|\\\\t|tab)$"])
    ) { scalar in
      if scalar.text == "tab" || scalar.text == "\\t" { return UInt8(ascii: "\t") }
      guard scalar.text.utf8.count == 1, let byte = scalar.text.utf8.first else { return nil }
      return byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") ? nil : byte
    }
  }
}

extension Form where Value == UInt8? {
  /// The byte that encloses fields, or `none`.
  static var quote: Form {
    .scalar(
      placeholder: nil, expects: "one ASCII character, or 'none'",
      schema: substitutable(["type": "string", "pattern": "^([!-~]|none)$"])
    ) { scalar -> UInt8?? in
      if scalar.text == "none" { return .some(nil) }
      guard scalar.text.utf8.count == 1, let byte = scalar.text.utf8.first,
        (UInt8(ascii: "!")...UInt8(ascii: "~")).contains(byte)
      else { return nil }
      return .some(byte)
    }
  }
}

extension Form where Value == SortKey {
  /// `column`, `column asc` or `column desc`.
  static var sortKey: Form {
    Form<String>.text.map(placeholder: SortKey("")) { text, _, _ in
      for (ending, isDescending) in [(" desc", true), (" asc", false)] where text.hasSuffix(ending)
      {
        let column = text.dropLast(ending.count)
        return SortKey(
          String(column.drop { $0 == " " }), isDescending: isDescending)
      }
      return SortKey(text)
    }
  }
}

extension Form {
  /// The same form under another schema.
  func described(as schema: JSON) -> Form {
    let placeholder = placeholder
    return Form(placeholder: placeholder(), schema: schema, read: read)
  }
}

extension YAMLNode.Scalar {
  /// Whether a number or boolean may stand here: unquoted, or in quotes because of a `${…}`.
  var isNumberLike: Bool { isPlain || substitution != .none }
}
