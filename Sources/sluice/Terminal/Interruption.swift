import Core
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// ctrl-C and SIGTERM: the first asks everything to stop, the second ends the process at once.
///
/// The signals are blocked in every thread and taken by one that waits for them, so no code runs
/// inside a signal handler.
final class Interruption: Sendable {
  let cancellation = Cancellation()
  private let received = Atomic<Int32>(0)
  private let hasSaid = Atomic<Bool>(false)

  init() {}

  /// 130 or 143 after a signal; nil without one.
  var exitCode: Int32? {
    let signal = received.load(ordering: .acquiring)
    return signal == 0 ? nil : 128 + signal
  }

  /// Starts to wait. To be called once, before any other thread exists.
  ///
  /// A signal that whoever started us had ignored, as `nohup` and background jobs do, stays so.
  func watch(_ console: Console) {
    // Standard output may be a pipe whose reader leaves: that shows as EPIPE where we write.
    signal(SIGPIPE, SIG_IGN)
    var signals = sigset_t()
    sigemptyset(&signals)
    for number in [SIGINT, SIGTERM] where !isIgnored(number) { sigaddset(&signals, number) }
    pthread_sigmask(SIG_BLOCK, &signals, nil)
    let watched = signals
    let thread = startThread { [self] in
      while true {
        var signals = watched
        var number: Int32 = 0
        guard sigwait(&signals, &number) == 0 else { return }
        take(number, console)
      }
    }
    pthread_detach(thread)
  }

  private func take(_ number: Int32, _ console: Console) {
    let (isFirst, _) = received.compareExchange(
      expected: 0, desired: number, ordering: .acquiringAndReleasing)
    guard isFirst else {
      console.closeIfPossible()
      _exit(128 + number)
    }
    // In threads of their own: neither a handler that takes long nor a terminal that takes no
    // text may keep a second signal waiting.
    pthread_detach(
      startThread { [self] in
        console.note("stopping… (once more to stop at once)")
        hasSaid.store(true, ordering: .releasing)
      })
    pthread_detach(startThread { [self] in cancellation.cancel() })
  }

  /// Waits, two seconds at most, until an interruption has been answered: what it stops may have
  /// ended before.
  func waitUntilSaid() {
    for _ in 0..<2000 where exitCode != nil && !hasSaid.load(ordering: .acquiring) { usleep(1000) }
  }

  private func isIgnored(_ number: Int32) -> Bool {
    var action = sigaction()
    sigaction(number, nil, &action)
    #if canImport(Glibc)
      return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
        == unsafeBitCast(SIG_IGN, to: Int.self)
    #else
      return unsafeBitCast(action.__sigaction_u.__sa_handler, to: Int.self)
        == unsafeBitCast(SIG_IGN, to: Int.self)
    #endif
  }
}
