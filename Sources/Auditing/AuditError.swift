import Core

public enum AuditDomain: FailureDomain {
  public static let name = "audit"
}

/// What an audit reports: the model, the checks that failed with counts and sample values.
public typealias AuditError = Failure<AuditDomain>

extension Failure.Code where Domain == AuditDomain {
  /// At least one check of severity `error` failed; nothing may be published.
  public static var checksFailed: Self { .init(rawValue: "checksFailed") }
  /// A check cannot be evaluated on its table: an unknown column, a severity its kind has not.
  public static var badCheck: Self { .init(rawValue: "badCheck") }
  /// Rows went missing or were doubled between two steps that must agree.
  public static var unbalanced: Self { .init(rawValue: "unbalanced") }
}
