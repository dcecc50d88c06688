internal import CKernels

/// Words with the documents they occur in, in memory: what an inverted index is made from.
///
/// Open addressing over entries of one cache line each. A word's document and count stay in its
/// entry until the word is met in another document, and only then are written to the end of the
/// entry, and from there on to a chain of slices that double in size; so words that occur in a few
/// documents, as most do, have no chain. Not for several threads at once.
public final class WordTable {
  private static let entriesInChunk = LargePages.byteCount / MemoryLayout<WordEntry>.stride
  private static let pointerMask: UInt64 = 0x0000_FFFF_FFFF_FFFF

  public private(set) var count = 0
  private var chunks: [LargePages] = []
  private var slots: SlotMemory
  private var mask: Int
  private let texts = ByteArena(chunkByteCount: 256 << 10)
  private let slices: ByteArena
  private let isSmall: Bool
  private var leftOut: Set<[UInt8]>
  /// A count that goes to the chain, for the next to begin.
  private let fullCount: UInt32

  /// - Parameters:
  ///   - leftOut: Words that are not counted.
  ///   - isSmall: Whether a few megabytes of text will be all: those are counted before large pages
  ///     have been made for them.
  public convenience init(leavingOut leftOut: Set<[UInt8]> = [], isSmall: Bool = false) {
    self.init(leavingOut: leftOut, isSmall: isSmall, fullCount: .max >> 1)
  }

  init(leavingOut leftOut: Set<[UInt8]>, isSmall: Bool = false, fullCount: UInt32) {
    self.leftOut = leftOut
    self.isSmall = isSmall
    slices = ByteArena(largePages: !isSmall)
    self.fullCount = fullCount
    mask = (1 << 12) - 1
    slots = SlotMemory(count: mask + 1)
  }

  deinit {
    slots.deallocate()
    for chunk in chunks { chunk.deallocate() }
  }

  /// Of each slot, 16 bits of a hash, and where the entry is.
  private struct SlotMemory {
    let start: UnsafeMutablePointer<UInt64>
    private let pages: LargePages?

    /// - Parameter count: A power of two; 0 for none.
    init(count: Int) {
      pages = count * 8 < LargePages.byteCount ? nil : LargePages(byteCount: count * 8)
      start =
        pages?.buffer.baseAddress?.bindMemory(to: UInt64.self, capacity: count)
        ?? .allocate(capacity: count)
      if pages == nil { start.initialize(repeating: 0, count: count) }
    }

    subscript(place: Int) -> UInt64 {
      @inline(__always) get { start[place] }
      @inline(__always) nonmutating set { start[place] = newValue }
    }

    func deallocate() {
      if let pages { pages.deallocate() } else { start.deallocate() }
    }
  }

  /// What the table needs of memory for what is in it.
  public var byteCount: Int {
    (mask + 1) * 8 + count * MemoryLayout<WordEntry>.stride + texts.usedByteCount
      + slices.usedByteCount
  }

  /// Counts words of a document.
  ///
  /// - Parameter document: No less than in any call before.
  /// - Returns: How many of the words were not to be left out.
  public func add(_ words: UnsafeBufferPointer<FoundWord>, document: UInt32) -> Int {
    var kept = 0
    var start = 0
    // Several passes over a few words at a time, so that memory is on its way before it is needed.
    withUnsafeTemporaryAllocation(of: Key.self, capacity: 32) { keys in
      let keys = keys.baseAddress!
      while start < words.count {
        let group = min(32, words.count &- start)
        while (count &+ group) &* 10 > mask &* 7 { grow() }
        for place in 0..<group {
          let key = Key(words[start &+ place], mask)
          (keys + place).initialize(to: key)
          ckernels_prefetch(slots.start + key.place)
        }
        for place in 0..<group {
          let found = firstPlace(keys[place])
          keys[place].place = found
          ckernels_prefetch(
            UnsafeRawPointer(bitPattern: UInt(slots[found] & WordTable.pointerMask)))
        }
        for place in 0..<group {
          let slot = slots[keys[place].place]
          if slot != 0 { ckernels_prefetch(WordTable.entry(slot).pointee.next) }
        }
        for place in 0..<group {
          kept &+= count(keys[place], words[start &+ place], document)
        }
        start &+= group
      }
    }
    return kept
  }

  /// What a word is found by.
  struct Key {
    let low: UInt64
    let high: UInt64
    let hash: UInt64
    /// Where to look for its slot.
    var place: Int

    @inline(__always)
    init(_ word: FoundWord, _ mask: Int) {
      if word.count <= 16 {
        var low = loadWord(word.text, 0)
        var high: UInt64 = 0
        if word.count < 8 {
          low &= (1 &<< UInt64(8 &* word.count)) &- 1
        } else if word.count < 16 {
          high = loadWord(word.text, 8) & ((1 &<< UInt64(8 &* (word.count &- 8))) &- 1)
        } else {
          high = loadWord(word.text, 8)
        }
        (self.low, self.high) = (low, high)
        hash = folded(low ^ hashStep, high ^ hashSeed)
      } else {
        hash = hash64(word.text, count: word.count)
        (low, high) = (0, hash)
      }
      place = Int(truncatingIfNeeded: hash) & mask
    }
  }

