import TestSupport
import Testing

@testable import Kernels

/// Words as rule 36 has them, character by character.
private func naiveWords(_ text: String, _ rules: WordRules) -> [String] {
  var words: [String] = []
  var open = String.UnicodeScalarView()
  var isOpen = false
  func close() {
    if isOpen && rules.lengths.contains(open.count) { words.append(String(open)) }
    open = .init()
    isOpen = false
  }
  for scalar in text.unicodeScalars {
    let category = scalar.properties.generalCategory
    let initial = "\(category)"
    let isWord =
      scalar == "_" || initial.hasSuffix("Letter") || initial.hasSuffix("Number")
      || initial.hasSuffix("Mark")
    guard isWord, rules.takesUnicode || scalar.isASCII else {
      close()
      continue
    }
    isOpen = true
    var result = scalar
    if rules.foldsAccents {
      if (0x300...0x36F).contains(scalar.value) { continue }
      result = AccentFolding.base(of: scalar.value).flatMap(Unicode.Scalar.init) ?? scalar
    }
    func single(_ text: String) -> Unicode.Scalar? {
      text.unicodeScalars.count == 1 ? text.unicodeScalars.first : nil
    }
    if rules.letterCase == .fold {
      result = single(result.properties.uppercaseMapping) ?? result
    }
    if rules.letterCase != .keep {
      result = result == "İ" ? "i" : single(result.properties.lowercaseMapping) ?? result
    }
    open.append(result)
  }
  close()
  return words
}

/// The splitter's words, of text in pieces that end where `cuts` say, moved to whole characters.
private func splitWords(_ text: String, _ rules: WordRules, cuts: [Int] = []) -> [String] {
  let splitter = WordSplitter(rules)
  let bytes = Array(text.utf8)
  var ends = Set(
    cuts.map { cut in
      var cut = min(cut, bytes.count)
      while cut < bytes.count && bytes[cut] & 0xC0 == 0x80 { cut += 1 }
      return cut
    }
  ).sorted()
  if ends.last != bytes.count { ends.append(bytes.count) }
  var found: [String] = []
  var start = 0
  for end in ends {
    // What is behind a piece must not matter.
    var piece = Array(bytes[start..<end]) + [UInt8](repeating: 0x61, count: 64)
    piece.withUnsafeMutableBufferPointer { all in
      let text = UnsafeMutableBufferPointer(rebasing: all[..<(end - start)])
      for word in splitter.split(text, isLast: end == bytes.count) {
        found.append(
          String(decoding: UnsafeBufferPointer(start: word.text, count: word.count), as: UTF8.self))
      }
    }
    start = end
  }
  return found
}

private let alphabet = Array(
  "aZ09_ .\n-éÉèßẞſςΣİıKÅǅŒ中文。가ก็नि٣½\u{301}\u{345}\u{200D}\u{FEFF}😀𝐀𐐀\0".unicodeScalars)

struct WordTests {
  static let rules: [WordRules] = [true, false].flatMap { unicode in
    WordRules.LetterCase.allCases.flatMap { letterCase in
      [false, true].map { folds in
        var rules = WordRules()
        rules.takesUnicode = unicode
        rules.letterCase = letterCase
        rules.foldsAccents = folds
        return rules
      }
    }
  }

  @Test("rule 36: words are those of a naive reading, however the text is cut", arguments: rules)
  func words(_ rules: WordRules) {
    var random = Seeded(36)
    for size in edgeSizes where size < 4000 {
      for _ in 0..<6 {
        var scalars = String.UnicodeScalarView()
        let asciiOnly = Bool.random(using: &random)
        for _ in 0..<size {
          scalars.append(
            asciiOnly
              ? alphabet[Int.random(in: 0..<9, using: &random)]
              : alphabet.randomElement(using: &random)!)
        }
        let text = String(scalars)
        let expected = naiveWords(text, rules)
        #expect(splitWords(text, rules) == expected)
        let cuts = (0..<3).map { _ in Int.random(in: 0...max(1, size), using: &random) }
        #expect(splitWords(text, rules, cuts: cuts) == expected)
      }
    }
  }

