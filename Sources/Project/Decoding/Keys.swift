import Core

/// The keys of one mapping, each declared once: asking for a key reads it, or describes it.
///
/// A type's form is one closure that asks for every key it knows and builds the value. Run over a
/// file it reads; run without one it leaves the JSON Schema behind.
final class Keys {
  private let reader: Reader?
  private let entries: [YAMLNode.Entry]
  /// Where the mapping starts.
  let mark: YAMLNode.Mark
  private var declared: [(name: String, schema: JSON, isRequired: Bool)] = []
  private var constraints: [JSON.Member] = []
  /// Whether every value asked for so far was there or optional, and sound.
  private(set) var isSound = true

  /// - Parameter reader: Nil to describe.
  private init(_ reader: Reader?, _ entries: [YAMLNode.Entry], _ mark: YAMLNode.Mark) {
    self.reader = reader
    self.entries = entries
    self.mark = mark
  }

  /// Reads nothing and says nothing: every key's default.
  static var placeholder: Keys { Keys(nil, [], .init(line: 1, column: 1)) }

  static func describe<Value>(_ build: (Keys) -> Value) -> JSON {
    let keys = placeholder
    _ = build(keys)
    return keys.schema
  }

  /// - Parameter isPartial: Leaves keys that `build` does not ask for to someone else.
  static func read<Value>(
    _ entries: [YAMLNode.Entry], at mark: YAMLNode.Mark, _ reader: Reader,
    isPartial: Bool = false, _ build: (Keys) -> Value
  ) -> (value: Value, isSound: Bool) {
    let keys = Keys(reader, entries, mark)
    let value = build(keys)
    if !isPartial { keys.refuseUnknown(reader) }
    return (value, keys.isSound)
  }

  /// A key that has to be there; the form's placeholder after saying that it is not.
  func required<Value>(_ name: String, _ form: Form<Value>, _ documentation: String) -> Value {
    attempt(name, form, documentation, isRequired: true) ?? form.placeholder()
  }

  /// A key that may be left out; nil also where its value is wrong.
  func optional<Value>(_ name: String, _ form: Form<Value>, _ documentation: String) -> Value? {
    attempt(name, form, documentation, isRequired: false)
  }

  /// - Parameter written: The default as one would write it, for the schema.
  func optional<Value>(
    _ name: String, _ form: Form<Value>, default value: Value, written: JSON? = nil,
    _ documentation: String
  ) -> Value {
    attempt(name, form, documentation, isRequired: false, default: written ?? Keys.json(value))
      ?? value
  }

  /// The value; nil where there is none or it is wrong, which has been said then.
  func attempt<Value>(
    _ name: String, _ form: Form<Value>, _ documentation: String, isRequired: Bool,
    default written: JSON? = nil
  ) -> Value? {
    guard let reader else {
      describe(name, form.schema(), documentation, isRequired, written)
      return nil
    }
    declared.append((name, .null, isRequired))
    guard let entry = entries.first(where: { $0.key == name }) else {
      if isRequired {
        let what = documentation.prefix(1).lowercased() + documentation.dropFirst()
        reader.fail(
          .missingKey, "'\(name)' is missing here", at: mark,
          advice: "add '\(name):', \(what.last == "." ? String(what.dropLast()) : what)")
        isSound = false
      }
      return nil
    }
    let value = form.read(entry.value, reader, "'\(name)'")
    if value == nil { isSound = false }
    return value
  }

  /// Where the key stands; nil where it does not.
  func mark(of name: String) -> YAMLNode.Mark? { entries.first { $0.key == name }?.keyMark }

  /// What stands at the key, unread; nil where it does not.
  func entry(_ name: String) -> YAMLNode? { entries.first { $0.key == name }?.value }

  /// Says that exactly one of these keys has to be there.
  func exactlyOne(of names: [String]) {
    constraints.append(
      .init("oneOf", .array(names.map { ["required": [.string($0)]] })))
    verify { reader in
      let present = names.filter { mark(of: $0) != nil }
      let quoted = names.map { "'\($0)'" }.joined(separator: " and ")
      if present.isEmpty {
        let choice = names.map { "'\($0)'" }.joined(separator: " or ")
        reader.fail(.missingKey, "\(choice) is missing here", at: mark)
        isSound = false
      } else if present.count > 1 {
        reader.fail(.badValue, "\(quoted) exclude each other", at: mark(of: present[1])!)
        isSound = false
      }
    }
  }

  /// Says that keys belong to a form of the mapping other than this one.
  func refuse(_ names: [String], because reason: String) {
    verify { reader in
      for name in names {
        guard let mark = mark(of: name) else { continue }
        reader.fail(.badValue, "'\(name)' \(reason)", at: mark)
        isSound = false
      }
    }
  }

  /// Runs a check that needs a file; not when describing.
  func verify(_ check: (Reader) -> Void) {
    if let reader { check(reader) }
  }

  private func refuseUnknown(_ reader: Reader) {
    let known = declared.map(\.name)
    for entry in entries where !known.contains(entry.key) {
      reader.fail(
        .unknownKey, "unknown key '\(entry.key.shortened)'", at: entry.keyMark,
        advice: suggestion(for: entry.key, among: known, called: "known keys"))
    }
  }

  private func describe(
    _ name: String, _ schema: JSON, _ documentation: String, _ isRequired: Bool, _ written: JSON?
  ) {
    var members = schema.members ?? []
    members.insert(.init("description", .string(documentation)), at: 0)
    if let written { members.append(.init("default", written)) }
    declared.append((name, .object(members), isRequired))
  }

  private var schema: JSON {
    var members: [JSON.Member] = [
      .init("type", "object"),
      .init("properties", .object(declared.map { .init($0.name, $0.schema) })),
      .init("additionalProperties", false),
    ]
    let required = declared.filter(\.isRequired).map { JSON.string($0.name) }
    if !required.isEmpty { members.append(.init("required", .array(required))) }
    return .object(members + constraints)
  }

  private static func json(_ value: Any) -> JSON? {
    switch value {
    case let value as Bool: .boolean(value)
    case let value as Int: .integer(Int64(value))
    case let value as String: .string(value)
    case let value as any RawRepresentable: (value.rawValue as? String).map { .string($0) }
    default: nil
    }
  }
}

extension Form {
  /// A mapping with the keys that `build` asks for.
  ///
  /// - Parameter isOptional: Nothing at all is a mapping without keys.
  static func object(
    isOptional: Bool = false, _ build: @escaping (Keys) -> Value
  ) -> Form {
    var schema: JSON {
      let described = Keys.describe(build)
      guard isOptional, var members = described.members else { return described }
      members[0] = .init("type", ["object", "null"])
      return .object(members)
    }
    return Form(placeholder: build(.placeholder), schema: schema) { node, reader, name in
      guard let entries = node.mapping ?? (node.isNull && isOptional ? [] : nil) else {
        if node.scalar?.substitution != .failed {
          reader.fail(.badValue, "\(name) must be a mapping, not \(node.shown)", at: node.mark)
        }
        return nil
      }
      let (value, isSound) = Keys.read(entries, at: node.mark, reader, build)
      return isSound ? value : nil
    }
  }
}
