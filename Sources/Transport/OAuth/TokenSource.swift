import Core
import Synchronization

/// What proves to a server who asks, for a while.
public struct AccessToken: Sendable, Hashable {
  public var value: String
  public var expires: Instant

  public init(value: String, expires: Instant) {
    self.value = value
    self.expires = expires
  }
}

/// Whoever gives out tokens. A call asks for a fresh one and may take seconds.
public protocol TokenSource: Sendable {
  /// Who the token stands for and where that is written, for messages; no secrets.
  var description: String { get }

  /// - Throws: `TransportError` `.credentials` and those of the network; `Cancelled`.
  func fetch(cancellation: Cancellation) throws -> AccessToken
}

/// Keeps a token, and has it replaced before it expires. Threads that need one at the same time
/// wait for one fetch.
public final class TokenCache: Sendable {
  public let source: any TokenSource
  private let clock: Clock
  private let token = Mutex<AccessToken?>(nil)

  /// A token is replaced this long before it expires: a request under way must still find it good.
  private static let marginSeconds: Int64 = 300

  public init(_ source: any TokenSource, clock: Clock = .system) {
    self.source = source
    self.clock = clock
  }

  /// A token that is good for at least the next request.
  ///
  /// - Throws: As the source does, unless the old token can still serve.
  public func current(cancellation: Cancellation = .never) throws -> String {
    try token.withLock { token in
      let now = clock.now()
      // Some tokens live no longer than the margin.
      if let token, now.adding(seconds: TokenCache.marginSeconds) < token.expires {
        return token.value
      }
      do {
        let fresh = try source.fetch(cancellation: cancellation)
        Redaction.shared.register(fresh.value)
        token = fresh
        return fresh.value
      } catch let error as TransportError {
        if let token, now < token.expires { return token.value }
        throw error
      }
    }
  }

  /// Forgets a token that a server refused, unless it was replaced already.
  public func forget(_ value: String) {
    token.withLock { if $0?.value == value { $0 = nil } }
  }
}
