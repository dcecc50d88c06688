import Core
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// One user's folder of links to the cached files in use: `<cache>/.use-<process>-<nonce>`.
///
/// The user holds a lock in it while it lives; a folder without a holder is removed by others.
final class PinFolder: Sendable {
  private let path: String
  private let lock: Int32
  private let count = Atomic<Int>(0)

  private static let prefix = ".use-"
  private static let lockName = "lock"

  init(in directory: String) throws {
    try makeFolders(directory)
    while true {
      let nonce = String(UInt64.random(in: .min ... .max), radix: 36)
      let path = "\(directory)/\(PinFolder.prefix)\(getpid())-\(nonce)"
      guard mkdir(path, 0o777) == 0 else { throw Errno(errno) }
      let lock = open("\(path)/\(PinFolder.lockName)", O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
      if lock >= 0, flock(lock, LOCK_EX | LOCK_NB) == 0,
        (try? fileStatus("\(path)/\(PinFolder.lockName)")) != nil
      {
        self.path = path
        self.lock = lock
        return
      }
      // Another process took the folder for a dead one between two of these steps.
      let number = errno
      if lock >= 0 { close(lock) }
      if lock < 0 && number != ENOENT { throw Errno(number) }
    }
  }

  deinit {
    // Every copy keeps this alive, so no links are left.
    unlink("\(path)/\(PinFolder.lockName)")
    rmdir(path)
    // For a process that is just being started, and has it, too.
    flock(lock, LOCK_UN)
    close(lock)
  }

  func newPath() -> String {
    "\(path)/\(count.add(1, ordering: .relaxed).newValue)"
  }

  /// Removes the folders of users that are gone.
  static func removeDead(in directory: String) {
    for name in fileNames(in: directory) where name.hasPrefix(prefix) {
      let folder = "\(directory)/\(name)"
      // Held to the end: a user that is just starting then sees that the folder is lost.
      let lock = try? OpenFile("\(folder)/\(lockName)", O_RDWR)
      defer { withExtendedLifetime(lock) {} }
      if let lock {
        guard lock.tryLock(LOCK_EX | LOCK_NB) else { continue }
      } else {
        // Its user is about to make the lock, or died before it did.
        guard let status = try? fileStatus(folder),
          Int64(time(nil)) - status.modifiedNanoseconds / 1_000_000_000 > 3600
        else { continue }
      }
      for name in fileNames(in: folder) { unlink("\(folder)/\(name)") }
      rmdir(folder)
    }
  }
}

/// The names in a folder, none where it cannot be read.
func fileNames(in folder: String) -> [String] {
  guard let stream = opendir(folder) else { return [] }
  defer { closedir(stream) }
  var names: [String] = []
  while let entry = readdir(stream) {
    let name = withUnsafePointer(to: &entry.pointee.d_name) {
      String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
    }
    if name != "." && name != ".." { names.append(name) }
  }
  return names
}

/// Makes a folder and those on the way to it. Calls `mkdir`.
private func makeFolders(_ path: String) throws(Errno) {
  if mkdir(path, 0o777) == 0 || errno == EEXIST { return }
  guard errno == ENOENT, let cut = path.lastIndex(of: "/"), cut > path.startIndex else {
    throw Errno(errno)
  }
  try makeFolders(String(path[..<cut]))
  if mkdir(path, 0o777) != 0 && errno != EEXIST { throw Errno(errno) }
}
