import Core
import Foundation
import Synchronization
import TestSupport
import Testing
import Transport

@testable import Stores

/// Listings of buckets that other writers are at work in, page by page, and what is in them.
@Suite(.enabled(if: Moto.isThere, Moto.whyNot))
struct ChangingListingTests {
  enum Kind: String, CaseIterable { case s3, gs }

  private static let google = Result { try GCSServer(buckets: ["bucket"]) }

  /// A store below a prefix of its own, whose listings come in pages of three.
  private func store(
    _ kind: Kind,
    _ schedule: @escaping @Sendable (WebServer.Request) -> FaultProxy.Fault? = { _ in
      nil
    }
  ) throws -> any Store {
    let address = try kind == .s3 ? Moto.address() : Self.google.get().address
    let proxy = FaultProxy(to: address) { request in
      if let fault = schedule(request) { return fault }
      guard Self.isPage(request) else { return nil }
      return .changes { request in
        if kind == .s3 {
          request.target += "&max-keys=3"
        } else {
          request.target = request.target.replacing("maxResults=1000", with: "maxResults=3")
        }
      }
    }
    let prefix = UUID().uuidString
    if kind == .s3 { return try Moto.store(prefix: prefix, endpoint: proxy.address) }
    var settings = GCSSettings()
    settings.endpoint = proxy.address
    return GCSStore(
      bucket: "bucket", prefix: prefix, settings: settings, credentials: .anonymous,
      client: GCSServer.client, policy: eagerPolicy, counter: MutationCounter())
  }

  private static func isPage(_ request: WebServer.Request) -> Bool {
    request.method == "GET"
      && (request.target.contains("list-type=2") || request.target.contains("maxResults="))
  }
  private static func hasToken(_ request: WebServer.Request) -> Bool {
    request.target.contains("continuation-token=") || request.target.contains("pageToken=")
  }

  private func fill(_ store: any Store, _ names: some Sequence<String> & Sendable) throws {
    for result in concurrently(Array(names), limit: 4, { try store.put($0, text: $0) }) {
      _ = try result.get()
    }
  }

  private static let names = (10..<40).map { "k\($0)" }

  @Test(
    "what is there all the time is listed once and in order, whatever comes and goes",
    arguments: Kind.allCases)
  func changingPages(_ kind: Kind) throws {
    let store = try store(kind)
    try fill(store, Self.names)
    var listed: [Object] = []
    var touched: Set<String> = []
    var pages = 0
    try store.list(prefix: "") { page in
      listed += page
      pages += 1
      let here = Int(page.last!.key.dropFirst().prefix(2))!
      // Behind, on the edge, and ahead, in turns: removed, added, replaced.
      let step = [-2, 0, 1, 2, 4][pages % 5]
      let gone = "k\(here + step)"
      let replaced = "k\(here + 6)"
      try store.delete([gone])
      // An end comes, also where each page brings something new ahead.
      for name in ["k\(here)a", "k\(max(10, here - 3))b", "k\(min(39, here + 3))c"] {
        _ = try store.put(name, text: "new")
        touched.insert(name)
      }
      if Self.names.contains(replaced), !touched.contains(replaced) {
        _ = try store.put(replaced, text: "replaced")
      }
      touched.insert(gone)
    }
    let keys = listed.map(\.key)
    #expect(keys == keys.sorted(by: bytesPrecede) && Set(keys).count == keys.count)
    #expect(Set(Self.names).subtracting(touched).subtracting(keys).isEmpty)
    #expect(Set(keys).subtracting(Self.names).subtracting(touched).isEmpty)
    #expect(pages >= 10)
  }

  @Test(
    "a page that comes twice is an error, for what follows it might be missing",
    arguments: Kind.allCases)
  func doubledPage(_ kind: Kind) throws {
    let first = Mutex<WebServer.Reply?>(nil)
    let store = try store(kind) { request in
      guard Self.isPage(request), let reply = first.withLock({ $0 }) else { return nil }
      return Self.hasToken(request) ? .answers(reply) : nil
    }
    try fill(store, Self.names.prefix(5))
    // The first page, as the server gives it.
    let page = try #require(try firstPage(of: store, kind))
    first.withLock { $0 = page }
    var keys: [String] = []
    let error = expectFailure(.failed) {
      try store.list(prefix: "") { keys += $0.map(\.key) }
    }
    #expect(error?.message.contains("ascending") == true)
    #expect(Set(keys).count == keys.count)
  }

