import Core

/// What `rank` computes: of every group, the members with the greatest numbers.
///
/// In SQL: `SELECT by…, sum(x) … GROUP BY by…`, without what `except` lists, ranked by the sum,
/// greatest first, `PARTITION BY within…`, and of that the rows whose rank is at most `top`.
/// A row whose `sum` column is null adds nothing, not even a group.
public struct RankDefinition: Sendable, Hashable {
  /// Part of a model's definition fingerprint: raised when the same settings give other rows.
  public static let version = 1

  public enum Ties: String, Sendable, Hashable, CaseIterable {
    /// Equal numbers share a rank; the next rank is as many further: 1, 1, 3.
    case rank
    /// Equal numbers share a rank, and no rank is left out: 1, 1, 2.
    case denseRank = "dense_rank"
    /// Equal numbers are ranked by the members' columns, ascending, nulls first: 1, 2, 3.
    case rowNumber = "row_number"
  }

  /// What a member's number is, by the name of the result's column.
  public enum Measure: Sendable, Hashable {
    /// The sum of an integer column.
    case sum(String)
    /// The number of rows.
    case count(String)

    public var column: String {
      switch self {
      case .sum(let name), .count(let name): name
      }
    }
  }

  /// Pairs to leave out: those that another input lists.
  public struct Exception: Sendable, Hashable {
    /// Columns of both inputs, among `by`.
    public var on: [String]
    /// Of `on`, the string columns that are compared percent-decoded on both sides; a value that
    /// does not decode to UTF-8 is compared as it is.
    public var percentDecode: [String]

    public init(on: [String], percentDecode: [String] = []) {
      self.on = on
      self.percentDecode = percentDecode
    }
  }

  /// The columns of a member with its group.
  public var by: [String]
  /// The columns of a group, among `by`; empty ranks all members against each other.
  public var within: [String]
  public var measure: Measure
  /// At least 1.
  public var top: Int
  public var ties: Ties
  public var except: Exception?
  /// What a row must satisfy to be counted, all of it.
  public var conditions: [RankCondition]

  public init(
    by: [String], within: [String] = [], measure: Measure, top: Int, ties: Ties = .rank,
    except: Exception? = nil, conditions: [RankCondition] = []
  ) {
    self.by = by
    self.within = within
    self.measure = measure
    self.top = top
    self.ties = ties
    self.except = except
    self.conditions = conditions
  }

  /// The columns in the order in which keys hold them: groups first.
  var keyColumns: [String] { within + by.filter { !within.contains($0) } }

  /// The result's columns, given the input's.
  ///
  /// - Throws: `OperatorError` `.badSettings`, exit code 2.
  public func resultSchema(input: Schema, label: String) throws(OperatorError) -> Schema {
    func refuse(_ message: String, _ advice: String? = nil) -> OperatorError {
      OperatorError(
        .badSettings, message, at: Place(model: label), advice: advice, exitCode: 2)
    }
    func column(_ name: String) throws(OperatorError) -> Field {
      guard let field = input[name] else {
        throw refuse(
          "the operator's input has no column '\(name)'",
          hint(for: name, among: input.fields.map(\.name)))
      }
      return field
    }
    guard top >= 1, !by.isEmpty else { throw refuse("'top' and 'by' must not be empty") }
    for name in within where !by.contains(name) {
      throw refuse("'within' names '\(name)', which is not among 'by'")
    }
    for name in except?.on ?? [] where !by.contains(name) {
      throw refuse("'except' compares '\(name)', which is not among 'by'")
    }
    var fields: [Field] = []
    for name in by {
      let field = try column(name)
      guard KeyCoding.canHold(field.type) else {
        throw refuse(
          "'by' names '\(name)', \(field.type.description), which cannot be told apart exactly",
          "cast it in a model of its own first")
      }
      fields.append(Field(name: name, type: field.type))
    }
    for name in except?.percentDecode ?? [] where try column(name).type != .string {
      throw refuse("'percent_decode' names '\(name)', which is no string")
    }
    if case .sum(let name) = measure {
      let type = try column(name).type
      guard type == .int || type == .bigint else {
        throw refuse(
          "'sum' names '\(name)', which is of type \(type)", "sum an int or a bigint")
      }
    }
    for condition in conditions { try condition.check(try column(condition.column), refuse) }
    guard !by.contains(measure.column), !by.contains("rank"), measure.column != "rank" else {
      throw refuse("two columns of the result would have the same name")
    }
    return Schema(
      fields + [Field(name: measure.column, type: .bigint), Field(name: "rank", type: .bigint)])
  }
}
