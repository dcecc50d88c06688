import Core

public enum EngineDomain: FailureDomain {
  public static let name = "engine"
}

/// What an engine reports: the model, what went wrong, what to do.
public typealias EngineError = Failure<EngineDomain>

extension Failure.Code where Domain == EngineDomain {
  /// The SQL does not parse, is not one SELECT, or uses what is not allowed.
  public static var badQuery: Self { .init(rawValue: "badQuery") }
  /// The query is sound but failed on its data: a cast, a division, an overflow.
  public static var failed: Self { .init(rawValue: "failed") }
  /// Memory or disk ran out.
  public static var exhausted: Self { .init(rawValue: "exhausted") }
  /// The engine's library or server is not there, or not the right one.
  public static var unavailable: Self { .init(rawValue: "unavailable") }
  /// The engine itself failed; the next query gets a fresh one.
  public static var broken: Self { .init(rawValue: "broken") }
  /// The result's columns are not the declared ones.
  public static var wrongColumns: Self { .init(rawValue: "wrongColumns") }
}
