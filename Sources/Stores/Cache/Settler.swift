import Core
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Brings copies to the disk, on a thread of its own, and then gives them the names that count after
/// the machine's next start.
///
/// Nobody waits for it. The process may end at any time: a copy that was not done has its first name
/// still, and whoever comes across it hands it in again.
final class Settler: Sendable {
  /// Waits until a file is on the disk, or has no name any more.
  typealias Synchronizing = @Sendable (OpenFile) throws(Errno) -> Void

  private struct State {
    /// By their lasting names.
    var waiting: Set<String> = []
    var isAtWork = false
  }
  private let state = Mutex(State())
  private let suffix: String
  private let synchronize: Synchronizing

  init(boot: String, _ synchronize: @escaping Synchronizing) {
    suffix = ".\(boot)"
    self.synchronize = synchronize
  }

  /// - Parameter path: The lasting name of a finished copy.
  func add(_ path: String) {
    let isIdle = state.withLock { state in
      state.waiting.insert(path)
      defer { state.isAtWork = true }
      return !state.isAtWork
    }
    guard isIdle else { return }
    pthread_detach(startThread { self.work() })
  }

  /// - Parameter path: Any name in the cache; nothing happens where it is not the first one of a copy.
  func addIfQuick(_ path: String) {
    if path.hasSuffix(suffix) { add(String(path.dropLast(suffix.count))) }
  }

  private func work() {
    while let path = next() {
      // A copy that could not be settled can be used all the same.
      try? settle(path + suffix, as: path)
    }
  }

  private func next() -> String? {
    state.withLock { state in
      let path = state.waiting.popFirst()
      state.isAtWork = path != nil
      return path
    }
  }

  private func settle(_ quick: String, as path: String) throws(Errno) {
    let file = try OpenFile(quick, O_RDWR)
    // Without a lock: it may be evicted meanwhile.
    do throws(Errno) {
      try synchronize(file)
    } catch {
      // What the disk did not take may be lost already, though reads still find it for a while.
      if try file.lockNamed(quick, LOCK_EX) { unlink(quick) }
      throw error
    }
    // Or evicted and fetched again: then these are not the bytes that are on the disk.
    if try file.lockNamed(quick, LOCK_EX), rename(quick, path) != 0 { throw Errno(errno) }
  }
}

/// Waits until the file is on the disk, or has no name any more. Calls `sync_file_range` and `fsync`.
///
/// In steps: a process that ends has to wait for the one under way, and so has who needs the room of a
/// file that was evicted.
@Sendable func bringToDisk(_ file: OpenFile) throws(Errno) {
  let step: Int64 = 8 << 20
  var offset: Int64 = 0
  while true {
    let status = try file.status()
    if status.st_nlink == 0 { return }
    guard offset < Int64(status.st_size) else { return try file.synchronize() }
    synchronize(file.descriptor, offset..<offset + step)
    offset += step
  }
}
