internal import CKernels

/// A word in memory.
public struct FoundWord {
  /// 16 bytes may be read here, however few the word has.
  public let text: UnsafePointer<UInt8>
  public let count: Int

  @inlinable
  public init(text: UnsafePointer<UInt8>, count: Int) {
    self.text = text
    self.count = count
  }
}

/// Splits UTF-8 text into words, with their letters' case and accents folded as its rules say.
///
/// Text comes in pieces of any size; a word may go over their edges. Not for several threads at once.
public final class WordSplitter {
  /// As many bytes behind a piece of text must be writable, and are of no importance.
  public static let paddingByteCount = 64

  private let rules: WordRules
  private let characters: CharacterTable
  private let bit: UInt8
  private let lengths: ClosedRange<Int>
  /// Words that are not in the text as they are to be written.
  private let arena = ByteArena(chunkByteCount: 64 << 10)
  private var found: UnsafeMutablePointer<FoundWord>
  private var capacity = 4096
  private var count = 0
  /// The word that the last piece ended in, as far as it is known; with room for one character more.
  private var open: UnsafeMutablePointer<UInt8>
  private var openByteCount = 0
  private var openLength = 0
  private var isOpen = false

  public init(_ rules: WordRules) {
    self.rules = rules
    characters = CharacterTable(rules)
    bit = rules.letterCase == .keep ? 0 : 0x20
    lengths = rules.lengths
    found = .allocate(capacity: capacity)
    open = .allocate(capacity: 4 * (rules.lengths.upperBound + 1))
  }

  deinit {
    found.deallocate()
    open.deallocate()
  }

  /// Splits the next piece of a text.
  ///
  /// - Parameters:
  ///   - text: Well-formed UTF-8 that ends with a whole character, and is written over.
  ///     `paddingByteCount` more bytes are writable.
  ///   - isLast: The text ends here; the next piece begins another one.
  /// - Returns: The words that ended in the piece, in their order. Valid until the next call, and
  ///   while `text` is.
  /// - Complexity: O(*n*); does not allocate once it has seen as many words.
  public func split(
    _ text: UnsafeMutableBufferPointer<UInt8>, isLast: Bool
  ) -> UnsafeBufferPointer<FoundWord> {
    arena.reset()
    count = 0
    guard let base = text.baseAddress, text.count > 0 else {
      if isLast { closeWord() }
      return UnsafeBufferPointer(start: found, count: count)
    }
    let end = text.count
    var start = 0
    // Whether the byte before is of a word, and the word may have bytes from 80 on.
    var inside = isOpen
    var mayBeHigh = isOpen
    var place = 0
    while place < end {
      let marks = ckernels_mark_words(base + place, bit)
      var words = rules.takesUnicode ? marks.words : marks.words & ~marks.high
      if end &- place < 64 { words &= (1 &<< UInt64(end &- place)) &- 1 }
      let highs = rules.takesUnicode && marks.high != 0
      if highs { mayBeHigh = true }
      var edges = words ^ (words &<< 1 | (inside ? 1 : 0))
      while edges != 0 {
        let edge = place &+ edges.trailingZeroBitCount
        edges &= edges &- 1
        // Where the text ends, a word may go on in the next piece.
        if edge == end { break }
        if inside {
          inside = false
          if mayBeHigh && (isOpen || !isASCII(base + start, count: edge &- start)) {
            takeRun(base + start, edge &- start, closes: true)
          } else if lengths.contains(edge &- start) {
            if count == capacity { grow() }
            found[count] = FoundWord(text: UnsafePointer(base + start), count: edge &- start)
            count &+= 1
          }
          mayBeHigh = highs
        } else {
          inside = true
          start = edge
        }
      }
      if !inside { mayBeHigh = false }
      place &+= 64
    }
    if inside { takeRun(base + start, end &- start, closes: isLast) }
    return UnsafeBufferPointer(start: found, count: count)
  }

  /// Takes a run of bytes that are letters, digits, `_` or from 80 on, character by character.
  private func takeRun(_ run: UnsafePointer<UInt8>, _ runCount: Int, closes: Bool) {
    var index = 0
    while index < runCount {
      let (codePoint, length) = character(run + index)
      index &+= length
      let meaning = codePoint < 0x80 ? codePoint : characters.meaning(of: codePoint)
      switch meaning {
      case CharacterTable.separator: closeWord()
      case CharacterTable.dropped: isOpen = true
      default:
        isOpen = true
        openLength &+= 1
        if openLength <= lengths.upperBound { put(meaning) }
      }
    }
    if closes { closeWord() }
  }

  private func closeWord() {
    if isOpen && lengths.contains(openLength) {
      if count == capacity { grow() }
      let text = arena.room(openByteCount &+ 16)
      text.update(from: open, count: openByteCount)
      found[count] = FoundWord(text: UnsafePointer(text), count: openByteCount)
      count &+= 1
    }
    isOpen = false
    openByteCount = 0
    openLength = 0
  }

  @inline(__always)
  private func character(_ text: UnsafePointer<UInt8>) -> (codePoint: UInt32, length: Int) {
    let first = UInt32(text[0])
    func rest(_ index: Int) -> UInt32 { UInt32(text[index] & 0x3F) }
    if first < 0x80 { return (first, 1) }
    if first < 0xE0 { return ((first & 0x1F) &<< 6 | rest(1), 2) }
    if first < 0xF0 { return ((first & 0x0F) &<< 12 | rest(1) &<< 6 | rest(2), 3) }
    return ((first & 0x07) &<< 18 | rest(1) &<< 12 | rest(2) &<< 6 | rest(3), 4)
  }

  @inline(__always)
  private func put(_ codePoint: UInt32) {
    let out = open + openByteCount
    switch codePoint {
    case ..<0x80:
      out[0] = UInt8(truncatingIfNeeded: codePoint)
      openByteCount &+= 1
    case ..<0x800:
      out[0] = UInt8(truncatingIfNeeded: 0xC0 | codePoint &>> 6)
      out[1] = UInt8(truncatingIfNeeded: 0x80 | codePoint & 0x3F)
      openByteCount &+= 2
    case ..<0x10000:
      out[0] = UInt8(truncatingIfNeeded: 0xE0 | codePoint &>> 12)
      out[1] = UInt8(truncatingIfNeeded: 0x80 | codePoint &>> 6 & 0x3F)
      out[2] = UInt8(truncatingIfNeeded: 0x80 | codePoint & 0x3F)
      openByteCount &+= 3
    default:
      out[0] = UInt8(truncatingIfNeeded: 0xF0 | codePoint &>> 18)
      out[1] = UInt8(truncatingIfNeeded: 0x80 | codePoint &>> 12 & 0x3F)
      out[2] = UInt8(truncatingIfNeeded: 0x80 | codePoint &>> 6 & 0x3F)
      out[3] = UInt8(truncatingIfNeeded: 0x80 | codePoint & 0x3F)
      openByteCount &+= 4
    }
  }

  private func grow() {
    let larger = UnsafeMutablePointer<FoundWord>.allocate(capacity: capacity * 2)
    larger.moveInitialize(from: found, count: count)
    found.deallocate()
    found = larger
    capacity *= 2
  }
}
