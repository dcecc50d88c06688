internal import CKernels

/// Words with the documents they occur in, in memory: what an inverted index is made from.
///
/// Open addressing over entries of one cache line each. A word's document and count stay in its
/// entry until the word is met in another document, and only then are written to a chain of slices
/// that double in size; so most words, which occur once, have no chain. Not for several threads at
/// once.
public final class WordTable {
  /// One word; 64 bytes.
  struct Entry {
    /// Up to 16 bytes: the word, filled up with zeros. Longer: where it is, and its hash.
    var low: UInt64
    var high: UInt64
    var hash: UInt32
    var byteCount: UInt32
    /// The document that the word was last met in, and how often; 0 times for a word to leave out.
    var document: UInt32
    var occurrences: UInt32
    /// The last document in the chain.
    var written: UInt32
    var roomInSlice: UInt16
    var slice: UInt8
    var isLeftOut: Bool
    /// The chain's first slice, and where its next byte goes; the last eight bytes of a slice point
    /// to the next.
    var chain: UnsafeMutablePointer<UInt8>?
    var next: UnsafeMutablePointer<UInt8>?
  }

  static let linkByteCount = 8
  private static let entriesInChunk = 1024
  private static let pointerMask: UInt64 = 0x0000_FFFF_FFFF_FFFF

  public private(set) var count = 0
  private var chunks: [UnsafeMutablePointer<Entry>] = []
  /// 16 bits of the hash, and where the entry is.
  private var slots: UnsafeMutablePointer<UInt64>
  private var mask: Int
  private let texts = ByteArena(chunkByteCount: 256 << 10)
  private let slices = ByteArena(chunkByteCount: 1 << 20)
  private var leftOut: Set<[UInt8]>

  /// - Parameter leftOut: Words that are not counted.
  public init(leavingOut leftOut: Set<[UInt8]> = []) {
    self.leftOut = leftOut
    mask = (1 << 12) - 1
    slots = .allocate(capacity: mask + 1)
    slots.initialize(repeating: 0, count: mask + 1)
  }

  deinit {
    slots.deallocate()
    for chunk in chunks { chunk.deallocate() }
  }

  /// What the table holds in memory.
  public var byteCount: Int {
    (mask + 1) * 8 + chunks.count * WordTable.entriesInChunk * MemoryLayout<Entry>.stride
      + texts.byteCount + slices.byteCount
  }

  /// What `add` may need at most before the next call could look at `byteCount`.
  ///
  /// - Parameter words: The number of words added.
  public static func growth(words: Int) -> Int { words * (MemoryLayout<Entry>.stride + 48) }

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
        if (count &+ group) &* 2 > mask { grow() }
        for place in 0..<group {
          let key = Key(words[start &+ place])
          (keys + place).initialize(to: key)
          ckernels_prefetch(slots + (Int(truncatingIfNeeded: key.hash) & mask))
        }
        for place in 0..<group {
          let slot = slots[Int(truncatingIfNeeded: keys[place].hash) & mask]
          ckernels_prefetch(UnsafeRawPointer(bitPattern: UInt(slot & WordTable.pointerMask)))
        }
        for place in 0..<group {
          let slot = slots[Int(truncatingIfNeeded: keys[place].hash) & mask]
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

    @inline(__always)
    init(_ word: FoundWord) {
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
    }
  }

  @inline(__always)
  private func count(_ key: Key, _ word: FoundWord, _ document: UInt32) -> Int {
    let entry = find(key, word)
    if entry.pointee.isLeftOut { return 0 }
    if entry.pointee.document == document && entry.pointee.occurrences > 0 {
      // A count that is full goes to the chain, and the next begins.
      if entry.pointee.occurrences < UInt32.max >> 1 {
        entry.pointee.occurrences &+= 1
        return 1
      }
    }
    if entry.pointee.occurrences > 0 { write(entry) }
    entry.pointee.document = document
    entry.pointee.occurrences = 1
    return 1
  }

