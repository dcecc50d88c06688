#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A lock that threads can wait in until another has changed what it guards.
public final class Monitor: @unchecked Sendable {
  // Unchecked: the C library's objects are made for it.
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  public init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  public func withLock<T>(_ body: () throws -> T) rethrows -> T {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return try body()
  }

  /// - Returns: Nil where another thread is inside.
  public func withLockIfFree<T>(_ body: () throws -> T) rethrows -> T? {
    guard pthread_mutex_trylock(mutex) == 0 else { return nil }
    defer { pthread_mutex_unlock(mutex) }
    return try body()
  }

  /// Lets others in until one of them calls `wakeAll`. To be called inside `withLock`.
  public func wait() { pthread_cond_wait(condition, mutex) }

  public func wakeAll() { pthread_cond_broadcast(condition) }
}
