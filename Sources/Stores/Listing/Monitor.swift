#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// State that threads wait on. Calls `pthread_cond_wait`.
final class Monitor<State>: @unchecked Sendable {
  // The state is touched only under the lock.
  private var state: State
  private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  init(_ state: State) {
    self.state = state
    pthread_mutex_init(lock, nil)
    pthread_cond_init(changed, nil)
  }

  deinit {
    pthread_cond_destroy(changed)
    pthread_mutex_destroy(lock)
    changed.deallocate()
    lock.deallocate()
  }

  /// Changes the state and wakes all who wait.
  func change(_ body: (inout State) -> Void) {
    pthread_mutex_lock(lock)
    body(&state)
    pthread_cond_broadcast(changed)
    pthread_mutex_unlock(lock)
  }

  /// Asks `body` after each change until it has an answer, and wakes all who wait.
  func wait<Answer>(_ body: (inout State) -> Answer?) -> Answer {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    while true {
      if let answer = body(&state) {
        pthread_cond_broadcast(changed)
        return answer
      }
      pthread_cond_wait(changed, lock)
    }
  }
}
