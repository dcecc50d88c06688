/// One word of a `WordTable`; 64 bytes, the last of which are the first of its postings.
struct WordEntry {
  /// Up to 16 bytes: the word, filled up with zeros. Longer: where it is, and its hash.
  var low: UInt64
  var high: UInt64
  /// The chain's first slice; the last eight bytes of a slice point to the next.
  var chain: UnsafeMutablePointer<UInt8>?
  /// Where the next byte of a posting goes.
  var next: UnsafeMutablePointer<UInt8>?
  /// The document that the word was last met in, and how often; 0 times for a word to leave out.
  var document: UInt32
  var occurrences: UInt32
  /// The last document that was written.
  var written: UInt32
  var byteCount: UInt32
  /// Bytes from `next` on.
  var room: UInt16
  /// Of what size the slice at hand is; 0 before the first.
  var slice: UInt8
  var isLeftOut: Bool
  /// Room for the first postings.
  var inline: (UInt32, UInt32, UInt32) = (0, 0, 0)

  static let inlineByteCount = 12
  static let linkByteCount = 8
  /// The slices that follow are as large.
  static let greatestSlice: UInt8 = 7

  /// The bytes of postings in a slice; the 0th is the entry's own.
  @inline(__always)
  static func byteCount(ofSlice slice: UInt8) -> Int {
    slice == 0 ? inlineByteCount : (16 &<< Int(min(slice, greatestSlice))) &- linkByteCount
  }
}

extension UnsafeMutablePointer<WordEntry> {
  /// The word's bytes.
  var text: UnsafePointer<UInt8> {
    pointee.byteCount <= 16
      ? UnsafeRawPointer(self).assumingMemoryBound(to: UInt8.self)
      : UnsafePointer(bitPattern: UInt(pointee.low)).unsafelyUnwrapped
  }

  /// The first eight bytes as a number that compares as they do.
  var prefix: UInt64 {
    pointee.byteCount <= 16 ? pointee.low.byteSwapped : loadWord(text, 0).byteSwapped
  }

  /// The eight bytes that follow, likewise; zeros behind the word's end.
  var secondPrefix: UInt64 {
    if pointee.byteCount <= 16 { return pointee.high.byteSwapped }
    return loadWord(text, 8).byteSwapped
  }

  /// Where the first postings are: at the end of the entry.
  var inlinePostings: UnsafeMutablePointer<UInt8> {
    UnsafeMutableRawPointer(self + 1).assumingMemoryBound(to: UInt8.self)
      - WordEntry.inlineByteCount
  }

  // MARK: - Writing

  /// Moves the document at hand to the postings.
  ///
  /// - Parameter slices: Where slices come from.
  @inline(__always)
  func write(_ slices: ByteArena) {
    let difference = UInt64(pointee.document &- pointee.written)
    let occurrences = UInt64(pointee.occurrences)
    pointee.written = pointee.document
    guard occurrences < 0x80 else { return writeLong(difference, slices) }
    // What `putPosting` would write, without a branch: up to five bytes, and one for a count.
    let isOne: UInt64 = occurrences == 1 ? 1 : 0
    let head = difference &<< 1 | isOne
    let headByteCount = max(1, (70 &- head.leadingZeroBitCount) / 7)
    var bytes = head & 0x7F | (head & 0x3F80) &<< 1 | (head & 0x1F_C000) &<< 2
    bytes |= (head & 0xFE0_0000) &<< 3 | (head & 0x7_F000_0000) &<< 4
    bytes |= 0x80_8080_8080 & ((1 &<< UInt64(8 &* headByteCount &- 8)) &- 1)
    bytes |= (occurrences &* (1 &- isOne)) &<< UInt64(8 &* headByteCount)
    let byteCount = headByteCount &+ Int(1 &- isOne)
    let room = pointee.room
    guard room >= 8 else { return write(bytes, byteCount, slices) }
    let next = pointee.next.unsafelyUnwrapped
    UnsafeMutableRawPointer(next).storeBytes(of: bytes.littleEndian, as: UInt64.self)
    pointee.next = next + byteCount
    pointee.room = room &- UInt16(truncatingIfNeeded: byteCount)
  }

