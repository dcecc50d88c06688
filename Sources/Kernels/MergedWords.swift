internal import CKernels

/// Goes through words of several tables in the order of their bytes, each with its postings of all of
/// them. One thread's.
///
/// A document may be in one of the tables only, as where each thread has a table of its own.
public struct MergedWords: ~Copyable {
  /// Some words of a table.
  public typealias Part = (words: SortedWords, range: Range<Int>)

  /// A part that has words left.
  private struct Cursor {
    var item: UnsafePointer<SortedWords.Item>
    let end: UnsafePointer<SortedWords.Item>
  }

  private let parts: [Part]
  private let cursors: UnsafeMutablePointer<Cursor>
  private var cursorCount = 0
  /// Those that have the word at hand. Their postings are the lists at the same places.
  private let group: UnsafeMutablePointer<Int>
  private var groupCount = 0
  private var merge: PostingMerge
  /// The word at hand.
  public private(set) var text = UnsafeBufferPointer<UInt8>(start: nil, count: 0)

  public init(_ parts: [Part]) {
    self.parts = parts
    cursors = .allocate(capacity: parts.count)
    group = .allocate(capacity: parts.count)
    merge = PostingMerge(listCount: parts.count)
    for (words, range) in parts where !range.isEmpty {
      let items = words.items.baseAddress.unsafelyUnwrapped
      cursors[cursorCount] = Cursor(
        item: items + range.lowerBound, end: items + range.upperBound)
      cursorCount += 1
    }
  }

  deinit {
    cursors.deallocate()
    group.deallocate()
  }

  /// Goes on to the next word.
  ///
  /// - Returns: False at the end.
  public mutating func next() -> Bool {
    // Backwards: a part that has ended gets the last one's place.
    while groupCount > 0 {
      groupCount &-= 1
      advance(group[groupCount])
    }
    guard cursorCount > 0 else { return false }
    var least = cursors[0].item.pointee
    group[0] = 0
    groupCount = 1
    for index in 1..<max(1, cursorCount) {
      let item = cursors[index].item.pointee
      guard item.prefix <= least.prefix else { continue }
      let order = item.prefix < least.prefix ? -1 : MergedWords.compare(item.entry, least.entry)
      if order > 0 { continue }
      if order < 0 {
        least = item
        groupCount = 0
      }
      group[groupCount] = index
      groupCount &+= 1
    }
    text = UnsafeBufferPointer(start: least.entry.text, count: Int(least.entry.pointee.byteCount))
    for place in 0..<groupCount {
      merge.lists[place].begin(cursors[group[place]].item.pointee.entry)
    }
    merge.begin(groupCount)
    return true
  }

  /// The next postings of the word at hand, in the order of documents, each the document and, in the
  /// lower half, how often it has the word. None at the end. Valid until the next call.
  public mutating func postings() -> UnsafeBufferPointer<UInt64> { merge.next() }

  private static func compare(
    _ a: UnsafeMutablePointer<WordEntry>, _ b: UnsafeMutablePointer<WordEntry>
  ) -> Int {
    compareBytes(a.text, Int(a.pointee.byteCount), b.text, Int(b.pointee.byteCount))
  }

  /// Brings memory near in steps: words lie in no order, and so do slices of their postings.
  @inline(__always)
  private mutating func advance(_ index: Int) {
    let item = cursors[index].item + 1
    let left = cursors[index].end - item
    cursors[index].item = item
    if left > 24 {
      ckernels_prefetch(item[24].entry)
      ckernels_prefetch(item[16].entry.pointee.chain)
      let entry = item[8].entry
      if entry.pointee.slice > 1 {
        let end = entry.pointee.chain.unsafelyUnwrapped + WordEntry.byteCount(ofSlice: 1)
        ckernels_prefetch(
          UnsafeRawPointer(end).loadUnaligned(as: UnsafeMutablePointer<UInt8>.self))
      }
    } else if left == 0 {
      cursorCount &-= 1
      cursors[index] = cursors[cursorCount]
    }
  }
}
