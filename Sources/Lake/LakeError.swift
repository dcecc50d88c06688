import Core

public enum LakeDomain: FailureDomain {
  public static let name = "lake"
}

/// What a lake reports: the object or model, what went wrong, what to do.
public typealias LakeError = Failure<LakeDomain>

extension Failure.Code where Domain == LakeDomain {
  /// Someone else committed first; load again and decide again.
  public static var conflict: Self { .init(rawValue: "conflict") }
  /// The table's columns moved on while rows were computed: compute them again.
  public static var outdated: Self { .init(rawValue: "outdated") }
  /// A write whose outcome could not be found out; its files are left where they are.
  public static var ambiguous: Self { .init(rawValue: "ambiguous") }
  /// An object of the lake that does not hold what its format says.
  public static var damaged: Self { .init(rawValue: "damaged") }
  /// An object of the lake that something still names is gone.
  public static var missing: Self { .init(rawValue: "missing") }
  /// Written by a newer Sluice or in a form this one does not read.
  public static var unsupported: Self { .init(rawValue: "unsupported") }
  /// Another program changed the table's rows.
  public static var foreignCommit: Self { .init(rawValue: "foreignCommit") }
  /// The columns asked for cannot be reached from those the table has.
  public static var incompatibleSchema: Self { .init(rawValue: "incompatibleSchema") }
  /// A listing lacks more of a source's objects than may be retracted unasked.
  public static var tooManyRemovals: Self { .init(rawValue: "tooManyRemovals") }
  /// The run is older than half the grace period and may not publish.
  public static var tooOld: Self { .init(rawValue: "tooOld") }
  /// A catalog that refuses who asks.
  public static var denied: Self { .init(rawValue: "denied") }
  /// A catalog that does not do what is asked, and says so.
  public static var refused: Self { .init(rawValue: "refused") }
  /// A caller's request that no table can meet.
  public static var invalid: Self { .init(rawValue: "invalid") }
}
