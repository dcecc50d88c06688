import Core
import Kernels

/// Goes through the words of one block.
struct DictionaryBlock {
  private let segment: SegmentReader
  private let words: StoredWords
  /// What belongs to the words: see docs/formats/index-segment.md.
  private let part: SegmentPart
  private var index = -1
  private let firstLocal: Int
  private var rest: UnsafePointer<UInt8>
  private var place: UnsafePointer<UInt8>
  private let headsEnd: UnsafePointer<UInt8>
  private var shortList: UnsafePointer<UInt8>
  private let end: UnsafePointer<UInt8>
  private var longOffset: Int64

  /// The word at hand.
  private(set) var word: [UInt8] = []
  private(set) var documentCount = 0
  /// Its postings, where they are not long; for as long as the block is there.
  private(set) var listBytes = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
  private var longByteCount: Int64 = 0
  private var checksum: UInt32 = 0

  /// Reads a block and verifies it.
  init(_ segment: SegmentReader, _ block: Int) throws {
    self.segment = segment
    (words, part) = try segment.dictionaryBlock(block)
    firstLocal = block * SegmentFrame.wordsInBlock
    rest = words.texts
    guard let base = part.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else {
      throw segment.damagedWords
    }
    place = base
    end = base + part.bytes.count
    guard let count = readVarint(&place, end: end), count <= UInt64(end - place) else {
      throw segment.damagedWords
    }
    headsEnd = place + Int(count)
    shortList = headsEnd
    longOffset = segment.dictionary.blocks.blocks[block].listsOffset
    word.reserveCapacity(64)
  }

  /// Its ID in the segment: its place among all words.
  var local: Int { firstLocal + index }
  var isLong: Bool { documentCount >= PostingEncoder.blockCount }

  /// Goes on to the next word; false at the block's end.
  mutating func next() throws -> Bool {
    guard index + 1 < words.count else { return false }
    index += 1
    let (common, more) = (words.shared(index), words.rest(index))
    word.removeSubrange(common...)
    word.append(contentsOf: UnsafeBufferPointer(start: rest, count: more))
    rest += more
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
    guard let count = readVarint(&place, end: headsEnd), count < 1 << 31 else {
      throw segment.damagedWords
    }
    documentCount = Int(count)
    listBytes = UnsafeBufferPointer(start: nil, count: 0)
    if count == 0 { return }
    if count == 1 {
      let start = place
      guard let head = readVarint(&place, end: headsEnd),
        head & 1 == 1 || readVarint(&place, end: headsEnd) != nil
      else { throw segment.damagedWords }
      listBytes = UnsafeBufferPointer(start: start, count: place - start)
      return
    }
    guard let byteCount = readVarint(&place, end: headsEnd) else { throw segment.damagedWords }
    if isLong {
      guard headsEnd - place >= 4, byteCount < 1 << 48 else { throw segment.damagedWords }
      checksum = UInt32(littleEndian: UnsafeRawPointer(place).loadUnaligned(as: UInt32.self))
      place += 4
      longByteCount = Int64(byteCount)
    } else {
      guard byteCount <= UInt64(end - shortList) else { throw segment.damagedWords }
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
