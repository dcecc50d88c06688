import Core
import Stores
import Synchronization

/// The record of a living run, `runs/active/<run>`: what tells maintenance that staged files still
/// have an owner (rule 19).
public final class ActiveRun: Sendable {
  /// How long maintenance spares what nobody names, unless told otherwise.
  public static let standardGraceSeconds: Int64 = 86_400
  private static let renewalSeconds: Int64 = 600

  public let id: RunID
  public let started: Instant
  private let graceSeconds: Int64
  private let store: any Store
  private let clock: Clock
  private let renewed: Mutex<Instant>

  /// Writes the record.
  public init(
    _ id: RunID, store: any Store, clock: Clock,
    graceSeconds: Int64 = ActiveRun.standardGraceSeconds
  ) throws {
    self.id = id
    self.store = store
    self.clock = clock
    self.graceSeconds = graceSeconds
    started = clock.now()
    renewed = Mutex(started)
    try write(at: started)
  }

  /// Writes the record again when the last time is a while ago. Call it between steps.
  public func renewIfDue() throws {
    let now = clock.now()
    let isDue = renewed.withLock { last in
      guard now >= last.adding(seconds: ActiveRun.renewalSeconds) else { return false }
      last = now
      return true
    }
    if isDue { try write(at: now) }
  }

  /// Removes the record: the run is over and owns nothing that is not published.
  public func finish() throws { try store.delete([LakeLayout.activeRun(id)]) }

  /// - Throws: `LakeError` `.tooOld` once half the grace period is over: maintenance might take
  ///   the staged files before the commit names them.
  public func checkMayPublish() throws(LakeError) {
    let limit = started.adding(seconds: graceSeconds / 2)
    guard clock.now() > limit else { return }
    throw LakeError(
      .tooOld,
      "the run \(id) has taken more than half the grace period (\(graceSeconds / 3600) h) "
        + "and may not publish any more",
      advice: "run again, with fewer intervals or more memory; what is published stays")
  }

  private func write(at now: Instant) throws {
    let record: JSON = [
      "format": 1, "run": .string(id.rawValue), "started": .string(started.description),
      "renewed": .string(now.description),
    ]
    _ = try store.putFleeting(
      LakeLayout.activeRun(id), .bytes(Array((record.description + "\n").utf8)), .always)
  }
}
