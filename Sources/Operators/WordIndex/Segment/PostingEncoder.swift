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
  /// The bytes of a short list, or those of a long one that are not written yet.
  @exclusivity(unchecked) private(set) var bytes: [UInt8] = []

  init() {
    documents = .allocate(capacity: PostingEncoder.blockCount)
    counts = .allocate(capacity: PostingEncoder.blockCount)
    gaps = .allocate(capacity: PostingEncoder.blockCount)
  }

  deinit {
    documents.deallocate()
    counts.deallocate()
    gaps.deallocate()
  }

  /// - Parameter document: Greater than any before in this word.
  @inline(__always)
  func add(_ document: UInt32, _ occurrences: UInt32, to sink: any ByteSink) throws {
    documents[pending] = document
    counts[pending] = occurrences
    pending &+= 1
    if pending == PostingEncoder.blockCount { try writeBlock(to: sink) }
  }

  /// Ends a word.
  ///
  /// - Returns: A short list, whose bytes are in `bytes` until the next call; or a long one, which
  ///   the sink has.
  func finish(_ sink: any ByteSink) throws -> Encoded {
    documentCount += pending
    let isLong = documentCount >= PostingEncoder.blockCount
    if !isLong { bytes.removeAll(keepingCapacity: true) }
    var last = previous
    for index in 0..<pending {
      let gap = UInt64(documents[index] &- last &- 1)
      last = documents[index]
      appendVarint(gap << 1 | (counts[index] == 1 ? 1 : 0), to: &bytes)
      if counts[index] != 1 { appendVarint(UInt64(counts[index]), to: &bytes) }
    }
    var encoded = Encoded(documentCount: documentCount, byteCount: bytes.count, checksum: 0)
    if isLong {
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
