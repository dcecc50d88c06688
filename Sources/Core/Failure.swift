/// The rooms whose failures can be told apart. Each room declares one empty enum that conforms.
public protocol FailureDomain: Sendable {
  /// The room's name in error codes, e.g. `store`.
  static var name: String { get }
}

/// What every failure of the product can say of itself, whichever room it comes from.
public protocol AnyFailure: Error, CustomStringConvertible {
  /// `room.reason`, stable, for programs: `lake.conflict`.
  var qualifiedCode: String { get }
  /// What went wrong, in one sentence without a final full stop.
  var message: String { get }
  /// Where: an object, a file with line and column, a model, a batch.
  var place: Place { get }
  /// What the reader should do next, if there is something to do.
  var advice: String? { get }
  /// 1 where a run, check or test failed; 2 where the command line or the configuration is wrong.
  var exitCode: Int32 { get }
  /// The failures this one consists of, where one pass found several; empty otherwise.
  var parts: [any AnyFailure] { get }
}

/// Where something went wrong. Every field is optional; `description` joins what is known.
public struct Place: Sendable, Hashable, CustomStringConvertible {
  /// A file or object: a path or URI, without credentials.
  public var file: String?
  /// 1-based.
  public var line: Int?
  /// 1-based, in characters.
  public var column: Int?
  public var model: String?
  public var batch: String?

  public init(
    file: String? = nil, line: Int? = nil, column: Int? = nil, model: String? = nil,
    batch: String? = nil
  ) {
    self.file = file
    self.line = line
    self.column = column
    self.model = model
    self.batch = batch
  }

  public static let nowhere = Place()

  public var description: String {
    var parts: [String] = []
    if let file {
      var text = file
      if let line { text += ":\(line)" }
      if line != nil, let column { text += ":\(column)" }
      parts.append(text)
    }
    if let model { parts.append("model \(model)") }
    if let batch { parts.append("batch \(batch)") }
    return parts.joined(separator: ", ")
  }
}

/// A failure of one room: what, where, what to do.
///
/// A room writes `public enum StoreDomain: FailureDomain`, `public typealias StoreError =
/// Failure<StoreDomain>` and its codes as static members of `Failure.Code`.
public struct Failure<Domain: FailureDomain>: AnyFailure {
  /// An open-ended reason; an unknown one survives being passed along.
  public struct Code: RawRepresentable, Sendable, Hashable {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }
  }

  public let code: Code
  public let message: String
  public var place: Place
  public let advice: String?
  public let exitCode: Int32
  public let parts: [any AnyFailure]

  public init(
    _ code: Code, _ message: String, at place: Place = .nowhere, advice: String? = nil,
    exitCode: Int32 = 1, parts: [any AnyFailure] = []
  ) {
    self.code = code
    self.message = Redaction.shared.redact(message)
    self.place = place
    self.advice = advice
    self.exitCode = exitCode
    self.parts = parts
  }

  public var qualifiedCode: String { "\(Domain.name).\(code.rawValue)" }

  public var description: String {
    var text = place.description
    text += text.isEmpty ? message : ": \(message)"
    if let advice { text += "; \(advice)" }
    return text
  }
}
