import Core
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Stores

/// A bucket in memory: pages of a fixed size, in byte order.
private final class Shelf: Sendable {
  let names: Mutex<[String]>
  let pageSize: Int
  let requests = Mutex(0)
  /// The places of the names given out, each once however often it was asked for; true where all
  /// names start with what is asked for.
  let fetched = Mutex(IndexSet())
  /// Called before each request, with its number.
  let before: @Sendable (Int) throws -> Void

  init(
    _ names: [String], pageSize: Int, before: @escaping @Sendable (Int) throws -> Void = { _ in }
  ) {
    self.names = Mutex(names.sorted(by: bytesPrecede))
    self.pageSize = pageSize
    self.before = before
  }

  func listing(_ prefix: String) -> BucketListing {
    BucketListing(prefix: prefix) { after, token in
      let number = self.requests.withLock {
        $0 += 1
        return $0
      }
      try self.before(number)
      return self.names.withLock { names in
        let start = token ?? after ?? ""
        // Sorted, so that the first is found quickly.
        var (low, high) = (0, names.count)
        while low < high {
          let middle = (low + high) / 2
          if bytesPrecede(start, names[middle]) { high = middle } else { low = middle + 1 }
        }
        let found = names[low...].lazy.filter { $0.utf8.starts(with: prefix.utf8) }
          .prefix(self.pageSize + 1)
        let page = Array(found.prefix(self.pageSize))
        self.fetched.withLock { $0.insert(integersIn: low..<low + page.count) }
        return ListingPage(
          objects: page.map { Object(key: $0, byteCount: 1, version: Version("1")) },
          nextToken: found.count > page.count ? page.last : nil)
      }
    }
  }

  /// Whose tokens hold for as many requests as are given.
  func listing(_ prefix: String, tokenLife: Int) -> BucketListing {
    let inner = listing(prefix)
    return BucketListing(prefix: prefix) { after, token in
      if token != nil, self.requests.withLock({ $0 }) % tokenLife == 0 {
        self.requests.withLock { $0 += 1 }
        throw ListingTokenRefused(failure: StoreError(.failed, "this token has expired"))
      }
      return try inner.fetch(after, token)
    }
  }

  func visit(_ prefix: String, tokenLife: Int? = nil) throws -> [String] {
    var all: [String] = []
    try (tokenLife.map { listing(prefix, tokenLife: $0) } ?? listing(prefix)).visit(at: "shelf") {
      all += $0.map(\.key)
    }
    return all
  }
}

@Suite("Listings of large buckets") struct BucketListingTests {
  @Test("a token that has expired costs a request, and no names", arguments: [1, 2, 3, 7])
  func expiredTokens(_ life: Int) throws {
    let names = (0..<3000).map { "p/\($0 / 100)/\($0)" }
    let shelf = Shelf(names, pageSize: 50)
    #expect(try shelf.visit("p/", tokenLife: life) == names.sorted(by: bytesPrecede))
  }

  static let pieces = [
    "a", "b", "/", "//", " ", "+", "%", "%20", "é", "e\u{301}", "日本", "🙂", "\u{D7FF}", "\u{E000}",
    "\u{FFFF}", "\u{10FFFF}", "~", "!", "0", "1", "2", "data/", "x=1", "\u{7F}", "\u{80}", ".",
  ]

