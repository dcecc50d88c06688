import Core
import Kernels

/// Goes through the postings of one word, document by document or with leaps. One thread's.
///
/// Documents are ordinals: their places in the order of IDs.
final class PostingCursor {
  /// Behind the last document.
  static let end = UInt32.max

  let documentCount: Int
  /// The document at hand; `end` when there are no more.
  private(set) var document: UInt32
  private let list: PostingList
  private let documents: UnsafeMutablePointer<UInt32>
  private let counts: UnsafeMutablePointer<UInt32>
  private var count = 0
  private var index = 0
  /// The next block, and where its bytes begin; the tail is the last.
  private var block = 0
  private var offset = 0
  private var previous = UInt32.max
  /// Where the counts of the block at hand are packed; -1 once they are unpacked.
  private var countsOffset = -1
  private var countWidth = 0
  private let skips: UnsafePointer<UInt8>
  private let base: UnsafePointer<UInt8>
  private let bodyByteCount: Int

  init(_ list: PostingList) throws {
    self.list = list
    documentCount = list.documentCount
    documents = .allocate(capacity: PostingEncoder.blockCount)
    counts = .allocate(capacity: PostingEncoder.blockCount)
    document = PostingCursor.end
    base = list.bytes.start
    bodyByteCount = list.bytes.count - list.blockCount * PostingEncoder.skipByteCount
    skips = base + max(0, bodyByteCount)
    guard bodyByteCount >= 0 else { throw list.damaged() }
    if documentCount > 0 { try readBlock() }
  }

  deinit {
    documents.deallocate()
    counts.deallocate()
  }

  /// How often the word is in the document at hand.
  var occurrences: UInt32 {
    if countsOffset >= 0 {
      BitPacking.unpack(base + countsOffset, width: countWidth, into: counts)
      for index in 0..<PostingEncoder.blockCount { counts[index] &+= 1 }
      countsOffset = -1
    }
    return counts[index]
  }

  /// Goes on to the next document.
  @inline(__always)
  func next() throws {
    index &+= 1
    if index < count {
      document = documents[index]
    } else {
      try readBlock()
    }
  }

  /// Visits the documents from the one at hand on, some at a time, and ends behind the last.
  func forEachBlock(_ visit: (UnsafeBufferPointer<UInt32>) throws -> Void) throws {
    while document != PostingCursor.end {
      try visit(UnsafeBufferPointer(start: documents + index, count: count - index))
      try readBlock()
    }
  }

  /// Goes on to the first document that is not less than `target`.
  func seek(_ target: UInt32) throws {
    if document >= target { return }
    if documents[count &- 1] < target {
      try skip(to: target)
      if document >= target { return }
    }
    // The document is in the block; it is after the one at hand.
    var (low, high) = (index &+ 1, count &- 1)
    while low < high {
      let middle = (low &+ high) &>> 1
      if documents[middle] < target { low = middle &+ 1 } else { high = middle }
    }
    index = low
    document = documents[low]
  }

  /// Reads the first block that ends at `target` or behind it.
  private func skip(to target: UInt32) throws {
    while block < list.blockCount {
      let skip = skips + block * PostingEncoder.skipByteCount
      let last = UInt32(littleEndian: UnsafeRawPointer(skip).loadUnaligned(as: UInt32.self))
      if last >= target { break }
      offset &+= byteCount(of: skip, last)
      previous = last
      block &+= 1
    }
    try readBlock()
    // Of the tail, nothing says where it ends.
    if document != PostingCursor.end && documents[count &- 1] < target { try readBlock() }
  }

  @inline(__always)
  private func byteCount(of skip: UnsafePointer<UInt8>, _ last: UInt32) -> Int {
    let documents =
      skip[4] == PostingEncoder.bitmapKind
      ? (Int(last &- previous) &+ 7) / 8 : 16 &* Int(skip[4])
    return documents &+ 16 &* Int(skip[5])
  }

