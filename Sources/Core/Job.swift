/// Work that goes on on a thread of its own until its outcome is asked for.
public final class Job<Value: Sendable>: @unchecked Sendable {
  // Unchecked: what varies is guarded by the monitor.
  private let monitor = Monitor()
  private var outcome: Result<Value, any Error>?

  /// Starts the work.
  public init(_ body: @escaping @Sendable () throws -> Value) {
    Worker.run(
      { [self] in
        let outcome = Result { try body() }
        monitor.withLock {
          self.outcome = outcome
          monitor.wakeAll()
        }
      }, done: {})
  }

  /// Waits for the end. May be called more than once.
  ///
  /// - Throws: What the work threw.
  public func value() throws -> Value {
    try monitor.withLock {
      while true {
        if let outcome { return outcome }
        monitor.wait()
      }
    }.get()
  }
}
