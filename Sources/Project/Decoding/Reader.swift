import Core

/// Collects what is wrong in one file while its tree is turned into values.
final class Reader {
  /// As messages name it.
  let file: String
  /// Where relative paths start: the project's directory.
  let directory: String
  let problems: Problems

  init(file: String, directory: String, problems: Problems) {
    self.file = file
    self.directory = directory
    self.problems = problems
    problems.expect(file: file)
  }

  func place(_ mark: YAMLNode.Mark) -> Place {
    Place(file: file, line: mark.line, column: mark.column)
  }

  func fail(
    _ code: ProjectError.Code, _ message: String, at mark: YAMLNode.Mark, advice: String? = nil
  ) {
    problems.add(code, message, at: place(mark), advice: advice)
  }

  /// Reports what is wrong inside a scalar, where it is; of a secret only that it is no `noun`.
  func fail(
    in node: YAMLNode, atOffset offset: Int = 0, _ message: String, advice: String?, noun: String
  ) {
    if node.isSecret {
      fail(.badValue, "\(node.shown) is no \(noun)", at: node.mark)
    } else {
      fail(.badValue, message, at: node.mark(atOffset: offset), advice: advice)
    }
  }

  /// Reads a file's bytes as YAML; nil where they are none.
  func parse(_ bytes: [UInt8]) -> YAMLNode? {
    let (document, mistakes) = YAMLParser.parse(bytes)
    for mistake in mistakes {
      fail(.syntax, mistake.message, at: mistake.mark, advice: mistake.advice)
    }
    return document
  }

  /// The value of a scalar whose type another key gives.
  ///
  /// - Parameter name: What messages call it: `'min'`.
  func value(_ node: YAMLNode, as type: FieldType, name: String) -> Value? {
    if node.scalar?.substitution == .failed { return nil }
    if let scalar = node.scalar, !node.isNull || type == .string && !scalar.text.isEmpty,
      let value = Value(parsing: scalar.text, as: type)
    {
      return value
    }
    fail(.badValue, "\(name) must be \(type.withArticle), not \(node.shown)", at: node.mark)
    return nil
  }
}

/// A value, and where it was written.
struct Located<Value> {
  var value: Value
  var node: YAMLNode

  var mark: YAMLNode.Mark { node.mark }
}
