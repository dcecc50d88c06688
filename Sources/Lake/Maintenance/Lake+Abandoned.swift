import Core
import Stores

extension Lake {
  /// What runs leave beside the tables when they are killed: their records, their claims, and what
  /// they tried the store with. Of runs that live, too; ages tell.
  public func abandoned() throws -> [Object] {
    try [LakeLayout.activeRunsPrefix, LakeLayout.leasesPrefix, LakeLayout.probePrefix].flatMap {
      try store.objects(below: $0)
    }
  }

  /// What may be swept now.
  ///
  /// Everything is old or young by the clock that stamps the objects (rule 22).
  ///
  /// - Parameter run: The run that sweeps.
  public func sweep(by run: ActiveRun, graceSeconds: Int64) throws -> Sweep {
    let now = store.now()
    let limit = now.adding(seconds: -graceSeconds)
    var oldest: Instant?
    for object in try store.objects(below: LakeLayout.activeRunsPrefix) {
      let name = object.key.dropFirst(LakeLayout.activeRunsPrefix.count)
      guard let other = RunID(rawValue: String(name)), other != run.id, let started = other.start,
        let renewed = object.modified, renewed >= limit
      else { continue }
      oldest = min(oldest ?? renewed, started, renewed)
    }
    return Sweep(lake: self, now: now, graceSeconds: graceSeconds, oldestRun: oldest)
  }
}
