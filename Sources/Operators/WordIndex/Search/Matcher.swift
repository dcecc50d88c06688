import Kernels

/// Finds the documents of one segment that a part of a search asks for, window by window, upwards.
/// One thread's.
///
/// Documents are ordinals: their places in the order of IDs.
class Matcher {
  /// The least document from `document` on that may match; `PostingCursor.end` where none does.
  func candidate(from document: UInt32) throws -> UInt32 { PostingCursor.end }

  /// Sets `bits`, which are clear, for the window from `start` on; windows come in ascending order.
  func fill(_ bits: MatchBits, from start: UInt32) throws {}

  /// How many documents match, at most.
  var bound: Int { 0 }
}

/// The documents of one word.
final class WordMatcher: Matcher {
  let cursor: PostingCursor

  init(_ cursor: PostingCursor) { self.cursor = cursor }

  override var bound: Int { cursor.documentCount }

  override func candidate(from document: UInt32) throws -> UInt32 {
    try cursor.seek(document)
    return cursor.document
  }

  override func fill(_ bits: MatchBits, from start: UInt32) throws {
    try cursor.seek(start)
    try cursor.fill(bits, from: start)
  }
}

/// The documents of all words with one beginning, worked out for the whole segment at once: a bit a
/// document, however many words there are.
final class PrefixMatcher: Matcher {
  private let windows: [MatchBits]
  private let count: Int

  init(_ segment: SegmentReader, _ prefix: [UInt8]) throws {
    let documentCount = segment.summary.documentCount
    let windowCount = (documentCount + MatchBits.documentCount - 1) / MatchBits.documentCount
    let windows = (0..<windowCount).map { _ in MatchBits() }
    let first = segment.dictionary.blocks.block(for: prefix) ?? 0
    var scan = DictionaryScan(segment, blocks: first..<segment.dictionary.blocks.count)
    while try scan.next() {
      if !scan.word.starts(with: prefix) {
        if prefix.lexicographicallyPrecedes(scan.word) { break }
        continue
      }
      let cursor = try PostingCursor(scan.list())
      while cursor.document != PostingCursor.end {
        let window = Int(cursor.document) / MatchBits.documentCount
        try cursor.fill(windows[window], from: UInt32(window * MatchBits.documentCount))
      }
    }
    count = windows.reduce(0) { $0 + $1.count }
    self.windows = windows
  }

  override var bound: Int { count }

  override func candidate(from document: UInt32) -> UInt32 {
    let first = Int(document) / MatchBits.documentCount
    for window in min(first, windows.count)..<windows.count {
      let bits = windows[window]
      for word in 0..<MatchBits.wordCount where bits.words[word] != 0 {
        let found = UInt32(
          window * MatchBits.documentCount + word * 64 + bits.words[word].trailingZeroBitCount)
        if found >= document { return found }
        // The word has others above; to be a little early is allowed.
        if (found | 63) >= document { return document }
      }
    }
    return PostingCursor.end
  }

  override func fill(_ bits: MatchBits, from start: UInt32) {
    bits.formUnion(windows[Int(start) / MatchBits.documentCount])
  }
}

/// What all parts ask for, and none of the excluded.
final class AllMatcher: Matcher {
  private let words: [WordMatcher]
  private let others: [Matcher]
  private let excluded: [Matcher]
  private let isSparse: Bool
  private let scratch = MatchBits()

  /// - Parameter parts: At least one.
  init(_ parts: [Matcher], excluding excluded: [Matcher], documentCount: Int) {
    words = parts.compactMap { $0 as? WordMatcher }.sorted { $0.bound < $1.bound }
    others = parts.filter { !($0 is WordMatcher) }
    self.excluded = excluded
    // Where the rarest word is in one of 16 documents, going from one to the next costs more than
    // looking at all.
    isSparse = words.first.map { $0.bound * 16 < documentCount } ?? false
  }

  override var bound: Int { (words + others).map(\.bound).min() ?? 0 }

  override func candidate(from document: UInt32) throws -> UInt32 {
    var least = document
    for part in words { least = max(least, try part.candidate(from: least)) }
    for part in others { least = max(least, try part.candidate(from: least)) }
    return least
  }

