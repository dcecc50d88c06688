/// Memory for runs of bytes that go away together. What it gives out stays where it is.
///
/// Not for several threads at once.
public final class ByteArena {
  private var chunks: [UnsafeMutableRawBufferPointer] = []
  /// Chunks before this one are full, those after it empty.
  private var current = 0
  private var used = 0
  private let chunkByteCount: Int
  private let isOfLargePages: Bool
  private let isDense: Bool
  /// Of the chunks before the current one.
  private var byteCountBefore = 0
  /// Of all chunks, used or not.
  public private(set) var byteCount = 0

  public init(chunkByteCount: Int = 256 << 10) {
    self.chunkByteCount = max(64, chunkByteCount)
    (isOfLargePages, isDense) = (false, false)
  }

  /// An arena whose chunks are large pages: for much that is reached in no order.
  ///
  /// - Parameter isDense: Whether most of a page will be used.
  init(largePages isDense: Bool) {
    chunkByteCount = LargePages.byteCount
    (isOfLargePages, self.isDense) = (true, isDense)
  }

  deinit {
    for chunk in chunks {
      if isOfLargePages {
        LargePages(chunk).deallocate()
      } else {
        chunk.deallocate()
      }
    }
  }

  /// Bytes given out, and those that were of no use at the ends of chunks.
  var usedByteCount: Int { byteCountBefore + used }

  /// Copies bytes in.
  ///
  /// - Returns: `count` bytes, valid until `reset` or the end of the arena.
  @inline(__always)
  public func copy(_ bytes: UnsafePointer<UInt8>, count: Int) -> UnsafePointer<UInt8> {
    let place = room(count)
    place.update(from: bytes, count: count)
    return UnsafePointer(place)
  }

  /// Uninitialized room, without any alignment.
  @inline(__always)
  public func room(_ count: Int) -> UnsafeMutablePointer<UInt8> {
    if current < chunks.count && used &+ count <= chunks[current].count {
      let place = chunks[current].baseAddress! + used
      used &+= count
      return place.assumingMemoryBound(to: UInt8.self)
    }
    return roomInNextChunk(count)
  }

  @inline(never)
  private func roomInNextChunk(_ count: Int) -> UnsafeMutablePointer<UInt8> {
    if !chunks.isEmpty {
      byteCountBefore += chunks[current].count
      current += 1
    }
    if current == chunks.count || chunks[current].count < count {
      let size = max(chunkByteCount, count)
      chunks.insert(
        isOfLargePages
          ? LargePages(byteCount: size, isDense: isDense).buffer
          : .allocate(byteCount: size, alignment: 16),
        at: current)
      byteCount += size
    }
    used = count
    return chunks[current].baseAddress!.assumingMemoryBound(to: UInt8.self)
  }

  /// Takes everything back; keeps the memory.
  public func reset() {
    current = 0
    used = 0
    byteCountBefore = 0
  }
}
