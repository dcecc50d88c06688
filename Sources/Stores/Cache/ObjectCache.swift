import Core
import Kernels
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Objects of remote stores on the local disk, up to a bound; the one used longest ago goes first.
///
/// Several processes may share a folder. An object's file is named by the SHA-256 of its address
/// and version, so a file never goes stale. It is downloaded as `<name>.part` under a lock, and a
/// broken download of the same version is taken up where it stopped, by whoever comes next; a file of
/// a few KiB comes through memory, without either.
///
/// A power cut can leave a file with blocks that were never written. So the name of what is not
/// known to be on the disk, a download under way or a small file, also holds the number of the
/// machine's start, and nobody looks for it after the next one: to wait for the disk takes longer
/// than to fetch a small object, and to ask its store for a checksum takes as long.
///
/// A file in use has a second link in a folder of its user, `.use-…`: it outlives its eviction, and
/// keeps no descriptor open. What is in use can exceed the bound; nothing else does for long.
public final class ObjectCache: Sendable {
  /// The folder, which the first download makes.
  public let directory: String
  public let maximumByteCount: Int64

  private let boot: String
  private let pins: Mutex<PinFolder?>
  /// Bytes in the folder as far as known; nil before the first look.
  let known = Mutex<Int64?>(nil)

  /// Files of this size and more are made sure to be on the disk.
  static let durableByteCount: Int64 = 1 << 20

  /// - Parameter directory: An absolute path on a file system with hard links.
  public convenience init(directory: String, maximumByteCount: Int64) {
    self.init(directory: directory, maximumByteCount: maximumByteCount, boot: Boot.name)
  }

  /// - Parameter boot: Names the time since the machine started, without a dot.
  init(directory: String, maximumByteCount: Int64, boot: String) {
    self.directory = directory
    self.maximumByteCount = maximumByteCount
    self.boot = boot
    pins = Mutex(nil)
  }

  /// Brings an object here, unless it is here already.
  ///
  /// Objects of local stores are not copied: after a look at their version their own path is given.
  ///
  /// - Parameters:
  ///   - object: As a listing or the source log has it.
  ///   - copiesLocal: Whether objects of local stores are copied all the same, for who must have
  ///     bytes that surely are those of the version.
  ///   - progress: Told the bytes that are here so far, piece by piece.
  /// - Returns: A readable file that stays while the value lives.
  /// - Throws: `.changed` where the store has another version by now, `.notFound`, and what
  ///   `Store.read` throws; `.full` and `.denied` for the cache's own place; `Cancelled`.
  public func fetch(
    _ object: Object, from store: any Store, copiesLocal: Bool = false,
    cancellation: Cancellation = .never, progress: (_ byteCount: Int64) -> Void = { _ in }
  ) throws -> LocalCopy {
    try cancellation.check()
    let isLocal = store.localPath(object.key) != nil
    if !copiesLocal, let path = store.localPath(object.key) {
      try check(object, in: store, at: path)
      return LocalCopy(path: path, pins: nil)
    }
    let path = path(of: object, in: store)
    do {
      let pins = try pinFolder()
      guard WebVersion.isReliable(object.version), !isLocal else {
        // The version does not tell one content from another, or there is no sense in keeping what
        // is here anyway: this copy is for this caller only.
        let path = pins.newPath()
        let file = try OpenFile(path, O_RDWR | O_CREAT | O_EXCL)
        let copy = LocalCopy(path: path, pins: pins)
        _ = try download(object, from: store, into: file, of: 0, at: 0, cancellation, progress)
        return copy
      }
      let quick = "\(path).\(boot)"
      while true {
        if let copy = try pinned(quick, object, pins) { return copy }
        if !isSmall(object), let copy = try pinned(path, object, pins) { return copy }
        if isTiny(object) {
          return try downloadedAtOnce(
            to: quick, object, from: store, pins, cancellation, progress)
        }
        if let copy = try downloaded(path, object, from: store, pins, cancellation, progress) {
          return copy
        }
      }
    } catch let error as Errno {
      throw systemError(error)
    }
  }

  /// Whether fetching the object would find it here.
  public func holds(_ object: Object, of store: any Store) -> Bool {
    let path = path(of: object, in: store)
    return access("\(path).\(boot)", R_OK) == 0 || access(path, R_OK) == 0
  }

