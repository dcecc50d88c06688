import Core

/// What every consumer has consumed, and what lies in the lake that nothing refers to.
public struct StateReport: Sendable {
  public var sources: [SourceState]
  public var models: [ModelState]
  public var leftovers: [Leftover]
}

/// A source and its log.
public struct SourceState: Sendable {
  public var pipeline: String
  public var source: String
  /// The number of the newest batch; 0 when there is none.
  public var batch: Int
  public var fileCount: Int
  public var byteCount: Int64
}

/// A table and what it consumed.
public struct ModelState: Sendable {
  public var pipeline: String
  public var model: String
  public var kind: String
  /// Version of the table's metadata; nil when the table does not exist.
  public var version: Int?
  public var snapshot: Int64?
  public var rowCount: Int64
  public var fileCount: Int
  public var byteCount: Int64
  /// Interval models: the intervals consumed, in order.
  public var intervals: [IntervalState]
  /// Inputs read whole, with the position consumed, e.g. `batch 3` or `snapshot 81…`.
  public var inputs: [(name: String, position: String)]
  /// What a rollback holds back, e.g. `2 files`.
  public var held: String? = nil
  /// Something that stops this model: a foreign commit, damaged state.
  public var problem: String?
}

/// One consumed interval.
public struct IntervalState: Sendable {
  public var interval: Interval
  public var rowCount: Int64
  public var run: String
  public var published: Instant
  /// Addresses and versions of the files that were consumed.
  public var objects: [(address: String, version: String)]
}

/// A file in the lake that nothing refers to, and why it is there.
public struct Leftover: Sendable {
  /// Relative to the lake.
  public var key: String
  public var byteCount: Int64
  /// E.g. `staged by run … which did not finish`.
  public var explanation: String
}

/// The audit of one published table by `check`.
public struct TableCheck: Sendable {
  public var pipeline: String
  public var model: String
  /// Nil when the table does not exist yet.
  public var checks: [CheckOutcome]?
  public var failure: (any AnyFailure)?
}
