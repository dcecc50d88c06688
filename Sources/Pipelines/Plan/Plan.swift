import Core

/// What a run would do and why: plain values, in the order in which they would be done.
///
/// Making one changes nothing. `run` makes its own by the same code and then carries it out.
public struct Plan: Sendable {
  public var pipelines: [PipelinePlan]

  /// Whether carrying it out would change anything.
  public var isEmpty: Bool { pipelines.allSatisfy(\.isEmpty) }
}

/// The plan of one pipeline.
public struct PipelinePlan: Sendable {
  public var pipeline: String
  /// The intervals looked at; empty for pipelines without intervals.
  public var intervals: [Interval]
  public var batches: [PlannedBatch]
  /// Models in dependency order; the units of one model in order of their intervals.
  public var units: [PlannedUnit]
  /// Sentences about what is not going to be done: older definitions, removed models.
  public var notes: [String]

  public var isEmpty: Bool {
    batches.isEmpty
      && units.allSatisfy { unit in
        if case .run = unit.action { return false }
        return unit.exports.isEmpty
      }
  }
}

/// A batch that is going to be appended to a source's log. The number is provisional.
public struct PlannedBatch: Sendable, Hashable {
  public var source: String
  public var number: Int
  public var added: Int
  public var changed: Int
  public var removed: Int
  public var byteCount: Int64
  /// Whether added and changed files are copied into the landing area first.
  public var isLanded: Bool

  public init(
    source: String, number: Int, added: Int, changed: Int, removed: Int, byteCount: Int64,
    isLanded: Bool = false
  ) {
    self.source = source
    self.number = number
    self.added = added
    self.changed = changed
    self.removed = removed
    self.byteCount = byteCount
    self.isLanded = isLanded
  }
}

/// One model for one interval, or one model as a whole.
public struct PlannedUnit: Sendable {
  public var model: String
  /// Nil for kinds without intervals.
  public var interval: Interval?
  public var action: Action
  /// What it reads: files of sources and tables.
  public var fileCount: Int
  public var byteCount: Int64
  /// Names of exports that are going to be written, each with its reason.
  public var exports: [PlannedExport]

  /// What happens to a unit, and why.
  public enum Action: Sendable, Hashable {
    /// Computed and published.
    case run(Reason)
    /// Already what its inputs say.
    case upToDate
    /// Files are not there yet; their addresses.
    case waiting(missing: [String])
    /// Would do again what a rollback has undone; how to let it.
    case held(String)
    /// Cannot run; what to do about it.
    case blocked(String)
  }
}

/// Why a unit runs.
public enum Reason: Sendable, Hashable, CustomStringConvertible {
  /// Never built, or forgotten.
  case new
  case definitionChanged
  /// The names of inputs that moved since.
  case inputChanged([String])
  /// A file of the interval was published again.
  case republished
  case forced
  case fullRefresh
  /// What an incremental model has not consumed is not on record any more: all of it is read.
  case historyExpired
  /// The input that an incremental model reads was itself built again.
  case inputRebuilt(String)
  /// The index is as its input says; a killed run has not finished the tables that follow it.
  case tablesBehind

  public var description: String {
    switch self {
    case .new: "new"
    case .definitionChanged: "definition changed"
    case .inputChanged(let names): "input changed: \(names.joined(separator: ", "))"
    case .republished: "published again at the source"
    case .forced: "forced"
    case .fullRefresh: "full refresh"
    case .historyExpired: "history expired: rebuild"
    case .inputRebuilt(let name): "input built again: \(name)"
    case .tablesBehind: "its tables are behind the index"
    }
  }

  /// Whether an incremental model has to read all of its input again.
  var isRebuildOfHistory: Bool {
    switch self {
    case .historyExpired, .inputRebuilt: true
    default: false
    }
  }
}

/// An export that is missing or out of date.
public struct PlannedExport: Sendable, Hashable {
  public var name: String
  /// `new`, `table changed`, `definition changed`.
  public var reason: String
  /// Where it goes, without the file's name.
  public var destination: String
}

/// What the command line asks of a plan or run.
public struct Selection: Sendable {
  /// Names of pipelines; empty means all.
  public var pipelines: [String]
  /// Half-open; `from` alone means the one interval holding it; neither means the default one.
  public var from: Instant?
  public var to: Instant?
  /// Run what is selected although it is up to date.
  public var force: Bool
  /// Forget what was consumed.
  public var fullRefresh: Bool
  /// Let a batch remove more of a source than its `max_removed`.
  public var allowRemovals: Bool
  /// Addresses of objects to which something happened, as `ObjectEvents` finds them: only these are
  /// looked at, and nothing is listed. Nil means to look at everything. Not together with a time.
  public var events: [String]?
  /// Let models with an operator take their rows from their SQL instead.
  public var twin: Bool

  public init(
    pipelines: [String] = [], from: Instant? = nil, to: Instant? = nil, force: Bool = false,
    fullRefresh: Bool = false, allowRemovals: Bool = false, events: [String]? = nil,
    twin: Bool = false
  ) {
    self.pipelines = pipelines
    self.from = from
    self.to = to
    self.force = force
    self.fullRefresh = fullRefresh
    self.allowRemovals = allowRemovals
    self.events = events
    self.twin = twin
  }
}
