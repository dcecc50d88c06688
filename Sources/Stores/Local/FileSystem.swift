internal import CKernels
import Core

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Brings a range of a file to the disk, as far as that is possible without its length: a beginning of
/// what `OpenFile.synchronize` does, which has to come after. Calls `sync_file_range`, on Linux.
func synchronize(_ descriptor: Int32, _ range: Range<Int64>) {
  ckernels_sync_range(descriptor, range.lowerBound, Int64(range.count))
}

/// An open file. Owns the descriptor and closes it once.
final class OpenFile {
  let descriptor: Int32
  /// For messages.
  let path: String
  /// Perhaps not any more.
  private var wasLocked = false

  /// Takes over an open descriptor.
  init(_ descriptor: Int32, path: String) {
    self.descriptor = descriptor
    self.path = path
  }

  /// Opens `path`. Calls `open`, retried when a signal interrupts it.
  init(_ path: String, _ flags: Int32, mode: mode_t = 0o666) throws(Errno) {
    while true {
      let result = open(path, flags | O_CLOEXEC, mode)
      if result >= 0 {
        descriptor = result
        self.path = path
        return
      }
      if errno != EINTR { throw Errno(errno) }
    }
  }

  deinit {
    // A process that is just being started has the descriptor, too, and would keep the lock.
    if wasLocked { flock(descriptor, LOCK_UN) }
    close(descriptor)
  }

  /// Calls `fstat`.
  func status() throws(Errno) -> stat {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw Errno(errno) }
    return status
  }

  /// Writes all of `bytes` at the current position. Calls `write`.
  func write(_ bytes: UnsafeRawBufferPointer) throws(Errno) {
    var done = 0
    while done < bytes.count {
      #if canImport(Glibc)
        let count = Glibc.write(descriptor, bytes.baseAddress! + done, bytes.count - done)
      #else
        let count = Darwin.write(descriptor, bytes.baseAddress! + done, bytes.count - done)
      #endif
      if count < 0 {
        if errno == EINTR { continue }
        throw Errno(errno)
      }
      done += count
    }
  }

  func write(_ bytes: [UInt8]) throws(Errno) {
    // `withUnsafeBytes` does not pass typed errors through.
    let result = bytes.withUnsafeBytes { all in
      Result { () throws(Errno) in try write(all) }
    }
    try result.get()
  }

  /// Fills `buffer` from `offset` on, as far as the file reaches. Calls `pread`.
  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(Errno) -> Int {
    while true {
      let count = pread(descriptor, buffer.baseAddress!, buffer.count, off_t(offset))
      if count >= 0 { return count }
      if errno != EINTR { throw Errno(errno) }
    }
  }

  /// Waits until the bytes and the length are on the disk. Calls `fsync`.
  func synchronize() throws(Errno) {
    while fsync(descriptor) != 0 {
      // Some file systems refuse to synchronise folders; then there is nothing more to do.
      if errno == EINVAL || errno == ENOTSUP { return }
      if errno != EINTR { throw Errno(errno) }
    }
  }

  /// Calls `flock`, waiting when it must.
  func lock(_ operation: Int32) throws(Errno) {
    while !tryLock(operation) {
      if errno != EINTR { throw Errno(errno) }
    }
  }

  /// Calls `flock`, once.
  ///
  /// - Returns: Whether it did; else `errno` says why not.
  func tryLock(_ operation: Int32) -> Bool {
    wasLocked = true
    return flock(descriptor, operation) == 0
  }
}

/// An error number of the system.
struct Errno: Error, Equatable {
  let number: Int32
  init(_ number: Int32) { self.number = number }
}

extension stat {
  var isFolder: Bool { st_mode & S_IFMT == S_IFDIR }
  var isFile: Bool { st_mode & S_IFMT == S_IFREG }

  /// Last modification, nanoseconds since 1970.
  var modifiedNanoseconds: Int64 {
    #if canImport(Glibc)
      Int64(st_mtim.tv_sec) * 1_000_000_000 + Int64(st_mtim.tv_nsec)
    #else
      Int64(st_mtimespec.tv_sec) * 1_000_000_000 + Int64(st_mtimespec.tv_nsec)
    #endif
  }

  /// Size, modification time and inode (rule 2).
  var version: Version { Version("\(st_size)-\(modifiedNanoseconds)-\(st_ino)") }

  func object(_ key: String) -> Object {
    Object(
      key: key, byteCount: Int64(st_size), version: version,
      modified: Instant(microseconds: modifiedNanoseconds.floorDivided(by: 1000)))
  }
}

extension Version {
  /// What the version of a file of this machine says of it; nil where it is none of such a file.
  public var ofLocalFile: (byteCount: Int64, modifiedNanoseconds: Int64, inode: UInt64)? {
    var parts: (Int64, Int64, Int64) = (0, 0, 0)
    var place = 0
    var hasDigits = false
    for byte in rawValue.utf8 {
      if byte == UInt8(ascii: "-") {
        guard hasDigits, place < 2 else { return nil }
        (place, hasDigits) = (place + 1, false)
        continue
      }
      guard (48...57).contains(byte) else { return nil }
      hasDigits = true
      let part = place == 0 ? parts.0 : place == 1 ? parts.1 : parts.2
      let (tens, tensOverflow) = part.multipliedReportingOverflow(by: 10)
      let (sum, overflow) = tens.addingReportingOverflow(Int64(byte) - 48)
      if tensOverflow || overflow { return nil }
      switch place {
      case 0: parts.0 = sum
      case 1: parts.1 = sum
      default: parts.2 = sum
      }
    }
    return place == 2 && hasDigits ? (parts.0, parts.1, UInt64(parts.2)) : nil
  }
}

/// Calls `stat`, which follows symbolic links.
///
/// - Returns: nil where nothing is there, a dangling or circular link included.
func fileStatus(_ path: String) throws(Errno) -> stat? {
  var status = stat()
  if stat(path, &status) == 0 { return status }
  if errno == ENOENT || errno == ENOTDIR || errno == ELOOP { return nil }
  throw Errno(errno)
}
