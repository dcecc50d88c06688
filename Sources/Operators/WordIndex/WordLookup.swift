import Kernels

/// Looks up words that come in ascending order in a segment's dictionary, as two sorted lists are
/// merged.
///
/// A batch has words of nearly all blocks of a dictionary, so that every word of these is gone past.
/// What a word has in common with the last target tells nearly always how it compares to the next,
/// without a look at its bytes; where not, those that matter are the ones that it does not share with
/// the word before it.
struct WordLookup {
  private let segment: SegmentReader
  private let ids: WordIDs
  private var blockIndex = -1
  private var words: WordCursor
  private var hasWord = false
  /// How many bytes the word at hand, which is not less than the last target, has in common with it.
  private var matched = 0
  /// How many the next target has in common with the last one; below 0 where that is not known.
  private var shared = -1

  init(_ segment: SegmentReader, _ ids: WordIDs) throws {
    guard ids.count == segment.summary.wordCount else {
      throw segment.bytes.damaged(
        "it has \(segment.summary.wordCount) words, but IDs for \(ids.count)")
    }
    self.segment = segment
    self.ids = ids
    words = WordCursor(segment)
  }

  /// Says what targets have in common with those before them, for each, also if it is not looked up
  /// here.
  ///
  /// - Parameter count: How many bytes the next one has; below 0 where that is not known.
  mutating func share(_ count: Int) { shared = min(shared, count) }

  /// - Parameter target: Greater than the one before.
  /// - Returns: The word's ID; nil where the segment has no such word.
  mutating func id(of target: UnsafeBufferPointer<UInt8>) throws -> Int64? {
    let blocks = segment.dictionary.blocks
    let found =
      blockIndex < 0 ? blocks.block(for: target) : blocks.block(for: target, from: blockIndex)
    guard let index = found else { return nil }
    let common = shared
    shared = .max
    // Whether the word at hand may be the target, or greater.
    var isOpen = true
    if index != blockIndex || common < 0 {
      try words.open(index)
      blockIndex = index
      hasWord = words.next(sharingUpTo: .max)
      matched = 0
      match(target)
    } else {
      // Where they part, the word at hand is greater than the last target, and so than all like it.
      if common > matched { return nil }
      isOpen = common == matched
      matched = common
      if isOpen { match(target) }
    }
    while hasWord {
      if isOpen {
        if matched == target.count { return matched == words.byteCount ? ids[words.local] : nil }
        let place = matched - words.common
        if matched < words.byteCount && words.rest[place] > target[matched] { return nil }
      }
      // It is less, and so are all that have more in common with it.
      hasWord = words.next(sharingUpTo: matched)
      guard hasWord else { break }
      if words.common < matched {
        matched = words.common
        return nil
      }
      match(target)
      isOpen = true
    }
    return nil
  }

  /// Finds out what more the word at hand has in common with a target.
  @inline(__always)
  private mutating func match(_ target: UnsafeBufferPointer<UInt8>) {
    guard hasWord else { return }
    matched += commonPrefix(
      words.rest + (matched - words.common), words.byteCount - matched, target.start + matched,
      target.count - matched)
  }
}