  static func names(_ random: inout Seeded) -> [String] {
    let count = Int.random(in: 0...600, using: &random)
    var names = Set<[UInt8]>()
    // Nested, so that some beginnings are crowded.
    var stems = ["p/"]
    for _ in 0..<count {
      var name = stems.randomElement(using: &random)!
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        name += pieces.randomElement(using: &random)!
      }
      if Int.random(in: 0..<50, using: &random) == 0 {
        name += String(repeating: "l", count: max(0, 1024 - name.utf8.count))
      }
      guard name.utf8.count <= 1024 else { continue }
      names.insert(Array(name.utf8))
      if stems.count < 12 { stems.append(name) }
    }
    return names.map { String(decoding: $0, as: UTF8.self) }
  }

  @Test(
    "any names, in pages of any size: the same as one after the other",
    arguments: 1...60 as ClosedRange<UInt64>)
  func anyNames(seed: UInt64) throws {
    var random = Seeded(seed)
    let names = Self.names(&random)
    let shelf = Shelf(
      names + ["a", "o", "p", "p0", "q/z"], pageSize: Int.random(in: 1...9, using: &random))
    for prefix in ["p/", "", "p/a", "nowhere"] {
      let expected = shelf.names.withLock { all in
        all.filter { $0.utf8.starts(with: prefix.utf8) }
      }
      let found = try shelf.visit(prefix)
      #expect(found.count == expected.count)
      #expect(zip(found, expected).allSatisfy { sameBytes($0, $1) })
    }
  }

  @Test(
    "requests stay near the number of pages, whatever the names look like",
    arguments: [
      "numbers", "folders", "hashes", "one folder of many", "dates",
    ])
  func requests(kind: String) throws {
    let count = 40_000
    let names = (0..<count).map { index -> String in
      let number = String(index).paddedLeft(to: 9, with: "0")
      switch kind {
      case "numbers": return "logs/part-\(number).gz"
      case "folders": return "logs/\(index % 200)/\(index).csv"
      case "hashes":
        return "logs/" + String(UInt64(index) &* 0x9E37_79B9_7F4A_7C15, radix: 16) + "/data"
      case "one folder of many": return index < 100 ? "logs/\(index)/x" : "logs/50/\(number)"
      default: return "logs/year=2024/month=0\(index % 9 + 1)/day=0\(index % 7 + 1)/\(number)"
      }
    }
    let expected = names.sorted(by: bytesPrecede)
    // How many pages are thrown away at cuts is the threads' luck: the best of a few tells of the
    // rules.
    var least = Int.max
    for _ in 0..<5 where least >= 800 {
      let shelf = Shelf(names, pageSize: 100)
      #expect(try shelf.visit("logs/") == expected)
      least = min(least, shelf.requests.withLock { $0 })
    }
    #expect(least >= 400 && least < 800, "\(least)")
  }

  @Test("a small listing is one page after the other, without further requests")
  func small() throws {
    for (names, requests) in [(0, 1), (10, 1), (11, 2), (40, 4)] {
      let shelf = Shelf((0..<names).map { "k\($0 + 100)" }, pageSize: 10)
      #expect(try shelf.visit("k").count == names)
      #expect(shelf.requests.withLock { $0 } == requests)
    }
  }

  @Test("several requests are under way at once")
  func concurrent() throws {
    let waiting = Monitor(0)
    let shelf = Shelf((0..<5000).map { "k\($0 + 10_000)" }, pageSize: 100) { number in
      // The first four come in a row; each of the next two waits for the other.
      guard (5...6).contains(number) else { return }
      waiting.change { $0 += 1 }
      _ = waiting.wait { $0 >= 2 ? true : nil }
    }
    #expect(try shelf.visit("k").count == 5000)
  }

  @Test("a reader that lags behind keeps the listing waiting")
  func bounded() throws {
    let shelf = Shelf((0..<200_000).map { "k\($0 + 1_000_000)" }, pageSize: 100)
    var seen = 0
    var greatest = 0
    try shelf.listing("k").visit(at: "shelf") { objects in
      seen += objects.count
      let fetched = shelf.fetched.withLock { $0.count }
      greatest = max(greatest, fetched - seen)
      if seen % 50_000 == 0 { usleep(50_000) }
    }
    #expect(seen == 200_000)
    // 32 segments of 4 pages, 4 that the reader has taken, a page of each of 8 threads, and one at the
    // front of each segment that was fetched beyond a cut and will be fetched again.
    #expect(greatest <= (32 * 4 + 4 + 8 + 32) * 100, "\(greatest)")
  }

  @Test("what comes and goes meanwhile may be missed; what stays is seen once")
  func changing() throws {
    let steady = (0..<3000).map { "k/\($0 + 10_000)/x" }
    let passing = (0..<3000).map { "k/\($0 + 10_000)/a" }
    let holder = Mutex<Shelf?>(nil)
    let shelf = Shelf(steady + passing, pageSize: 20) { number in
      holder.withLock { shelf in
        shelf?.names.withLock { names in
          // Every request finds another state: some of the passing ones are gone, or back.
          let gone = Set(
            passing.enumerated().filter { ($0.offset + number) % 3 == 0 }.map(\.element))
          names = (steady + passing.filter { !gone.contains($0) }).sorted(by: bytesPrecede)
        }
      }
    }
    holder.withLock { $0 = shelf }
    let found = try shelf.visit("k/")
    holder.withLock { $0 = nil }
    #expect(found.filter { $0.hasSuffix("/x") } == steady)
    #expect(Set(found).count == found.count)
  }

  @Test("a request that fails ends the listing with its failure, and so does the reader")
  func failures() throws {
    for number in [1, 3, 6, 12] {
      let shelf = Shelf((0..<5000).map { "k\($0 + 10_000)" }, pageSize: 100) {
        if $0 == number { throw StoreError(.denied, "no") }
      }
      #expect(throws: StoreError.self) { try shelf.visit("k") }
    }
    struct Enough: Error {}
    for limit in [50, 450, 3000] {
      let shelf = Shelf((0..<5000).map { "k\($0 + 10_000)" }, pageSize: 100)
      var seen = 0
      #expect(throws: Enough.self) {
        try shelf.listing("k").visit(at: "shelf") {
          seen += $0.count
          if seen > limit { throw Enough() }
        }
      }
    }
  }

  @Test("names out of order, or not asked for, are an error", arguments: [false, true])
  func disorder(isForeign: Bool) throws {
    let listing = BucketListing(prefix: "k") { _, token in
      let number = Int(token ?? "0")!
      let name = number == 5 ? (isForeign ? "z" : "k0") : "k\(number + 10)"
      return ListingPage(
        objects: [Object(key: name, byteCount: 1, version: Version("1"))],
        nextToken: number == 9 ? nil : "\(number + 1)")
    }
    let error = #expect(throws: StoreError.self) { try listing.visit(at: "shelf") { _ in } }
    #expect(error?.code == .failed)
  }

  @Test("the same from servers: small pages of names that are hard to spell")
  func servers() throws {
    guard Moto.isThere, GCSServer.isPossible else { try Test.cancel("needs .deps/venv") }
    var random = Seeded(7)
    let names =
      (0..<90).map { index in
        (0..<3).map { _ in Self.pieces.randomElement(using: &random)! }.joined() + "-\(index)"
      }.filter { !$0.hasPrefix("/") } + [String(repeating: "é", count: 480)]
    let stores: [any Store] = [
      try Moto.store { $0.pageNameCount = 5 },
      try GCSServerForListing.shared.get().store(prefix: UUID().uuidString, bucket: "b"),
    ]
    for store in stores {
      for name in names { _ = try store.put("d/\(name)", .bytes([1]), .always) }
      let expected = names.map { "d/\($0)" }.sorted(by: bytesPrecede)
      let found = try store.objects(below: "d/").map(\.key)
      #expect(found.count == expected.count, "\(store.root)")
      #expect(zip(found, expected).allSatisfy { sameBytes($0, $1) }, "\(store.root)")
    }
  }
}

