import Core
import Synchronization

/// A store in which things go wrong as a schedule says, for tests.
///
/// Faults are keyed by method, key and attempt, so that threads that take turns in another order
/// meet the same faults (rule 37).
public struct FaultStore: Store {
  public enum Method: String, Sendable, Hashable, CaseIterable {
    case head, list, read, put, delete
  }

  /// One call: the `attempt`-th, from 1, of a method on a key; for a listing the key is its prefix,
  /// for a delete its first key.
  public struct Call: Sendable, Hashable {
    public var method: Method
    public var key: String
    public var attempt: Int

    public init(_ method: Method, _ key: String, attempt: Int = 1) {
      self.method = method
      self.key = key
      self.attempt = attempt
    }
  }

  public enum Fault: Sendable, Hashable {
    /// Fails, and nothing has happened.
    case fails(StoreError.Code)
    /// Fails although it has happened: the answer was lost.
    case losesAnswer(StoreError.Code)
    /// A read that fails after that many bytes; a listing, after that many objects.
    case breaks(after: Int, StoreError.Code)
  }

  /// Says what goes wrong with a call; nil lets it pass.
  public typealias Schedule = @Sendable (Call) -> Fault?

  private final class Calls: Sendable {
    struct Name: Hashable {
      var method: Method
      var key: String
    }
    let counts = Mutex<[Name: Int]>([:])
    let all = Mutex<[Call]>([])
  }

  private let base: any Store
  private let schedule: Schedule
  private let calls = Calls()

  public init(wrapping base: any Store, schedule: @escaping Schedule) {
    self.base = base
    self.schedule = schedule
  }

  public init(wrapping base: any Store, faults: [Call: Fault]) {
    self.init(wrapping: base) { faults[$0] }
  }

  /// About one call in `period` goes wrong, which ones `seed` decides, for ever in the same way.
  public init(wrapping base: any Store, seed: UInt64, period: UInt64 = 10) {
    self.init(wrapping: base) { call in
      var random = FaultStore.hash("\(seed)/\(call.method.rawValue)/\(call.key)/\(call.attempt)")
      guard random % period == 0 else { return nil }
      random /= period
      switch random % 3 {
      case 0: return .fails(.unreachable)
      case 1: return .losesAnswer(.unreachable)
      default: return .breaks(after: Int(random / 3 % 10_000), .unreachable)
      }
    }
  }

  /// Every call so far, in order of arrival.
  public var history: [Call] { calls.all.withLock { $0 } }

  public var root: String { base.root }

  public func localPath(_ key: String) -> String? { base.localPath(key) }

  public func head(_ key: String) throws -> Object? {
    try passing(.head, key) { _ in try base.head(key) }
  }

  public func list(prefix: String, page: ([Object]) throws -> Void) throws {
    try passing(.list, prefix) { limit in
      guard var left = limit else { return try base.list(prefix: prefix, page: page) }
      try base.list(prefix: prefix) { objects in
        let some = Array(objects.prefix(left))
        if !some.isEmpty { try page(some) }
        left -= some.count
        if some.count < objects.count { throw Break() }
      }
      throw Break()
    }
  }

  public func read(
    _ key: String, range: Range<Int64>?, ifMatch: Version?, cancellation: Cancellation,
    to sink: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> Object {
    try passing(.read, key) { limit in
      guard var left = limit else {
        return try base.read(
          key, range: range, ifMatch: ifMatch, cancellation: cancellation, to: sink)
      }
      _ = try base.read(key, range: range, ifMatch: ifMatch, cancellation: cancellation) { bytes in
        let count = min(left, bytes.count)
        if count > 0 { try sink(UnsafeRawBufferPointer(rebasing: bytes[..<count])) }
        left -= count
        if count < bytes.count { throw Break() }
      }
      throw Break()
    }
  }

  public func checksum(of object: Object) throws -> ObjectChecksum? {
    try base.checksum(of: object)
  }

  public func now() -> Instant { base.now() }

  public func put(_ key: String, _ body: Body, _ condition: PutCondition) throws -> Object {
    try passing(.put, key) { _ in try base.put(key, body, condition) }
  }

  public func delete(_ keys: [String]) throws {
    guard let first = keys.first else { return }
    try passing(.delete, first) { _ in try base.delete(keys) }
  }

  /// Stands for the scheduled failure where the base store is still at work.
  private struct Break: Error {}

  /// Makes one call. `body` gets the number of bytes or objects after which it is to throw `Break`.
  private func passing<T>(
    _ method: Method, _ key: String, _ body: (_ limit: Int?) throws -> T
  ) throws -> T {
    let attempt = calls.counts.withLock { counts in
      counts[Calls.Name(method: method, key: key), default: 0] += 1
      return counts[Calls.Name(method: method, key: key)]!
    }
    let call = Call(method, key, attempt: attempt)
    calls.all.withLock { $0.append(call) }
    func failure(_ code: StoreError.Code) -> StoreError {
      StoreError(
        code, "injected into \(method.rawValue), attempt \(attempt)", at: Place(file: uri(key)))
    }
    switch schedule(call) {
    case nil: return try body(nil)
    case .fails(let code): throw failure(code)
    case .losesAnswer(let code):
      _ = try body(nil)
      throw failure(code)
    case .breaks(let limit, let code):
      // A call that cannot break half-way has not happened.
      guard method == .read || method == .list else { throw failure(code) }
      do {
        return try body(limit)
      } catch is Break {
        throw failure(code)
      }
    }
  }

  /// FNV-1a with a last mix (http://www.isthe.com/chongo/tech/comp/fnv/): the same in every process,
  /// unlike `Hasher`.
  private static func hash(_ text: String) -> UInt64 {
    var value: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in text.utf8 { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }
    value = (value ^ (value >> 32)) &* 0x9E37_79B9_7F4A_7C15
    return value ^ (value >> 29)
  }
}
