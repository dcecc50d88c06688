import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A file that holds an object's bytes, to be read and not to be changed.
public final class LocalCopy: Sendable {
  public let path: String
  /// nil where the file is the store's own.
  private let pins: PinFolder?
  private let isReleased = Atomic<Bool>(false)

  init(path: String, pins: PinFolder?) {
    self.path = path
    self.pins = pins
  }

  deinit { release() }

  /// Lets the cache evict the file; `path` must not be used any more. May be called again.
  public func release() {
    if pins != nil, !isReleased.exchange(true, ordering: .relaxed) { unlink(path) }
  }
}
