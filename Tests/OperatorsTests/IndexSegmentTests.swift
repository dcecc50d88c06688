import Core
import Formats
import Foundation
import Kernels
import TestSupport
import Testing

@testable import Operators

struct IndexSegmentTests {
  @Test("a segment holds what a naive reading finds", arguments: [1, 10, 127, 128, 129, 700])
  func build(_ count: Int) throws {
    let scratch = try Scratch()
    let collection = TextCollection.random(count, seed: UInt64(count))
    let segment = try collection.segment(scratch, "a.seg")
    let expected = collection.postings
    #expect(try segment.allPostings() == expected)
    try segment.verify()
    #expect(segment.summary.documentCount == count)
    #expect(segment.summary.wordCount == expected.count)
    #expect(segment.summary.postingCount == Int64(expected.values.reduce(0) { $0 + $1.count }))
    for (id, text) in collection.texts {
      let document = try #require(try segment.document(id: id))
      #expect(document.key == TextCollection.key(id))
      #expect(document.size == Int64(text.utf8.count))
      #expect(document.version == "v\(id % 3)")
      #expect(document.tokens == Int64(text.split(separator: " ").count))
      #expect(try segment.document(key: document.key) == document)
    }
    #expect(try segment.document(id: 0) == nil)
    let ids = [0] + collection.texts.keys.sorted().reversed() + [.max]
    #expect(try segment.documents(ids: ids) == ids.map { try segment.document(id: $0) })
    #expect(try segment.document(key: "f0.txt") == nil)
    #expect(try segment.document(key: "zzz") == nil)
    #expect(try segment.list(of: Array("nothing".utf8)) == nil)
    #expect(try segment.list(of: []) == nil)
  }

  @Test("threads and memory do not change a byte", arguments: [(1, 64), (2, 64), (5, 64), (2, 0)])
  func deterministic(_ threads: Int, _ megabytes: Int) throws {
    let scratch = try Scratch()
    let collection = TextCollection.random(900, words: 20_000, seed: 7)
    _ = try collection.segment(scratch, "a.seg", threads: 1, memory: 1 << 30)
    _ = try collection.segment(scratch, "b.seg", threads: threads, memory: megabytes << 20)
    let (a, b) = ("\(scratch.path)/a.seg", "\(scratch.path)/b.seg")
    #expect(FileManager.default.contentsEqual(atPath: a, andPath: b))
  }

  @Test("what exceeds the memory is written aside and merged, down to one long document")
  func spilling() throws {
    let scratch = try Scratch()
    var collection = TextCollection()
    var random = Seeded(5)
    collection.texts[3] = (0..<200_000).map { _ in
      String(Int.random(in: 0..<60_000, using: &random), radix: 36)
    }.joined(separator: "\n")
    for id in UInt32(4)..<200 {
      collection.texts[id] = (0..<400).map { _ in
        String(Int.random(in: 0..<60_000, using: &random), radix: 36)
      }.joined(separator: "\n")
    }
    let path = "\(scratch.path)/a.seg"
    let built = try indexBuilder(scratch, memory: 1 << 20)
      .build(collection.documents(in: scratch), sequence: 1, to: path)
    #expect(built.spilledByteCount > 1 << 20)
    var expected: [String: [UInt32: UInt32]] = [:]
    for (id, text) in collection.texts {
      for word in text.split(separator: "\n") {
        expected[String(word), default: [:]][id, default: 0] += 1
      }
    }
    let segment = try SegmentReader(MappedSegment(path: path))
    #expect(try segment.allPostings() == expected)
  }

