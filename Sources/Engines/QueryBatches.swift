import Core

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The rows of a query as a source of batches: an operator's way to read what engines read.
///
/// The query runs on a thread of its own, a few batches ahead of who reads them. `close` ends it; to
/// be called once nobody reads any more.
public final class QueryBatches: BatchSource, @unchecked Sendable {
  // Unchecked: what changes is under the monitor.

  public let schema: Schema
  private let engine: any Engine
  private let query: Query
  private let cancellation: Cancellation
  private let totalByteCount: Int64
  private let monitor = Monitor()
  private var thread: pthread_t?
  private var waiting: [ColumnBatch] = []
  private var isFinished = false
  private var isClosed = false
  private var failure: (any Error)?

  private static let mostWaiting = 16

  private struct Closed: Error {}

  /// - Parameters:
  ///   - schema: The names and types of the query's columns.
  ///   - totalByteCount: What progress is a share of; it is not known before the end.
  public init(
    _ query: Query, schema: Schema, engine: any Engine, totalByteCount: Int64 = 0,
    cancellation: Cancellation
  ) {
    self.query = query
    self.schema = schema
    self.engine = engine
    self.totalByteCount = totalByteCount
    self.cancellation = cancellation
  }

  public var progress: (done: Int64, total: Int64) {
    monitor.withLock { (isFinished ? totalByteCount : 0, totalByteCount) }
  }

  /// - Throws: What the engine throws; every later call returns nil.
  public func next() throws -> ColumnBatch? {
    try monitor.withLock {
      if thread == nil && !isFinished { thread = startThread { [self] in run() } }
      while true {
        if let failure {
          self.failure = nil
          throw failure
        }
        if !waiting.isEmpty {
          monitor.wakeAll()
          return waiting.removeFirst()
        }
        if isFinished { return nil }
        monitor.wait()
      }
    }
  }

  /// Ends the query where it still runs, and waits for that.
  public func close() {
    let thread = monitor.withLock {
      isClosed = true
      isFinished = true
      waiting = []
      monitor.wakeAll()
      defer { self.thread = nil }
      return self.thread
    }
    if let thread { pthread_join(thread, nil) }
  }

  private func run() {
    var problem: (any Error)?
    do {
      try engine.batches(query, cancellation: cancellation) { batch in
        try monitor.withLock {
          while waiting.count >= QueryBatches.mostWaiting && !isClosed { monitor.wait() }
          if isClosed { throw Closed() }
          waiting.append(batch)
          monitor.wakeAll()
        }
      }
    } catch {
      problem = error
    }
    monitor.withLock {
      isFinished = true
      if problem != nil {
        waiting = []
        if !isClosed { failure = problem }
      }
      monitor.wakeAll()
    }
  }
}
