/// The memory that a file's pages are made in, one after the other. One thread's.
final class PageRoom {
  /// The page before it is packed; lent out while it is made.
  var page: [UInt8] = []
  /// Lengths of parts of texts; lent out, too.
  var common: [Int64] = []
  var counts: [Int64] = []
  private var packed = UnsafeMutableRawBufferPointer(start: nil, count: 0)

  deinit { packed.deallocate() }

  /// The page, empty, and nobody else's until it is given back.
  func takePage() -> [UInt8] {
    var taken: [UInt8] = []
    swap(&taken, &page)
    taken.removeAll(keepingCapacity: true)
    return taken
  }

  /// Two lists of so many lengths or more, likewise. What they hold makes no sense.
  func takeLengths(_ count: Int) -> ([Int64], [Int64]) {
    var taken: ([Int64], [Int64]) = ([], [])
    swap(&taken.0, &common)
    swap(&taken.1, &counts)
    if taken.0.count < count {
      taken = ([Int64](repeating: 0, count: count), [Int64](repeating: 0, count: count))
    }
    return taken
  }

  /// Room for a packed page, not initialized: most of it will not be touched.
  func packed(ofAtLeast byteCount: Int) -> UnsafeMutableRawBufferPointer {
    if packed.count < byteCount {
      packed.deallocate()
      packed = .allocate(byteCount: byteCount, alignment: 16)
    }
    return packed
  }
}
