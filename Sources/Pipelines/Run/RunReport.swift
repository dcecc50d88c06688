import Core

/// What a run did.
public struct RunReport: Sendable {
  public var run: String
  public var started: Instant
  public var finished: Instant
  public var units: [UnitResult]
  /// Sentences about what was not done.
  public var notes: [String]

  public enum Status: String, Sendable {
    /// Something was published or exported, nothing failed.
    case done
    /// There was nothing to do.
    case unchanged
    /// Nothing failed, but files are not there yet.
    case waiting
    case failed
    case interrupted
  }

  public var status: Status
  /// What went over the network.
  public var transfers = Transfers()
  /// What was copied into the landing area.
  public var landed = Landed()

  public struct Landed: Sendable, Hashable {
    public var fileCount = 0
    public var byteCount: Int64 = 0

    public init(fileCount: Int = 0, byteCount: Int64 = 0) {
      self.fileCount = fileCount
      self.byteCount = byteCount
    }
  }

  /// Requests to web servers and object stores.
  public struct Transfers: Sendable, Hashable {
    public var requests = 0
    /// Of these, those made because an earlier one failed.
    public var retries = 0
    /// Of bodies.
    public var bytesReceived: Int64 = 0
    public var bytesSent: Int64 = 0

    public init(
      requests: Int = 0, retries: Int = 0, bytesReceived: Int64 = 0, bytesSent: Int64 = 0
    ) {
      self.requests = requests
      self.retries = retries
      self.bytesReceived = bytesReceived
      self.bytesSent = bytesSent
    }
  }
}

/// What became of one unit.
public struct UnitResult: Sendable {
  public enum Status: String, Sendable {
    case published
    /// Only exports were written; the table was up to date.
    case exported
    case upToDate
    /// Another run published the same meanwhile.
    case alreadyPublished
    case waiting
    /// A rollback has undone it, and nothing has let it in again.
    case held
    case failed
    /// Not tried, because something it needs failed.
    case skipped
  }

  public var pipeline: String
  public var model: String
  public var interval: Interval?
  public var status: Status
  /// Why it ran, waited or was skipped.
  public var reason: String
  /// Rows published.
  public var rowCount: Int64 = 0
  /// Rows read from sources, before anything was set aside.
  public var rowsRead: Int64 = 0
  public var quarantined: Int64 = 0
  /// Rows dropped because the source says `malformed: drop`.
  public var dropped: Int64 = 0
  public var bytesRead: Int64 = 0
  public var bytesWritten: Int64 = 0
  public var attempts: Int = 1
  public var checks: [CheckOutcome] = []
  public var exports: [ExportResult] = []
  /// Seconds by step: fetch, compute, audit, publish, export.
  public var seconds: [(step: String, seconds: Double)] = []
  public var failure: (any AnyFailure)?
}

/// How one check went.
public struct CheckOutcome: Sendable, Hashable {
  public var name: String
  /// `error`, `warn`, `quarantine`.
  public var severity: String
  public var isPassed: Bool
  /// Rows that fail it, or for `row_count` the rows there are.
  public var failingRows: Int64
  /// One sentence, e.g. `3 rows have no domain`.
  public var message: String
}

/// One export that was written.
public struct ExportResult: Sendable, Hashable {
  public var name: String
  /// The full address of the file.
  public var file: String
  public var rowCount: Int64
  public var byteCount: Int64
}
