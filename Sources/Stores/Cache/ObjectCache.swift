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
/// known to be on the disk also holds the number of the machine's start, and nobody looks for it
/// after the next one. Nobody waits for the disk either: a finished copy has such a name at first,
/// small ones for good, and large ones until a `Settler` has brought them there.
///
/// A file in use has a second link in a folder of its user, `.use-…`: it outlives its eviction, and
/// keeps no descriptor open. What is in use can exceed the bound; nothing else does for long.
public final class ObjectCache: Sendable {
  /// The folder, which the first download makes.
  public let directory: String
  public let maximumByteCount: Int64

  /// Brings large copies to the disk.
  let settler: Settler
  private let boot: String
  private let pins: Mutex<PinFolder?>
  /// Bytes in the folder as far as known; nil before the first look.
  let known = Mutex<Int64?>(nil)

  /// Files of this size and more are brought to the disk. Smaller ones are fetched again about as fast
  /// as one waits for that, or asks their store for a checksum.
  static let lastingByteCount: Int64 = 1 << 20

  /// - Parameter directory: An absolute path on a file system with hard links.
  public convenience init(directory: String, maximumByteCount: Int64) {
    self.init(
      directory: directory, maximumByteCount: maximumByteCount, synchronize: bringToDisk)
  }

  /// - Parameters:
  ///   - boot: Names the time since the machine started, without a dot.
  ///   - synchronize: Waits until a file is on the disk.
  init(
    directory: String, maximumByteCount: Int64, boot: String = Boot.name,
    synchronize: @escaping Settler.Synchronizing = bringToDisk
  ) {
    self.directory = directory
    self.maximumByteCount = maximumByteCount
    self.boot = boot
    settler = Settler(boot: boot, synchronize)
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
      let quick = quickPath(path)
      while true {
        if let copy = try pinned(quick, object, pins) {
          // The process that has fetched it may have ended too soon.
          if object.byteCount >= ObjectCache.lastingByteCount { settler.add(path) }
          return copy
        }
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
    return access(quickPath(path), R_OK) == 0 || access(path, R_OK) == 0
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
    let lasting = self.path(of: object, in: store)
    // Whoever wrote the file need not have waited for the disk.
    guard link(path, quickPath(lasting)) == 0 else { return }
    known.withLock { $0 = $0.map { $0 + object.byteCount } }
    if object.byteCount >= ObjectCache.lastingByteCount { settler.add(lasting) }
  }

  /// Whether the object, which may be of unknown size, is surely one of those that are not brought to
  /// the disk.
  func isSmall(_ object: Object) -> Bool {
    (0..<ObjectCache.lastingByteCount).contains(object.byteCount)
  }

  /// Where the object is once it is here to stay.
  private func path(of object: Object, in store: any Store) -> String {
    let name = sha256(Array("\(store.uri(object.key))\n\(object.version)".utf8))
    return "\(directory)/\(hexText(name))"
  }

  /// Where the object is until the machine's next start.
  func quickPath(_ path: String) -> String { "\(path).\(boot)" }

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
      let file = try? OpenFile(pin, O_RDWR)
      if (try? file?.lockNamed(path, LOCK_EX)) ?? true { unlink(path) }
      return nil
    }
    // The time of its last use, for eviction.
    utimensat(AT_FDCWD, pin, nil, 0)
    return copy
  }

  func systemError(_ error: Errno) -> StoreError {
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
}
