import Core
import Kernels

/// Goes through the words of one block.
struct DictionaryBlock {
  private let segment: SegmentReader
  private let block: BlockIndex.Block
  private let part: SegmentPart
  private var place: UnsafePointer<UInt8>
  private let entriesEnd: UnsafePointer<UInt8>
  private var shortList: UnsafePointer<UInt8>
  private let end: UnsafePointer<UInt8>
  private var longOffset: Int64
  private var wordsLeft: Int

  /// The word at hand.
  private(set) var word: [UInt8] = []
  /// Its ID in the segment: its place among all words.
  private(set) var local: Int
  private(set) var documentCount = 0
  /// Its postings, where they are not long; for as long as the block is there.
  private(set) var listBytes = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
  private var longByteCount: Int64 = 0
  private var checksum: UInt32 = 0

  /// Reads a block and verifies it.
  init(_ segment: SegmentReader, _ index: Int) throws {
    self.segment = segment
    block = segment.dictionary.blocks.blocks[index]
    part = try segment.read(block.offset, block.byteCount, checksum: block.checksum)
    local = index * SegmentFrame.wordsInBlock - 1
    wordsLeft = min(
      SegmentFrame.wordsInBlock,
      segment.dictionary.wordCount - index * SegmentFrame.wordsInBlock)
    guard let base = part.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else {
      throw segment.bytes.damaged("a block of words is empty")
    }
    place = base
    end = base + part.bytes.count
    guard let count = readVarint(&place, end: end), count <= UInt64(end - place) else {
      throw segment.bytes.damaged("a block of words makes no sense")
    }
    entriesEnd = place + Int(count)
    shortList = entriesEnd
    longOffset = block.listsOffset
    word.reserveCapacity(64)
  }

  var isLong: Bool { documentCount >= PostingEncoder.blockCount }

  /// Goes on to the next word; false at the block's end.
  mutating func next() throws -> Bool {
    guard wordsLeft > 0 else { return false }
    wordsLeft -= 1
    local += 1
    guard let common = readVarint(&place, end: entriesEnd), common <= UInt64(word.count),
      let more = readVarint(&place, end: entriesEnd), more <= UInt64(entriesEnd - place)
    else { throw damaged() }
    word.removeSubrange(Int(common)...)
    word.append(contentsOf: UnsafeBufferPointer(start: place, count: Int(more)))
    place += Int(more)
    try readList()
    return true
  }

  /// Goes on to a word of the block, or to the first that is greater.
  ///
  /// - Returns: How it compares to the word: 0 where it is there; nil at the block's end.
  mutating func seek(_ target: [UInt8]) throws -> Int? {
    while try next() {
      let order = word.withUnsafeBufferPointer { a in
        target.withUnsafeBufferPointer { b in compareBytes(a.start, a.count, b.start, b.count) }
      }
      if order >= 0 { return order }
    }
    return nil
  }

  private mutating func readList() throws {
    // The long list before this one, if there was one, is behind us.
    longOffset += longByteCount
    longByteCount = 0
    guard let count = readVarint(&place, end: entriesEnd), count < 1 << 31 else { throw damaged() }
    documentCount = Int(count)
    listBytes = UnsafeBufferPointer(start: nil, count: 0)
    if count == 0 { return }
    if count == 1 {
      let start = place
      guard let head = readVarint(&place, end: entriesEnd),
        head & 1 == 1 || readVarint(&place, end: entriesEnd) != nil
      else { throw damaged() }
      listBytes = UnsafeBufferPointer(start: start, count: place - start)
      return
    }
    guard let byteCount = readVarint(&place, end: entriesEnd) else { throw damaged() }
    if isLong {
      guard entriesEnd - place >= 4, byteCount < 1 << 48 else { throw damaged() }
      checksum = UInt32(littleEndian: UnsafeRawPointer(place).loadUnaligned(as: UInt32.self))
      place += 4
      longByteCount = Int64(byteCount)
    } else {
      guard byteCount <= UInt64(end - shortList) else { throw damaged() }
      listBytes = UnsafeBufferPointer(start: shortList, count: Int(byteCount))
      shortList += Int(byteCount)
    }
  }

  /// The postings of the word at hand; a long list is read and verified.
  func list() throws -> PostingList {
    if !isLong {
      return PostingList(
        documentCount: documentCount, bytes: listBytes, owner: part, name: segment.bytes)
    }
    let long = try segment.read(longOffset, longByteCount, checksum: checksum)
    return PostingList(
      documentCount: documentCount,
      bytes: UnsafeBufferPointer(
        start: long.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self),
        count: long.bytes.count), owner: long, name: segment.bytes)
  }

  private func damaged() -> OperatorError {
    segment.bytes.damaged("a block of words makes no sense")
  }
}

/// The encoded postings of one word.
struct PostingList {
  let documentCount: Int
  let bytes: UnsafeBufferPointer<UInt8>
  /// Keeps the bytes alive.
  let owner: SegmentPart
  /// What messages name.
  let name: any SegmentBytes

  var blockCount: Int { documentCount / PostingEncoder.blockCount }
}

extension SegmentReader {
  /// A word's postings; nil where the segment has no such word.
  func list(of word: [UInt8]) throws -> PostingList? {
    guard let index = dictionary.blocks.block(for: word) else { return nil }
    var block = try DictionaryBlock(self, index)
    return try block.seek(word) == 0 ? try block.list() : nil
  }
}

/// All words of a segment in the order of their bytes.
struct DictionaryScan {
  private let segment: SegmentReader
  private var block: DictionaryBlock?
  private var nextBlock: Int
  private let endBlock: Int

  /// - Parameter blocks: Nil for all.
  init(_ segment: SegmentReader, blocks: Range<Int>? = nil) {
    self.segment = segment
    nextBlock = blocks?.lowerBound ?? 0
    endBlock = blocks?.upperBound ?? segment.dictionary.blocks.count
  }

  var word: [UInt8] { block!.word }
  var local: Int { block!.local }
  var documentCount: Int { block!.documentCount }
  func list() throws -> PostingList { try block!.list() }

  /// Goes on to the next word; false at the end.
  mutating func next() throws -> Bool {
    while true {
      if try block?.next() == true { return true }
      guard nextBlock < endBlock else {
        block = nil
        return false
      }
      block = try DictionaryBlock(segment, nextBlock)
      nextBlock += 1
    }
  }
}
