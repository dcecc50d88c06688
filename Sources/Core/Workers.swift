import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Threads that have done their work and wait for more: to start and end one takes longer than much
/// of what is given to them.
final class Worker: @unchecked Sendable {
  // Unchecked: what varies is guarded by the monitor.

  /// Of those at hand at one time, the others end.
  private static let mostIdle = 16
  private static let idle = Mutex<[Worker]>([])

  private struct Task {
    var work: @Sendable () -> Void
    var done: @Sendable () -> Void
  }

  private let monitor = Monitor()
  private var next: Task?

  private init(_ first: Task) { next = first }

  /// Runs `work` on a thread of its own.
  ///
  /// - Parameter done: Called on that thread once it is free again and has let go of `work`.
  static func run(_ work: @escaping @Sendable () -> Void, done: @escaping @Sendable () -> Void) {
    let task = Task(work: work, done: done)
    if let worker = idle.withLock({ $0.popLast() }) {
      worker.give(task)
    } else {
      let worker = Worker(task)
      pthread_detach(startThread { worker.loop() })
    }
  }

  private func give(_ task: Task) {
    monitor.withLock {
      next = task
      monitor.wakeAll()
    }
  }

  private func take() -> Task {
    monitor.withLock {
      while true {
        if let task = next.take() { return task }
        monitor.wait()
      }
    }
  }

  private func loop() {
    while true {
      let done = {
        let task = take()
        task.work()
        return task.done
      }()
      let stays = Worker.idle.withLock { idle in
        guard idle.count < Worker.mostIdle else { return false }
        idle.append(self)
        return true
      }
      done()
      guard stays else { return }
    }
  }
}

/// Counts down to 0, and lets threads wait for that.
final class Latch: @unchecked Sendable {
  // Unchecked: what varies is guarded by the monitor.
  private let monitor = Monitor()
  private var count: Int

  init(_ count: Int) { self.count = count }

  func countDown() {
    monitor.withLock {
      count -= 1
      if count == 0 { monitor.wakeAll() }
    }
  }

  func wait() {
    monitor.withLock { while count > 0 { monitor.wait() } }
  }
}