  @Test(
    "rule 36: lower-casing is simple, per code point",
    arguments: [
      ("İstanbul ISTANBUL", ["istanbul", "istanbul"]), ("ΟΔΟΣ", ["οδοσ"]), ("STRAẞE", ["straße"]),
      ("foo_bar-baz", ["foo_bar", "baz"]), ("x٣½", ["x٣½"]), ("don't", ["don", "t"]),
    ])
  func simpleCase(_ text: String, _ expected: [String]) {
    #expect(splitWords(text, WordRules()) == expected)
  }

  @Test("case folding and accent folding bring spellings together")
  func folding() {
    var rules = WordRules()
    rules.letterCase = .fold
    rules.foldsAccents = true
    #expect(splitWords("ὈΔΌΣ ὀδός οδοσ", rules) == ["οδοσ", "οδοσ", "οδοσ"])
    #expect(splitWords("Crème cre\u{300}me CREME", rules) == ["creme", "creme", "creme"])
  }

  @Test("words outside of the lengths are left out", arguments: [1...3, 2...2, 3...4096])
  func lengths(_ lengths: ClosedRange<Int>) {
    var rules = WordRules()
    rules.lengths = lengths
    let text = "a bb ccc dddd é éé ééé éééé " + String(repeating: "x", count: 5000)
    #expect(splitWords(text, rules) == naiveWords(text, rules))
    #expect(splitWords(text, rules, cuts: Array(0..<text.utf8.count)) == naiveWords(text, rules))
  }

  @Test(
    "a table's postings are those counted one by one", arguments: [1, 2, 3] as [UInt64],
    [false, true])
  func table(_ seed: UInt64, _ isSmall: Bool) {
    var random = Seeded(seed)
    let vocabulary = (0..<3000).map { index in
      String(repeating: "w", count: index % 40) + String(index * index, radix: 36)
    }
    let left: Set<[UInt8]> = [Array(vocabulary[3].utf8), Array(vocabulary[100].utf8)]
    let table = WordTable(leavingOut: left, isSmall: isSmall)
    let splitter = WordSplitter(WordRules())
    var expected: [String: [UInt32: UInt32]] = [:]
    for document in UInt32(0)..<400 {
      if document % 7 == 3 { continue }
      let count = Int.random(in: 0...300, using: &random)
      let chosen = (0..<count).map { _ in
        let draw = Double.random(in: 0..<1, using: &random)
        return vocabulary[Int(draw * draw * draw * 3000)]
      }
      var text = Array(chosen.joined(separator: " ").utf8)
      let byteCount = text.count
      text += [UInt8](repeating: 0x7A, count: 64)
      let kept = text.withUnsafeMutableBufferPointer { all in
        table.add(
          splitter.split(UnsafeMutableBufferPointer(rebasing: all[..<byteCount]), isLast: true),
          document: document)
      }
      let counted = chosen.filter { !left.contains(Array($0.utf8)) }
      #expect(kept == counted.count)
      for word in counted { expected[word, default: [:]][document, default: 0] += 1 }
    }
    let sorted = table.sorted()
    #expect(sorted.count == expected.count)
    var last: [UInt8] = []
    for index in 0..<sorted.count {
      let word = Array(sorted.text(index))
      #expect(last.lexicographicallyPrecedes(word))
      last = word
      var bytes: [UInt8] = []
      var postings = sorted.postings(index)
      while true {
        let piece = [UInt8](unsafeUninitializedCapacity: 4096) { out, count in
          count = postings.read(into: out.baseAddress!)
        }
        if piece.isEmpty { break }
        bytes += piece
      }
      var found: [UInt32: UInt32] = [:]
      var document: UInt32 = 0
      bytes.withUnsafeBufferPointer { all in
        var place = all.baseAddress!
        let end = place + all.count
        while let head = readVarint(&place, end: end) {
          document += UInt32(head >> 1)
          found[document] = head & 1 == 1 ? 1 : UInt32(readVarint(&place, end: end)!)
        }
      }
      #expect(found == expected[String(decoding: word, as: UTF8.self)])
    }
  }

