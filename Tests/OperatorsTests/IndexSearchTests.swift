import Core
import Foundation
import TestSupport
import Testing

@testable import Operators

struct IndexSearchTests {
  /// Which documents a query is after, in the plainest words.
  private static func naive(
    _ node: IndexQuery.Node, _ postings: [String: Set<UInt32>], _ all: Set<UInt32>
  ) -> Set<UInt32> {
    switch node {
    case .word(let word): return postings[String(decoding: word, as: UTF8.self)] ?? []
    case .prefix(let prefix):
      let prefix = String(decoding: prefix, as: UTF8.self)
      return postings.reduce(into: []) { found, entry in
        if entry.key.hasPrefix(prefix) { found.formUnion(entry.value) }
      }
    case .all(let nodes): return nodes.reduce(all) { $0.intersection(naive($1, postings, all)) }
    case .any(let nodes): return nodes.reduce([]) { $0.union(naive($1, postings, all)) }
    case .not(let node): return all.subtracting(naive(node, postings, all))
    }
  }

  private static func randomQuery(_ random: inout Seeded, depth: Int = 0) -> String {
    let draw = Double.random(in: 0..<1, using: &random)
    let word = TextCollection.word(Int(pow(900, draw)) - 1)
    switch Int.random(in: 0..<(depth > 3 ? 4 : 10), using: &random) {
    case 0..<3: return word
    case 3: return String(word.prefix(2)) + "*"
    case 4: return "NOT " + randomQuery(&random, depth: depth + 1)
    default:
      let joins = [" AND ", " OR ", " ", " AND NOT "]
      let parts = (0..<Int.random(in: 2...3, using: &random)).map { _ in
        randomQuery(&random, depth: depth + 1)
      }
      return "(" + parts.joined(separator: joins.randomElement(using: &random)!) + ")"
    }
  }

  /// An index of several segments, of which some documents are dead, and what is alive in it.
  private static func index(
    _ scratch: Scratch, sizes: [Int], seed: UInt64
  ) throws -> (segments: [LiveSegment], live: TextCollection) {
    var segments: [LiveSegment] = []
    var live = TextCollection()
    for (step, size) in sizes.enumerated() {
      let collection = TextCollection.random(size, seed: seed + UInt64(step))
      for index in segments.indices {
        segments[index].dead = segments[index].dead.union(
          DeadDocuments(Array(collection.texts.keys)))
      }
      live.texts.merge(collection.texts) { $1 }
      let killed = collection.texts.keys.filter { $0 % 11 == 0 }
      for id in killed { live.texts[id] = nil }
      segments.append(
        LiveSegment(
          reader: try collection.segment(scratch, "\(step).seg", sequence: Int64(step)),
          wordIDs: .none, dead: DeadDocuments(killed)))
    }
    return (segments, live)
  }

