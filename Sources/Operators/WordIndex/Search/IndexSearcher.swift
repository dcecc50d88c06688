import Core
import Kernels
import Synchronization

/// Searches an index: some segments without their dead documents. Any number of threads use it.
public final class IndexSearcher: Sendable {
  /// A document that was found.
  public struct Hit: Sendable, Hashable {
    public var document: StoredDocument
    /// The segment's place among those given.
    public var segment: Int
    /// Of a ranked search.
    public var score: Double?
  }

  let segments: [SearchedSegment]

  /// - Parameter segments: All of the index. Their words' IDs are of no importance.
  /// - Throws: What reading their IDs throws.
  public init(_ segments: [LiveSegment]) throws {
    self.segments = try segments.map { try SearchedSegment($0) }
  }

  /// How many documents match.
  public func count(_ query: IndexQuery) throws -> Int64 {
    var count: Int64 = 0
    for segment in segments {
      let matches = try Matches(query, segment)
      while try matches.next() { count += Int64(matches.bits.count) }
    }
    return count
  }

  /// Some of the documents that match, in the order of their IDs.
  public func documents(
    _ query: IndexQuery, offset: Int64 = 0, limit: Int
  ) throws -> [Hit] {
    var streams = try segments.map { try MatchStream(Matches(query, $0)) }
    var found: [Found] = []
    var toSkip = offset
    while found.count < limit {
      var first: Int?
      for index in streams.indices {
        guard let id = streams[index].id else { continue }
        if let known = first, streams[known].id! <= id { continue }
        first = index
      }
      guard let first else { break }
      if toSkip > 0 {
        toSkip -= 1
      } else {
        found.append(Found(segment: first, ordinal: streams[first].ordinal, score: nil))
      }
      try streams[first].advance()
    }
    return try hits(found)
  }

  /// What matches, before its document is looked up.
  struct Found {
    var segment: Int
    var ordinal: Int
    var score: Double?
  }

  /// The documents of what was found, in its order.
  func hits(_ found: [Found]) throws -> [Hit] {
    var hits = [Hit?](repeating: nil, count: found.count)
    for (segment, places) in Dictionary(grouping: found.indices, by: { found[$0].segment }) {
      let ordinals = places.map { found[$0].ordinal }
      let documents = try segments[segment].reader.documents(ordinals: ordinals)
      for (place, document) in zip(places, documents) {
        hits[place] = Hit(document: document, segment: segment, score: found[place].score)
      }
    }
    return hits.map { $0! }
  }
}

/// A segment and which of its documents are dead.
struct SearchedSegment: Sendable {
  let reader: SegmentReader
  /// Ascending.
  let dead: [UInt32]

  init(_ segment: LiveSegment) throws {
    reader = segment.reader
    dead = try segment.reader.ordinals(ofIDs: segment.dead.ids).compactMap { $0.map(UInt32.init) }
  }
}

/// The documents of a segment that match and are not dead, window by window.
final class Matches {
  let segment: SearchedSegment
  /// The documents of the window at hand.
  let bits = MatchBits()
  /// The window's first document.
  private(set) var start: UInt32 = 0
  private let matcher: Matcher
  private var following: UInt32 = 0
  private var nextDead = 0

  init(_ query: IndexQuery, _ segment: SearchedSegment) throws {
    self.segment = segment
    matcher = try Matcher.of(query.root, in: segment.reader)
  }

  /// Goes on to the next window that may have documents; false at the end.
  func next() throws -> Bool {
    guard following != PostingCursor.end else { return false }
    let candidate = try matcher.candidate(from: following)
    guard candidate != PostingCursor.end else {
      following = candidate
      return false
    }
    start = candidate & ~UInt32(MatchBits.documentCount - 1)
    let (end, overflow) = start.addingReportingOverflow(UInt32(MatchBits.documentCount))
    following = overflow ? PostingCursor.end : end
    bits.clear()
    try matcher.fill(bits, from: start)
    let dead = segment.dead
    while nextDead < dead.count && dead[nextDead] < following {
      if dead[nextDead] >= start {
        let place = dead[nextDead] - start
        bits.words[Int(place >> 6)] &= ~(1 << UInt64(place & 63))
      }
      nextDead += 1
    }
    return true
  }
}

/// Matches one by one.
private struct MatchStream {
  private let matches: Matches
  private var word = MatchBits.wordCount
  private var rest: UInt64 = 0
  /// The document at hand.
  private(set) var ordinal = 0
  /// Its ID; nil at the end.
  private(set) var id: UInt32?

  init(_ matches: Matches) throws {
    self.matches = matches
    try advance()
  }

  mutating func advance() throws {
    while rest == 0 {
      word += 1
      if word >= MatchBits.wordCount {
        guard try matches.next() else {
          id = nil
          return
        }
        word = 0
      }
      rest = matches.bits.words[word]
    }
    ordinal = Int(matches.start) + word * 64 + rest.trailingZeroBitCount
    rest &= rest - 1
    id = try matches.segment.reader.id(ofOrdinal: ordinal)
  }
}