  @inline(__always)
  private func count(_ key: Key, _ word: FoundWord, _ document: UInt32) -> Int {
    let entry = find(key, word)
    let occurrences = entry.pointee.occurrences
    if entry.pointee.document == document && occurrences > 0 {
      // A count that is full goes to the chain, and the next begins.
      if occurrences < fullCount {
        entry.pointee.occurrences = occurrences &+ 1
        return 1
      }
    }
    if occurrences > 0 {
      entry.write(slices)
    } else if entry.pointee.isLeftOut {
      return 0
    }
    entry.pointee.document = document
    entry.pointee.occurrences = 1
    return 1
  }

  /// The first slot that may be the key's, or is empty.
  @inline(__always)
  private func firstPlace(_ key: Key) -> Int {
    var place = key.place
    while true {
      let slot = slots[place]
      if slot == 0 || (slot ^ key.hash) & ~WordTable.pointerMask == 0 { return place }
      place = (place &+ 1) & mask
    }
  }

  @inline(__always)
  private func find(_ key: Key, _ word: FoundWord) -> UnsafeMutablePointer<WordEntry> {
    var place = key.place
    while true {
      let slot = slots[place]
      if slot == 0 { return insert(key, word, at: place) }
      if (slot ^ key.hash) & ~WordTable.pointerMask == 0 {
        let entry = WordTable.entry(slot)
        if entry.pointee.high == key.high && Int(entry.pointee.byteCount) == word.count {
          if word.count <= 16 {
            if entry.pointee.low == key.low { return entry }
          } else if equalBytes(entry.text, word.text, count: word.count) {
            return entry
          }
        }
      }
      place = (place &+ 1) & mask
    }
  }

  @inline(__always)
  private static func entry(_ slot: UInt64) -> UnsafeMutablePointer<WordEntry> {
    UnsafeMutablePointer(bitPattern: UInt(slot & pointerMask)).unsafelyUnwrapped
  }

  @inline(never)
  private func insert(
    _ key: Key, _ word: FoundWord, at place: Int
  ) -> UnsafeMutablePointer<WordEntry> {
    if count == chunks.count * WordTable.entriesInChunk {
      chunks.append(LargePages(byteCount: LargePages.byteCount, isDense: !isSmall))
    }
    let entry = self.entry(count)
    var low = key.low
    if word.count > 16 {
      low = UInt64(UInt(bitPattern: texts.copy(word.text, count: word.count)))
    }
    let isLeftOut =
      !leftOut.isEmpty
      && leftOut.contains(Array(UnsafeBufferPointer(start: word.text, count: word.count)))
    entry.initialize(
      to: WordEntry(
        low: low, high: key.high, chain: nil, next: entry.inlinePostings, document: 0,
        occurrences: 0, written: 0, byteCount: UInt32(word.count),
        room: UInt16(WordEntry.inlineByteCount), slice: 0, isLeftOut: isLeftOut))
    count &+= 1
    slots[place] = key.hash & ~WordTable.pointerMask | UInt64(UInt(bitPattern: entry))
    return entry
  }

  /// An entry by its number, in the order in which they came.
  @inline(__always)
  private func entry(_ number: Int) -> UnsafeMutablePointer<WordEntry> {
    let chunk = chunks[number / WordTable.entriesInChunk].buffer.baseAddress.unsafelyUnwrapped
    return chunk.assumingMemoryBound(to: WordEntry.self) + number % WordTable.entriesInChunk
  }

  private func grow() {
    precondition(mask > 0, "a table that was sorted takes no words")
    slots.deallocate()
    mask = (mask + 1) * 2 - 1
    slots = SlotMemory(count: mask + 1)
    // Frequent words come early, and so get the slot that is looked at first.
    for number in 0..<count {
      let entry = self.entry(number)
      let hash =
        entry.pointee.byteCount <= 16
        ? folded(entry.pointee.low ^ hashStep, entry.pointee.high ^ hashSeed)
        : entry.pointee.high
      var place = Int(truncatingIfNeeded: hash) & mask
      while slots[place] != 0 { place = (place &+ 1) & mask }
      slots[place] = hash & ~WordTable.pointerMask | UInt64(UInt(bitPattern: entry))
    }
  }

  /// All words that are not left out, in the order of their bytes. The table takes no words any
  /// more: what it found them by is given back.
  ///
  /// - Complexity: O(*n* log *n*), mostly by comparing numbers.
  public func sorted() -> SortedWords {
    slots.deallocate()
    mask = 0
    slots = SlotMemory(count: 1)
    return SortedWords(self) { visit in
      for number in 0..<count {
        let entry = self.entry(number)
        if !entry.pointee.isLeftOut { visit(entry) }
      }
    }
  }
}