  @Test(
    "random searches find what a naive reading finds, page by page",
    arguments: [[1], [300], [500, 90, 20], [2000]])
  func search(_ sizes: [Int]) throws {
    let scratch = try Scratch()
    let (segments, live) = try IndexSearchTests.index(scratch, sizes: sizes, seed: 40)
    let searcher = try IndexSearcher(segments)
    let postings = live.postings.mapValues { Set($0.keys) }
    let all = Set(live.texts.keys)
    var random = Seeded(9)
    var found = 0
    for _ in 0..<250 {
      let text = IndexSearchTests.randomQuery(&random)
      let query = try IndexQuery(text, tokenizer: TokenizerSettings())
      let expected = IndexSearchTests.naive(query.root, postings, all).sorted()
      found += expected.count
      #expect(try searcher.count(query) == Int64(expected.count), "\(text)")
      let hits = try searcher.documents(query, limit: .max)
      #expect(hits.map(\.document.id) == expected, "\(text)")
      let offset = Int.random(in: 0...expected.count, using: &random)
      let page = try searcher.documents(query, offset: Int64(offset), limit: 7)
      #expect(page == Array(hits.dropFirst(offset).prefix(7)))
      for hit in page { #expect(hit.document.key == TextCollection.key(hit.document.id)) }
    }
    #expect(found > 0 || sizes == [1])
  }

  @Test("a long list and windows: every other document of 150,000 has a word")
  func windows() throws {
    let scratch = try Scratch()
    let path = "\(scratch.path)/a.seg"
    let writer = try SegmentWriter(
      path: path, sequence: 1, tokenizer: TokenizerSettings().canonicalText)
    let count = 150_000
    let words: [(String, (Int) -> Bool)] = [
      ("all", { _ in true }), ("even", { $0 % 2 == 0 }), ("late", { $0 > 140_000 }),
      ("rare", { $0 % 9973 == 5 }), ("third", { $0 % 3 == 0 }), ("tuft", { $0 / 200 % 50 == 7 }),
    ]
    for (word, has) in words {
      for document in 0..<count where has(document) {
        try writer.dictionary.add(UInt32(document), UInt32(document % 5 + 1))
      }
      try Array(word.utf8).withUnsafeBufferPointer { try writer.dictionary.end($0) }
    }
    let spill = SpillFile("spool", directory: { scratch.path })
    var documents = try writer.documents(count: count)
    for ordinal in 0..<count {
      try documents.add(
        ordinal: ordinal, key: Array("\(ordinal + 1_000_000)".utf8), size: 1, version: [])
    }
    try documents.finish()
    _ = try writer.finish(
      documents, ids: NumberSpool((0..<Int64(count)).map { $0 * 3 - $0 }, spill),
      tokens: NumberSpool([Int64](repeating: 9, count: count), spill), spill: spill)
    let reader = try SegmentReader(MappedSegment(path: path))
    try reader.verify()
    let dead = DeadDocuments((0..<UInt32(count)).filter { $0 % 1000 == 0 }.map { $0 * 3 })
    let searcher = try IndexSearcher([
      LiveSegment(reader: reader, wordIDs: .none, dead: dead)
    ])
    for (a, hasA) in words {
      let cursor = try PostingCursor(#require(try reader.list(of: Array(a.utf8))))
      for document in 0..<count where hasA(document) {
        guard cursor.document == document, cursor.occurrences == document % 5 + 1 else {
          Issue.record("\(a): \(cursor.document) instead of \(document)")
          break
        }
        try cursor.next()
      }
      #expect(cursor.document == PostingCursor.end)
      for (b, hasB) in words {
        let queries: [(String, (Int) -> Bool)] = [
          ("\(a) \(b)", { hasA($0) && hasB($0) }), ("\(a) OR \(b)", { hasA($0) || hasB($0) }),
          ("\(a) NOT \(b)", { hasA($0) && !hasB($0) }),
          (
            "(\(a) OR rare) (\(b) OR late)",
            { (hasA($0) || $0 % 9973 == 5) && (hasB($0) || $0 > 140_000) }
          ),
        ]
        for (text, matches) in queries {
          let expected = (0..<count).count { $0 % 1000 != 0 && matches($0) }
          let query = try IndexQuery(text, tokenizer: TokenizerSettings())
          #expect(try searcher.count(query) == Int64(expected), "\(text)")
        }
      }
    }
  }

  @Test("ranked results are those of BM25, computed one by one", arguments: [[400], [300, 100]])
  func ranked(_ sizes: [Int]) throws {
    let scratch = try Scratch()
    let (segments, live) = try IndexSearchTests.index(scratch, sizes: sizes, seed: 70)
    let searcher = try IndexSearcher(segments)
    let postings = live.postings
    let documentCount = Double(sizes.reduce(0, +))
    let tokenCount = Double(segments.reduce(0) { $0 + $1.reader.summary.tokenCount })
    for text in ["w1 w2", "w1 OR w5 OR wc", "w2 NOT w1", "w4 w*", "(w1 OR w2) wa"] {
      let query = try IndexQuery(text, tokenizer: TokenizerSettings())
      var words: Set<[UInt8]> = []
      var prefixes: Set<[UInt8]> = []
      query.root.collect(&words, &prefixes)
      let matching = IndexSearchTests.naive(
        query.root, postings.mapValues { Set($0.keys) }, Set(live.texts.keys))
      var expected: [(id: UInt32, score: Double)] = []
      for id in matching {
        var score = 0.0
        for word in words {
          let word = String(decoding: word, as: UTF8.self)
          let count = try segments.reduce(0) {
            $0 + (try $1.reader.list(of: Array(word.utf8))?.documentCount ?? 0)
          }
          let length = Double(live.texts[id]!.split(separator: " ").count)
          let tf = Double(postings[word]?[id] ?? 0)
          let idf = log(1 + (documentCount - Double(count) + 0.5) / (Double(count) + 0.5))
          score += idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * length * documentCount / tokenCount))
        }
        for prefix in prefixes
        where live.texts[id]!.split(separator: " ").contains(where: {
          $0.utf8.starts(with: prefix)
        }) { score += 1 }
        expected.append((id, score))
      }
      expected.sort { abs($0.score - $1.score) > 1e-9 ? $0.score > $1.score : $0.id < $1.id }
      for (offset, limit) in [(0, 10), (3, 5), (0, 5000)] {
        let hits = try searcher.ranked(query, offset: offset, limit: limit)
        let page = expected.dropFirst(offset).prefix(limit)
        #expect(hits.map(\.document.id) == page.map(\.id), "\(text)")
        for (hit, item) in zip(hits, page) {
          #expect(abs(try #require(hit.score) - item.score) < 1e-9)
        }
      }
    }
  }

