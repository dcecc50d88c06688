import Kernels

/// Goes through the words of blocks of a dictionary, past what stands between them: where only words
/// count, most of the time goes into that.
struct WordCursor {
  /// The place of the word at hand in the segment.
  var local: Int { lastLocal - position.wordsLeft }
  var byteCount: Int { position.byteCount }
  /// How many bytes it shares with the word before; none where it is the first of its block.
  var common: Int { position.common }
  /// Its other bytes.
  var rest: UnsafePointer<UInt8> { position.rest }
  private let segment: SegmentReader
  private let room: Room
  /// The block at hand: kept where it is.
  private var part = SegmentPart.empty
  private var lastLocal = -1
  private var position: Position

  /// Memory for a word.
  private final class Room {
    static let capacity = 4 * TokenizerSettings.greatestMaximumLength
    let start = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
    deinit { start.deallocate() }
  }

  init(_ segment: SegmentReader) {
    self.segment = segment
    room = Room()
    position = Position(place: UnsafePointer(room.start), end: UnsafePointer(room.start))
  }

  /// Goes to a block, before its first word.
  mutating func open(_ index: Int) throws {
    let block = segment.dictionary.blocks.blocks[index]
    part = try segment.read(block.offset, block.byteCount, checksum: block.checksum)
    guard let base = part.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else {
      throw damaged
    }
    position = Position(place: base, end: base + part.bytes.count)
    guard let count = readVarint(&position.place, end: position.end),
      count <= UInt64(position.end - position.place)
    else { throw damaged }
    position.end = position.place + Int(count)
    let first = index * SegmentFrame.wordsInBlock
    position.wordsLeft = min(SegmentFrame.wordsInBlock, segment.dictionary.wordCount - first)
    lastLocal = first + position.wordsLeft - 1
  }

  /// Goes on to the block's next word.
  ///
  /// - Returns: All of it, until the next is read so; nil at the block's end.
  mutating func next() throws -> UnsafeBufferPointer<UInt8>? {
    guard try next(sharingUpTo: .max) else { return nil }
    (room.start + common).update(from: rest, count: byteCount - common)
    return UnsafeBufferPointer(start: room.start, count: byteCount)
  }

  /// Goes on to the first word that shares no more than so many bytes with the one before.
  ///
  /// - Returns: False at the block's end.
  @inline(__always)
  mutating func next(sharingUpTo limit: Int) throws -> Bool {
    while position.wordsLeft > 0 {
      guard position.next() else { throw damaged }
      if position.common <= limit { return true }
    }
    return false
  }

  private var damaged: OperatorError {
    segment.bytes.damaged("a block of words makes no sense")
  }

  private struct Position {
    /// Behind the word at hand and its list.
    var place: UnsafePointer<UInt8>
    var end: UnsafePointer<UInt8>
    var wordsLeft = 0
    var byteCount = 0
    var common = 0
    var rest: UnsafePointer<UInt8>

    init(place: UnsafePointer<UInt8>, end: UnsafePointer<UInt8>) {
      self.place = place
      self.end = end
      rest = place
    }

    /// Goes on to the next word; there is one.
    ///
    /// - Returns: False where the block makes no sense.
    @inline(__always)
    mutating func next() -> Bool {
      wordsLeft &-= 1
      guard let common = readVarint(&place, end: end), common <= UInt64(byteCount),
        let more = readVarint(&place, end: end), more <= UInt64(end - place),
        Int(common) + Int(more) <= Room.capacity
      else { return false }
      self.common = Int(common)
      byteCount = Int(common) &+ Int(more)
      rest = place
      place += Int(more)
      return skipShortList() || skipList()
    }

    /// Goes past a list as most are. Whether there is one document or several, and how many bytes its
    /// numbers have, is as good as random: nothing here depends on a guess of it.
    ///
    /// - Returns: False, having done nothing, where it is another one, or near the end.
    @inline(__always)
    private mutating func skipShortList() -> Bool {
      guard end - place > 16, place.pointee < min(0x80, PostingEncoder.blockCount) else {
        return false
      }
      let count = place.pointee
      let numbers = loadWord(place, 1)
      let ends = ~numbers & 0x8080_8080_8080_8080
      let first = ends.trailingZeroBitCount &>> 3 &+ 1
      // Without the end of the first.
      let ends2 = ends & (ends &- 1)
      let both = ends2.trailingZeroBitCount &>> 3 &+ 1
      guard ends2 != 0 else { return false }
      let hasSecond = count == 1 && numbers & 1 == 0
      place += 1 &+ (count == 0 ? 0 : hasSecond ? both : first)
      return true
    }

    /// See `DictionaryBlock`, which reads what is gone past here.
    ///
    /// - Returns: False where it makes no sense.
    @inline(never)
    private mutating func skipList() -> Bool {
      guard let count = readVarint(&place, end: end) else { return false }
      if count == 0 { return true }
      guard let number = readVarint(&place, end: end) else { return false }
      if count == 1 { return number & 1 == 1 || readVarint(&place, end: end) != nil }
      guard count >= UInt64(PostingEncoder.blockCount) else { return true }
      guard end - place >= 4 else { return false }
      place += 4
      return true
    }
  }
}
