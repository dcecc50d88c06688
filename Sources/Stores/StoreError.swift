import Core

public enum StoreDomain: FailureDomain {
  public static let name = "store"
}

/// What a store reports: the object, what went wrong, what to do.
public typealias StoreError = Failure<StoreDomain>

extension Failure.Code where Domain == StoreDomain {
  /// There is no such object.
  public static var notFound: Self { .init(rawValue: "notFound") }
  /// The object is no longer the version that was asked for.
  public static var changed: Self { .init(rawValue: "changed") }
  /// A conditional put found its condition broken: someone else was first.
  public static var conditionFailed: Self { .init(rawValue: "conditionFailed") }
  /// Credentials or permissions do not suffice; a read-only place.
  public static var denied: Self { .init(rawValue: "denied") }
  /// The network or the server failed after all retries.
  public static var unreachable: Self { .init(rawValue: "unreachable") }
  /// The bytes received are not the object: wrong length or checksum.
  public static var damaged: Self { .init(rawValue: "damaged") }
  /// No space left where the object should go.
  public static var full: Self { .init(rawValue: "full") }
  /// A directory or device where an object should be.
  public static var notAnObject: Self { .init(rawValue: "notAnObject") }
  /// An address that no store understands.
  public static var badAddress: Self { .init(rawValue: "badAddress") }
  /// The store ignores conditions, so commits would not be safe there.
  public static var unsafe: Self { .init(rawValue: "unsafe") }
  public static var failed: Self { .init(rawValue: "failed") }
}