  /// Writes bytes, the first in the lowest place, to where there may be little room.
  @inline(never)
  private func write(_ bytes: UInt64, _ byteCount: Int, _ slices: ByteArena) {
    var bytes = bytes
    for _ in 0..<byteCount {
      if pointee.room == 0 { appendSlice(slices) }
      let next = pointee.next.unsafelyUnwrapped
      next.pointee = UInt8(truncatingIfNeeded: bytes)
      bytes &>>= 8
      pointee.next = next + 1
      pointee.room &-= 1
    }
  }

  @inline(never)
  private func writeLong(_ difference: UInt64, _ slices: ByteArena) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 16) { bytes in
      var end = bytes.baseAddress!
      putPosting(difference, pointee.occurrences, to: &end)
      for index in 0..<(end - bytes.baseAddress!) { write(UInt64(bytes[index]), 1, slices) }
    }
  }

  private func appendSlice(_ slices: ByteArena) {
    let slice = min(pointee.slice + 1, WordEntry.greatestSlice)
    let byteCount = WordEntry.byteCount(ofSlice: slice)
    let memory = slices.room(byteCount + WordEntry.linkByteCount)
    if pointee.slice == 0 {
      pointee.chain = memory
    } else {
      UnsafeMutableRawPointer(pointee.next.unsafelyUnwrapped)
        .storeBytes(of: memory, as: UnsafeMutablePointer<UInt8>.self)
    }
    pointee.next = memory
    pointee.room = UInt16(byteCount)
    pointee.slice = slice
  }
}

/// The bytes of a word's postings, piece by piece, as `putPosting` wrote them. The last posting is
/// not among them: it is still in the entry.
struct WrittenPostings {
  private let entry: UnsafeMutablePointer<WordEntry>
  private var slice: UInt8 = 0
  private var start: UnsafeMutablePointer<UInt8>?

  /// The most bytes of a piece.
  static let mostByteCount = WordEntry.byteCount(ofSlice: WordEntry.greatestSlice)

  @inline(__always)
  init(_ entry: UnsafeMutablePointer<WordEntry>) {
    self.entry = entry
    start = entry.inlinePostings
  }

  var isAtEnd: Bool { start == nil }

  /// Copies the next piece, if there is one.
  ///
  /// - Parameter out: `mostByteCount` bytes; all of them may be written.
  /// - Returns: How many count.
  @inline(__always)
  mutating func copyNext(to out: UnsafeMutablePointer<UInt8>) -> Int {
    guard let start else { return 0 }
    let byteCount = WordEntry.byteCount(ofSlice: slice)
    let end = start + byteCount
    let (from, to) = (UnsafeRawPointer(start), UnsafeMutableRawPointer(out))
    // The piece that is being written to is the last.
    let next = entry.pointee.next.unsafelyUnwrapped
    let isLast = next >= start && next <= end && Int(entry.pointee.room) == end - next
    let used = isLast ? next - start : byteCount
    if slice == 0 {
      to.storeBytes(of: from.loadUnaligned(as: UInt64.self), as: UInt64.self)
      let rest = from.loadUnaligned(fromByteOffset: 8, as: UInt32.self)
      to.storeBytes(of: rest, toByteOffset: 8, as: UInt32.self)
      self.start = isLast ? nil : entry.pointee.chain
    } else {
      // Slices have whole words.
      var place = 0
      while place < used {
        let word = from.loadUnaligned(fromByteOffset: place, as: UInt64.self)
        to.storeBytes(of: word, toByteOffset: place, as: UInt64.self)
        place &+= 8
      }
      self.start =
        isLast
        ? nil : UnsafeRawPointer(end).loadUnaligned(as: UnsafeMutablePointer<UInt8>.self)
    }
    slice = min(slice &+ 1, WordEntry.greatestSlice)
    return used
  }
}

/// Writes a posting: the difference to the document before it, and how often the word occurs.
///
/// One number, with its lowest bit set where the word occurs once; else the count follows.
@inlinable
@inline(__always)
public func putPosting(
  _ difference: UInt64, _ occurrences: UInt32, to out: inout UnsafeMutablePointer<UInt8>
) {
  if occurrences == 1 {
    putVarint(difference &<< 1 | 1, to: &out)
  } else {
    putVarint(difference &<< 1, to: &out)
    putVarint(UInt64(occurrences), to: &out)
  }
}
