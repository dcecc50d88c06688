import Core
import Foundation
import Kernels
import TestSupport
import Testing

@testable import Operators

@Suite("index segments, how words are stored")
struct IndexWordsTests {
  private static let documentCount = 300

  /// Words in the order of their bytes, with their documents: of few letters, some of which begin with
  /// hundreds of letters of the one before, and of the longest there may be.
  private static func words(seed: UInt64) -> [(word: [UInt8], documents: [UInt32])] {
    var random = Seeded(seed)
    var texts = Set<String>()
    while texts.count < 700 {
      texts.insert(
        String((0..<Int.random(in: 1...11, using: &random)).map { _ in "abé".randomElement()! }))
    }
    let long = String(repeating: "b", count: 250)
    for count in 0..<40 { texts.insert(long + String(repeating: "a", count: 3 * count) + "c") }
    let longest = String(repeating: "𐐀", count: TokenizerSettings.greatestMaximumLength)
    texts.formUnion([longest, String(longest.dropLast())])
    return texts.map { Array($0.utf8) }.sorted { $0.lexicographicallyPrecedes($1) }.map { word in
      // None, one, a short list, a long one.
      let share = [0, 1, 5, 60, 100].randomElement(using: &random)!
      let documents = (0..<UInt32(Self.documentCount)).filter { _ in
        share > 1 && UInt32.random(in: 0..<100, using: &random) < share
      }
      return (word, share == 1 ? [UInt32.random(in: 0..<9, using: &random)] : documents)
    }
  }

  private func write(
    _ words: [(word: [UInt8], documents: [UInt32])], _ format: Int64, to path: String
  ) throws -> SegmentReader {
    let writer = try SegmentWriter(
      path: path, sequence: 1, tokenizer: TokenizerSettings().canonicalText, format: format)
    for (word, documents) in words {
      for document in documents { try writer.dictionary.add(document, 1 + document % 3) }
      try word.withUnsafeBufferPointer { try writer.dictionary.end($0) }
    }
    let count = Self.documentCount
    var packed = try writer.documents(count: count)
    for ordinal in 0..<count {
      try packed.add(ordinal: ordinal, key: Array("\(ordinal + 1000)".utf8), size: 1, version: [])
    }
    try packed.finish()
    let spill = SpillFile("spool", directory: { path })
    _ = try writer.finish(
      packed, ids: NumberSpool((0..<count).map { _ in 0 }, spill),
      tokens: NumberSpool([Int64](repeating: 9, count: count), spill), spill: spill)
    return try SegmentReader(MappedSegment(path: path))
  }

  @Test(
    "in this format and those before it, words and their documents are read as they were",
    arguments: 1...SegmentFrame.format)
  func all(_ format: Int64) throws {
    let scratch = try Scratch()
    let words = Self.words(seed: UInt64(format))
    let reader = try write(words, format, to: "\(scratch.path)/words.seg")
    try reader.verify()
    var scan = DictionaryScan(reader)
    for (place, (word, documents)) in words.enumerated() {
      #expect(try scan.next() && scan.word == word && scan.local == place)
      for list in try [scan.list(), #require(try reader.list(of: word))] {
        var found: [UInt32] = []
        let cursor = try PostingCursor(list)
        while cursor.document != PostingCursor.end {
          #expect(cursor.occurrences == 1 + cursor.document % 3)
          found.append(cursor.document)
          try cursor.next()
        }
        #expect(found == documents)
      }
    }
    #expect(try !scan.next())
    var cursor = WordCursor(reader)
    var place = 0
    for block in 0..<reader.dictionary.blocks.count {
      try cursor.open(block)
      while let word = cursor.next() {
        #expect(Array(word) == words[place].word && cursor.local == place)
        place += 1
      }
      #expect(cursor.next() == nil)
    }
    #expect(place == words.count)
  }

  @Test(
    "words are looked up among long ones that share hundreds of bytes",
    arguments: 1...SegmentFrame.format)
  func lookUp(_ format: Int64) throws {
    let scratch = try Scratch()
    let words = Self.words(seed: 7).map(\.word)
    let reader = try write(
      words.map { ($0, [1]) }, format, to: "\(scratch.path)/words.seg")
    let (ids, _) = try WordIDs.assign(
      reader, existing: [], next: 1, to: "\(scratch.path)/words", spillFolder: { scratch.path })
    let known = Dictionary(uniqueKeysWithValues: zip(words, 1...))
    var targets = Set(words)
    for word in words {
      targets.formUnion([word + [98], word.dropLast() + [97], Array(word.prefix(word.count / 2))])
    }
    let ascending = targets.filter { !$0.isEmpty }.sorted { $0.lexicographicallyPrecedes($1) }
    // Every so many, and what each shares with the one before known or not.
    for (step, isShared) in [(1, true), (1, false), (3, true), (20, true)] {
      var lookup = try WordLookup(reader, ids)
      var last: [UInt8]?
      for place in stride(from: 0, to: ascending.count, by: step) {
        let target = ascending[place]
        let common = last.map { zip($0, target).prefix { $0 == $1 }.count }
        lookup.share(isShared ? common ?? -1 : -1)
        let found = try target.withUnsafeBufferPointer { try lookup.id(of: $0) }
        #expect(found == known[target].map { Int64($0) })
        last = target
      }
    }
  }