  /// An answer with three keys that says that there are more.
  private func firstPage(of store: any Store, _ kind: Kind) throws -> WebServer.Reply? {
    let objects = Array(try store.objects(below: "").prefix(3))
    let root = store.root.split(separator: "/").last!
    if kind == .gs {
      let items = objects.map {
        "{\"name\": \"\(root)/\($0.key)\", \"size\": \"\($0.byteCount)\", \"generation\": \"1\"}"
      }
      return WebServer.Reply(
        200, [("Content-Type", "application/json")],
        text: "{\"items\": [\(items.joined(separator: ","))], \"nextPageToken\": \"x\"}")
    }
    let items = objects.map {
      "<Contents><Key>\(root)/\($0.key)</Key><Size>\($0.byteCount)</Size><ETag>\"1\"</ETag></Contents>"
    }
    return WebServer.Reply(
      200, [("Content-Type", "application/xml")],
      text: "<ListBucketResult>\(items.joined())<IsTruncated>true</IsTruncated>"
        + "<NextContinuationToken>x</NextContinuationToken></ListBucketResult>")
  }

  @Test("pages without objects go on", arguments: Kind.allCases)
  func emptyPages(_ kind: Kind) throws {
    let isEmpty = Atomic<Bool>(false)
    let store = try store(kind) { request in
      guard Self.isPage(request) else { return nil }
      // Every other answer has nothing but the token that it was asked with.
      guard Self.hasToken(request), !isEmpty.exchange(true, ordering: .relaxed) else {
        isEmpty.store(false, ordering: .relaxed)
        return nil
      }
      let name = kind == .s3 ? "continuation-token=" : "pageToken="
      let token = String(
        decoding: uriDecoded(String(request.target.split(separator: name)[1].prefix { $0 != "&" })),
        as: UTF8.self)
      return .answers(
        kind == .s3
          ? WebServer.Reply(
            200,
            text: "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>\(token)"
              + "</NextContinuationToken></ListBucketResult>")
          : WebServer.Reply(200, text: "{\"nextPageToken\": \"\(token)\"}"))
    }
    try fill(store, Self.names)
    #expect(try store.objects(below: "").map(\.key) == Self.names)
  }

  @Test(
    "every name is found by wildcards and fetched by its address, also of empty objects",
    arguments: Kind.allCases)
  func names(_ kind: Kind) throws {
    let address = try kind == .s3 ? Moto.address() : Self.google.get().address
    let variables =
      kind == .s3
      ? [
        "AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": "AK",
        "AWS_SECRET_ACCESS_KEY": "canary-secret-key",
      ]
      : ["STORAGE_EMULATOR_HOST": address]
    let opener = StoreOpener(
      client: GCSServer.client, policy: eagerPolicy, environment: { variables[$0] })
    let root = "\(kind.rawValue)://bucket/\(UUID().uuidString)"
    let store = try opener.open(root)
    let room = 1024 - root.split(separator: "/").last!.utf8.count - 1
    var keys = StoreContractTests.oddKeys + StoreContractTests.bucketKeys
    keys += [
      String(repeating: "n", count: room), "// /+ +/%2F%%/é//", "+", "%", " ", "a/\u{1F600}/",
    ]
    // A name of one byte more cannot be.
    expectFailure(.badAddress) {
      try store.put(String(repeating: "n", count: room + 1), text: "x")
    }
    // Wildcards leave names with a dot at their beginning alone, as in a shell.
    keys = keys.filter { key in
      key.utf8.count <= room && !key.split(separator: "/").contains { $0.hasPrefix(".") }
    }
    for (index, key) in keys.enumerated() {
      // Not those that stand for folders in web consoles.
      let isEmpty = index % 3 == 0 && !key.hasSuffix("/")
      _ = try store.put(key, text: isEmpty ? "" : key)
    }
    let scratch = Scratch()
    let cache = ObjectCache(directory: scratch.path + "/cache", maximumByteCount: 1 << 30)
    var found: [String] = []
    try opener.list(glob: root + "/**") { page in
      for (address, listed) in page {
        let (store, key) = try opener.locate(address)
        let copy = try cache.fetch(
          Object(key: key, byteCount: listed.byteCount, version: listed.version), from: store)
        let text = try String(contentsOfFile: copy.path, encoding: .utf8)
        let name = String(
          decoding: address.utf8.dropFirst(root.utf8.count + 1), as: UTF8.self)
        #expect(sameBytes(text, listed.byteCount == 0 ? "" : name))
        found.append(name)
      }
    }
    #expect(found.map { Array($0.utf8) } == keys.sorted(by: bytesPrecede).map { Array($0.utf8) })
  }
}