  @Test("a flipped byte anywhere in a segment is found, and so is a cut")
  func damage() throws {
    let scratch = try Scratch()
    let collection = TextCollection.random(300, words: 60, seed: 3)
    _ = try collection.segment(scratch, "a.seg")
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(scratch.path)/a.seg")))
    func check(_ bytes: [UInt8]) throws { try SegmentReader(LoadedBytes(bytes, "x.seg")).verify() }
    try check(bytes)
    var random = Seeded(1)
    let places =
      Array(0..<64) + Array(bytes.count - 900..<bytes.count)
      + (0..<600).map { _ in Int.random(in: 0..<bytes.count, using: &random) }
    for place in places {
      var flipped = bytes
      flipped[place] ^= 1 << UInt8(place % 8)
      #expect(throws: OperatorError.self, "byte \(place)") { try check(flipped) }
    }
    for count in [0, 1, 20, bytes.count / 2, bytes.count - 1] {
      #expect(throws: OperatorError.self) { try check(Array(bytes.prefix(count))) }
    }
  }

  @Test("a page of an array with its own checksum in place of another is found")
  func swappedPages() throws {
    let scratch = try Scratch()
    let collection = TextCollection.random(3000, words: 60, seed: 4)
    let segment = try collection.segment(scratch, "a.seg")
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(scratch.path)/a.seg")))
    for column in [segment.ids, segment.tokens, segment.places] {
      let size = column.form.pageByteCount + 4
      let start = Int(column.offset)
      #expect(column.form.pages == 3)
      var swapped = bytes
      swapped.replaceSubrange(
        start..<start + 2 * size,
        with: bytes[start + size..<start + 2 * size] + bytes[start..<start + size])
      #expect(swapped != bytes)
      let reader = try SegmentReader(LoadedBytes(swapped, "x.seg"))
      #expect(throws: OperatorError.self) { try reader.verify() }
    }
  }

  @Test("a segment without checksums of its pages in one place, as they were, is read")
  func olderSegment() throws {
    let scratch = try Scratch()
    let collection = TextCollection.random(3000, words: 60, seed: 4)
    let segment = try collection.segment(scratch, "a.seg")
    var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(scratch.path)/a.seg")))
    // The footer as it was: without the section, which nothing else points to.
    let length = bytes.suffix(12).prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
    guard
      case .object(let members) = try JSON(
        parsing: Array(bytes[(bytes.count - 16 - length)..<(bytes.count - 16)]))
    else { throw Cancelled() }
    let footer = Array(
      JSON.object(members.filter { $0.name != "page_checksums" }).description.utf8)
    #expect(footer.count < length)
    var checksum = CRC32C()
    footer.withUnsafeBytes { checksum.update($0) }
    bytes.removeLast(16 + length)
    bytes += footer
    withUnsafeBytes(of: checksum.value.littleEndian) { bytes += $0 }
    withUnsafeBytes(of: UInt32(footer.count).littleEndian) { bytes += $0 }
    bytes += Array("SLUICEIX".utf8)
    let old = try SegmentReader(LoadedBytes(bytes, "old.seg"))
    try old.verify()
    #expect(try old.allPostings() == segment.allPostings())
    let key = TextCollection.key(collection.texts.keys.max()!)
    #expect(try old.document(key: key) == segment.document(key: key))
  }

