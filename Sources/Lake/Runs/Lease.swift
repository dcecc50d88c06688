import Core
import Stores
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A claim on a piece of work, `leases/<name>`, so that two runners rarely compute the same thing.
///
/// Advisory and limited in time: whoever ignores it or has lost it only works in vain, because the
/// swap of the table's metadata decides (rule 19).
public final class Lease: Sendable {
  /// How long a claim holds unless it is renewed.
  public static let standardSeconds: Int64 = 60

  /// Who has a claim.
  public struct Holder: Sendable, Hashable {
    public var run: String
    public var host: String
    public var process: Int32
    /// By the holder's clock.
    public var until: Instant
  }

  public enum Claim: Sendable {
    case ours(Lease)
    case others(Holder)
  }

  private struct State {
    /// Nil once it was released, or someone else has it.
    var version: Version?
    var until: Instant
  }

  public let name: String
  private let run: RunID
  private let store: any Store
  private let clock: Clock
  private let seconds: Int64
  private let state: Mutex<State>

  private init(
    _ name: String, _ run: RunID, _ store: any Store, _ clock: Clock, _ seconds: Int64,
    _ state: State
  ) {
    self.name = name
    self.run = run
    self.store = store
    self.clock = clock
    self.seconds = seconds
    self.state = Mutex(state)
  }

  /// Claims `name` unless another run has it. A claim that is over, or whose process was killed on
  /// this machine, is taken over.
  ///
  /// - Throws: `StoreError`.
  public static func claim(
    _ name: String, run: RunID, in store: any Store, clock: Clock,
    seconds: Int64 = Lease.standardSeconds
  ) throws -> Claim {
    let key = LakeLayout.lease(name)
    while true {
      var condition = PutCondition.absent
      if let found = try store.get(key) {
        if let holder = Holder(found.bytes), holder.isAtWork(at: clock.now()) {
          return .others(holder)
        }
        condition = .matches(found.object.version)
      }
      let holder = Holder.here(run, until: clock.now().adding(seconds: seconds))
      do {
        let put = try store.putFleeting(key, .bytes(holder.bytes), condition)
        let state = State(version: put.version, until: holder.until)
        return .ours(Lease(name, run, store, clock, seconds, state))
      } catch let error as StoreError where error.code == .conditionFailed {
        continue
      }
    }
  }

  /// All claims there are, those that have run out included.
  public static func all(in store: any Store) throws -> [(object: Object, holder: Holder?)] {
    try store.objects(below: LakeLayout.leasesPrefix).map { object in
      (object, try store.get(object.key).flatMap { Holder($0.bytes) })
    }
  }

  /// Makes the claim hold for its whole time again, where half of that is over.
  public func renewIfDue() {
    let now = clock.now()
    state.withLock { state in
      guard let version = state.version, now.adding(seconds: seconds / 2) > state.until else {
        return
      }
      let holder = Holder.here(run, until: now.adding(seconds: seconds))
      do {
        let put = try store.putFleeting(
          LakeLayout.lease(name), .bytes(holder.bytes), .matches(version))
        state = State(version: put.version, until: holder.until)
      } catch let error as StoreError where error.code == .conditionFailed {
        state.version = nil
      } catch {
        // Tried again when it is next due; without an answer it runs out by itself.
      }
    }
  }

  /// Gives the claim up. One that has run out may be another's by now and is left alone.
  public func release() {
    let isOurs = state.withLock { state in
      defer { state.version = nil }
      return state.version != nil && clock.now() < state.until
    }
    if isOurs { try? store.delete([LakeLayout.lease(name)]) }
  }
}

extension Lease.Holder {
  static func here(_ run: RunID, until: Instant) -> Lease.Holder {
    var name = [CChar](repeating: 0, count: 256)
    gethostname(&name, name.count - 1)
    let host = String(
      decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return Lease.Holder(run: run.rawValue, host: host, process: getpid(), until: until)
  }

  /// Nil for what is no record of a claim: it claims nothing.
  init?(_ bytes: [UInt8]) {
    guard let json = try? JSON(parsing: bytes), let run = json["run"]?.string,
      let host = json["host"]?.string, let process = json["process"]?.integer,
      let until = json["until_us"]?.integer
    else { return nil }
    self.init(
      run: run, host: host, process: Int32(truncatingIfNeeded: process),
      until: Instant(microseconds: until))
  }

  var bytes: [UInt8] {
    let record: JSON = [
      "format": 1, "run": .string(run), "host": .string(host),
      "process": .integer(Int64(process)), "until_us": .integer(until.microseconds),
    ]
    return Array((record.description + "\n").utf8)
  }

  /// Whether the claim still holds: in time, and not of a process of this machine that is gone.
  func isAtWork(at now: Instant) -> Bool {
    guard now < until else { return false }
    guard host == Lease.Holder.here(RunID(start: now), until: now).host else { return true }
    return kill(process, 0) == 0 || errno != ESRCH
  }
}
