import Core

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// One page of a bucket's listing.
struct ListingPage: Sendable {
  /// With whole names, in ascending byte order.
  var objects: [Object] = []
  /// nil after the last page.
  var nextToken: String?
}

/// Thrown where a service does not take a token any longer that it gave out: they expire.
struct ListingTokenRefused: Error {
  let failure: StoreError
}

/// Lists a bucket in the order of names: page after page while it is small, and by several requests
/// at once where it turns out to be large.
///
/// A large listing is cut into segments at names such as `data/2024/03` where the last page ended in
/// `data/2024/02/…`: the rest of `02` is one segment, what comes after it another, which may be cut
/// again. A cut costs no request of its own: the first page of the new segment tells whether there
/// is anything. Where there is nothing, the next cut is one character further inside. A segment is
/// cut once in two pages at most, so that the pages do not get small.
///
/// Memory is bounded: segments wait for the reader once they have a few pages.
struct BucketListing: Sendable {
  /// What all names start with.
  let prefix: String
  /// Fetches the page of a token, or the first page of the names after one. Called on several
  /// threads. May throw `ListingTokenRefused`.
  let fetch: @Sendable (_ after: String?, _ token: String?) throws -> ListingPage

  /// Fetches the page of a token; where that has expired, the page of the names after the last one
  /// that came.
  fileprivate func fetch(
    _ after: String?, _ token: String?, last: String?
  ) throws -> ListingPage {
    do {
      return try fetch(after, token)
    } catch let refused as ListingTokenRefused {
      guard token != nil, let last else { throw refused.failure }
      return try fetch(last, nil)
    }
  }

  /// Pages before it counts as large.
  private static let pagesInRow = 4
  private static let concurrency = 8

  /// Visits all pages.
  ///
  /// - Throws: What `fetch` and `visit` throw; `.failed` for names that are not in order.
  func visit(at place: String, _ visit: ([Object]) throws -> Void) throws {
    var last: String?
    func pass(_ objects: [Object]) throws {
      // Pages that overlap or come in another order would lose objects, or double them.
      for object in objects {
        guard object.key.utf8.starts(with: prefix.utf8),
          last.map({ bytesPrecede($0, object.key) }) ?? true
        else { throw BucketListing.outOfOrder(at: place) }
        last = object.key
      }
      if !objects.isEmpty { try visit(objects) }
    }
    var token: String?
    for _ in 0..<BucketListing.pagesInRow {
      let page = try fetch(nil, token, last: last)
      try pass(page.objects)
      guard let next = page.nextToken else { return }
      token = next
    }
    guard let last, let token else { return }
    let segments = Segments(self, after: last, token: token)
    let threads = (0..<BucketListing.concurrency).map { _ in startThread { segments.work() } }
    defer {
      segments.stop()
      for thread in threads { pthread_join(thread, nil) }
    }
    while let pages = try segments.next() {
      for page in pages { try pass(page) }
    }
  }

  private static func outOfOrder(at place: String) -> StoreError {
    StoreError(
      .failed, "the listing has names that were not asked for, or not in ascending order",
      at: Place(file: place),
      advice: "use a service that lists as S3 does (directory buckets do not)")
  }

  /// Where to cut the names after `last` and up to `end` in two: the first name behind all that
  /// agree with `last` in as few characters as possible.
  ///
  /// - Parameters:
  ///   - end: The last name there can be; nil for no end.
  ///   - prefixCount: Scalars that all names share.
  /// - Returns: nil where there is no such name.
  static func cut(after last: String, upTo end: String?, prefixCount: Int) -> String? {
    let scalars = Array(last.unicodeScalars)
    var shared = prefixCount
    if let end {
      // Behind anything shorter than what both share lies nothing.
      shared = max(shared, zip(scalars, end.unicodeScalars).prefix { $0 == $1 }.count)
    }
    for index in scalars.indices.dropFirst(shared) {
      guard let next = successor(of: scalars[index]) else { continue }
      // Services repeat the name in their XML, which cannot hold it.
      if !isInXML(scalars[..<index]) { return nil }
      guard isInXML([next]) else { continue }
      var name = String.UnicodeScalarView(scalars[..<index])
      name.append(next)
      if end.map({ bytesPrecede(String(name), $0) }) ?? true { return String(name) }
    }
    return nil
  }

  private static func isInXML(_ scalars: ArraySlice<Unicode.Scalar>) -> Bool {
    scalars.allSatisfy { $0.value >= 0x20 && $0.value != 0xFFFE && $0.value != 0xFFFF }
  }

  /// The next scalar; UTF-8 sorts as scalars do.
  private static func successor(of scalar: Unicode.Scalar) -> Unicode.Scalar? {
    scalar.value == 0xD7FF ? "\u{E000}" : Unicode.Scalar(scalar.value + 1)
  }
}

