import Core

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A file that has not been given its name yet.
public struct TemporaryFile: Sendable {
  public var object: Object
  /// Whether its writer is dead. It goes when its folder is written to, an hour later.
  public var isAbandoned: Bool
}

extension LocalStore {
  /// The files below the root that listings hide: those that are being written, or were when their
  /// writers were killed. Links are not followed.
  public func temporaryFiles() throws -> [TemporaryFile] {
    var found: [TemporaryFile] = []
    try visitTemporaryFiles(in: "", &found)
    return found.sorted { $0.object.key.utf8.lexicographicallyPrecedes($1.object.key.utf8) }
  }

  /// - Parameter folder: A key that ends in a slash, or empty.
  private func visitTemporaryFiles(in folder: String, _ found: inout [TemporaryFile]) throws {
    let path = "\(root)/\(folder)"
    guard let stream = opendir(path) else {
      if [ENOENT, ENOTDIR].contains(errno) { return }
      throw StoreError.system(errno, doing: "list this folder", path: path)
    }
    defer { closedir(stream) }
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
      }
      var status = stat()
      // Gone by now, or not to be looked at.
      guard name != ".", name != "..",
        fstatat(dirfd(stream), name, &status, AT_SYMLINK_NOFOLLOW) == 0
      else { continue }
      if status.isFolder {
        try visitTemporaryFiles(in: folder + name + "/", &found)
      } else if status.isFile, name.hasPrefix(LocalStore.temporaryPrefix + "-") {
        found.append(
          TemporaryFile(
            object: status.object(folder + name), isAbandoned: isAbandoned(path + name)))
      }
    }
  }

  private func isAbandoned(_ path: String) -> Bool {
    guard let file = try? OpenFile(path, O_RDONLY) else { return false }
    return file.tryLock(LOCK_EX | LOCK_NB)
  }
}