  @Test(
    "several tables' words come merged, and counts that were full are added up",
    arguments: [1, 2, 3, 7])
  func merged(_ count: Int) {
    var random = Seeded(UInt64(count))
    let vocabulary = (0..<600).map { index in
      String(repeating: index % 5 == 0 ? "é" : "w", count: index % 23)
        + String(index * index, radix: 36)
    }
    let tables = (0..<count).map { _ in WordTable(leavingOut: [], fullCount: 3) }
    let splitter = WordSplitter(WordRules())
    var expected: [String: [UInt64]] = [:]
    for document in UInt64(0)..<4000 {
      let chosen = (0..<9).map { _ in
        let draw = Double.random(in: 0..<1, using: &random)
        return vocabulary[Int(draw * draw * draw * 600)]
      }
      // One word is in nearly all documents, as often as not more often than a count holds.
      let often = Array(repeating: "often", count: Int.random(in: 0...8, using: &random))
      var text = Array((chosen + often).joined(separator: " ").utf8)
      let byteCount = text.count
      text += [UInt8](repeating: 0x7A, count: 64)
      text.withUnsafeMutableBufferPointer { all in
        _ = tables[Int.random(in: 0..<count, using: &random)].add(
          splitter.split(UnsafeMutableBufferPointer(rebasing: all[..<byteCount]), isLast: true),
          document: UInt32(document))
      }
      for (word, uses) in Dictionary(grouping: chosen + often, by: \.self) {
        expected[word, default: []].append(document << 32 | UInt64(uses.count))
      }
    }
    let sorted = tables.map { $0.sorted() }
    var found: [String: [UInt64]] = [:]
    var last: [UInt8] = []
    // In two parts, cut at a word that not all tables need to have.
    let cut = Array(vocabulary[77].utf8)
    let cuts = sorted.map { words in cut.withUnsafeBufferPointer { words.firstIndex(notLess: $0) } }
    for part in 0..<2 {
      var merged = MergedWords(
        sorted.indices.map {
          (sorted[$0], part == 0 ? 0..<cuts[$0] : cuts[$0]..<sorted[$0].count)
        })
      while merged.next() {
        let word = Array(merged.text)
        #expect(last.lexicographicallyPrecedes(word))
        last = word
        var all: [UInt64] = []
        while true {
          let postings = merged.postings()
          if postings.isEmpty { break }
          all += postings
        }
        found[String(decoding: word, as: UTF8.self)] = all
      }
      #expect(!merged.next() && merged.postings().isEmpty)
    }
    #expect(found == expected)
  }

  @Test("numbers of any size survive", arguments: 0...63)
  func varints(_ bit: Int) {
    for value in [UInt64(1) << UInt64(bit), 1 << UInt64(bit) &- 1, .max >> UInt64(bit)] {
      var bytes: [UInt8] = []
      appendVarint(value, to: &bytes)
      #expect(bytes.count <= maximumVarintByteCount)
      bytes.withUnsafeBufferPointer { all in
        var place = all.baseAddress!
        #expect(readVarint(&place, end: all.baseAddress! + all.count) == value)
        #expect(place == all.baseAddress! + all.count)
        place = all.baseAddress!
        #expect(readVarint(&place, end: all.baseAddress! + all.count - 1) == nil)
        place = all.baseAddress!
        #expect(readVarint(unchecked: &place) == value)
      }
    }
  }

  @Test("packed numbers come back at every width", arguments: 0...32)
  func packing(_ width: Int) {
    var random = Seeded(UInt64(width))
    let mask = UInt32(truncatingIfNeeded: (UInt64(1) << UInt64(width)) - 1)
    let values = (0..<128).map { _ in UInt32.random(in: 0...(.max), using: &random) & mask }
    var packed = [UInt8](repeating: 0xEE, count: 16 * width + 8)
    BitPacking.pack(values, width: width, into: &packed)
    #expect(packed[(16 * width)...].allSatisfy { $0 == 0xEE })
    var unpacked = [UInt32](repeating: 7, count: 128)
    BitPacking.unpack(packed, width: width, into: &unpacked)
    #expect(unpacked == values)
  }

  @Test("bits become their numbers", arguments: [0, 1, 7, 8, 9, 16, 33])
  func bits(_ byteCount: Int) {
    var random = Seeded(UInt64(byteCount))
    let bytes = (0..<byteCount + 8).map { _ in UInt8.random(in: 0...255, using: &random) }
    let expected = (0..<byteCount * 8).filter { bytes[$0 / 8] >> UInt8($0 % 8) & 1 == 1 }
    var numbers = [UInt32](repeating: 0, count: byteCount * 8 + 1)
    let count = BitPacking.numbers(
      ofBits: bytes, byteCount: byteCount, base: 100, into: &numbers, capacity: byteCount * 8)
    #expect(count == expected.count)
    #expect(numbers.prefix(count).map { Int($0) - 100 } == expected)
  }
}