  @Test(
    "a search that makes no sense says where",
    arguments: [
      ("", 1), ("  ", 1), ("a AND", 6), ("AND a", 1), ("(a OR b", 1), ("a) b", 2), ("a OR OR b", 6),
      ("a \"b c\"", 3), ("*", 1), ("a b*c", 3), ("a **", 3), ("()", 2), ("NOT", 4), ("...", 1),
      ("a foo-*", 3),
    ])
  func badQuery(_ text: String, _ column: Int) throws {
    let error = #expect(throws: OperatorError.self) {
      try IndexQuery(text, tokenizer: TokenizerSettings())
    }
    #expect(error?.code == .badQuery)
    #expect(error?.exitCode == 2)
    #expect(error?.place.column == column)
  }

  @Test("words of a search pass the tokenizer, and bind as they should")
  func parsing() throws {
    var settings = TokenizerSettings()
    settings.stopWords = ["The"]
    settings.accents = .fold
    settings.minimumLength = 2
    func root(_ text: String) throws -> IndexQuery.Node {
      try IndexQuery(text, tokenizer: settings).root
    }
    func word(_ text: String) -> IndexQuery.Node { .word(Array(text.utf8)) }
    #expect(try root("CRÈME") == word("creme"))
    #expect(try root("the foo-bar") == .all([word("foo"), word("bar")]))
    #expect(
      try root("aa OR bb AND NOT cc dd")
        == .any([word("aa"), .all([word("bb"), .not(word("cc")), word("dd")])]))
    #expect(try root("T*") == .prefix(Array("t".utf8)))
    #expect(try root("the*") == .prefix(Array("the".utf8)))
    #expect(try root("foo-Bar*") == .all([word("foo"), .prefix(Array("bar".utf8))]))
    #expect(try root("and or not") == .all([word("and"), word("or"), word("not")]))
    #expect(throws: OperatorError.self) { try root("the x") }
    let deep = String(repeating: "(", count: 5000) + "aa" + String(repeating: ")", count: 5000)
    #expect(throws: OperatorError.self) { try root(deep) }
  }

  @Test("a tokenizer's canonical text says what it does, and nothing else")
  func canonicalText() throws {
    var a = TokenizerSettings()
    a.stopWords = ["The", "a", "the"]
    var b = TokenizerSettings()
    b.stopWords = ["A", "THE"]
    #expect(a.canonicalText == b.canonicalText)
    let read = try TokenizerSettings(canonicalText: a.canonicalText)
    #expect(read.canonicalText == a.canonicalText)
    b.accents = .fold
    #expect(a.canonicalText != b.canonicalText)
    #expect(throws: OperatorError.self) { try TokenizerSettings(canonicalText: "{}") }
    b.maximumLength = 5000
    #expect(throws: OperatorError.self) { try b.validate() }
  }
}
