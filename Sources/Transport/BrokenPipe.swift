#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Runs `body` with SIGPIPE held back from this thread, and drops one that `body` caused.
///
/// OpenSSL writes to sockets without asking that the signal be left out; whether the process as a
/// whole wants to end on a closed pipe is not for a library to decide.
func withoutBrokenPipeSignal<T>(_ body: () throws -> T) rethrows -> T {
  var pipe = sigset_t()
  var pending = sigset_t()
  var previous = sigset_t()
  sigemptyset(&pipe)
  sigaddset(&pipe, SIGPIPE)
  sigpending(&pending)
  let wasPending = sigismember(&pending, SIGPIPE) == 1
  pthread_sigmask(SIG_BLOCK, &pipe, &previous)
  defer {
    sigpending(&pending)
    if !wasPending && sigismember(&pending, SIGPIPE) == 1 {
      var number: Int32 = 0
      sigwait(&pipe, &number)
    }
    pthread_sigmask(SIG_SETMASK, &previous, nil)
  }
  return try body()
}
