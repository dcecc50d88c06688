import Core

/// A YAML value that knows where it stands.
public struct YAMLNode: Sendable {
  /// A position in a file; both 1-based, the column in characters.
  public struct Mark: Sendable, Hashable {
    public var line: Int
    public var column: Int

    public init(line: Int, column: Int) {
      self.line = line
      self.column = column
    }
  }

  public struct Entry: Sendable {
    public var key: String
    public var keyMark: Mark
    public var value: YAMLNode
  }

  public struct Scalar: Sendable, Hashable {
    /// What stands there, escapes and folding undone; `${…}` replaced once `Substitution` ran.
    public var text: String
    /// Unquoted, so that `25` is a number and `true` a boolean.
    public var isPlain: Bool
    /// How many characters of the file stand before the text's first (its quote); nil where text
    /// and file differ, by escapes or folding, so that no position inside can be told.
    public var quoteCount: Int?
    public var substitution = Substitution.none

    public enum Substitution: Sendable, Hashable {
      case none
      /// Replaced by values that may be shown.
      case replaced(written: String)
      /// Replaced, partly by the environment: messages show what is written instead.
      case secret(written: String)
      /// Reported already, or not to be reported: whoever reads it stays silent.
      case failed
    }
  }

  public enum Content: Sendable {
    case scalar(Scalar)
    case sequence([YAMLNode])
    case mapping([Entry])
  }

  public var content: Content
  public var mark: Mark

  /// An empty mapping at the start of a file.
  static let nothing = YAMLNode(content: .mapping([]), mark: Mark(line: 1, column: 1))

  public var scalar: Scalar? { if case .scalar(let scalar) = content { scalar } else { nil } }
  public var sequence: [YAMLNode]? { if case .sequence(let items) = content { items } else { nil } }
  public var mapping: [Entry]? { if case .mapping(let entries) = content { entries } else { nil } }

  public subscript(key: String) -> YAMLNode? { mapping?.first { $0.key == key }?.value }

  /// Whether nothing stands there: an empty value, `null` or `~`.
  public var isNull: Bool {
    guard let scalar, scalar.isPlain else { return false }
    return ["", "~", "null", "Null", "NULL"].contains(scalar.text)
  }

  /// Where the character `offset` of the text stands; the value's start where that is not known.
  func mark(atOffset offset: Int) -> Mark {
    guard let scalar, let quoteCount = scalar.quoteCount, scalar.substitution == .none else {
      return mark
    }
    return Mark(line: mark.line, column: mark.column + quoteCount + offset)
  }

  /// Whether part of it came from the environment.
  var isSecret: Bool {
    if case .secret? = scalar?.substitution { true } else { false }
  }

  /// What a message calls a part of this value, without a secret in it.
  func shown(_ part: String) -> String { isSecret ? shown : "'\(part.shortened)'" }

  /// What a message calls this value, without a secret in it.
  var shown: String {
    switch content {
    case .sequence: return "a list"
    case .mapping: return "a mapping"
    case .scalar(let scalar):
      switch scalar.substitution {
      case .secret(let written),
        .replaced(let written) where scalar.text.isEmpty:
        return "what '\(written.shortened)' stands for"
      default: return isNull ? "nothing" : "'\(scalar.text.shortened)'"
      }
    }
  }
}

extension String {
  /// One line of at most 60 characters, for messages.
  var shortened: String {
    let line = String(map { $0.isNewline ? " " : $0 })
    return line.count <= 60 ? line : line.prefix(59) + "…"
  }
}
