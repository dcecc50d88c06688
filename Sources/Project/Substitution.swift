import Core

/// Text with `${NAME}` and `${NAME:-default}` in it; `$$` is a `$`, any other `$` is itself.
///
/// As in a shell, the default also stands in for a variable that is set but empty. Defaults may
/// hold variables and balanced braces: `${OUT:-${lake}/{yyyy}}`.
struct Template {
  struct Mistake: Error {
    /// In Unicode scalars from the text's start.
    let offset: Int
    let message: String
    let advice: String?
  }

  indirect enum Part {
    case text(String)
    /// - Parameter offset: Of its `$`, in Unicode scalars.
    case variable(name: String, fallback: [Part]?, offset: Int)
  }

  let parts: [Part]

  init(parsing text: String) throws(Mistake) {
    guard text.utf8.contains(UInt8(ascii: "$")) else {
      parts = [.text(text)]
      return
    }
    var parser = TemplateParser(scalars: Array(text.unicodeScalars))
    parts = try parser.parts(insideDefault: false)
  }

  var hasVariables: Bool {
    parts.contains { if case .variable = $0 { true } else { false } }
  }

  /// Every variable's name, those of defaults included.
  var names: Set<String> { Template.names(in: parts) }

  private static func names(in parts: [Part]) -> Set<String> {
    parts.reduce(into: []) { names, part in
      guard case .variable(let name, let fallback, _) = part else { return }
      names.insert(name)
      if let fallback { names.formUnion(Template.names(in: fallback)) }
    }
  }
}

private struct TemplateParser {
  let scalars: [Unicode.Scalar]
  var index = 0
  static let advice = "write ${NAME} or ${NAME:-default}, and $$ for a plain $"

  /// Up to the text's end, or to the brace that closes a default.
  mutating func parts(insideDefault: Bool) throws(Template.Mistake) -> [Template.Part] {
    var parts: [Template.Part] = []
    var text = String.UnicodeScalarView()
    var depth = 0
    while index < scalars.count {
      let scalar = scalars[index]
      let next = index + 1 < scalars.count ? scalars[index + 1] : nil
      if scalar == "$" && next == "{" {
        if !text.isEmpty { parts.append(.text(String(text))) }
        text.removeAll()
        parts.append(try variable())
        continue
      }
      if scalar == "$" && next == "$" { index += 1 }
      if insideDefault && scalar == "{" { depth += 1 }
      if insideDefault && scalar == "}" {
        if depth == 0 { break }
        depth -= 1
      }
      text.append(scalar)
      index += 1
    }
    if !text.isEmpty || parts.isEmpty { parts.append(.text(String(text))) }
    return parts
  }

  private mutating func variable() throws(Template.Mistake) -> Template.Part {
    let start = index
    index += 2
    let nameStart = index
    while index < scalars.count, isNamePart(scalars[index], first: index == nameStart) {
      index += 1
    }
    let name = text(nameStart..<index)
    guard index < scalars.count else {
      throw Template.Mistake(offset: start, message: "'${' without its '}'", advice: Self.advice)
    }
    guard !name.isEmpty else {
      throw Template.Mistake(offset: start, message: "'${' without a name", advice: Self.advice)
    }
    if scalars[index] == "}" {
      index += 1
      return .variable(name: name, fallback: nil, offset: start)
    }
    guard scalars[index] == ":", index + 1 < scalars.count, scalars[index + 1] == "-" else {
      throw Template.Mistake(
        offset: start, message: "'${\(name)\(scalars[index])' is no substitution",
        advice: Self.advice)
    }
    index += 2
    let fallback = try parts(insideDefault: true)
    guard index < scalars.count else {
      throw Template.Mistake(
        offset: start, message: "'${\(name):-' without its '}'", advice: Self.advice)
    }
    index += 1
    return .variable(name: name, fallback: fallback, offset: start)
  }

