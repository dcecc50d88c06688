import Core
import Stores
import Synchronization

/// What befalls one mutating call.
enum Fault: Sendable {
  case none
  /// The call takes effect; its answer is lost.
  case lostAnswer
  /// The request never arrives.
  case lostRequest
  /// The call takes effect, is sent again by the network's retry, and the second try is refused.
  case refusedAfterSuccess
  /// The process dies before the call, or after it: every later call fails, too.
  case dieBefore, dieAfter
}

/// The death of the simulated process.
struct Died: Error {}

/// A store whose mutating calls go wrong on request.
final class FaultyStore: Store {
  private let base: any Store
  private let fault: @Sendable (_ method: String, _ key: String, _ number: Int) -> Fault
  private let state = Mutex((number: 0, isDead: false))
  /// Ignores conditions, as some stores do.
  let ignoresConditions: Bool

  init(
    _ base: any Store, ignoresConditions: Bool = false,
    fault: @escaping @Sendable (_ method: String, _ key: String, _ number: Int) -> Fault = {
      _, _, _ in .none
    }
  ) {
    self.base = base
    self.fault = fault
    self.ignoresConditions = ignoresConditions
  }

  /// Mutating calls so far.
  var count: Int { state.withLock { $0.number } }

  var root: String { base.root }

  private func checkAlive() throws { if state.withLock({ $0.isDead }) { throw Died() } }

  func head(_ key: String) throws -> Object? {
    try checkAlive()
    return try base.head(key)
  }

  func list(prefix: String, page: ([Object]) throws -> Void) throws {
    try checkAlive()
    try base.list(prefix: prefix, page: page)
  }

  func read(
    _ key: String, range: Range<Int64>?, ifMatch: Version?, cancellation: Cancellation,
    to sink: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> Object {
    try checkAlive()
    return try base.read(
      key, range: range, ifMatch: ifMatch, cancellation: cancellation, to: sink)
  }

  func put(_ key: String, _ body: Body, _ condition: PutCondition) throws -> Object {
    try mutate("put", key) {
      try base.put(key, body, ignoresConditions ? .always : condition)
    }
  }

  func delete(_ keys: [String]) throws {
    try mutate("delete", keys.first ?? "") { try base.delete(keys) }
  }

  func localPath(_ key: String) -> String? { base.localPath(key) }

  private func mutate<T>(_ method: String, _ key: String, _ body: () throws -> T) throws -> T {
    try checkAlive()
    let number = state.withLock { state in
      state.number += 1
      return state.number
    }
    switch fault(method, key, number) {
    case .none: return try body()
    case .lostAnswer:
      _ = try body()
      throw StoreError(.unreachable, "the answer was lost")
    case .lostRequest: throw StoreError(.unreachable, "the request was lost")
    case .refusedAfterSuccess:
      _ = try body()
      throw StoreError(.conditionFailed, "there is one already")
    case .dieBefore:
      state.withLock { $0.isDead = true }
      throw Died()
    case .dieAfter:
      _ = try body()
      state.withLock { $0.isDead = true }
      throw Died()
    }
  }
}
