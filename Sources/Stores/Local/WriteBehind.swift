import Core

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Has what is appended to a large file brought to the disk while more of it comes, on a thread of
/// its own: synchronizing it all in the end would take about as long as the transfer.
struct WriteBehind: ~Copyable {
  /// Files of fewer bytes are not worth a thread.
  static let leastByteCount: Int64 = 64 << 20
  private static let stepByteCount: Int64 = 8 << 20

  private struct State {
    var begun: Int64
    var written: Int64
    var isOver = false
  }

  private let state: Monitor<State>
  private let thread: pthread_t
  private var told: Int64

  /// - Parameter offset: What lies before it is on the disk, or on its way.
  init(_ file: OpenFile, from offset: Int64) {
    let state = Monitor(State(begun: offset, written: offset))
    let descriptor = file.descriptor
    (self.state, told) = (state, offset)
    // The thread ends before the file can be closed: `deinit` waits for it.
    thread = startThread { WriteBehind.work(descriptor, state) }
  }

  deinit {
    state.change { $0.isOver = true }
    pthread_join(thread, nil)
  }

  /// Takes down how far the file has been written.
  mutating func wrote(upTo offset: Int64) {
    guard offset - told >= WriteBehind.stepByteCount else { return }
    told = offset
    state.change { $0.written = offset }
  }

  private static func work(_ descriptor: Int32, _ state: Monitor<State>) {
    while true {
      let range = state.wait { state -> Range<Int64>?? in
        if state.isOver { return .some(nil) }
        guard state.written > state.begun else { return nil }
        defer { state.begun = state.written }
        return state.begun..<state.written
      }
      guard let range else { return }
      beginSynchronizing(descriptor, range)
    }
  }
}
