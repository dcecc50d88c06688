import Core
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A regular file, open for reading, that must stay as it was when it was opened.
final class LocalFile {
  private let file: InputFile
  private let descriptor: Int32
  /// What it was when it was opened; nil where it was not looked at.
  private let opened: Identity?

  private struct Identity: Equatable {
    var device: UInt64
    var inode: UInt64
    var byteCount: Int64
    var modifiedSeconds: Int
    var modifiedNanoseconds: Int

    var state: InputFile.State {
      InputFile.State(
        modified: Int64(modifiedSeconds) &* 1_000_000_000 &+ Int64(modifiedNanoseconds),
        inode: inode)
    }
  }

  /// Opens the file. Calls `open` and `fstat`.
  ///
  /// - Parameter isJudgedAtEnd: Whether a file whose state was listed is looked at only once it has
  ///   been read: for short ones, of which nothing is passed on before.
  /// - Throws: `FormatError` `.notFound`, `.notAFile`, `.changed`, `.unreadable`.
  init(_ file: InputFile, isJudgedAtEnd: Bool = false) throws(FormatError) {
    self.file = file
    let descriptor = LocalFile.open(file.path)
    guard descriptor >= 0 else {
      let place = Place(file: file.name)
      if errno == ENOENT {
        throw FormatError(
          .notFound, "there is no such file", at: place,
          advice: "was it removed after it was listed? Run again to list anew")
      }
      throw FormatError(
        .unreadable, "cannot open the file: \(systemMessage(errno))", at: place,
        advice: "check its permissions")
    }
    self.descriptor = descriptor
    guard !isJudgedAtEnd || file.state == nil else {
      opened = nil
      return
    }
    do throws(FormatError) {
      let found = try LocalFile.identity(of: descriptor, file)
      try LocalFile.expect(found, asListed: file)
      opened = found
    } catch {
      close(descriptor)
      throw error
    }
  }

  /// Opens a file so that reading leaves no trace in it. Linux would write down of each file that has
  /// changed that it was read since, which takes as long as reading a short one.
  private static func open(_ path: String) -> Int32 {
    // Without O_NONBLOCK a FIFO would wait for a writer before it can be refused.
    let flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK
    #if os(Linux)
      if !mustLeaveTrace.load(ordering: .relaxed) {
        let descriptor = Glibc.open(path, flags | noAccessTime)
        if descriptor >= 0 || errno != EPERM { return descriptor }
        // Other people's files have to.
        mustLeaveTrace.store(true, ordering: .relaxed)
      }
      return Glibc.open(path, flags)
    #else
      return Darwin.open(path, flags)
    #endif
  }

  #if os(Linux)
    /// Whether there was a file that may not be opened so; the others are not tried any more.
    static let mustLeaveTrace = Atomic<Bool>(false)
    /// O_NOATIME; <fcntl.h> has it for those only who ask for all of GNU's.
    private static let noAccessTime: Int32 = 0o1_000_000
  #endif

  private static func expect(
    _ found: Identity, asListed file: InputFile
  ) throws(FormatError) {
    if found.byteCount != file.byteCount {
      throw FormatError(
        .changed, "the file has \(found.byteCount) bytes, but was listed with \(file.byteCount)",
        at: Place(file: file.name), advice: "it was changed after it was listed; run again")
    }
    if let state = file.state, state != found.state { throw FormatError.changed(file) }
  }

  deinit { close(descriptor) }

  /// Reads the next bytes; 0 at the end. Calls `read`.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws(FormatError) -> Int {
    while true {
      #if canImport(Glibc)
        let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
      #else
        let count = Darwin.read(descriptor, buffer.baseAddress, buffer.count)
      #endif
      if count >= 0 { return count }
      let code = errno
      if code == EINTR { continue }
      // What is no file any more may not be read.
      try expectSame()
      throw FormatError(
        .unreadable, "cannot read the file: \(systemMessage(code))", at: Place(file: file.name),
        advice: "check the disk or the mount")
    }
  }

  /// - Throws: `FormatError` `.changed` where the file is no longer what was opened, or not all of
  ///   it was read. Calls `fstat`.
  func expectUnchanged(byteCountRead: Int64) throws(FormatError) {
    try expectSame()
    guard byteCountRead == opened?.byteCount ?? file.byteCount else {
      throw FormatError.changed(file)
    }
  }

  /// - Throws: `FormatError` `.changed` where the file is no longer what was opened. Calls `fstat`.
  func expectSame() throws(FormatError) {
    let found = try LocalFile.identity(of: descriptor, file)
    guard let opened else { return try LocalFile.expect(found, asListed: file) }
    guard found == opened else { throw FormatError.changed(file) }
  }

  private static func identity(
    of descriptor: Int32, _ file: InputFile
  ) throws(FormatError) -> Identity {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw FormatError(
        .unreadable, "cannot look at the file: \(systemMessage(errno))",
        at: Place(file: file.name))
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      let what = status.st_mode & S_IFMT == S_IFDIR ? "a directory" : "a device or pipe"
      throw FormatError(
        .notAFile, "this is \(what), not a file", at: Place(file: file.name),
        advice: "name a file, or use a glob for the files in a folder")
    }
    #if canImport(Glibc)
      let modified = status.st_mtim
    #else
      let modified = status.st_mtimespec
    #endif
    return Identity(
      device: UInt64(truncatingIfNeeded: status.st_dev), inode: UInt64(status.st_ino),
      byteCount: Int64(status.st_size), modifiedSeconds: modified.tv_sec,
      modifiedNanoseconds: modified.tv_nsec)
  }
}

/// The C library's words for an error number.
func systemMessage(_ code: Int32) -> String { String(cString: strerror(code)) }