/// The parts of a large listing that are under way, in the order of their names.
private final class Segments: Sendable {
  private struct Segment {
    let id: Int
    /// Where it begins, while nothing was fetched.
    var after: String?
    var token: String?
    /// The last name that was fetched.
    var last: String
    /// The last name that belongs to it; nil for no end.
    var end: String?
    var pages: [[Object]] = []
    var isFetching = false
    var isDone = false
    /// Pages that came since it was made or cut.
    var pagesSinceCut = 0
    /// Whether it is not known yet if there is anything behind its last cut.
    var isBeingCut = false
    /// The segment that it was cut from.
    var origin: Int?
  }

  private struct State {
    var segments: [Segment]
    var nextID = 1
    var isStopped = false
    var failure: (any Error)?
  }

  private struct Request {
    var id: Int
    var after: String?
    var token: String?
    var last: String
  }

  private let listing: BucketListing
  private let prefixCount: Int
  private let monitor: Monitor<State>

  private static let maximumCount = 32
  private static let maximumPages = 4
  private static let pagesPerCut = 2

  init(_ listing: BucketListing, after last: String, token: String) {
    self.listing = listing
    prefixCount = listing.prefix.unicodeScalars.count
    let first = Segment(
      id: 0, token: token, last: last, pagesSinceCut: Segments.pagesPerCut)
    monitor = Monitor(State(segments: [first]))
  }

  func stop() { monitor.change { $0.isStopped = true } }

  /// The next pages, in order; nil when there are no more.
  func next() throws -> [[Object]]? {
    try monitor.wait { state -> Result<[[Object]]?, any Error>? in
      if let failure = state.failure { return .failure(failure) }
      while let first = state.segments.first, first.isDone, first.pages.isEmpty {
        state.segments.removeFirst()
      }
      guard let first = state.segments.first else { return .success(nil) }
      guard !first.pages.isEmpty else { return nil }
      state.segments[0].pages = []
      return .success(first.pages)
    }.get()
  }

  /// What each thread does.
  func work() {
    while let request = nextRequest() {
      let page = Result {
        try listing.fetch(request.after, request.token, last: request.last)
      }
      monitor.change { take(page, of: request, &$0) }
    }
  }

  /// Waits for something to fetch: of the earliest segment that has room, else of what a cut makes.
  private func nextRequest() -> Request? {
    monitor.wait { state -> Request?? in
      if state.isStopped || state.failure != nil || state.segments.allSatisfy(\.isDone) {
        return .some(nil)
      }
      let idle = state.segments.firstIndex {
        !$0.isDone && !$0.isFetching && $0.pages.count < Segments.maximumPages
      }
      guard let index = idle ?? self.cut(&state) else { return nil }
      state.segments[index].isFetching = true
      let segment = state.segments[index]
      return Request(
        id: segment.id, after: segment.token == nil ? segment.after : nil, token: segment.token,
        last: segment.last)
    }
  }

  /// Cuts the earliest segment that can be cut while it is being fetched.
  ///
  /// - Returns: The place of the new segment.
  private func cut(_ state: inout State) -> Int? {
    guard state.segments.count < Segments.maximumCount else { return nil }
    for (index, segment) in state.segments.enumerated()
    where segment.isFetching && !segment.isBeingCut
      && segment.pagesSinceCut >= Segments.pagesPerCut
    {
      guard
        let name = BucketListing.cut(
          after: segment.last, upTo: segment.end, prefixCount: prefixCount)
      else {
        state.segments[index].pagesSinceCut = 0
        continue
      }
      let new = Segment(
        id: state.nextID, after: name, last: name, end: segment.end, origin: segment.id)
      state.nextID += 1
      state.segments[index].end = name
      state.segments[index].isBeingCut = true
      state.segments.insert(new, at: index + 1)
      return index + 1
    }
    return nil
  }

  private func take(
    _ page: Result<ListingPage, any Error>, of request: Request, _ state: inout State
  ) {
    guard let index = state.segments.firstIndex(where: { $0.id == request.id }) else { return }
    do {
      let page = try page.get()
      var segment = state.segments[index]
      var objects = page.objects[...]
      var isDone = page.nextToken == nil
      if let end = segment.end, let past = objects.firstIndex(where: { bytesPrecede(end, $0.key) })
      {
        objects = objects[..<past]
        isDone = true
      }
      segment.isFetching = false
      segment.token = page.nextToken
      segment.isDone = isDone
      if let origin = segment.origin.flatMap({ id in state.segments.firstIndex { $0.id == id } }) {
        state.segments[origin].isBeingCut = false
        if !objects.isEmpty { state.segments[origin].pagesSinceCut = 0 }
      }
      segment.origin = nil
      if let last = objects.last {
        segment.last = last.key
        segment.pages.append(Array(objects))
        segment.pagesSinceCut += 1
      }
      state.segments[index] = segment
      if isDone && segment.pages.isEmpty { state.segments.remove(at: index) }
    } catch {
      state.failure = state.failure ?? error
    }
  }
}
