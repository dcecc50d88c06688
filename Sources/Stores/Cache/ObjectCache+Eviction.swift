import Core

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

extension ObjectCache {
  func makeRoom(for byteCount: Int64) {
    let bound = max(0, maximumByteCount - byteCount)
    let isRoomy = known.withLock { $0.map { $0 <= bound } ?? false }
    if !isRoomy { evict(downTo: bound) }
  }

  /// Removes files that are not in use, those used longest ago first.
  func evict(downTo bound: Int64) {
    PinFolder.removeDead(in: directory)
    var files = CacheFile.all(in: directory)
    var total = files.reduce(0) { $0 + $1.byteCount }
    files.sort { $0.usedNanoseconds < $1.usedNanoseconds }
    for file in files {
      if total > bound, file.removeIfUnused() {
        total -= file.byteCount
      } else if file.byteCount >= ObjectCache.lastingByteCount {
        // Those of processes that ended too soon.
        for path in file.paths { settler.addIfQuick(path) }
      }
    }
    known.withLock { $0 = total }
  }
}

/// One object's file in a cache, finished or not. What has landed is in the cache as its origin's and
/// as the lake's.
private struct CacheFile {
  var paths: [String]
  let byteCount: Int64
  let usedNanoseconds: Int64

  static func all(in directory: String) -> [CacheFile] {
    var files: [CacheFile] = []
    var placeOfInode: [UInt64: Int] = [:]
    for name in fileNames(in: directory) where !name.hasPrefix(".") {
      let path = "\(directory)/\(name)"
      guard let status = try? fileStatus(path), status.isFile else { continue }
      if status.st_nlink > 1, let place = placeOfInode[UInt64(status.st_ino)] {
        files[place].paths.append(path)
        continue
      }
      if status.st_nlink > 1 { placeOfInode[UInt64(status.st_ino)] = files.count }
      files.append(
        CacheFile(
          paths: [path], byteCount: Int64(status.st_size),
          usedNanoseconds: status.modifiedNanoseconds))
    }
    return files
  }

  /// - Returns: Whether its space is free now.
  func removeIfUnused() -> Bool {
    // A download holds its lock.
    guard let file = try? OpenFile(paths[0], O_RDWR),
      paths.allSatisfy({ (try? file.lockNamed($0, LOCK_EX | LOCK_NB)) == true }),
      let status = try? file.status(), Int(status.st_nlink) == paths.count
    else { return false }
    return paths.allSatisfy { unlink($0) == 0 }
  }
}

extension OpenFile {
  /// Locks the file for who takes its name away or gives it another; nobody does without. Calls
  /// `flock`.
  ///
  /// - Returns: Whether it is locked, and has the name still.
  func lockNamed(_ path: String, _ operation: Int32) throws(Errno) -> Bool {
    while !tryLock(operation) {
      if errno == EWOULDBLOCK { return false }
      if errno != EINTR { throw Errno(errno) }
    }
    return try fileStatus(path)?.st_ino == status().st_ino
  }
}