  @inline(__always)
  private func find(_ key: Key, _ word: FoundWord) -> UnsafeMutablePointer<Entry> {
    var place = Int(truncatingIfNeeded: key.hash) & mask
    let tag = key.hash & ~WordTable.pointerMask
    while true {
      let slot = slots[place]
      if slot == 0 { return insert(key, word, at: place) }
      if slot & ~WordTable.pointerMask == tag {
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
  private static func entry(_ slot: UInt64) -> UnsafeMutablePointer<Entry> {
    UnsafeMutablePointer(bitPattern: UInt(slot & pointerMask)).unsafelyUnwrapped
  }

  @inline(never)
  private func insert(
    _ key: Key, _ word: FoundWord, at place: Int
  ) -> UnsafeMutablePointer<Entry> {
    if count == chunks.count * WordTable.entriesInChunk {
      // Aligned to cache lines.
      let memory = UnsafeMutableRawPointer.allocate(
        byteCount: WordTable.entriesInChunk * MemoryLayout<Entry>.stride, alignment: 64)
      chunks.append(memory.bindMemory(to: Entry.self, capacity: WordTable.entriesInChunk))
    }
    let entry = chunks[count / WordTable.entriesInChunk] + count % WordTable.entriesInChunk
    var low = key.low
    if word.count > 16 {
      low = UInt64(UInt(bitPattern: texts.copy(word.text, count: word.count)))
    }
    let isLeftOut =
      !leftOut.isEmpty
      && leftOut.contains(Array(UnsafeBufferPointer(start: word.text, count: word.count)))
    entry.initialize(
      to: Entry(
        low: low, high: key.high, hash: UInt32(truncatingIfNeeded: key.hash),
        byteCount: UInt32(word.count), document: 0, occurrences: 0, written: 0, roomInSlice: 0,
        slice: 0, isLeftOut: isLeftOut, chain: nil, next: nil))
    count &+= 1
    slots[place] =
      key.hash & ~WordTable.pointerMask | UInt64(UInt(bitPattern: entry))
    return entry
  }

  private func grow() {
    let old = UnsafeBufferPointer(start: slots, count: mask + 1)
    mask = (mask + 1) * 4 - 1
    slots = .allocate(capacity: mask + 1)
    slots.initialize(repeating: 0, count: mask + 1)
    for slot in old where slot != 0 {
      let entry = WordTable.entry(slot)
      let hash =
        entry.pointee.byteCount <= 16
        ? folded(entry.pointee.low ^ hashStep, entry.pointee.high ^ hashSeed)
        : entry.pointee.high
      var place = Int(truncatingIfNeeded: hash) & mask
      while slots[place] != 0 { place = (place &+ 1) & mask }
      slots[place] = slot
    }
    old.deallocate()
  }

  /// Moves the entry's document to its chain.
  private func write(_ entry: UnsafeMutablePointer<Entry>) {
    let difference = UInt64(entry.pointee.document &- entry.pointee.written)
    entry.pointee.written = entry.pointee.document
    if entry.pointee.roomInSlice >= 16 {
      var place = entry.pointee.next.unsafelyUnwrapped
      let start = place
      putPosting(difference, entry.pointee.occurrences, to: &place)
      entry.pointee.roomInSlice &-= UInt16(truncatingIfNeeded: place - start)
      entry.pointee.next = place
      return
    }
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 16) { bytes in
      var end = bytes.baseAddress!
      putPosting(difference, entry.pointee.occurrences, to: &end)
      for index in 0..<(end - bytes.baseAddress!) {
        if entry.pointee.roomInSlice == 0 { appendSlice(to: entry) }
        entry.pointee.next.unsafelyUnwrapped.pointee = bytes[index]
        entry.pointee.next = entry.pointee.next.unsafelyUnwrapped + 1
        entry.pointee.roomInSlice &-= 1
      }
    }
  }

  /// The bytes of a slice, with those that point to the next.
  static func byteCount(ofSlice slice: UInt8) -> Int { 16 << Int(min(slice, 7)) }

  private func appendSlice(to entry: UnsafeMutablePointer<Entry>) {
    let byteCount = WordTable.byteCount(ofSlice: entry.pointee.slice)
    let memory = slices.room(byteCount)
    if let end = entry.pointee.next {
      UnsafeMutableRawPointer(end).storeBytes(of: memory, as: UnsafeMutablePointer<UInt8>.self)
    } else {
      entry.pointee.chain = memory
    }
    entry.pointee.next = memory
    entry.pointee.roomInSlice = UInt16(byteCount - WordTable.linkByteCount)
    entry.pointee.slice = min(entry.pointee.slice + 1, 7)
  }

  /// Forgets all words; keeps the memory of entries and slices.
  public func removeAll() {
    slots.update(repeating: 0, count: mask + 1)
    count = 0
    texts.reset()
    slices.reset()
  }

  /// All words that are not left out, in the order of their bytes.
  ///
  /// - Complexity: O(*n* log *n*), mostly by comparing numbers.
  public func sorted() -> SortedWords {
    var items: [SortedWords.Item] = []
    items.reserveCapacity(count)
    for index in 0..<count {
      let entry = chunks[index / WordTable.entriesInChunk] + index % WordTable.entriesInChunk
      if entry.pointee.isLeftOut { continue }
      items.append(.init(prefix: entry.prefix, entry: entry))
    }
    SortedWords.sort(&items)
    return SortedWords(items: items, table: self)
  }
}

extension UnsafeMutablePointer<WordTable.Entry> {
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