  private func isNamePart(_ scalar: Unicode.Scalar, first: Bool) -> Bool {
    switch scalar {
    case "a"..."z", "A"..."Z", "_": true
    case "0"..."9": !first
    default: false
    }
  }

  private func text(_ range: Range<Int>) -> String {
    var view = String.UnicodeScalarView()
    view.append(contentsOf: scalars[range])
    return String(view)
  }
}

/// What `${…}` finds in one file: its own names first, then the environment.
struct Scope {
  enum Found {
    /// - Parameter isSecret: It came from the environment, so no message may show it.
    case value(String, isSecret: Bool)
    /// It is known but wrong, and that has been said.
    case failed
    case missing
  }

  var lookUp: (_ name: String) -> Found
  /// What could have been meant.
  var names: () -> [String]

  /// Replaces the variables in every scalar below `node`.
  ///
  /// - Parameter isLenient: Leaves what cannot be resolved as `.failed` without saying so.
  func substitute(_ node: YAMLNode, _ reader: Reader, isLenient: Bool = false) -> YAMLNode {
    var result = node
    switch node.content {
    case .sequence(let items):
      result.content = .sequence(items.map { substitute($0, reader, isLenient: isLenient) })
    case .mapping(let entries):
      result.content = .mapping(
        entries.map { entry in
          var entry = entry
          entry.value = substitute(entry.value, reader, isLenient: isLenient)
          return entry
        })
    case .scalar(let scalar):
      guard scalar.text.utf8.contains(UInt8(ascii: "$")) else { return node }
      result.content = .scalar(self.scalar(scalar, of: node, reader, isLenient: isLenient))
    }
    return result
  }

  private func scalar(
    _ scalar: YAMLNode.Scalar, of node: YAMLNode, _ reader: Reader, isLenient: Bool
  ) -> YAMLNode.Scalar {
    var result = scalar
    do throws(Template.Mistake) {
      let template = try Template(parsing: scalar.text)
      let isPlain = !template.hasVariables
      var isSecret = false
      var isSound = true
      result.text = text(template.parts, node, reader, isLenient, &isSecret, &isSound)
      if !isSound {
        result.substitution = .failed
      } else if isSecret {
        result.substitution = .secret(written: scalar.text)
      } else if !isPlain || result.text != scalar.text {
        result.substitution = .replaced(written: scalar.text)
      }
    } catch {
      reader.fail(
        .badValue, error.message, at: node.mark(atOffset: error.offset), advice: error.advice)
      result.substitution = .failed
    }
    return result
  }

  private func text(
    _ parts: [Template.Part], _ node: YAMLNode, _ reader: Reader, _ isLenient: Bool,
    _ isSecret: inout Bool, _ isSound: inout Bool
  ) -> String {
    var result = ""
    for part in parts {
      switch part {
      case .text(let text): result += text
      case .variable(let name, let fallback, let offset):
        switch lookUp(name) {
        case .value(let text, let secret) where fallback == nil || !text.isEmpty:
          result += text
          isSecret = isSecret || secret
        case .failed: isSound = false
        case .value, .missing:
          if let fallback {
            result += self.text(fallback, node, reader, isLenient, &isSecret, &isSound)
          } else {
            isSound = false
            if !isLenient { report(name, at: node.mark(atOffset: offset), reader) }
          }
        }
      }
    }
    return result
  }

  private func report(_ name: String, at mark: YAMLNode.Mark, _ reader: Reader) {
    if name == "lake" {
      reader.fail(.cycle, "the lake cannot be made of '${lake}'", at: mark)
      return
    }
    let near = suggestion(for: name, among: names(), called: "").flatMap { text in
      text.hasPrefix("did") ? text : nil
    }
    reader.fail(
      .unresolved, "nothing defines '${\(name)}'", at: mark,
      advice: near ?? "set it with --set \(name)=…, export it, or write ${\(name):-default}")
  }
}
