import Core

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

extension LocalStore {
  /// Writes a file under a temporary name beside its place, waits for the disk, and then gives it
  /// its name in one step: `link` where the key must be absent, else `rename`. A `.file` body is
  /// copied, not linked: an object must not change when the caller's file does.
  public func put(_ key: String, _ body: Body, _ condition: PutCondition) throws -> Object {
    let path = try path(of: key)
    return try counter.around("put", key) {
      try write(key, to: path, body, condition, isDurable: isDurable)
    }
  }

  /// Calls `ready` with the file on the disk under its temporary name.
  public func put(
    _ key: String, _ body: Body, _ condition: PutCondition, ready: () throws -> Void
  ) throws -> Object {
    let path = try path(of: key)
    return try counter.around("put", key) {
      do {
        return try write(key, to: path, body, condition, isDurable: isDurable) {
          try ready()
          return true
        }
      } catch {
        // It may have been made for this object.
        removeEmptyFolders(from: parent(of: path))
        throw error
      }
    }
  }

  /// Does not wait for the disk, or only for that of folders above the object's own.
  public func putFleeting(
    _ key: String, _ body: Body, _ condition: PutCondition
  ) throws -> Object {
    let path = try path(of: key)
    return try counter.around("put", key) {
      try write(key, to: path, body, condition, isDurable: false)
    }
  }

  /// - Parameter wait: Called with the file on the disk; says whether it has waited.
  private func write(
    _ key: String, to path: String, _ body: Body, _ condition: PutCondition, isDurable: Bool,
    wait: () throws -> Bool = { false }
  ) throws -> Object {
    do {
      let source = try BodySource(body)
      let folder = parent(of: path)
      StaleFiles.shared.sweep(folder)
      let staged = try stage(in: folder, isDurable: isDurable)
      try staged.fill(from: source)
      if isDurable { try staged.file.synchronize() }
      // Who goes by an object's age means its time in the store.
      if try wait() { try staged.date() }
      switch condition {
      case .absent: try link(staged, to: path)
      case .always: try replace(path, with: staged, matching: nil, isDurable: isDurable)
      case .matches(let version):
        try replace(path, with: staged, matching: version, isDurable: isDurable)
      }
      if isDurable { try FolderSync.shared.synchronize(folder) }
      return try staged.file.status().object(key)
    } catch let error as Errno {
      throw StoreError.system(error.number, doing: "write this file", path: path)
    }
  }

  /// Removes files, and the folders below the root that this leaves empty: to every reader of keys
  /// an empty folder is nothing.
  public func delete(_ keys: [String]) throws {
    guard let first = keys.first else { return }
    let name = keys.count == 1 ? first : "\(first) (and \(keys.count - 1) more)"
    try counter.around("delete", name) {
      for key in keys {
        let path = try path(of: key)
        if try remove(path) { removeEmptyFolders(from: parent(of: path)) }
      }
    }
  }

  private func removeEmptyFolders(from folder: String) {
    var folder = folder
    while folder.utf8.count > root.utf8.count, rmdir(folder) == 0 { folder = parent(of: folder) }
  }

  /// - Returns: False where there was no such file.
  private func remove(_ path: String) throws -> Bool {
    do {
      try withLock(onFolder: parent(of: path)) {
        guard unlink(path) != 0 else { return }
        let number = errno
        // For a folder Linux says EISDIR, but POSIX and macOS say EPERM.
        if let status = try fileStatus(path), status.isFolder { throw Errno(EISDIR) }
        throw Errno(number)
      }
      return true
    } catch let error as Errno where error.number == ENOENT || error.number == ENOTDIR {
      return false
    } catch let error as Errno {
      throw StoreError.system(error.number, doing: "remove this file", path: path)
    }
  }

  /// Creates the temporary file, and the folder where needed.
  private func stage(in folder: String, isDurable: Bool) throws -> StagedFile {
    // Another writer's delete may remove the empty folder between its making and its use.
    for _ in 0..<100 {
      try makeFolder(folder, isDurable: isDurable)
      if let staged = try StagedFile.create(in: folder) { return staged }
    }
    throw Errno(ENOENT)
  }

  private func makeFolder(_ folder: String, isDurable: Bool) throws {
    do {
      if let status = try fileStatus(folder) {
        guard status.isFolder else { throw Errno(ENOTDIR) }
        return
      }
      while mkdir(folder, 0o777) != 0 {
        switch errno {
        case EEXIST:
          // Made by another writer just now, and perhaps removed again by a deleter, unless
          // something else has the name.
          guard let status = try fileStatus(folder) else { continue }
          guard status.isFolder else { throw Errno(ENOTDIR) }
          return
        // What is not fleeting may lie there, too.
        case ENOENT, ENOTDIR: try makeFolder(parent(of: folder), isDurable: self.isDurable)
        default: throw Errno(errno)
        }
      }
      if isDurable { try? FolderSync.shared.synchronize(parent(of: folder)) }
    } catch let error as Errno {
      throw StoreError.system(error.number, doing: "make this folder", path: folder)
    }
  }

  private func link(_ staged: StagedFile, to path: String) throws {
    guard hardLink(staged.file.path, path) != 0 else { return }
    let number = errno
    switch number {
    case EEXIST:
      // Over NFS a repeated request may be answered with EEXIST although the first one succeeded.
      if try staged.file.status().st_nlink > 1 { return }
      if let status = try fileStatus(path), status.isFolder {
        throw StoreError.notAFile(path, isFolder: true)
      }
      throw conditionFailed(path, "the file exists already")
    case EPERM, ENOTSUP, ENOSYS:
      throw StoreError(
        .unsafe, "this file system has no hard links, so files cannot be created exclusively",
        at: Place(file: path), advice: "choose a place on another file system")
    default: throw Errno(number)
    }
  }

  private func replace(
    _ path: String, with staged: StagedFile, matching version: Version?, isDurable: Bool
  ) throws {
    try withLock(onFolder: parent(of: path)) {
      let current = try fileStatus(path)
      if let current, !current.isFile {
        throw StoreError.notAFile(path, isFolder: current.isFolder)
      }
      if let version, current?.version != version {
        throw conditionFailed(
          path, current == nil ? "the file is gone" : "the file was replaced meanwhile")
      }
      if let current { try staged.makeNewer(than: current, isDurable: isDurable) }
      guard rename(staged.file.path, path) == 0 else { throw Errno(errno) }
    }
  }

  private func conditionFailed(_ path: String, _ what: String) -> StoreError {
    StoreError(
      .conditionFailed, "not written: \(what)", at: Place(file: path),
      advice: "read it again and decide anew")
  }

  private func parent(of path: String) -> String {
    let cut = path.utf8.lastIndex(of: UInt8(ascii: "/"))!
    return cut == path.startIndex ? "/" : String(path[..<cut])
  }
}