  /// Takes in what was just put, so that reading it back does not fetch it. Where that cannot be
  /// done, for want of room or because the file is on another file system, nothing happens.
  ///
  /// - Parameters:
  ///   - path: A finished file, which nobody changes from now on; its name may go afterwards.
  ///   - object: As `put` gave it back.
  public func insert(_ path: String, as object: Object, of store: any Store) {
    guard store.localPath(object.key) == nil, WebVersion.isReliable(object.version),
      object.byteCount <= maximumByteCount, (try? pinFolder()) != nil
    else { return }
    makeRoom(for: object.byteCount)
    // Whoever wrote the file need not have waited for the disk.
    guard link(path, "\(self.path(of: object, in: store)).\(boot)") == 0 else { return }
    known.withLock { $0 = $0.map { $0 + object.byteCount } }
  }

  /// Whether the object, which may be of unknown size, is surely one of those that nobody waits for
  /// the disk for.
  private func isSmall(_ object: Object) -> Bool {
    (0..<ObjectCache.durableByteCount).contains(object.byteCount)
  }

  /// Where the object is once it is here to stay.
  private func path(of object: Object, in store: any Store) -> String {
    let name = sha256(Array("\(store.uri(object.key))\n\(object.version)".utf8))
    return "\(directory)/\(hexText(name))"
  }

  private func check(_ object: Object, in store: any Store, at path: String) throws {
    guard let current = try store.head(object.key) else {
      throw StoreError(.notFound, "the file is gone", at: Place(file: path), advice: "list again")
    }
    guard current.version == object.version else {
      throw StoreError(
        .changed, "the file is no longer the version that was listed", at: Place(file: path),
        advice: "list again")
    }
  }

  /// The finished file, made safe from eviction; nil where there is none.
  private func pinned(_ path: String, _ object: Object, _ pins: PinFolder) throws -> LocalCopy? {
    let pin = pins.newPath()
    guard link(path, pin) == 0 else {
      if errno == ENOENT { return nil }
      throw Errno(errno)
    }
    let copy = LocalCopy(path: pin, pins: pins)
    let status = try fileStatus(pin)
    guard let status, object.byteCount < 0 || Int64(status.st_size) == object.byteCount else {
      // Somebody else wrote to it; a fresh download will tell.
      unlink(path)
      return nil
    }
    // The time of its last use, for eviction.
    utimensat(AT_FDCWD, pin, nil, 0)
    return copy
  }

  /// Downloads the object for all.
  ///
  /// - Returns: nil where another thread or process did it meanwhile, or dropped the file.
  private func downloaded(
    _ path: String, _ object: Object, from store: any Store, _ pins: PinFolder,
    _ cancellation: Cancellation, _ progress: (Int64) -> Void
  ) throws -> LocalCopy? {
    let quick = "\(path).\(boot)"
    let part = quick + ".part"
    let file = try OpenFile(part, O_RDWR | O_CREAT)
    // Waits while another thread or process downloads the same.
    while flock(file.descriptor, LOCK_EX | LOCK_NB) != 0 {
      guard errno == EWOULDBLOCK || errno == EINTR else { throw Errno(errno) }
      try cancellation.check()
      usleep(20_000)
    }
    let status = try file.status()
    guard let current = try fileStatus(part), current.st_ino == status.st_ino else { return nil }
    if try fileStatus(quick) != nil || (!isSmall(object) && fileStatus(path) != nil) {
      // Made by the opening above, after the one that was downloaded got its name.
      unlink(part)
      return nil
    }

    var offset = Int64(status.st_size)
    if object.byteCount >= 0 && offset > object.byteCount { offset = 0 }
    makeRoom(for: max(0, object.byteCount - offset))
    let byteCount: Int64
    do {
      byteCount = try download(
        object, from: store, into: file, of: Int64(status.st_size), at: offset, cancellation,
        progress)
    } catch let error as StoreError
      where [.changed, .notFound, .damaged, .full].contains(error.code)
    {
      unlink(part)
      throw error
    }
    let isDurable = byteCount >= ObjectCache.durableByteCount
    if isDurable { try file.synchronize() }
    // Linked before it has its name, or another's eviction could come first.
    let pin = pins.newPath()
    guard link(part, pin) == 0 else { throw Errno(errno) }
    let copy = LocalCopy(path: pin, pins: pins)
    guard rename(part, isDurable ? path : quick) == 0 else { throw Errno(errno) }
    return copy
  }

