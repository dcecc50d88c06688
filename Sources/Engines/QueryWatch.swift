import Core

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

extension QueryScope {
  /// Runs `body` while a thread looks on: it tells the progress ten times a second, and repeats an
  /// interruption that came between two statements, which DuckDB forgets.
  func watched<T>(
    _ cancellation: Cancellation, _ progress: (@Sendable (Double) -> Void)?, _ body: () throws -> T
  ) throws -> T {
    if progress == nil && cancellation === Cancellation.never { return try body() }
    let connection = connection
    let sources = sources
    // DuckDB then works it out after every task, which is for nothing where the sources tell.
    if progress != nil && sources.isEmpty {
      try connection.run("SET enable_progress_bar_print = false")
      try connection.run("SET enable_progress_bar = true")
    }
    let bell = Bell()
    let thread = startThread {
      var last = 0.0
      while !bell.wait(milliseconds: 100) {
        if cancellation.isCancelled { connection.interrupt() }
        guard let progress else { continue }
        let now = QueryScope.fraction(connection, sources)
        if let now, now > last {
          last = now
          progress(now)
        }
      }
    }
    defer {
      bell.ring()
      pthread_join(thread, nil)
    }
    return try cancellation.withHandler({ connection.interrupt() }, body)
  }

  /// DuckDB cannot tell how far a source of batches is; the source can. What comes after the
  /// reading gets the last tenth.
  private static func fraction(
    _ connection: DuckDBConnection, _ sources: [any BatchSource]
  ) -> Double? {
    if sources.isEmpty { return connection.fraction }
    let progress = sources.map(\.progress)
    let total = progress.reduce(0) { $0 + $1.total }
    guard total > 0 else { return nil }
    return min(1, Double(progress.reduce(0) { $0 + $1.done }) / Double(total)) * 0.9
  }
}

/// Rings once; who waits wakes up.
private final class Bell: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var hasRung = false

  init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  func ring() {
    pthread_mutex_lock(mutex)
    hasRung = true
    pthread_cond_broadcast(condition)
    pthread_mutex_unlock(mutex)
  }

  /// - Returns: Whether it has rung, within that time.
  func wait(milliseconds: Int) -> Bool {
    var until = timespec()
    clock_gettime(CLOCK_REALTIME, &until)
    until.tv_nsec += milliseconds * 1_000_000
    until.tv_sec += until.tv_nsec / 1_000_000_000
    until.tv_nsec %= 1_000_000_000
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while !hasRung {
      if pthread_cond_timedwait(condition, mutex, &until) != 0 { break }
    }
    return hasRung
  }
}
