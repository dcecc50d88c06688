import Core

public enum OperatorDomain: FailureDomain {
  public static let name = "operator"
}

/// What a native operator reports: the model, what went wrong, what to do.
public typealias OperatorError = Failure<OperatorDomain>

extension Failure.Code where Domain == OperatorDomain {
  /// The settings do not fit the input's columns.
  public static var badSettings: Self { .init(rawValue: "badSettings") }
  /// A sum is outside of 64 bits.
  public static var overflow: Self { .init(rawValue: "overflow") }
  /// What does not fit in memory cannot be written aside or read back.
  public static var spill: Self { .init(rawValue: "spill") }
  /// A file of an index is not what was written: cut off, or with a wrong checksum.
  public static var damaged: Self { .init(rawValue: "damaged") }
  /// A file of an index is of a newer format, or cannot be read or written.
  public static var unusable: Self { .init(rawValue: "unusable") }
  /// A search that makes no sense.
  public static var badQuery: Self { .init(rawValue: "badQuery") }
  /// Two documents have the same ID.
  public static var duplicate: Self { .init(rawValue: "duplicate") }
  /// A document is of another file than was taken for granted.
  public static var otherName: Self { .init(rawValue: "otherName") }
}

/// Advice for a name that is not there.
func hint(for name: String, among known: [String]) -> String {
  nearest(to: name, among: known).map { "did you mean '\($0)'?" }
    ?? "it has: \(known.joined(separator: ", "))"
}
