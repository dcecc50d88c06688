import Synchronization

/// Thrown where work stopped because it was asked to.
public struct Cancelled: Error, CustomStringConvertible {
  public init() {}
  public var description: String { "interrupted" }
}

/// A request to stop, shared by everything that works on one run.
public final class Cancellation: Sendable {
  private struct State {
    var isCancelled = false
    var nextID = 0
    var handlers: [Int: @Sendable () -> Void] = [:]
  }

  private let state = Mutex(State())

  public init() {}

  /// Never cancelled.
  public static let never = Cancellation()

  public var isCancelled: Bool { state.withLock { $0.isCancelled } }

  /// Asks for the stop and calls the handlers, once.
  public func cancel() {
    let handlers = state.withLock { state -> [@Sendable () -> Void] in
      guard !state.isCancelled else { return [] }
      state.isCancelled = true
      return Array(state.handlers.values)
    }
    for handler in handlers { handler() }
  }

  /// - Throws: `Cancelled` once a stop was asked for.
  public func check() throws {
    if isCancelled { throw Cancelled() }
  }

  /// Runs `body`; should a stop be asked for meanwhile, `handler` is called from that thread.
  public func withHandler<T>(
    _ handler: @escaping @Sendable () -> Void, _ body: () throws -> T
  ) throws -> T {
    let id = state.withLock { state -> Int? in
      guard !state.isCancelled else { return nil }
      state.nextID += 1
      state.handlers[state.nextID] = handler
      return state.nextID
    }
    guard let id else { throw Cancelled() }
    defer { state.withLock { _ = $0.handlers.removeValue(forKey: id) } }
    return try body()
  }
}
