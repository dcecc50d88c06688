import Core
import Synchronization

/// Keys that someone lends for a while, and lends anew when they end.
public final class LentAWSCredentials: AWSCredentialSource {
  private struct State {
    /// Nil once a server has said that they have expired.
    var current: AWSCredentials?
  }
  // Held while new ones are asked for: one thread does it and the others wait for its result.
  private let state: Mutex<State>
  private let clock: Clock
  private let renew: @Sendable () throws -> AWSCredentials

  /// They are replaced this long before they expire.
  private static let marginSeconds: Int64 = 300
  /// And must be, that long before.
  private static let lastSeconds: Int64 = 30

  /// - Parameter renew: Asks the lender. What it throws ends the request that needed them.
  public init(
    _ first: AWSCredentials, clock: Clock = .system,
    renew: @escaping @Sendable () throws -> AWSCredentials
  ) {
    state = Mutex(State(current: first))
    self.clock = clock
    self.renew = renew
  }

  public func credentials(_ cancellation: Cancellation) throws -> AWSCredentials? {
    try state.withLock { state in
      guard let current = state.current else {
        state.current = try renew()
        return state.current
      }
      let now = clock.now()
      guard let end = current.expiration, now.adding(seconds: Self.marginSeconds) >= end else {
        return current
      }
      do {
        state.current = try renew()
      } catch  where !(error is Cancelled) && now.adding(seconds: Self.lastSeconds) < end {
        // The old ones still hold; the next request tries again.
      }
      return state.current
    }
  }

  public func expire(_ credentials: AWSCredentials) {
    state.withLock { if $0.current == credentials { $0.current = nil } }
  }

  /// Takes keys that the lender gave unasked.
  public func replace(with newest: AWSCredentials) { state.withLock { $0.current = newest } }
}
