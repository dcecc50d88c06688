import Core
import Synchronization
import Transport

/// Spaces requests out where the service said that there are too many.
///
/// Each such answer doubles the time between the starts of two requests, each good one takes some
/// of it away again. As long as all goes well nothing waits.
final class Pace: Sendable {
  private struct State {
    var spacingMilliseconds = 0.0
    /// When the next request may start, in the clock's milliseconds.
    var next: Int64 = 0
  }
  private let state = Mutex(State())
  /// Whether there is any time between requests: what all threads ask twice a request.
  private let isSpaced = Atomic<Bool>(false)
  private let clock: Clock

  private static let first = 10.0
  private static let most = 1000.0

  init(clock: Clock) { self.clock = clock }

  var spacingMilliseconds: Double { state.withLock { $0.spacingMilliseconds } }

  /// Waits for this request's turn.
  func wait(_ cancellation: Cancellation) throws {
    guard isSpaced.load(ordering: .relaxed) else { return }
    let now = clock.now().milliseconds
    let wait = state.withLock { state -> Int64 in
      guard state.spacingMilliseconds > 0 else { return 0 }
      let start = max(now, state.next)
      state.next = start + Int64(state.spacingMilliseconds)
      return start - now
    }
    if wait > 0 {
      clock.sleep(wait, cancellation)
      try cancellation.check()
    }
  }

  /// Learns from an answer.
  func note(isThrottled: Bool) {
    if isThrottled { slowDown() } else { wentWell() }
  }

  private func slowDown() {
    state.withLock {
      $0.spacingMilliseconds = min(Pace.most, max(Pace.first, $0.spacingMilliseconds * 2))
      isSpaced.store(true, ordering: .relaxed)
    }
  }

  private func wentWell() {
    guard isSpaced.load(ordering: .relaxed) else { return }
    state.withLock {
      $0.spacingMilliseconds *= 0.95
      guard $0.spacingMilliseconds < 1 else { return }
      $0.spacingMilliseconds = 0
      isSpaced.store(false, ordering: .relaxed)
    }
  }
}
