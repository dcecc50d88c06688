import Kernels

/// What takes bytes, one behind the other.
protocol ByteSink: AnyObject {
  func write(_ bytes: [UInt8]) throws
}

extension SegmentFile: ByteSink {}

/// Encodes the postings of one word after the other: see docs/formats/index-segment.md.
final class PostingEncoder {
  /// Lists of fewer documents lie in the dictionary.
  static let blockCount = BitPacking.groupCount
  /// Of a full block: its last document, the kind of its documents, the width of its counts.
  static let skipByteCount = 6
  /// A block's documents are bits, one for each document since the block before.
  static let bitmapKind: UInt8 = 0xFF

  /// What became of a word's postings.
  struct Encoded {
    var documentCount: Int
    /// All of the bytes, those written to the sink included.
    var byteCount: Int
    /// Of a long list.
    var checksum: UInt32

    var isLong: Bool { documentCount >= PostingEncoder.blockCount }
  }

  private let documents: UnsafeMutablePointer<UInt32>
  private let counts: UnsafeMutablePointer<UInt32>
  private let gaps: UnsafeMutablePointer<UInt32>
  @exclusivity(unchecked) private var pending = 0
  @exclusivity(unchecked) private var documentCount = 0
  /// The last document of the block before; the first begins after document -1.
  @exclusivity(unchecked) private var previous = UInt32.max
  @exclusivity(unchecked) private var writtenByteCount = 0
  @exclusivity(unchecked) private var checksum = CRC32C()
  @exclusivity(unchecked) private var skips: [UInt8] = []
  /// Those of a long list that are not written yet.
  @exclusivity(unchecked) private var bytes: [UInt8] = []
  /// Of the last word's list where it is short, or where it is long, of what follows its blocks.
  private let tail: UnsafeMutablePointer<UInt8>
  @exclusivity(unchecked) private var tailByteCount = 0
  /// What a posting has at most of the tail.
  private static let longest = 16

  /// The last word's postings, where its list is short; valid until the next call.
  var shortList: UnsafeBufferPointer<UInt8> {
    UnsafeBufferPointer(start: tail, count: tailByteCount)
  }

  init() {
    tail = .allocate(capacity: PostingEncoder.blockCount * PostingEncoder.longest)
    documents = .allocate(capacity: PostingEncoder.blockCount)
    counts = .allocate(capacity: PostingEncoder.blockCount)
    gaps = .allocate(capacity: PostingEncoder.blockCount)
  }

  deinit {
    documents.deallocate()
    counts.deallocate()
    gaps.deallocate()
    tail.deallocate()
  }

  /// - Parameter document: Greater than any before in this word.
  @inline(__always)
  func add(_ document: UInt32, _ occurrences: UInt32, to sink: any ByteSink) throws {
    documents[pending] = document
    counts[pending] = occurrences
    pending &+= 1
    if pending == PostingEncoder.blockCount { try writeBlock(to: sink) }
  }

  /// Adds postings of a word, in the order of documents.
  ///
  /// - Parameters:
  ///   - postings: Each a document, greater than any before in this word, and, in the lower half, how
  ///     often it has the word.
  ///   - ordinals: What a document becomes; nil: itself.
  func add(
    _ postings: UnsafeBufferPointer<UInt64>, ordinals: UnsafePointer<UInt32>?, to sink: any ByteSink
  ) throws {
    var start = 0
    while start < postings.count {
      let room = PostingEncoder.blockCount - pending
      let part = UnsafeBufferPointer(rebasing: postings[start...].prefix(room))
      let (documents, counts) = (documents + pending, counts + pending)
      for (index, posting) in part.enumerated() {
        documents[index] = UInt32(truncatingIfNeeded: posting >> 32)
        counts[index] = UInt32(truncatingIfNeeded: posting)
      }
      if let ordinals {
        for index in part.indices { documents[index] = ordinals[Int(documents[index])] }
      }
      pending += part.count
      start += part.count
      if pending == PostingEncoder.blockCount { try writeBlock(to: sink) }
    }
  }

  /// Ends a word.
  ///
  /// - Returns: A short list, whose bytes are `shortList`; or a long one, which the sink has.
  func finish(_ sink: any ByteSink) throws -> Encoded {
    documentCount += pending
    let isLong = documentCount >= PostingEncoder.blockCount
    var last = previous
    var place = tail
    for index in 0..<pending {
      let gap = UInt64(documents[index] &- last &- 1)
      last = documents[index]
      putPosting(gap, counts[index], to: &place)
    }
    tailByteCount = place - tail
    var encoded = Encoded(documentCount: documentCount, byteCount: tailByteCount, checksum: 0)
    if isLong {
      bytes += shortList
      bytes += skips
      try flush(sink)
      encoded.byteCount = writtenByteCount
      encoded.checksum = checksum.value
      skips.removeAll(keepingCapacity: true)
      writtenByteCount = 0
      checksum = CRC32C()
    }
    pending = 0
    documentCount = 0
    previous = .max
    return encoded
  }

  private func writeBlock(to sink: any ByteSink) throws {
    let count = PostingEncoder.blockCount
    if documentCount == 0 { bytes.removeAll(keepingCapacity: true) }
    var allGaps: UInt32 = 0
    var allCounts: UInt32 = 0
    var last = previous
    for index in 0..<count {
      gaps[index] = documents[index] &- last &- 1
      allGaps |= gaps[index]
      last = documents[index]
      counts[index] &-= 1
      allCounts |= counts[index]
    }
    let span = Int(last &- previous)
    let width = BitPacking.width(of: allGaps)
    let countWidth = BitPacking.width(of: allCounts)
    let bitmapByteCount = (span + 7) / 8
    let isBitmap = bitmapByteCount < 16 * width
    let byteCount = (isBitmap ? bitmapByteCount : 16 * width) + 16 * countWidth
    let start = bytes.count
    bytes.append(contentsOf: repeatElement(0, count: byteCount))
    bytes.withUnsafeMutableBufferPointer { bytes in
      let out = bytes.baseAddress! + start
      if isBitmap {
        for index in 0..<count {
          let bit = Int(documents[index] &- previous &- 1)
          out[bit >> 3] |= 1 << UInt8(bit & 7)
        }
      } else {
        BitPacking.pack(gaps, width: width, into: out)
      }
      BitPacking.pack(counts, width: countWidth, into: out + byteCount - 16 * countWidth)
    }
    withUnsafeBytes(of: last.littleEndian) { skips += $0 }
    skips.append(isBitmap ? PostingEncoder.bitmapKind : UInt8(width))
    skips.append(UInt8(countWidth))
    previous = last
    documentCount += count
    pending = 0
    if bytes.count > 256 << 10 { try flush(sink) }
  }

  private func flush(_ sink: any ByteSink) throws {
    try sink.write(bytes)
    bytes.withUnsafeBytes { checksum.update($0) }
    writtenByteCount += bytes.count
    bytes.removeAll(keepingCapacity: true)
  }
}
