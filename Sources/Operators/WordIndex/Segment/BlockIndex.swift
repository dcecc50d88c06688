import Core
import Kernels

/// Where the blocks of words or documents are, and what each begins with.
struct BlockIndex: Sendable {
  struct Block: Sendable {
    /// Of the long lists before the block.
    var listsOffset: Int64
    var offset: Int64
    var byteCount: Int64
    var checksum: UInt32
    /// Of what belongs to the words of the block, and lies behind them; 0 for other blocks.
    var moreByteCount: Int64 = 0
    var moreChecksum: UInt32 = 0

    var end: Int64 { offset + byteCount + moreByteCount }
  }

  private(set) var blocks: [Block] = []
  /// The first keys, one behind the other, and where each ends.
  private var keys: [UInt8] = []
  private var ends: [Int] = []
  /// The first eight bytes of each, as a number that compares as they do.
  private var prefixes: [UInt64] = []

  var count: Int { blocks.count }

  /// - Parameters:
  ///   - part: Of each block: the bytes of its lists, where it has some; its own; its checksum; both
  ///     again for a second part, where it has two; what its first key shares with the one before, how
  ///     many more bytes it has, and those.
  ///   - start: Of the first block.
  init(
    _ part: SegmentPart, _ bytes: any SegmentBytes, start: Int64, hasLists: Bool, parts: Int = 1
  ) throws {
    guard let base = part.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
    var place = base
    let end = base + part.bytes.count
    var offset = start
    var key: [UInt8] = []
    var failure: OperatorError { bytes.damaged("its index of blocks makes no sense") }
    func number() throws -> Int64 {
      guard let value = readVarint(&place, end: end), value < 1 << 48 else { throw failure }
      return Int64(value)
    }
    func extent() throws -> (byteCount: Int64, checksum: UInt32) {
      let byteCount = try number()
      guard end - place >= 4 else { throw failure }
      defer { place += 4 }
      return (
        byteCount,
        UInt32(littleEndian: UnsafeRawPointer(place).loadUnaligned(as: UInt32.self))
      )
    }
    while place < end {
      let listsByteCount = hasLists ? try number() : 0
      let (byteCount, checksum) = try extent()
      let (moreByteCount, moreChecksum) = parts > 1 ? try extent() : (0, 0)
      let common = Int(try number())
      let more = Int(try number())
      guard common <= key.count, more <= end - place else { throw failure }
      key.removeSubrange(common...)
      key.append(contentsOf: UnsafeBufferPointer(start: place, count: more))
      place += more
      blocks.append(
        Block(
          listsOffset: offset, offset: offset + listsByteCount, byteCount: byteCount,
          checksum: checksum, moreByteCount: moreByteCount, moreChecksum: moreChecksum))
      offset = blocks.last!.end
      keys += key
      ends.append(keys.count)
      prefixes.append(key.withUnsafeBufferPointer { BlockIndex.prefix($0) })
    }
  }

  private static func prefix(_ key: UnsafeBufferPointer<UInt8>) -> UInt64 {
    var prefix: UInt64 = 0
    for index in 0..<min(8, key.count) {
      prefix |= UInt64(key[index]) << UInt64(56 - 8 * index)
    }
    return prefix
  }

  /// The last block whose first key is not greater; nil where all are.
  func block(for key: [UInt8]) -> Int? {
    key.withUnsafeBufferPointer { block(for: $0) }
  }

  /// The last block whose first key is not greater; nil where all are.
  func block(for key: UnsafeBufferPointer<UInt8>) -> Int? {
    let prefix = BlockIndex.prefix(key)
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if isGreater(middle, than: key, prefix) { high = middle } else { low = middle + 1 }
    }
    return low == 0 ? nil : low - 1
  }

  /// The same where `block` is that of a key which is not greater: mostly it is this one again.
  func block(for key: UnsafeBufferPointer<UInt8>, from block: Int) -> Int? {
    let isSame = block + 1 >= count || isGreater(block + 1, than: key, BlockIndex.prefix(key))
    return isSame ? block : self.block(for: key)
  }

  /// Whether a block's first key is greater.
  @inline(__always)
  private func isGreater(
    _ block: Int, than key: UnsafeBufferPointer<UInt8>, _ prefix: UInt64
  ) -> Bool {
    if prefixes[block] != prefix { return prefixes[block] > prefix }
    return keys.withUnsafeBufferPointer { keys in
      let start = block == 0 ? 0 : ends[block - 1]
      return compareBytes(keys.start + start, ends[block] - start, key.start, key.count) > 0
    }
  }
}

/// Where the blocks of a dictionary are.
struct DictionaryIndex: Sendable {
  let blocks: BlockIndex
  let wordCount: Int

  init(_ part: SegmentPart, _ bytes: any SegmentBytes, _ footer: Footer) throws {
    blocks = try BlockIndex(
      part, bytes, start: Int64(SegmentFrame.magic.count), hasLists: true,
      parts: footer.format >= 3 ? 2 : 1)
    wordCount = footer.summary.wordCount
    let expected = (wordCount + SegmentFrame.wordsInBlock - 1) / SegmentFrame.wordsInBlock
    guard blocks.count == expected else {
      throw bytes.damaged("its dictionary has not the words it counts")
    }
  }

  /// All blocks have as many but the last.
  func wordCount(ofBlock index: Int) -> Int {
    min(SegmentFrame.wordsInBlock, wordCount - index * SegmentFrame.wordsInBlock)
  }
}
