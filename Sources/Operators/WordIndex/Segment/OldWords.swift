import Kernels

/// Blocks of words as formats 1 and 2 have them: how many bytes of entries there are, these, and the
/// short lists. An entry is a word, as what it shares with the one before, and its head.
enum OldWords {
  /// What a block would be in today's format.
  ///
  /// - Returns: Nil where it makes no sense.
  static func converted(
    _ block: SegmentPart, count: Int
  ) -> (words: StoredWords, lists: SegmentPart)? {
    guard let start = block.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else {
      return nil
    }
    var place = start
    let end = start + block.bytes.count
    guard let byteCount = readVarint(&place, end: end), byteCount <= UInt64(end - place) else {
      return nil
    }
    let entriesEnd = place + Int(byteCount)
    let greatest = UInt64(StoredWords.greatestByteCount)
    var words = StoredWords.Writer()
    var heads: [UInt8] = []
    for _ in 0..<count {
      guard let common = readVarint(&place, end: entriesEnd), common <= greatest,
        let more = readVarint(&place, end: entriesEnd), more <= greatest - common,
        more <= UInt64(entriesEnd - place)
      else { return nil }
      words.append(UnsafeBufferPointer(start: place, count: Int(more)), sharing: Int(common))
      place += Int(more)
      let head = place
      guard passHead(&place, end: entriesEnd) else { return nil }
      heads += UnsafeBufferPointer(start: head, count: place - head)
    }
    var lists: [UInt8] = []
    appendVarint(UInt64(heads.count), to: &lists)
    lists += heads
    lists += UnsafeBufferPointer(start: entriesEnd, count: end - entriesEnd)
    guard let stored = StoredWords(SegmentPart(words.bytes), count: count) else { return nil }
    return (stored, SegmentPart(lists))
  }

  /// Goes past what an entry says of its word's documents.
  private static func passHead(
    _ place: inout UnsafePointer<UInt8>, end: UnsafePointer<UInt8>
  ) -> Bool {
    guard let count = readVarint(&place, end: end) else { return false }
    if count == 0 { return true }
    guard let number = readVarint(&place, end: end) else { return false }
    if count == 1 { return number & 1 == 1 || readVarint(&place, end: end) != nil }
    guard count >= UInt64(PostingEncoder.blockCount) else { return true }
    guard end - place >= 4 else { return false }
    place += 4
    return true
  }

  /// A block in the old form.
  ///
  /// - Parameter heads: Of the words, one behind the other.
  static func block(
    _ words: StoredWords.Writer, _ heads: [UInt8], lists: [UInt8]
  ) -> [UInt8] {
    var entries: [UInt8] = []
    var text = 0
    heads.withUnsafeBufferPointer { heads in
      var place = heads.start
      let end = place + heads.count
      for (shared, rest) in zip(words.shared, words.rests) {
        appendVarint(UInt64(shared), to: &entries)
        appendVarint(UInt64(rest), to: &entries)
        entries += words.texts[text..<text + rest]
        text += rest
        let head = place
        precondition(passHead(&place, end: end), "a head for each word")
        entries += UnsafeBufferPointer(start: head, count: place - head)
      }
    }
    var block: [UInt8] = []
    appendVarint(UInt64(entries.count), to: &block)
    return block + entries + lists
  }
}
