internal import CKernels

/// Has large blocks of memory mapped one by one, so that the system has them back once they are
/// freed. To be called before threads are started.
///
/// glibc does so too, but only until the first of them is freed: from then on it keeps blocks of
/// that size, in holes that what comes next does not fit into. Elsewhere this does nothing.
public func mapLargeBlocks(ofAtLeast byteCount: Int) { ckernels_map_blocks(Int32(byteCount)) }

/// Gives back to the system what lies free between blocks in use: worth some milliseconds before
/// work that takes much memory of another shape.
public func returnFreedMemory() { ckernels_return_freed() }

/// Has what is freed kept for what comes next, up to so many bytes of each heap, from now on. glibc
/// gives back all but 128 KiB of what is free at a heap's end, page by page, and asks for it again:
/// with batches of rows that are made one after the other, that takes as long as making them.
public func keepFreedMemory(upTo byteCount: Int) { ckernels_keep_freed(Int32(byteCount)) }

/// Memory in pages of 2 MiB, where the system has such; zero at first. What is reached in no order
/// is found the faster the fewer pages it lies in.
struct LargePages {
  /// Of one page.
  static let byteCount = 2 << 20

  let buffer: UnsafeMutableRawBufferPointer

  /// - Parameters:
  ///   - byteCount: Rounded up to whole pages.
  ///   - isDense: Whether most of it will be used. A large page is made zero as a whole when its
  ///     first byte is touched, which takes longer than filling a few small ones.
  init(byteCount: Int, isDense: Bool = true) {
    let count = (max(1, byteCount) + LargePages.byteCount - 1) & ~(LargePages.byteCount - 1)
    guard let start = ckernels_map_large_pages(count, isDense ? 1 : 0) else {
      fatalError("out of memory")
    }
    buffer = UnsafeMutableRawBufferPointer(start: start, count: count)
  }

  /// - Parameter buffer: Of an earlier one.
  init(_ buffer: UnsafeMutableRawBufferPointer) { self.buffer = buffer }

  func deallocate() { ckernels_unmap(buffer.baseAddress, buffer.count) }
}
