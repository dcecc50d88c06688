import Core

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Objects of a few KiB. Of very many such objects the file system's work is a good part of what
/// fetching them costs, so each has only what it must: one file, and one more name for it.
extension ObjectCache {
  /// The largest of them. To fetch one twice costs about as much as to find out that somebody else is
  /// at it, and to fetch half of one again, as much as to ask for the other half alone.
  static let tinyByteCount: Int64 = 16 << 10

  func isTiny(_ object: Object) -> Bool {
    (0...ObjectCache.tinyByteCount).contains(object.byteCount)
  }

  /// Downloads the object for all, through memory. It has no name that others look for before all of
  /// it is there and verified.
  ///
  /// - Parameter path: The name.
  func downloadedAtOnce(
    to path: String, _ object: Object, from store: any Store, _ pins: PinFolder,
    _ cancellation: Cancellation, _ progress: (Int64) -> Void
  ) throws -> LocalCopy {
    func damaged(_ count: String) -> StoreError {
      StoreError(
        .damaged, "\(count) bytes came of an object that has \(object.byteCount)",
        at: Place(file: store.uri(object.key)), advice: "run again")
    }
    makeRoom(for: object.byteCount)
    progress(0)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Int(object.byteCount))
    _ = try store.read(
      object.key, range: nil, ifMatch: object.version, cancellation: cancellation
    ) { piece in
      guard Int64(bytes.count + piece.count) <= object.byteCount else { throw damaged("more") }
      bytes.append(contentsOf: piece)
      progress(Int64(bytes.count))
    }
    guard bytes.count == Int(object.byteCount) else { throw damaged("\(bytes.count)") }

    let copy = LocalCopy(path: pins.newPath(), pins: pins)
    let file = try OpenFile(copy.path, O_WRONLY | O_CREAT | O_EXCL)
    try bytes.withUnsafeBytes { try write($0, to: file, at: 0) }
    if link(copy.path, path) == 0 {
      known.withLock { $0 = $0.map { $0 + object.byteCount } }
    } else if errno != EEXIST {
      throw Errno(errno)
    }
    // Where the name was taken, another had the same bytes first.
    return copy
  }
}