  /// Reads the object from `offset` on into the file, which has `size` bytes, and verifies what is
  /// there then.
  ///
  /// - Returns: The file's length.
  private func download(
    _ object: Object, from store: any Store, into file: OpenFile, of size: Int64,
    at offset: Int64, _ cancellation: Cancellation, _ progress: (Int64) -> Void
  ) throws -> Int64 {
    // ext4 writes a file that was cut to nothing to the disk when it is closed.
    guard size == offset || ftruncate(file.descriptor, off_t(offset)) == 0,
      lseek(file.descriptor, off_t(offset), SEEK_SET) == off_t(offset)
    else { throw Errno(errno) }
    var count = offset
    progress(count)
    let range = offset == 0 ? nil : offset..<Int64.max
    var behind =
      object.byteCount - offset >= WriteBehind.leastByteCount
      ? WriteBehind(file, from: offset) : nil
    var read = object
    if offset == 0 || offset != object.byteCount {
      read = try store.read(
        object.key, range: range, ifMatch: object.version, cancellation: cancellation
      ) { bytes in
        try write(bytes, to: file, at: count)
        count += Int64(bytes.count)
        behind?.wrote(upTo: count)
        progress(count)
      }
    }
    let expected = object.byteCount >= 0 ? object.byteCount : max(read.byteCount, -1)
    guard expected < 0 || count == expected else {
      throw StoreError(
        .damaged, "\(count) bytes came of an object that has \(expected)",
        at: Place(file: store.uri(object.key)), advice: "run again")
    }
    // Of what comes in one piece, reading has seen to it.
    if offset > 0 { try verify(object, of: store, in: file, byteCount: count) }
    known.withLock { $0 = $0.map { $0 + count - offset } }
    return count
  }

  /// Compares what was put together from several transfers with the store's checksum.
  private func verify(
    _ object: Object, of store: any Store, in file: OpenFile, byteCount: Int64
  ) throws {
    guard var checksum = try store.checksum(of: object) else { return }
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 512 << 10, alignment: 4096)
    defer { buffer.deallocate() }
    var offset: Int64 = 0
    while offset < byteCount {
      let count = try file.read(into: buffer, at: offset)
      guard count > 0 else { break }
      checksum.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      offset += Int64(count)
    }
    guard try checksum.matches else {
      throw StoreError(
        .damaged, "the fetched bytes do not have the object's checksum",
        at: Place(file: store.uri(object.key)), advice: "run again")
    }
  }

  /// Writes a piece; where the disk is full, everything that can go makes room first.
  func write(_ bytes: UnsafeRawBufferPointer, to file: OpenFile, at offset: Int64) throws {
    do throws(Errno) {
      return try file.write(bytes)
    } catch {
      guard error.number == ENOSPC || error.number == EDQUOT else { throw systemError(error) }
    }
    evict(downTo: 0)
    do throws(Errno) {
      // A part of the piece may have been written.
      guard lseek(file.descriptor, off_t(offset), SEEK_SET) == off_t(offset) else {
        throw Errno(errno)
      }
      try file.write(bytes)
    } catch {
      throw systemError(error)
    }
  }

  private func systemError(_ error: Errno) -> StoreError {
    let failure = StoreError.system(
      error.number, doing: "keep a fetched object in the cache", path: directory)
    // It is not the object that is missing.
    guard failure.code == .notFound else { return failure }
    return StoreError(
      .failed, failure.message, at: failure.place, advice: "leave the cache's folder alone")
  }

  private func pinFolder() throws -> PinFolder {
    try pins.withLock { pins in
      if let pins { return pins }
      let made = try PinFolder(in: directory)
      pins = made
      return made
    }
  }

  // MARK: - Eviction

  func makeRoom(for byteCount: Int64) {
    let bound = max(0, maximumByteCount - byteCount)
    let isRoomy = known.withLock { $0.map { $0 <= bound } ?? false }
    if !isRoomy { evict(downTo: bound) }
  }

  /// Removes files that are not in use, those used longest ago first.
  private func evict(downTo bound: Int64) {
    PinFolder.removeDead(in: directory)
    var files = CacheFile.all(in: directory)
    var total = files.reduce(0) { $0 + $1.byteCount }
    files.sort { $0.usedNanoseconds < $1.usedNanoseconds }
    for file in files where total > bound {
      if file.removeIfUnused() { total -= file.byteCount }
    }
    known.withLock { $0 = total }
  }
}
