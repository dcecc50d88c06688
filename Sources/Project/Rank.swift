import Core

/// The settings of `operator: rank:`; what they mean is told in docs/project-files.md.
public struct RankSettings: Sendable, Hashable {
  public enum Ties: String, Sendable, CaseIterable {
    case rank
    case denseRank = "dense_rank"
    case rowNumber = "row_number"
  }

  /// `sum: views` or `count: views`: the result's column, and for a sum also the input's.
  public enum Measure: Sendable, Hashable {
    case sum(String)
    case count(String)
  }

  public struct Exception: Sendable, Hashable {
    public var input: String
    public var on: [String]
    public var percentDecode: [String]
  }

  /// `views >= 10`, `domain != 'en'`.
  public struct Condition: Sendable, Hashable {
    public enum Constant: Sendable, Hashable {
      case integer(Int64)
      case string(String)
    }

    public var column: String
    /// `=`, `!=`, `<`, `<=`, `>` or `>=`.
    public var operation: String
    public var constant: Constant
  }

  public var input: String
  public var by: [String]
  public var within: [String]
  public var measure: Measure
  public var top: Int
  public var ties: Ties
  public var except: Exception?
  public var conditions: [Condition]

  /// The columns that its rows have, beside an interval's.
  public var columns: [String] {
    switch measure {
    case .sum(let name), .count(let name): by + [name, "rank"]
    }
  }
}

extension RankSettings.Condition {
  private static let operations = ["!=", "<>", "<=", ">=", "=", "<", ">"]

  /// - Returns: Nil for anything but a column, a comparison and a number or quoted text.
  init?(parsing text: String) {
    let bytes = Array(text.utf8)
    guard let start = bytes.firstIndex(where: { [0x21, 0x3C, 0x3D, 0x3E].contains($0) }) else {
      return nil
    }
    let rest = String(decoding: bytes[start...], as: UTF8.self)
    guard let operation = Self.operations.first(where: rest.hasPrefix) else { return nil }
    let column = Self.trimmed(String(decoding: bytes[..<start], as: UTF8.self))
    let constant = Self.trimmed(String(rest.dropFirst(operation.count)))
    guard !column.isEmpty else { return nil }
    self.column = column
    self.operation = operation == "<>" ? "!=" : operation
    if let number = Int64(constant) {
      self.constant = .integer(number)
    } else if constant.count >= 2 && constant.hasPrefix("'") && constant.hasSuffix("'") {
      // As in SQL, two quotes stand for one.
      let inner = constant.dropFirst().dropLast().split(
        separator: "''", omittingEmptySubsequences: false)
      guard inner.allSatisfy({ !$0.contains("'") }) else { return nil }
      self.constant = .string(inner.joined(separator: "'"))
    } else {
      return nil
    }
  }

  private static func trimmed(_ text: String) -> String {
    var text = Substring(text)
    while text.first == " " { text.removeFirst() }
    while text.last == " " { text.removeLast() }
    return String(text)
  }
}