  override func fill(_ bits: MatchBits, from start: UInt32) throws {
    if isSparse {
      try intersect(bits, from: start)
    } else if let first = words.first {
      try first.fill(bits, from: start)
      for part in words.dropFirst() { try restrict(bits, to: part, from: start) }
    } else {
      try others[0].fill(bits, from: start)
    }
    for part in words.isEmpty ? others[1...] : others[...] {
      try restrict(bits, to: part, from: start)
    }
    for part in excluded {
      scratch.clear()
      try part.fill(scratch, from: start)
      bits.subtract(scratch)
    }
  }

  private func restrict(_ bits: MatchBits, to part: Matcher, from start: UInt32) throws {
    scratch.clear()
    try part.fill(scratch, from: start)
    bits.formIntersection(scratch)
  }

  /// Goes through the rarest word's documents and leaps to them in the others.
  private func intersect(_ bits: MatchBits, from start: UInt32) throws {
    let end = UInt64(start) + UInt64(MatchBits.documentCount)
    let rarest = words[0].cursor
    try rarest.seek(start)
    candidates: while rarest.document != PostingCursor.end && UInt64(rarest.document) < end {
      let document = rarest.document
      for other in words.dropFirst() {
        try other.cursor.seek(document)
        if other.cursor.document != document {
          try rarest.seek(other.cursor.document)
          continue candidates
        }
      }
      bits.set(document &- start)
      try rarest.next()
    }
  }
}

/// What any part asks for.
final class AnyMatcher: Matcher {
  private let parts: [Matcher]
  private let scratch = MatchBits()

  init(_ parts: [Matcher]) { self.parts = parts }

  override var bound: Int { parts.reduce(0) { $0 + $1.bound } }

  override func candidate(from document: UInt32) throws -> UInt32 {
    var least = PostingCursor.end
    for part in parts { least = min(least, try part.candidate(from: document)) }
    return least
  }

  override func fill(_ bits: MatchBits, from start: UInt32) throws {
    for part in parts {
      if part is WordMatcher {
        try part.fill(bits, from: start)
        continue
      }
      scratch.clear()
      try part.fill(scratch, from: start)
      bits.formUnion(scratch)
    }
  }
}

/// All documents.
final class EveryMatcher: Matcher {
  private let documentCount: UInt32

  init(documentCount: Int) { self.documentCount = UInt32(documentCount) }

  override var bound: Int { Int(documentCount) }

  override func candidate(from document: UInt32) -> UInt32 {
    document < documentCount ? document : PostingCursor.end
  }

  override func fill(_ bits: MatchBits, from start: UInt32) {
    guard documentCount > start else { return }
    let count = Int(min(documentCount - start, UInt32(MatchBits.documentCount)))
    for word in 0..<count / 64 { bits.words[word] = .max }
    if count % 64 > 0 { bits.words[count / 64] = (1 << UInt64(count % 64)) - 1 }
  }
}

extension Matcher {
  /// What finds a query's documents in a segment.
  static func of(_ node: IndexQuery.Node, in segment: SegmentReader) throws -> Matcher {
    switch node {
    case .word(let word):
      guard let list = try segment.list(of: word) else { return Matcher() }
      return WordMatcher(try PostingCursor(list))
    case .prefix(let prefix): return try PrefixMatcher(segment, prefix)
    case .any(let nodes): return AnyMatcher(try nodes.map { try of($0, in: segment) })
    case .not: return try all([node], in: segment)
    case .all(let nodes): return try all(nodes, in: segment)
    }
  }

  private static func all(_ nodes: [IndexQuery.Node], in segment: SegmentReader) throws -> Matcher {
    var parts: [Matcher] = []
    var excluded: [Matcher] = []
    for node in nodes {
      if case .not(let inner) = node {
        excluded.append(try of(inner, in: segment))
      } else {
        let part = try of(node, in: segment)
        // Where one part finds nothing, the others need not be looked for.
        if part.bound == 0 { return Matcher() }
        parts.append(part)
      }
    }
    let count = segment.summary.documentCount
    if parts.isEmpty { parts = [EveryMatcher(documentCount: count)] }
    return AllMatcher(parts, excluding: excluded, documentCount: count)
  }
}
