import Core
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A folder of this process for temporary files: what does not fit in memory, exports on their way.
///
/// It holds a lock while the process lives, so that the next one can tell a folder in use from one
/// that a killed process left behind, and clears the latter away.
public final class SpillFolder: Sendable {
  public let path: String
  private let lock: Int32

  /// - Parameter parent: Made if need be.
  /// - Throws: `EngineError` `.unavailable`; `.exhausted` where the disk is full.
  public init(in parent: String) throws {
    guard makeFolders(parent) else { throw SpillFolder.unusable("cannot be made", parent) }
    SpillFolder.clearAbandoned(in: parent)
    let random = String(UInt64.random(in: .min ... .max), radix: 36)
    path = "\(parent)/\(SpillFolder.prefix)\(getpid())-\(random)"
    mkdir(path, 0o700)
    // Locked before it has the name that others look for: nobody finds it without its lock.
    let unlocked = "\(path)/\(SpillFolder.lockName)-soon"
    lock = open(unlocked, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard lock >= 0, flock(lock, LOCK_EX | LOCK_NB) == 0,
      rename(unlocked, "\(path)/\(SpillFolder.lockName)") == 0
    else {
      let error = SpillFolder.unusable("cannot be written", parent)
      SpillFolder.remove(path)
      throw error
    }
    SpillFolder.removeAtExit(path)
  }

  private static func unusable(_ what: String, _ path: String) -> EngineError {
    let number = errno
    return EngineError(
      number == ENOSPC ? .exhausted : .unavailable,
      "the folder for temporary files \(what): \(String(cString: strerror(number)))",
      at: Place(file: path),
      advice: "set `engine: {spill: …}` in sluice.yaml to a folder that can be written",
      exitCode: number == ENOSPC ? 1 : 2)
  }

  /// The folders of this process that are there. A program ends without taking its engine apart.
  private static let present = Mutex<Set<String>?>(nil)

  private static func removeAtExit(_ path: String) {
    present.withLock { paths in
      if paths == nil {
        atexit {
          for path in SpillFolder.present.withLock({ $0 ?? [] }) { SpillFolder.remove(path) }
        }
      }
      paths = (paths ?? []).union([path])
    }
  }

  private static let prefix = "sluice-spill-"
  private static let lockName = "in-use"

  /// Removes the folder with all that is in it.
  public func remove() {
    SpillFolder.remove(path)
    SpillFolder.present.withLock { _ = $0?.remove(path) }
    close(lock)
  }

  private static func clearAbandoned(in parent: String) {
    for name in entries(parent) where name.hasPrefix(prefix) {
      let folder = "\(parent)/\(name)"
      let file = open("\(folder)/\(lockName)", O_RDWR | O_CLOEXEC)
      // Without a lock file it is being made right now, or is none of ours.
      guard file >= 0 else { continue }
      if flock(file, LOCK_EX | LOCK_NB) == 0 { remove(folder) }
      close(file)
    }
  }

  /// The folder is flat: DuckDB's files, exports and the lock.
  private static func remove(_ folder: String) {
    for name in entries(folder) where name != lockName { unlink("\(folder)/\(name)") }
    unlink("\(folder)/\(lockName)")
    rmdir(folder)
  }
}

/// The names in a folder, without `.` and `..`; empty where it cannot be read.
func entries(_ folder: String) -> [String] {
  guard let stream = opendir(folder) else { return [] }
  defer { closedir(stream) }
  var names: [String] = []
  while let entry = readdir(stream) {
    let name = withUnsafePointer(to: &entry.pointee.d_name) {
      $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
    }
    if name != "." && name != ".." { names.append(name) }
  }
  return names
}

/// Removes a file, or a folder with all that is in it, as far as that can be done.
func removeAll(_ path: String) {
  if unlink(path) == 0 || errno == ENOENT { return }
  for name in entries(path) { removeAll("\(path)/\(name)") }
  rmdir(path)
}

/// Makes a folder and those above it; true where it is there afterwards.
func makeFolders(_ path: String) -> Bool {
  if mkdir(path, 0o777) == 0 || errno == EEXIST { return true }
  guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash > path.startIndex else {
    return false
  }
  return makeFolders(String(path[..<slash])) && (mkdir(path, 0o777) == 0 || errno == EEXIST)
}
