#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Where the time comes from. Injected, so that tests own it.
public struct Clock: Sendable {
  public var now: @Sendable () -> Instant
  /// Sleeps; returns early when `cancellation` fires.
  public var sleep: @Sendable (_ milliseconds: Int64, _ cancellation: Cancellation) -> Void

  public init(
    now: @escaping @Sendable () -> Instant,
    sleep: @escaping @Sendable (_ milliseconds: Int64, _ cancellation: Cancellation) -> Void
  ) {
    self.now = now
    self.sleep = sleep
  }

  /// The machine's clock.
  public static let system = Clock(
    now: {
      var time = timespec()
      clock_gettime(CLOCK_REALTIME, &time)
      return Instant(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
    },
    sleep: { milliseconds, cancellation in
      var left = milliseconds
      while left > 0 && !cancellation.isCancelled {
        let step = min(left, 20)
        usleep(UInt32(step) * 1000)
        left -= step
      }
    })

  /// A clock that starts at `instant` and advances with the machine's; `SLUICE_NOW` sets it.
  public static func starting(at instant: Instant) -> Clock {
    let offset = instant.microseconds - system.now().microseconds
    return Clock(
      now: { Instant(microseconds: system.now().microseconds + offset) }, sleep: system.sleep)
  }
}

/// Seconds on a clock that only runs forward, for durations.
public func monotonicSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}