  @Test("a segment that a version with format 2 has written is read")
  func fixture() throws {
    let path = PythonTool.repository + "/Tests/Fixtures/index-format-2/documents"
    let reader = try SegmentReader(MappedSegment(path: path + ".segment"))
    #expect(reader.format == 2)
    try reader.verify()
    // Of 140 documents, `texts/n.txt` is "all wordn pairm", m half of n.
    var expected: [String: [UInt32: UInt32]] = [:]
    for number in UInt32(1)...140 {
      for word in ["all", "word\(number)", "pair\(number / 2)"] {
        expected[word, default: [:]][number] = 1
      }
      #expect(try reader.document(id: number)?.key == "texts/\(number).txt")
    }
    #expect(try reader.allPostings() == expected)
    let ids = try WordIDs(path: path + ".words")
    var lookup = try WordLookup(reader, ids)
    let words = expected.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    for (place, word) in words.enumerated() {
      lookup.share(-1)
      let found = try Array(word.utf8).withUnsafeBufferPointer { try lookup.id(of: $0) }
      #expect(found == Int64(place + 1))
    }
  }

  @Test("numbers that make no sense are found before a word is read, whatever the checksums say")
  func crafted() throws {
    func words(_ bytes: [UInt8], count: Int = 2) -> StoredWords? {
      StoredWords(SegmentPart(bytes), count: count)
    }
    // "ab", "ac"
    #expect(words([1, 0, 1, 2, 1, 97, 98, 99])?.rest(1) == 1)
    #expect(words([2, 0, 0, 1, 0, 2, 0, 1, 0, 97, 98, 99])?.shared(1) == 1)
    for bytes: [UInt8] in [
      [], [0], [1], [1, 0, 1, 2], [3, 0, 1, 2, 1, 97, 98, 99],
      // The first shares some; the second more than there is; a byte too few and too many.
      [1, 1, 1, 2, 1, 97, 98, 99], [1, 0, 3, 2, 1, 97, 98, 99], [1, 0, 1, 2, 1, 97, 98],
      [1, 0, 1, 2, 1, 97, 98, 99, 100],
    ] {
      #expect(words(bytes) == nil, "\(bytes)")
    }
    // Each shares all of the one before, until they are too long.
    let long = [UInt8](repeating: 97, count: 255 * 65)
    let rests = [UInt8](repeating: 255, count: 65)
    var wide: [UInt8] = [2]
    for number in (0..<65).map({ 255 * $0 }) + rests.map({ Int($0) }) {
      wide += [UInt8(truncatingIfNeeded: number), UInt8(truncatingIfNeeded: number >> 8)]
    }
    #expect(words(wide + long, count: 65) == nil)
    let greatest = 64
    #expect(
      words(
        [2] + wide[1..<1 + 2 * greatest] + wide[131..<131 + 2 * greatest]
          + long.prefix(255 * greatest), count: greatest)?.rest(63) == 255)
    // The same in an older block: its first entry shares a byte.
    #expect(OldWords.converted(SegmentPart([4, 0, 1, 97, 0]), count: 1)?.words.count == 1)
    #expect(OldWords.converted(SegmentPart([4, 1, 1, 97, 0]), count: 1) == nil)
    #expect(OldWords.converted(SegmentPart([5, 0, 1, 97, 0]), count: 1) == nil)
    #expect(OldWords.converted(SegmentPart([3, 0, 1, 97, 0]), count: 1) == nil)
  }

  @Test(
    "a flipped byte in words or in what belongs to them is found",
    arguments: 1...SegmentFrame.format)
  func damage(_ format: Int64) throws {
    let scratch = try Scratch()
    let path = "\(scratch.path)/words.seg"
    let reader = try write(Self.words(seed: 3), format, to: path)
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    for place in stride(from: 9, to: Int(reader.documentBlocks.blocks[0].offset), by: 101) {
      var flipped = bytes
      flipped[place] ^= 1 << UInt8(place % 8)
      #expect(throws: OperatorError.self, "byte \(place)") {
        try SegmentReader(LoadedBytes(flipped, "words")).verify()
      }
    }
  }
}