private enum GCSServerForListing {
  static let shared = Result {
    let server = try GCSServer(buckets: ["b"])
    try server.control(["page": 5])
    return server
  }
}

@Suite("Parts of a work, in their order") struct InOrderTests {
  @Test("values come in the order of the parts", arguments: [1, 2, 5])
  func order(threads: Int) throws {
    var taken: [Int] = []
    try inOrder(count: 50, threads: threads, buffer: 3) { part, give in
      for value in 0..<(part % 7) { try give(part * 100 + value) }
    } consume: {
      taken.append($0)
    }
    #expect(taken == (0..<50).flatMap { part in (0..<(part % 7)).map { part * 100 + $0 } })
  }

  @Test("no parts, and failures on either side")
  func ends() throws {
    struct Broken: Error, Equatable { var part: Int }
    try inOrder(count: 0, threads: 4, buffer: 1) { _, _ in
    } consume: { (_: Int) in
    }
    var taken: [Int] = []
    #expect(throws: Broken(part: 3)) {
      try inOrder(count: 10, threads: 4, buffer: 1) { part, give in
        if part >= 3 { throw Broken(part: part) }
        try give(part)
      } consume: {
        taken.append($0)
      }
    }
    #expect(taken == [0, 1, 2])
    #expect(throws: Broken(part: 1)) {
      try inOrder(count: 10, threads: 4, buffer: 1) { part, give in
        for _ in 0..<100 { try give(part) }
      } consume: {
        if $0 == 1 { throw Broken(part: 1) }
      }
    }
  }
}
