import Core
import Kernels

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// BM25 (Robertson, Zaragoza: "The Probabilistic Relevance Framework: BM25 and Beyond", 2009), with
/// the idf that is never negative, as Lucene and tantivy have it.
struct BM25 {
  static let k1 = 1.2
  static let b = 0.75

  /// Documents and their words in all segments, dead ones included until they are merged away.
  let documentCount: Double
  let averageLength: Double

  func idf(documentsWithWord count: Int) -> Double {
    log(1 + (documentCount - Double(count) + 0.5) / (Double(count) + 0.5))
  }

  func weight(occurrences: UInt32, length: Int64) -> Double {
    let count = Double(occurrences)
    let norm = 1 - BM25.b + BM25.b * Double(length) / averageLength
    return count * (BM25.k1 + 1) / (count + BM25.k1 * norm)
  }
}

extension IndexSearcher {
  /// The documents that match best, by BM25 over the search's words; those of equal score by ID. What
  /// matches a prefix gets 1 for it; words behind NOT count for nothing.
  public func ranked(_ query: IndexQuery, offset: Int = 0, limit: Int) throws -> [Hit] {
    let summaries = segments.map(\.reader.summary)
    let documentCount = Double(summaries.reduce(0) { $0 + $1.documentCount })
    let tokenCount = Double(summaries.reduce(0) { $0 + $1.tokenCount })
    let model = BM25(
      documentCount: documentCount, averageLength: max(1, tokenCount) / max(1, documentCount))
    var words: Set<[UInt8]> = []
    var prefixes: Set<[UInt8]> = []
    query.root.collect(&words, &prefixes)
    var counts: [[UInt8]: Int] = [:]
    for segment in segments {
      for word in words {
        counts[word, default: 0] += try segment.reader.list(of: word)?.documentCount ?? 0
      }
    }
    let (count, overflows) = offset.addingReportingOverflow(limit)
    var best = BestHits(count: overflows ? .max : count)
    for (index, segment) in segments.enumerated() {
      let scorer = try Scorer(segment, model, counts, prefixes)
      let matches = try Matches(query, segment)
      while try matches.next() {
        try scorer.score(matches.bits, from: matches.start) { ordinal, score in
          guard best.takes(score) else { return }
          let id = try segment.reader.id(ofOrdinal: ordinal)
          best.offer(.init(score: score, id: id, segment: index, ordinal: ordinal))
        }
      }
    }
    return try hits(
      best.sorted().dropFirst(offset).map {
        Found(segment: $0.segment, ordinal: $0.ordinal, score: $0.score)
      })
  }
}

/// Adds up the scores of a segment's documents, word by word.
private final class Scorer {
  private let segment: SegmentReader
  private let model: BM25
  private var terms: [(cursor: PostingCursor, idf: Double)] = []
  private var prefixes: [PrefixMatcher] = []
  private var scores = [Double](repeating: 0, count: MatchBits.documentCount)
  private var lengths: (page: Int, numbers: [Int64]) = (-1, [])
  private let scratch = MatchBits()

  init(
    _ segment: SearchedSegment, _ model: BM25, _ counts: [[UInt8]: Int], _ prefixes: Set<[UInt8]>
  ) throws {
    self.segment = segment.reader
    self.model = model
    // In a fixed order, so that sums are the same every time.
    for (word, count) in counts.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
      guard let list = try segment.reader.list(of: word) else { continue }
      terms.append((try PostingCursor(list), model.idf(documentsWithWord: count)))
    }
    for prefix in prefixes { self.prefixes.append(try PrefixMatcher(segment.reader, prefix)) }
  }

  func score(
    _ bits: MatchBits, from start: UInt32, _ visit: (Int, Double) throws -> Void
  ) throws {
    let end = UInt64(start) + UInt64(MatchBits.documentCount)
    for (cursor, idf) in terms {
      try cursor.seek(start)
      while cursor.document != PostingCursor.end && UInt64(cursor.document) < end {
        let place = cursor.document - start
        if bits.contains(place) {
          let length = try length(Int(cursor.document))
          let weight = model.weight(occurrences: cursor.occurrences, length: length)
          scores[Int(place)] += idf * weight
        }
        try cursor.next()
      }
    }
    for prefix in prefixes {
      scratch.clear()
      prefix.fill(scratch, from: start)
      scratch.formIntersection(bits)
      forEach(scratch) { scores[$0] += 1 }
    }
    try forEach(bits) { place in
      try visit(Int(start) + place, scores[place])
      scores[place] = 0
    }
  }

  private func length(_ ordinal: Int) throws -> Int64 {
    let page = ordinal / PackedNumbers.pageCount
    if lengths.page != page {
      let first = page * PackedNumbers.pageCount
      var numbers: [Int64] = []
      let end = min(segment.summary.documentCount, first + PackedNumbers.pageCount)
      try segment.tokens.forEach(in: first..<end) { numbers.append($0) }
      lengths = (page, numbers)
    }
    return lengths.numbers[ordinal % PackedNumbers.pageCount]
  }

  private func forEach(_ bits: MatchBits, _ visit: (Int) throws -> Void) rethrows {
    for word in 0..<MatchBits.wordCount {
      var rest = bits.words[word]
      while rest != 0 {
        try visit(word * 64 + rest.trailingZeroBitCount)
        rest &= rest - 1
      }
    }
  }
}

/// The best of many.
private struct BestHits {
  struct Item {
    var score: Double
    var id: UInt32
    var segment: Int
    var ordinal: Int

    func isBetter(than other: Item) -> Bool {
      score != other.score ? score > other.score : id < other.id
    }
  }

  private let count: Int
  private var items: [Item] = []
  /// The worst that counts, once there are enough.
  private var bound: Item?

  init(count: Int) { self.count = max(0, count) }

  /// Whether a document of this score may come in.
  func takes(_ score: Double) -> Bool {
    guard count > 0 else { return false }
    return bound.map { score >= $0.score } ?? true
  }

  mutating func offer(_ item: Item) {
    if let bound, !item.isBetter(than: bound) { return }
    items.append(item)
    if items.count - count >= count + 64 { trim() }
  }

  private mutating func trim() {
    items.sort { $0.isBetter(than: $1) }
    if items.count > count { items.removeLast(items.count - count) }
    if items.count == count { bound = items.last }
  }

  func sorted() -> [Item] {
    var copy = self
    copy.trim()
    return copy.items
  }
}

extension IndexQuery.Node {
  /// Adds the words and prefixes that a document is to have.
  func collect(_ words: inout Set<[UInt8]>, _ prefixes: inout Set<[UInt8]>) {
    switch self {
    case .word(let word): words.insert(word)
    case .prefix(let prefix): prefixes.insert(prefix)
    case .all(let nodes), .any(let nodes):
      for node in nodes { node.collect(&words, &prefixes) }
    case .not: break
    }
  }
}
