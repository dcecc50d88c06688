import Core

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Has parts of a work done on several threads, and takes what they give in the order of the parts.
///
/// At most twice as many parts as threads are under way or finished and not taken, and each waits
/// once it has given `buffer` values that were not taken: memory is bounded.
///
/// - Parameters:
///   - produce: Does a part, 0, 1, …, and gives values, which may throw to end it.
///   - consume: Called on the calling thread; what it throws ends the work.
/// - Throws: What `consume` throws, and what `produce` throws for the first part that fails.
func inOrder<Value: Sendable>(
  count: Int, threads: Int, buffer: Int,
  produce: @escaping @Sendable (_ part: Int, _ give: (Value) throws -> Void) throws -> Void,
  consume: (Value) throws -> Void
) throws {
  let work = OrderedWork<Value>(count: count, ahead: 2 * threads, buffer: buffer)
  let threads = (0..<min(threads, count)).map { _ in
    startThread { work.perform(produce) }
  }
  defer {
    work.stop()
    for thread in threads { pthread_join(thread, nil) }
  }
  while let values = try work.next() {
    for value in values { try consume(value) }
  }
}

private final class OrderedWork<Value: Sendable>: Sendable {
  private struct Part {
    var values: [Value] = []
    var end: Result<Void, any Error>?
  }
  private struct State {
    /// The part that is taken from.
    var head = 0
    /// The next to be begun.
    var next = 0
    /// Those from `head` on that were begun.
    var parts: [Part] = []
    var isStopped = false
  }
  private struct Stopped: Error {}

  private let count: Int
  private let ahead: Int
  private let buffer: Int
  private let monitor = Monitor(State())

  init(count: Int, ahead: Int, buffer: Int) {
    self.count = count
    self.ahead = ahead
    self.buffer = buffer
  }

  func stop() { monitor.change { $0.isStopped = true } }

  /// What the next part that has something to give has given; nil at the end.
  func next() throws -> [Value]? {
    try monitor.wait { state -> Result<[Value]?, any Error>? in
      if state.head == self.count { return .success(nil) }
      guard let first = state.parts.first else { return nil }
      if first.values.isEmpty {
        if case .failure(let error)? = first.end { return .failure(error) }
        return nil
      }
      state.parts[0].values = []
      self.advance(&state)
      return .success(first.values)
    }.get()
  }

  /// Goes on behind what has ended well and was taken.
  private func advance(_ state: inout State) {
    while let first = state.parts.first, first.values.isEmpty, case .success? = first.end {
      state.parts.removeFirst()
      state.head += 1
    }
  }

  /// What each thread does.
  func perform(
    _ produce: (_ part: Int, _ give: (Value) throws -> Void) throws -> Void
  ) {
    while true {
      let part = monitor.wait { state -> Int?? in
        if state.isStopped || state.next == self.count { return .some(nil) }
        guard state.next < state.head + self.ahead else { return nil }
        state.next += 1
        state.parts.append(Part())
        return .some(state.next - 1)
      }
      guard let part else { return }
      let end = Result {
        try produce(part) { value in
          let isStopped = monitor.wait { state -> Bool? in
            if state.isStopped { return true }
            guard state.parts[part - state.head].values.count < self.buffer else { return nil }
            state.parts[part - state.head].values.append(value)
            return false
          }
          if isStopped { throw Stopped() }
        }
      }
      monitor.change {
        $0.parts[part - $0.head].end = end
        advance(&$0)
      }
    }
  }
}
