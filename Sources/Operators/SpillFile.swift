import Core
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A file for what does not fit in memory: it has no name, and is gone with the process. Any number
/// of threads write and read it.
final class SpillFile: @unchecked Sendable {
  // Unchecked: the descriptor is set once, under the lock.
  private struct State: Sendable {
    var descriptor: Int32 = -1
    var byteCount: Int64 = 0
  }

  private let state = Mutex(State())
  private let directory: @Sendable () throws -> String
  private let purpose: String

  /// - Parameters:
  ///   - purpose: Begins the file's name, for as long as it has one.
  ///   - directory: Gives a folder for the file, when one is needed.
  init(_ purpose: String, directory: @escaping @Sendable () throws -> String) {
    self.purpose = purpose
    self.directory = directory
  }

  deinit {
    state.withLock { state in
      if state.descriptor >= 0 { close(state.descriptor) }
    }
  }

  /// Bytes written so far.
  var byteCount: Int64 { state.withLock { $0.byteCount } }

  /// Appends bytes.
  ///
  /// - Returns: Where they are.
  /// - Throws: `OperatorError` `.spill`.
  func write(_ memory: UnsafeRawPointer, byteCount: Int) throws -> Int64 {
    let (descriptor, offset) = try state.withLock { state in
      if state.descriptor < 0 { state.descriptor = try open() }
      defer { state.byteCount += Int64(byteCount) }
      return (state.descriptor, state.byteCount)
    }
    var done = 0
    while done < byteCount {
      let count = pwrite(
        descriptor, memory + done, byteCount - done, off_t(offset) + off_t(done))
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw failure("cannot be written aside") }
      done += count
    }
    return offset
  }

  /// Fills a buffer with what was written at `offset`.
  ///
  /// - Throws: `OperatorError` `.spill`.
  func read(at offset: Int64, into buffer: UnsafeMutableRawBufferPointer) throws {
    let descriptor = state.withLock { $0.descriptor }
    var done = 0
    while done < buffer.count {
      let count = pread(
        descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(offset) + off_t(done))
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw failure("cannot be read back") }
      done += count
    }
  }

  private func open() throws -> Int32 {
    let folder = try directory()
    var path = Array("\(folder)/\(purpose)-XXXXXX".utf8CString)
    let descriptor = mkstemp(&path)
    guard descriptor >= 0 else { throw failure("cannot be written aside", folder) }
    unlink(path)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    return descriptor
  }

  private func failure(_ what: String, _ file: String? = nil) -> OperatorError {
    OperatorError(
      .spill, "what does not fit in memory \(what): \(String(cString: strerror(errno)))",
      at: Place(file: file),
      advice: "free space in the spill folder, set `engine: {spill: …}` to another disk, or give "
        + "more --memory")
  }
}
