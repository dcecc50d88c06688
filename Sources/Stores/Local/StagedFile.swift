import Core
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What a put copies from, opened before anything is written.
struct BodySource {
  enum Kind {
    case bytes([UInt8])
    case file(OpenFile)
  }
  let kind: Kind

  init(_ body: Body) throws {
    switch body {
    case .bytes(let bytes): kind = .bytes(bytes)
    case .file(let path):
      do throws(Errno) {
        let file = try OpenFile(path, O_RDONLY | O_NONBLOCK)
        guard try file.status().isFile else { throw Errno(EISDIR) }
        kind = .file(file)
      } catch {
        throw StoreError.system(error.number, doing: "read this file to store it", path: path)
      }
    }
  }
}

/// A file under a temporary name. The name goes away with the value; what it was linked or renamed
/// to stays.
final class StagedFile {
  let file: OpenFile

  private init(_ file: OpenFile) { self.file = file }

  /// - Returns: nil where `folder` is not there.
  static func create(in folder: String) throws(Errno) -> StagedFile? {
    let nonce = String(UInt64.random(in: .min ... .max), radix: 36)
    let path = "\(folder)/\(LocalStore.temporaryPrefix)-\(getpid())-\(nonce)"
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else {
      if errno == ENOENT { return nil }
      throw Errno(errno)
    }
    // Held while the writer lives: `StaleFiles` then leaves the file alone, however old it is.
    let file = OpenFile(descriptor, path: path)
    _ = file.tryLock(LOCK_EX | LOCK_NB)
    return StagedFile(file)
  }

  deinit { unlink(file.path) }

  func fill(from source: BodySource) throws {
    switch source.kind {
    case .bytes(let bytes): try file.write(bytes)
    case .file(let input):
      let before = try input.status()
      try copy(input, count: Int64(before.st_size))
      guard try input.status().version == before.version else {
        throw StoreError(
          .changed, "the file changed while it was being stored", at: Place(file: input.path),
          advice: "store it again once its writer is done")
      }
    }
  }

  /// Copies `count` bytes inside the kernel where it can. Calls `sendfile`.
  private func copy(_ input: OpenFile, count: Int64) throws(Errno) {
    var done: Int64 = 0
    #if canImport(Glibc)
      while done < count {
        let sent = sendfile(
          file.descriptor, input.descriptor, nil, Int(min(count - done, 1 << 30)))
        if sent < 0 && errno == EINTR { continue }
        if sent < 0 && (errno == EINVAL || errno == ENOSYS) { break }
        if sent < 0 { throw Errno(errno) }
        // Shorter than it was; the caller compares versions.
        if sent == 0 { return }
        done += Int64(sent)
      }
    #endif
    guard done < count else { return }
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 512 << 10, alignment: 4096)
    defer { buffer.deallocate() }
    while done < count {
      let read = try input.read(into: buffer, at: done)
      guard read > 0 else { return }
      try file.write(UnsafeRawBufferPointer(rebasing: buffer[..<read]))
      done += Int64(read)
    }
  }

  /// Dates the file as of now: it has waited for its name.
  func date() throws(Errno) {
    guard futimens(file.descriptor, nil) == 0 else { throw Errno(errno) }
  }

  /// Moves the modification time past `other`'s: within one tick of the file system's clock a
  /// replacement of the same length on a re-used inode would have the version of what it replaced.
  func makeNewer(than other: stat, isDurable: Bool) throws(Errno) {
    guard try file.status().modifiedNanoseconds <= other.modifiedNanoseconds else { return }
    let next = other.modifiedNanoseconds + 1
    let time = timespec(tv_sec: Int(next / 1_000_000_000), tv_nsec: Int(next % 1_000_000_000))
    guard futimens(file.descriptor, [time, time]) == 0 else { throw Errno(errno) }
    if isDurable { try file.synchronize() }
  }
}

/// Calls `link`, whose plain name a method hides.
func hardLink(_ from: String, _ to: String) -> Int32 { link(from, to) }

/// Runs `body` while no other writer of this store, in any process, replaces or removes files of
/// the folder. Calls `flock`.
func withLock<T>(onFolder folder: String, _ body: () throws -> T) throws -> T {
  let own = try OpenFile(folder, O_RDONLY | O_DIRECTORY)
  if own.tryLock(LOCK_EX | LOCK_NB) {
    return try withExtendedLifetime(own, body)
  }
  let number = errno
  // NFS locks only what is open for writing, which a folder cannot be.
  let canLock = ![EBADF, EINVAL, ENOTSUP].contains(number)
  let lockPath = "\(folder)/\(LocalStore.temporaryPrefix).lock"
  let file = canLock ? own : try OpenFile(lockPath, O_RDWR | O_CREAT)
  try file.lock(LOCK_EX)
  return try withExtendedLifetime(file, body)
}

/// Removes temporary files whose writers died: once per folder and process, when the folder is
/// first written to.
final class StaleFiles: Sendable {
  static let shared = StaleFiles()

  /// A writer touches its file far more often than this.
  private static let minimumAgeSeconds = 3600

  private let swept = Mutex<Set<String>>([])

  func sweep(_ folder: String) {
    let isNew = swept.withLock { swept in
      if swept.count > 10_000 { swept.removeAll() }
      return swept.insert(folder).inserted
    }
    guard isNew, let stream = opendir(folder) else { return }
    defer { closedir(stream) }
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        let text = UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self)
        return strncmp(text, LocalStore.temporaryPrefix + "-", 12) == 0
          ? String(cString: text) : nil
      }
      if let name { removeIfDead("\(folder)/\(name)") }
    }
  }

  private func removeIfDead(_ path: String) {
    guard let file = try? OpenFile(path, O_RDONLY), let status = try? file.status(),
      status.isFile,
      time(nil) - Int(status.modifiedNanoseconds / 1_000_000_000)
        > StaleFiles.minimumAgeSeconds,
      (try? file.lock(LOCK_EX | LOCK_NB)) != nil
    else { return }
    unlink(path)
  }
}