  @Test("rule 32: words keep their IDs for ever, new ones get the next in the order of their bytes")
  func wordIDs() throws {
    let scratch = try Scratch()
    var existing: [(reader: SegmentReader, ids: WordIDs)] = []
    var known: [String: Int64] = [:]
    var next: Int64 = 1
    for step in 0..<5 {
      let collection = TextCollection.random(60, words: 500 * (step + 1), seed: UInt64(step))
      let segment = try collection.segment(scratch, "\(step).seg")
      let (ids, free) = try WordIDs.assign(
        segment, existing: existing, next: next, to: "\(scratch.path)/\(step).words",
        spillFolder: { scratch.path })
      let bytes = [UInt8](
        try Data(contentsOf: URL(fileURLWithPath: "\(scratch.path)/\(step).words")))
      let stored = try WordIDs(bytes: bytes, name: "ids")
      #expect(stored.checksum == ids.checksum && ids.byteCount == bytes.count)
      var scan = DictionaryScan(segment)
      while try scan.next() {
        let word = String(decoding: scan.word, as: UTF8.self)
        let id = stored[scan.local]
        if let old = known[word] {
          #expect(old == id)
        } else {
          #expect(id == next)
          next += 1
          known[word] = id
        }
      }
      #expect(next == free)
      existing.append((segment, stored))
    }
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(scratch.path)/3.words")))
    for place in stride(from: 0, to: bytes.count, by: 7) {
      var flipped = bytes
      flipped[place] ^= 4
      #expect(throws: OperatorError.self) { try WordIDs(bytes: flipped, name: "ids") }
    }
    for count in [0, 51, bytes.count - 1] {
      #expect(throws: OperatorError.self) {
        try WordIDs(bytes: Array(bytes.prefix(count)), name: "ids")
      }
    }
  }

  @Test("numbers that do not fit in memory are packed as others", arguments: [0, 1, 1024, 200_000])
  func spool(_ count: Int) throws {
    let scratch = try Scratch()
    var random = Seeded(9)
    let numbers = (0..<count).map { _ in Int64.random(in: -5...(1 << 40), using: &random) }
    let spill = SpillFile("numbers", directory: { scratch.path })
    let spool = try NumberSpool(numbers, spill)
    #expect((spill.byteCount > 0) == (count == 200_000))
    #expect(spool.count == count && spool.sum == numbers.reduce(0, +))
    var found: [Int64] = []
    try spool.forEach { found.append($0) }
    #expect(found == numbers)
    var bytes: [UInt8] = []
    let checksums = try spool.pack { bytes += $0 }
    #expect(bytes.count == spool.form.byteCount && checksums.count == 4 * spool.form.pages)
    let column = PackedColumn(form: spool.form, offset: 0, bytes: LoadedBytes(bytes, "n"))
    var scan = ColumnScan(column)
    for number in numbers { #expect(try scan.next() == number) }
    #expect(try scan.next() == nil)
    for place in stride(from: 0, to: count, by: 977) {
      #expect(try column(place) == numbers[place])
    }
  }

  @Test("dead documents survive their file, and a flipped byte in it is found")
  func deadDocuments() throws {
    let dead = DeadDocuments([7, 3, 3, .max, 0])
    #expect(dead.ids == [0, 3, 7, .max])
    #expect(try DeadDocuments(bytes: dead.bytes, name: "d") == dead)
    #expect(dead.contains(3) && !dead.contains(4))
    #expect(dead.union(DeadDocuments([4])).ids == [0, 3, 4, 7, .max])
    for index in dead.bytes.indices {
      var bytes = dead.bytes
      bytes[index] ^= 0x10
      #expect(throws: OperatorError.self) { try DeadDocuments(bytes: bytes, name: "d") }
    }
  }

  @Test("a merge keeps live documents, all words and their IDs", arguments: [1, 2, 4])
  func merge(_ count: Int) throws {
    let scratch = try Scratch()
    var inputs: [LiveSegment] = []
    var live: [UInt32: String] = [:]
    var words: [String: Int64] = [:]
    var next: Int64 = 1
    for step in 0..<count {
      let collection = TextCollection.random(200, words: 300, seed: UInt64(step + 20))
      let segment = try collection.segment(scratch, "\(step).seg", sequence: Int64(10 - step))
      let (ids, free) = try WordIDs.assign(
        segment, existing: inputs.map { ($0.reader, $0.wordIDs) }, next: next,
        to: "\(scratch.path)/\(step).words", spillFolder: { scratch.path })
      next = free
      for (word, _) in collection.postings {
        let place = try #require(try segment.local(of: word))
        words[word] = ids[place]
      }
      // What comes later is alive, and one in five of the last.
      for index in inputs.indices {
        inputs[index].dead = inputs[index].dead.union(DeadDocuments(Array(collection.texts.keys)))
      }
      for (id, text) in collection.texts { live[id] = text }
      let killed = collection.texts.keys.filter { $0 % 5 == 0 }
      for id in killed { live[id] = nil }
      inputs.append(LiveSegment(reader: segment, wordIDs: ids, dead: DeadDocuments(killed)))
    }
    let path = "\(scratch.path)/merged.seg"
    let merger = SegmentMerger(spillFolder: { scratch.path })
    let (summary, ids) = try merger.merge(inputs, to: path, wordIDs: "\(path).words")
    let merged = try SegmentReader(MappedSegment(path: path))
    try merged.verify()
    #expect(summary == merged.summary)
    #expect(summary.sequence == 10)
    var expected = TextCollection(texts: live).postings
    for word in words.keys where expected[word] == nil { expected[word] = [:] }
    #expect(try merged.allPostings() == expected)
    for (word, id) in words { #expect(ids[try #require(try merged.local(of: word))] == id) }
    for (id, text) in live {
      let document = try #require(try merged.document(id: id))
      #expect(document.key == TextCollection.key(id))
      #expect(document.tokens == Int64(text.split(separator: " ").count))
    }
    if count > 1 {
      #expect(throws: OperatorError.self, "documents that live twice") {
        try merger.merge(
          inputs.map { LiveSegment(reader: $0.reader, wordIDs: $0.wordIDs, dead: DeadDocuments()) },
          to: "\(scratch.path)/bad.seg", wordIDs: "\(scratch.path)/bad.words")
      }
    }
  }

  @Test("documents are found in any order, by any number of threads", arguments: [1, 2, 5])
  func lookUps(_ threads: Int) throws {
    let scratch = try Scratch()
    // Their IDs have gaps, and take up more than a page.
    let collection = TextCollection.random(1500, seed: 4)
    let segment = try collection.segment(scratch, "a.seg")
    var random = Seeded(9)
    let there = collection.texts.keys.sorted()
    // All of them, some twice, and others that are not there.
    let ids = (there + there.prefix(100) + [0, .max]).shuffled(using: &random)
    let expected = ids.map { collection.texts[$0] == nil ? nil : $0 }
    let byID = try segment.documents(ids: ids, threads: threads)
    #expect(byID.map { $0?.id } == expected)
    #expect(byID.map { $0?.key } == expected.map { $0.map(TextCollection.key) })
    #expect(try segment.holds(ids: ids) == expected.map { $0 != nil })
    let keys = ids.map { TextCollection.key($0) } + ["", "f", "zzz"]
    let byKey = try segment.documents(keys: keys, threads: threads)
    #expect(byKey == byID + [nil, nil, nil])
  }

  @Test("words get the same IDs on any number of threads", arguments: [2, 3, 50])
  func numbering(_ threads: Int) throws {
    let scratch = try Scratch()
    let a = try TextCollection.random(400, words: 3000, seed: 1).segment(scratch, "a.seg")
    let b = try TextCollection.random(900, words: 9000, seed: 2).segment(scratch, "b.seg")
    func assign(
      _ segment: SegmentReader, _ existing: [(reader: SegmentReader, ids: WordIDs)], _ next: Int64,
      _ name: String, _ threads: Int
    ) throws -> (ids: WordIDs, next: Int64) {
      try WordIDs.assign(
        segment, existing: existing, next: next, to: "\(scratch.path)/\(name)", threads: threads,
        spillFolder: { scratch.path })
    }
    let (ids, next) = try assign(a, [], 1, "a.words", threads)
    let one = try assign(b, [(a, ids)], next, "one.words", 1)
    let many = try assign(b, [(a, ids)], next, "many.words", threads)
    #expect(one.next == many.next && one.next > next)
    #expect(
      FileManager.default.contentsEqual(
        atPath: "\(scratch.path)/one.words", andPath: "\(scratch.path)/many.words"))
  }

  @Test("rule 33: the rows of a segment's tables", arguments: [1, 3])
  func tableRows(_ parts: Int) throws {
    let scratch = try Scratch()
    let first = TextCollection.random(150, words: 2000, seed: 1)
    let second = TextCollection.random(150, words: 4000, seed: 2)
    let a = try first.segment(scratch, "a.seg")
    let b = try second.segment(scratch, "b.seg", sequence: 5)
    let (aIDs, next) = try WordIDs.assign(
      a, existing: [], next: 1, to: "\(scratch.path)/a.words", spillFolder: { scratch.path })
    let (bIDs, _) = try WordIDs.assign(
      b, existing: [(a, aIDs)], next: next, to: "\(scratch.path)/b.words",
      spillFolder: { scratch.path })
    let known = Set(first.postings.keys)
    let new = second.postings.keys.filter { !known.contains($0) }
      .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    #expect(
      try rows(SegmentRows.words(b, bIDs, from: next))
        == new.enumerated().map { [.integer(next + Int64($0)), .string($1)] })
    let dead = DeadDocuments(second.texts.keys.filter { $0 % 3 == 0 })
    let documents = second.texts.filter { $0.key % 3 != 0 }
      .sorted { TextCollection.key($0.key) < TextCollection.key($1.key) }
    #expect(
      try SegmentRows.documents(b, except: dead, parts: parts).flatMap(rows)
        == documents.map { id, text in
          [
            .integer(Int64(id)), .string(TextCollection.key(id)), .integer(Int64(text.utf8.count)),
            .string("v\(id % 3)"), .integer(Int64(text.split(separator: " ").count)), .integer(5),
          ]
        })
    // What the dead are taken to be called is what they must be called.
    let names = Dictionary(uniqueKeysWithValues: dead.ids.map { ($0, TextCollection.key($0)) })
    #expect(
      try SegmentRows.documents(b, except: dead, named: names, parts: parts).flatMap(rows).count
        == documents.count)
    var wrong = names
    wrong[try #require(dead.ids.last)] = "another"
    #expect {
      try SegmentRows.documents(b, except: dead, named: wrong, parts: parts).flatMap(rows)
    } throws: {
      ($0 as? OperatorError)?.code == .otherName
    }
    var expected: [[Value]] = []
    for (word, documents) in second.postings {
      let live = documents.keys.filter { !dead.contains($0) }.sorted()
      guard !live.isEmpty else { continue }
      let id = bIDs[try #require(try b.local(of: word))]
      expected.append([.integer(id), .list(live.map { .integer(Int64($0)) }), .integer(5)])
    }
    func wordID(_ row: [Value]) -> Int64 { if case .integer(let id) = row[0] { id } else { -1 } }
    let found = try SegmentRows.postings(b, bIDs, except: dead, parts: parts).flatMap(rows)
    #expect(found == expected.sorted { wordID($0) < wordID($1) })
  }

  @Test("merging rewrites each document about once a tier")
  func policy() {
    let policy = MergePolicy(tierWidth: 4)
    func segment(_ bytes: Int64, dead: Int = 0) -> MergePolicy.Candidate {
      .init(documentCount: 100, deadCount: dead, byteCount: bytes)
    }
    #expect(policy.merges([]) == [])
    #expect(policy.merges([segment(10), segment(20), segment(30)]) == [])
    #expect(
      policy.merges([segment(10), segment(1 << 30), segment(20), segment(3), segment(4)])
        == [[0, 2, 3, 4]])
    #expect(policy.merges([segment(1 << 30, dead: 60), segment(10)]) == [[0]])
    var sizes: [Int64] = []
    var written: Int64 = 0
    for _ in 0..<4096 {
      sizes.append(1 << 18)
      while let group = policy.merges(sizes.map { segment($0) }).first {
        let sum = group.reduce(0) { $0 + sizes[$1] }
        written += sum
        for index in group.sorted(by: >) { sizes.remove(at: index) }
        sizes.append(sum)
      }
    }
    #expect(sizes.reduce(0, +) == 4096 << 18)
    #expect(sizes.count < 4 * 8)
    #expect(written <= 8 * 4096 << 18)
  }
}

extension SegmentReader {
  /// A word's place in the dictionary.
  func local(of word: String) throws -> Int? {
    guard let index = dictionary.blocks.block(for: Array(word.utf8)) else { return nil }
    var block = try DictionaryBlock(self, index)
    return try block.seek(Array(word.utf8)) == 0 ? block.local : nil
  }
}
