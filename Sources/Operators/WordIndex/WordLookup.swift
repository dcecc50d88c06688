import Kernels

/// Looks up words that come in ascending order in a segment's dictionary.
///
/// A batch has words of nearly all blocks of a dictionary, so that every word of these is gone past;
/// of what stands between words, only the end is found.
struct WordLookup {
  private let segment: SegmentReader
  private let ids: WordIDs
  private var blockIndex = -1
  /// The block at hand: kept where it is, and its words not read yet.
  private var part = SegmentPart.empty
  private var place: UnsafePointer<UInt8>
  private var end: UnsafePointer<UInt8>
  private var wordsLeft = 0
  /// The word at hand, and its place in the segment.
  private let word: Room
  private var byteCount = 0
  private var local = 0
  private var hasWord = false

  /// Memory for a word.
  private final class Room {
    static let capacity = 4 * TokenizerSettings.greatestMaximumLength
    let start = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
    deinit { start.deallocate() }
  }

  init(_ segment: SegmentReader, _ ids: WordIDs) throws {
    guard ids.count == segment.summary.wordCount else {
      throw segment.bytes.damaged(
        "it has \(segment.summary.wordCount) words, but IDs for \(ids.count)")
    }
    self.segment = segment
    self.ids = ids
    word = Room()
    place = UnsafePointer(word.start)
    end = place
  }

  /// - Parameter target: Not less than the one before.
  /// - Returns: The word's ID; nil where the segment has no such word.
  mutating func id(of target: UnsafeBufferPointer<UInt8>) throws -> Int64? {
    let blocks = segment.dictionary.blocks
    let found =
      blockIndex < 0 ? blocks.block(for: target) : blocks.block(for: target, from: blockIndex)
    guard let index = found else { return nil }
    if index != blockIndex { try open(index) }
    while hasWord {
      let order = compareBytes(word.start, byteCount, target.start, target.count)
      if order >= 0 { return order == 0 ? ids[local] : nil }
      hasWord = try next()
    }
    return nil
  }

  private mutating func open(_ index: Int) throws {
    let block = segment.dictionary.blocks.blocks[index]
    part = try segment.read(block.offset, block.byteCount, checksum: block.checksum)
    guard let base = part.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else {
      throw damaged
    }
    place = base
    guard let count = readVarint(&place, end: base + part.bytes.count),
      count <= UInt64(base + part.bytes.count - place)
    else { throw damaged }
    end = place + Int(count)
    blockIndex = index
    local = index * SegmentFrame.wordsInBlock - 1
    wordsLeft = min(SegmentFrame.wordsInBlock, segment.dictionary.wordCount - local - 1)
    byteCount = 0
    hasWord = try next()
  }

  /// Goes on to the block's next word; false at its end.
  @inline(__always)
  private mutating func next() throws -> Bool {
    guard wordsLeft > 0 else { return false }
    wordsLeft -= 1
    local += 1
    guard let common = readVarint(&place, end: end), common <= UInt64(byteCount),
      let more = readVarint(&place, end: end), more <= UInt64(end - place),
      Int(common) + Int(more) <= Room.capacity
    else { throw damaged }
    (word.start + Int(common)).update(from: place, count: Int(more))
    byteCount = Int(common) + Int(more)
    place += Int(more)
    try skipList()
    return true
  }

  /// See `DictionaryBlock`, which reads what is gone past here.
  @inline(__always)
  private mutating func skipList() throws {
    guard let count = readVarint(&place, end: end) else { throw damaged }
    switch count {
    case 0: return
    case 1:
      guard let head = readVarint(&place, end: end),
        head & 1 == 1 || readVarint(&place, end: end) != nil
      else { throw damaged }
    default:
      guard readVarint(&place, end: end) != nil else { throw damaged }
      guard count >= UInt64(PostingEncoder.blockCount) else { return }
      guard end - place >= 4 else { throw damaged }
      place += 4
    }
  }

  private var damaged: OperatorError {
    segment.bytes.damaged("a block of words makes no sense")
  }
}
