import Core

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A folder of this machine as a store.
///
/// - Keys are paths below the root, taken literally: `+`, `%`, spaces and any UTF-8 stand for
///   themselves. Empty segments (`a//b`), `.` and `..` are refused, because a file system would
///   fold them onto other keys. Names that start with `.sluice-tmp` belong to the store.
/// - Symbolic links are followed; dangling ones are no objects, and a link back to a folder on the
///   way to it is not entered again. Devices, pipes and sockets are no objects.
/// - A version is size, modification time in nanoseconds and inode. Writes through this store give
///   a key a later modification time each time, so that a version is never seen twice.
public struct LocalStore: Store {
  /// An absolute path without a trailing slash; empty for the file system's root.
  public let root: String
  let counter: MutationCounter
  let isDurable: Bool

  /// - Parameters:
  ///   - root: An absolute path. It need not exist yet; the first put makes it.
  ///   - isDurable: Whether a put waits for the disk. Only tests may do without.
  public init(root: String, isDurable: Bool = true, counter: MutationCounter = .shared) {
    precondition(root.utf8.first == UInt8(ascii: "/"), "a local store's root is an absolute path")
    var root = root[...]
    while root.utf8.last == UInt8(ascii: "/") { root.removeLast() }
    self.root = String(root)
    self.isDurable = isDurable
    self.counter = counter
  }

  public func localPath(_ key: String) -> String? { uri(key) }

  public func head(_ key: String) throws -> Object? {
    let path = try path(of: key)
    do {
      guard let status = try fileStatus(path) else { return nil }
      guard status.isFile else { throw StoreError.notAFile(path, isFolder: status.isFolder) }
      return status.object(key)
    } catch let error as Errno {
      throw StoreError.system(error.number, doing: "look at this file", path: path)
    }
  }

  public func read(
    _ key: String, range: Range<Int64>?, ifMatch: Version?, cancellation: Cancellation,
    to sink: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> Object {
    try cancellation.check()
    let path = try path(of: key)
    do {
      // Without O_NONBLOCK, opening a pipe would wait for a writer.
      let file = try OpenFile(path, O_RDONLY | O_NONBLOCK)
      let before = try file.status()
      guard before.isFile else { throw StoreError.notAFile(path, isFolder: before.isFolder) }
      if let ifMatch, ifMatch != before.version { throw changed(path) }

      let size = Int64(before.st_size)
      var offset = min(range?.lowerBound ?? 0, size)
      let end = min(range?.upperBound ?? size, size)
      #if canImport(Glibc)
        posix_fadvise(file.descriptor, off_t(offset), off_t(end - offset), POSIX_FADV_SEQUENTIAL)
      #endif
      let buffer = UnsafeMutableRawBufferPointer.allocate(
        byteCount: Int(max(1, min(end - offset, 512 << 10))), alignment: 4096)
      defer { buffer.deallocate() }
      while offset < end {
        try cancellation.check()
        let wanted = UnsafeMutableRawBufferPointer(
          rebasing: buffer[..<Int(min(Int64(buffer.count), end - offset))])
        let count = try file.read(into: wanted, at: offset)
        guard count > 0 else { throw changed(path) }
        try sink(UnsafeRawBufferPointer(rebasing: wanted[..<count]))
        offset += Int64(count)
      }
      // A writer that was at work in place meanwhile has moved the modification time.
      guard try file.status().version == before.version else { throw changed(path) }
      return before.object(key)
    } catch let error as Errno {
      throw StoreError.system(error.number, doing: "read this file", path: path)
    }
  }

  /// The path of a key that is fit to be one.
  func path(of key: String) throws -> String {
    try LocalStore.validate(key, root: root)
    return uri(key)
  }

  /// - Throws: `.badAddress` where the file system would not keep the key as it is.
  private static func validate(_ key: String, root: String) throws {
    func refuse(_ why: String) -> StoreError {
      StoreError(
        .badAddress, why, at: Place(file: "\(root)/\(key)"),
        advice: "local files need plain relative names such as a/b.txt")
    }
    guard !key.isEmpty else { throw refuse("an empty name") }
    guard !key.utf8.contains(0) else { throw refuse("a name with a NUL byte") }
    for segment in key.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
      if segment.isEmpty { throw refuse("an empty segment in a name (//)") }
      if segment.elementsEqual(".".utf8) || segment.elementsEqual("..".utf8) {
        throw refuse("a name with . or .. in it")
      }
      if segment.starts(with: LocalStore.temporaryPrefix.utf8) {
        throw refuse("a name that starts with \(LocalStore.temporaryPrefix), which is reserved")
      }
    }
  }

  /// What the names of unfinished files start with; they are never objects.
  static let temporaryPrefix = ".sluice-tmp"

  func changed(_ path: String) -> StoreError {
    StoreError(
      .changed, "the file is no longer the version that was listed", at: Place(file: path),
      advice: "list again")
  }
}
