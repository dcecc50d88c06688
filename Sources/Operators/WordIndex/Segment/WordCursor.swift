import Kernels

/// Goes through the words of blocks of a dictionary, without their postings.
struct WordCursor {
  /// The place of the word at hand in the segment.
  var local: Int { firstLocal + index }
  private(set) var byteCount = 0
  /// How many bytes it shares with the word before; none where it is the first of its block.
  private(set) var common = 0
  /// Its other bytes.
  private(set) var rest: UnsafePointer<UInt8>
  private let segment: SegmentReader
  private let room = Room()
  private var words = StoredWords()
  private var firstLocal = 0
  private var index = -1

  /// Memory for a word.
  private final class Room {
    let start = UnsafeMutablePointer<UInt8>.allocate(capacity: StoredWords.greatestByteCount)
    deinit { start.deallocate() }
  }

  init(_ segment: SegmentReader) {
    self.segment = segment
    rest = words.texts
  }

  /// Goes to a block, before its first word.
  mutating func open(_ block: Int) throws {
    words = try segment.words(inBlock: block)
    firstLocal = block * SegmentFrame.wordsInBlock
    (index, byteCount, common, rest) = (-1, 0, 0, words.texts)
  }

  /// Goes on to the block's next word.
  ///
  /// - Returns: All of it, until the next is read so; nil at the block's end.
  mutating func next() -> UnsafeBufferPointer<UInt8>? {
    guard next(sharingUpTo: .max) else { return nil }
    (room.start + common).update(from: rest, count: byteCount - common)
    return UnsafeBufferPointer(start: room.start, count: byteCount)
  }

  /// Goes on to the first word that shares no more than so many bytes with the one before.
  ///
  /// - Returns: False at the block's end.
  @inline(__always)
  mutating func next(sharingUpTo limit: Int) -> Bool {
    var next = index + 1
    guard next < words.count else { return false }
    var place = rest + (byteCount - common)
    while words.shared(next) > limit {
      place += words.rest(next)
      next &+= 1
      guard next < words.count else {
        index = next
        return false
      }
    }
    index = next
    rest = place
    common = words.shared(next)
    byteCount = common + words.rest(next)
    return true
  }
}
