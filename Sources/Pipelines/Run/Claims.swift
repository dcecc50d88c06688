import Core
import Lake
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What a run has claimed, so that another one waits instead of computing the same; and a thread
/// that keeps the claims and the run's own record alive while the others compute.
///
/// Claims only save work (rule 19): where one cannot be had or is lost, the run goes on.
final class Claims: Sendable {
  /// Longer than this nobody waits for a run that may hang.
  private static let patienceSeconds: Int64 = 3600
  private static let beatMilliseconds: Int64 = 5000

  private struct State {
    var leases: [String: Lease] = [:]
    var isOver = false
  }

  private let run: ActiveRun
  private let workspace: Workspace
  private let state = Mutex(State())
  private let over = Cancellation()

  /// Starts the thread.
  init(of run: ActiveRun, in workspace: Workspace) {
    self.run = run
    self.workspace = workspace
    let thread = startThread { [self] in
      while !over.isCancelled {
        Clock.system.sleep(Claims.beatMilliseconds, over)
        beat()
      }
    }
    pthread_detach(thread)
  }

  /// Does the unit's work while no other run does the same, as far as that can be known.
  ///
  /// - Parameter work: Gets whether someone else may have done it meanwhile.
  func holding<Result>(_ unit: Survey.Unit, _ work: (_ waited: Bool) -> Result) -> Result {
    guard workspace.project.leases else { return work(false) }
    let name = unit.label + (unit.interval.map { ".\($0)" } ?? "")
    let (lease, waited) = claim(name)
    guard let lease else { return work(waited) }
    state.withLock { $0.leases[name] = lease }
    defer {
      state.withLock { _ = $0.leases.removeValue(forKey: name) }
      lease.release()
    }
    return work(waited)
  }

  /// Ends the thread. Nothing is renewed once this returns.
  func end() {
    state.withLock { $0.isOver = true }
    over.cancel()
  }

  private func beat() {
    state.withLock { state in
      guard !state.isOver else { return }
      try? run.renewIfDue()
      for lease in state.leases.values { lease.renewIfDue() }
    }
  }

  /// The claim, once nobody else has one; nil where it cannot be had.
  private func claim(_ name: String) -> (lease: Lease?, waited: Bool) {
    let (clock, cancellation) = (workspace.context.clock, workspace.context.cancellation)
    let limit = clock.now().adding(seconds: Claims.patienceSeconds)
    var waitsFor: String?
    while !cancellation.isCancelled && clock.now() < limit {
      let claim = try? Lease.claim(name, run: run.id, in: workspace.lake.store, clock: clock)
      switch claim {
      case nil: return (nil, waitsFor != nil)
      case .ours(let lease): return (lease, waitsFor != nil)
      case .others(let holder):
        if waitsFor != holder.run {
          waitsFor = holder.run
          workspace.context.log.info(
            "\(name): waiting for run \(holder.run), which works on the same",
            ("run", .string(holder.run)), ("host", .string(holder.host)),
            ("process", .integer(Int64(holder.process))))
        }
        clock.sleep(Int64.random(in: 100...300), cancellation)
      }
    }
    return (nil, waitsFor != nil)
  }
}