  /// Reads the next block, or the tail; at the end the cursor stands behind the last document.
  private func readBlock() throws {
    index = 0
    guard block < list.blockCount else { return try readTail() }
    let skip = skips + block * PostingEncoder.skipByteCount
    let last = UInt32(littleEndian: UnsafeRawPointer(skip).loadUnaligned(as: UInt32.self))
    let byteCount = byteCount(of: skip, last)
    let width = Int(skip[4])
    countWidth = Int(skip[5])
    // What is unpacked may read a little more than there is; the skips are behind it.
    guard byteCount <= bodyByteCount - offset, countWidth <= 32,
      width <= 32 || skip[4] == PostingEncoder.bitmapKind
    else { throw list.damaged() }
    count = PostingEncoder.blockCount
    if skip[4] == PostingEncoder.bitmapKind {
      let found = BitPacking.numbers(
        ofBits: base + offset, byteCount: byteCount - 16 * countWidth, base: previous &+ 1,
        into: documents, capacity: count)
      guard found == count else { throw list.damaged() }
    } else {
      BitPacking.unpack(base + offset, width: width, into: documents)
      var document = previous
      for index in 0..<count {
        document = document &+ documents[index] &+ 1
        documents[index] = document
      }
    }
    countsOffset = offset + byteCount - 16 * countWidth
    offset += byteCount
    previous = last
    block += 1
    document = documents[0]
  }

  /// Takes what is left of the block at hand and all blocks of bits that lie in the window.
  ///
  /// - Returns: False, and nothing was done, where the block at hand goes beyond the window.
  fileprivate func fillBlock(
    _ bits: MatchBits, from start: UInt32, upTo last: UInt32
  ) throws -> Bool {
    guard documents[count &- 1] <= last else { return false }
    while index < count {
      bits.set(documents[index] &- start)
      index &+= 1
    }
    while block < list.blockCount {
      let skip = skips + block * PostingEncoder.skipByteCount
      let end = UInt32(littleEndian: UnsafeRawPointer(skip).loadUnaligned(as: UInt32.self))
      guard skip[4] == PostingEncoder.bitmapKind, end <= last else { break }
      let byteCount = byteCount(of: skip, end)
      guard byteCount <= bodyByteCount - offset else { throw list.damaged() }
      bits.formUnion(
        ofBits: base + offset, byteCount: byteCount - 16 * Int(skip[5]),
        movedBy: Int(previous &+ 1 &- start))
      offset += byteCount
      previous = end
      block += 1
    }
    try readBlock()
    return true
  }

  private func readTail() throws {
    document = PostingCursor.end
    count = documentCount % PostingEncoder.blockCount
    guard block == list.blockCount, count > 0 else {
      count = 1
      documents[0] = PostingCursor.end
      block = list.blockCount + 1
      return
    }
    block += 1
    countsOffset = -1
    var place = base + offset
    let end = base + bodyByteCount
    var last = previous
    for index in 0..<count {
      guard let head = readVarint(&place, end: end), head < 1 << 33 else { throw list.damaged() }
      last = last &+ UInt32(truncatingIfNeeded: head >> 1) &+ 1
      documents[index] = last
      counts[index] = 1
      if head & 1 == 0 {
        guard let occurrences = readVarint(&place, end: end) else { throw list.damaged() }
        counts[index] = UInt32(truncatingIfNeeded: occurrences)
      }
    }
    document = documents[0]
  }
}

extension PostingList {
  func damaged() -> OperatorError { name.damaged("a list of postings makes no sense") }
}

extension PostingCursor {
  /// Sets the bits of all documents from the one at hand up to a window's end, and goes behind it.
  ///
  /// - Parameter start: The window's first document, not above the one at hand.
  func fill(_ bits: MatchBits, from start: UInt32) throws {
    let (end, overflow) = start.addingReportingOverflow(UInt32(MatchBits.documentCount))
    let last = overflow ? PostingCursor.end - 1 : end - 1
    while document <= last {
      if try fillBlock(bits, from: start, upTo: last) { continue }
      bits.set(document &- start)
      try next()
    }
  }
}
