import Synchronization

/// Thrown where work stopped because it was asked to.
public struct Cancelled: Error, CustomStringConvertible {
  public init() {}
  public var description: String { "interrupted" }
}

/// A request to stop, shared by everything that works on one run.
public final class Cancellation: Sendable {
  private struct Handlers {
    var nextID = 0
    var byID: [Int: @Sendable () -> Void] = [:]
  }

  // Asked for every piece of every transfer: without a lock. Changed only while the handlers' is held.
  private let flag = Atomic<Bool>(false)
  private let handlers = Mutex(Handlers())
  private let isPossible: Bool

  public init() { isPossible = true }

  private init(isPossible: Bool) { self.isPossible = isPossible }

  /// Never cancelled.
  public static let never = Cancellation(isPossible: false)

  public var isCancelled: Bool { flag.load(ordering: .acquiring) }

  /// Asks for the stop and calls the handlers, once. Must not be called on `never`.
  public func cancel() {
    precondition(isPossible, "this is for what is never cancelled")
    let waiting = handlers.withLock { handlers -> [@Sendable () -> Void] in
      guard !isCancelled else { return [] }
      flag.store(true, ordering: .releasing)
      return Array(handlers.byID.values)
    }
    for handler in waiting { handler() }
  }

  /// - Throws: `Cancelled` once a stop was asked for.
  public func check() throws {
    if isCancelled { throw Cancelled() }
  }

  /// Runs `body`; should a stop be asked for meanwhile, `handler` is called from that thread.
  public func withHandler<T>(
    _ handler: @escaping @Sendable () -> Void, _ body: () throws -> T
  ) throws -> T {
    guard isPossible else { return try body() }
    let id = handlers.withLock { handlers -> Int? in
      guard !isCancelled else { return nil }
      handlers.nextID += 1
      handlers.byID[handlers.nextID] = handler
      return handlers.nextID
    }
    guard let id else { throw Cancelled() }
    defer { handlers.withLock { _ = $0.byID.removeValue(forKey: id) } }
    return try body()
  }
}
