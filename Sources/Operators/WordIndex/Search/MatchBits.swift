/// A bit for each of 65,536 documents in a row.
final class MatchBits {
  static let documentCount = 1 << 16
  static let wordCount = documentCount / 64

  let words: UnsafeMutablePointer<UInt64>

  init() {
    words = .allocate(capacity: MatchBits.wordCount)
    clear()
  }

  deinit { words.deallocate() }

  func clear() { words.update(repeating: 0, count: MatchBits.wordCount) }

  @inline(__always)
  func set(_ place: UInt32) {
    words[Int(place &>> 6)] |= 1 &<< UInt64(place & 63)
  }

  func contains(_ place: UInt32) -> Bool {
    words[Int(place >> 6)] >> UInt64(place & 63) & 1 == 1
  }

  func formIntersection(_ other: MatchBits) {
    for index in 0..<MatchBits.wordCount { words[index] &= other.words[index] }
  }

  func formUnion(_ other: MatchBits) {
    for index in 0..<MatchBits.wordCount { words[index] |= other.words[index] }
  }

  func subtract(_ other: MatchBits) {
    for index in 0..<MatchBits.wordCount { words[index] &= ~other.words[index] }
  }

  var count: Int {
    var count = 0
    for index in 0..<MatchBits.wordCount { count &+= words[index].nonzeroBitCount }
    return count
  }

  /// Sets the bits that a run of bytes has, moved up by `shift`.
  ///
  /// - Parameter bytes: `byteCount` bytes, and 7 more that may be read.
  func formUnion(ofBits bytes: UnsafePointer<UInt8>, byteCount: Int, movedBy shift: Int) {
    var start = 0
    while start < byteCount {
      var bits = UInt64(
        littleEndian: UnsafeRawPointer(bytes + start).loadUnaligned(as: UInt64.self))
      if byteCount &- start < 8 { bits &= (1 &<< UInt64(8 &* (byteCount &- start))) &- 1 }
      let place = shift &+ 8 &* start
      let word = place &>> 6
      words[word] |= bits &<< UInt64(place & 63)
      if place & 63 != 0 {
        let high = bits &>> UInt64(64 &- (place & 63))
        if high != 0 { words[word &+ 1] |= high }
      }
      start &+= 8
    }
  }
}
