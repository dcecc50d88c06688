import Core
import Foundation
import Synchronization
import TestSupport
import Testing
import Transport

@testable import Stores

/// What goes wrong between here and Google Cloud Storage, against the tests' own server (rule 38).
@Suite(.enabled(if: GCSServer.isPossible, "needs python3"))
struct GCSStoreTests {
  static let bytes = (0..<700_000).map { UInt8(truncatingIfNeeded: $0 &* 7 >> 2) }

  let server: GCSServer
  init() throws { server = try GCSServer() }

  /// A store behind a proxy.
  func store(through proxy: FaultProxy) -> GCSStore {
    var settings = GCSSettings()
    settings.endpoint = proxy.address
    settings.partByteCount = 256 << 10
    return GCSStore(
      bucket: "bucket", settings: settings, credentials: .anonymous, client: GCSServer.client,
      policy: eagerPolicy, counter: MutationCounter())
  }

  @Test(
    "a good answer that is garbled is asked for again",
    arguments: [
      "<html>a gateway</html>", "", "{}", "[1]", "{\"items\": [{}]}", "{\"name\": \"x\"}",
    ])
  func garbled(_ text: String) throws {
    let seen = Mutex<Set<String>>([])
    // Each request once; also such as did their work.
    let proxy = FaultProxy(to: server.address) { request in
      let isNew = seen.withLock { $0.insert("\(request.method) \(request.target)").inserted }
      // An object without items is the page of an empty listing.
      let isPage = request.method == "GET" && !request.target.contains("/o/")
      guard isNew, request.method != "DELETE",
        !(isPage && text.hasPrefix("{") && !text.contains("items"))
      else { return nil }
      return .replacesAnswer(WebServer.Reply(200, text: text))
    }
    let store = store(through: proxy)
    let small = try store.put("x", text: "one", .absent)
    let large = try store.put("large", .bytes(noise(600_000)), .absent)
    #expect(try store.head("x") == small)
    #expect(try store.objects(below: "").map(\.version) == [large.version, small.version])
    #expect(try store.text("x") == "one")
    let copied = try store.copy("x", to: "y")
    #expect(try store.text("y") == "one" && copied.byteCount == 3)
    try store.delete(["x"])
    #expect(try store.head("x") == nil)
  }

  @Test("a listing goes on where its token has expired")
  func expiredToken() throws {
    let struck = Mutex(0)
    let proxy = FaultProxy(to: server.address) { request in
      guard request.target.contains("pageToken=") else { return nil }
      return struck.withLock { struck in
        struck += 1
        return struck % 2 == 1 ? .answers(FaultProxy.googleError(400, "invalid")) : nil
      }
    }
    try server.control(["page": 2])
    let store = store(through: proxy)
    let keys = (0..<9).map { "key \($0)" }
    for key in keys { _ = try store.put(key, text: key) }
    #expect(try store.objects(below: "").map(\.key) == keys)
    #expect(struck.withLock { $0 } > 1)
  }

  func requests(_ method: String) throws -> [String] {
    try server.log().filter { $0.hasPrefix(method + " ") }
  }

  @Test(
    "busy servers are asked again, whatever is asked", arguments: [429, 500, 502, 503, 504, 408])
  func busy(_ status: Int) throws {
    let store = server.store()
    let fault: JSON = [
      "method": "*", "kind": "status", "status": .integer(Int64(status)), "times": 3,
    ]
    func badly<T>(_ body: () throws -> T) throws -> T {
      try server.faults(fault)
      return try body()
    }
    let small = try badly { try store.put("x", text: "hello", .absent) }
    let large = try badly { try store.put("y", .bytes(Self.bytes), .absent) }
    #expect(try badly { try store.head("x") } == small)
    #expect(try badly { try store.text("x") } == "hello")
    #expect(try badly { try store.objects(below: "") } == [small, large])
    let copy = try badly { try store.copy("x", to: "z", .absent) }
    #expect(copy.byteCount == 5)
    try badly { try store.delete(["x", "y", "z"]) }
    #expect(try store.objects(below: "") == [])
  }

  @Test("a server that stays ill is reported, with its words")
  func ill() throws {
    let store = server.store()
    try server.faults([
      "method": "*", "kind": "status", "status": 503, "times": 100, "message": "Come back later.",
    ])
    for body in [Body.bytes([1]), .bytes(Self.bytes)] {
      let error = expectFailure(.unreachable) { try store.put("x", body, .always) }
      #expect(error?.message.contains("HTTP 503: Come back later.") == true)
      #expect(error?.place.file == "gs://bucket/x")
    }
    expectFailure(.unreachable) { try store.get("x") }
    expectFailure(.unreachable) { try store.objects(below: "") }
    expectFailure(.unreachable) { try store.delete(["x"]) }
    #expect(try requests("GET").count == 8)
  }

  @Test("too many requests may be called 403, other 403 are final")
  func rateLimit() throws {
    let store = server.store()
    _ = try store.put("x", text: "hello")
    try server.faults([
      "method": "GET", "kind": "status", "status": 403, "times": 2, "reason": "rateLimitExceeded",
    ])
    #expect(try store.text("x") == "hello")
    try server.faults([
      "method": "GET", "kind": "status", "status": 403, "reason": "forbidden",
      "message": "me@x does not have storage.objects.get access",
    ])
    let error = expectFailure(.denied) { try store.text("x") }
    #expect(error?.message.contains("does not have storage.objects.get access") == true)
  }

  @Test(
    "a transfer goes on where it broke off",
    arguments: ["cut", "short"], [nil, 100_000..<600_000] as [Range<Int64>?])
  func resumes(_ kind: String, _ range: Range<Int64>?) throws {
    let store = server.store()
    _ = try store.put("x", .bytes(Self.bytes), .always)
    // More breaks than tries: progress is what counts.
    try server.faults([
      "method": "GET", "match": "alt=media", "kind": .string(kind), "bytes": 60_000, "times": 7,
    ])
    var read: [UInt8] = []
    let object = try store.read("x", range: range, ifMatch: nil, cancellation: .never) {
      read += $0
    }
    let wanted = range.map { Int($0.lowerBound)..<Int($0.upperBound) } ?? 0..<700_000
    expectSame(read, Self.bytes[wanted])
    #expect(object.byteCount == 700_000)
    #expect(try requests("GET").count == 8)
    let generation = object.version.rawValue
    #expect(
      try requests("GET").dropFirst().allSatisfy {
        $0.contains("ifGenerationMatch=\(generation)")
      })
  }

  @Test(
    "rule 2: an object that is replaced or removed during a break is an error",
    arguments: [true, false])
  func changesDuringBreak(_ isReplaced: Bool) throws {
    let store = server.store()
    _ = try store.put("x", .bytes(Self.bytes), .always)
    try server.faults(["method": "GET", "match": "alt=media", "kind": "cut", "bytes": 60_000])
    var isFirst = true
    expectFailure(.changed) {
      try store.read("x", range: nil, ifMatch: nil, cancellation: .never) { _ in
        guard isFirst else { return }
        isFirst = false
        if isReplaced {
          _ = try store.put("x", .bytes(Self.bytes), .always)
        } else {
          try store.delete(["x"])
        }
      }
    }
  }

  @Test("bytes that are not the object's are an error, of a whole object")
  func wrongChecksum() throws {
    let store = server.store()
    _ = try store.put("x", .bytes(Self.bytes), .always)
    let fault: JSON = ["method": "GET", "match": "alt=media", "kind": "corrupt"]
    for range in [nil, 0..<700_000, 0..<Int64.max] as [Range<Int64>?] {
      try server.faults(fault)
      expectFailure(.damaged) {
        try store.read("x", range: range, ifMatch: nil, cancellation: .never) { _ in }
      }
      #expect(throws: Never.self) {
        try store.read("x", range: range, ifMatch: nil, cancellation: .never) { _ in }
      }
    }
  }

  @Test("bytes that are damaged on their way up are sent again", arguments: [5000, 700_000])
  func damagedUpload(_ count: Int) throws {
    let store = server.store()
    let isSmall = count == 5000
    try server.faults([
      "method": .string(isSmall ? "POST" : "PUT"), "kind": "damage",
      "skip": .integer(isSmall ? 0 : 1),
    ])
    let object = try store.put("x", .bytes(Array(Self.bytes.prefix(count))), .absent)
    expectSame(try store.get("x")?.bytes ?? [], Self.bytes.prefix(count))
    #expect(object.byteCount == Int64(count))
    #expect(try requests("POST").count == 2)
  }

  @Test("rule 20: a put whose answer was lost knows its own object", arguments: [5, 700_000])
  func lostAnswer(_ count: Int) throws {
    let store = server.store()
    let body = Body.bytes(Array(Self.bytes.prefix(count)))
    let isSmall = count == 5
    let lost: JSON = [
      "method": .string(isSmall ? "POST" : "PUT"), "kind": "lost", "match": "upload",
      "skip": .integer(isSmall ? 0 : 2),
    ]
    try server.faults(lost)
    let first = try store.put("x", body, .absent)
    #expect(try store.head("x") == first)
    try server.faults(lost)
    let second = try store.put("x", body, .matches(first.version))
    #expect(try store.head("x") == second)
    #expect(second.version != first.version)
    try server.faults(lost)
    let third = try store.put("x", body, .always)
    #expect(try store.head("x") == third)
    #expect(try server.log().count { $0.hasSuffix(" reset") } == 3)
  }

  @Test("rule 20: a lost answer to a put that failed is no success")
  func lostRefusal() throws {
    let store = server.store()
    let other = try store.put("x", text: "theirs")
    try server.faults(["method": "POST", "kind": "lost", "match": "upload"])
    expectFailure(.conditionFailed) { try store.put("x", text: "theirs", .absent) }
    #expect(try store.head("x") == other)
  }

  @Test("rule 20: the session is lost after the last part was written")
  func sessionLostAfterSuccess() throws {
    let store = server.store()
    try server.faults(
      ["method": "PUT", "kind": "lost", "skip": 2],
      ["method": "PUT", "kind": "expire", "skip": 2])
    let object = try store.put("x", .bytes(Self.bytes), .absent)
    #expect(try store.head("x") == object)
    expectSame(try store.get("x")?.bytes ?? [], Self.bytes)
  }

  @Test(
    "an upload goes on with what the server has", arguments: ["reset", "half", "lost", "expire"])
  func resumesUpload(_ kind: String) throws {
    var settings = GCSSettings()
    settings.endpoint = server.address
    settings.partByteCount = 512 << 10
    let store = GCSStore(
      bucket: "bucket", settings: settings, credentials: .anonymous, client: GCSServer.client,
      policy: eagerPolicy, counter: MutationCounter())
    let bytes = Self.bytes + Self.bytes
    try server.faults(["method": "PUT", "kind": .string(kind), "skip": 1, "times": 1])
    let object = try store.put("x", .bytes(bytes), .absent)
    #expect(object.byteCount == 1_400_000)
    expectSame(try store.get("x")?.bytes ?? [], bytes)
    let opened = try requests("POST").count
    #expect(opened == (kind == "expire" ? 2 : 1))
  }

  @Test("a file that changes while it is sent is an error, and nothing is written")
  func changingFile() throws {
    let scratch = Scratch()
    let path = scratch.path + "/f"
    try Data(Self.bytes).write(to: URL(filePath: path))
    let source = try GCSSource(.file(path: path))
    #expect(try source.checksum().gcsText == source.checksum().gcsText)
    try Data(Self.bytes.dropLast()).write(to: URL(filePath: path))
    let handle = try #require(FileHandle(forWritingAtPath: path))
    let again = try GCSSource(.file(path: path))
    try handle.truncate(atOffset: 1000)
    expectFailure(.changed) { try again.part(0..<10) }
    expectFailure(.changed) { try again.checksum() }
  }

  @Test("copies within the server, in several calls, under conditions")
  func copy() throws {
    let store = server.store(prefix: "p")
    let from = try store.put("a b", .bytes(Self.bytes), .always)
    try server.control(["rewrite": 300_000])
    let copied = try store.copy("a b", ifMatch: from.version, to: "c/é", .absent)
    #expect(copied.byteCount == 700_000)
    expectSame(try store.get("c/é")?.bytes ?? [], Self.bytes)
    #expect(try requests("POST").count { $0.contains("rewriteTo") } == 3)
    expectFailure(.conditionFailed) { try store.copy("a b", to: "c/é", .absent) }
    expectFailure(.changed) { try store.copy("a b", ifMatch: copied.version, to: "d") }
    expectFailure(.notFound) { try store.copy("none", to: "d") }
    try server.control(["rewrite": 1_000_000])
    try server.faults(["method": "POST", "match": "rewriteTo", "kind": "lost"])
    let third = try store.copy("a b", to: "c/é", .matches(copied.version))
    #expect(try store.head("c/é") == third)
  }

  @Test("rule 37: whatever goes wrong on the way, nothing is lost or doubled", arguments: 0..<24)
  func chaos(_ seed: Int64) throws {
    let patient = RetryPolicy(
      maximumAttempts: 20,
      clock: Clock(now: { Instant(seconds: 1_700_000_000) }, sleep: { _, _ in }), random: { 0 })
    let store = server.store(prefix: "chaos", policy: patient)
    try server.control(["chaos": ["seed": .integer(seed), "period": 3], "page": 2])
    let bytes = Array(Self.bytes.prefix(300_000))
    let large = try store.put("large", .bytes(bytes), .absent)
    expectFailure(.conditionFailed) { try store.put("large", .bytes([1]), .absent) }
    let small = try store.put("small", text: "small", .absent)
    let empty = try store.put("empty", .bytes([]), .absent)
    _ = try store.put("gone", text: "x")
    var counter = try store.put("n", text: "0", .absent)
    for number in 1...5 {
      let (found, object) = try #require(try store.get("n"))
      #expect(object.version == counter.version)
      #expect(String(decoding: found, as: UTF8.self) == String(number - 1))
      counter = try store.put("n", text: String(number), .matches(object.version))
    }
    let copy = try store.copy("small", to: "twin", .absent)
    try store.delete(["gone"])
    let expected = [empty, large, counter, small, copy]
    #expect(try store.objects(below: "") == expected)
    #expect(try expected.map { try store.head($0.key) } == expected)
    expectSame(try store.get("large")?.bytes ?? [], bytes)
    #expect(try store.text("twin") == "small")
    #expect(try server.log().count { $0.hasSuffix(" reset") || $0.hasSuffix(" 503") } > 3)
  }

  @Test("listings come in pages, also in ones without objects")
  func pages() throws {
    let store = server.store(prefix: "dir")
    for key in ["a", "b", "c", "d", "e"] { _ = try store.put(key, text: key) }
    // What consoles make for a folder, and neighbours.
    _ = try server.store().put("dir/", text: "")
    _ = try server.store().put("dir2/x", text: "")
    try server.control(["page": 2])
    var pages: [[String]] = []
    try store.list(prefix: "") { pages.append($0.map(\.key)) }
    #expect(pages == [["a"], ["b", "c"], ["d", "e"]])
    #expect(try requests("GET").count == 3)
    #expect(try requests("GET").allSatisfy { $0.contains("fields=nextPageToken") })
  }

  @Test("a bucket that is missing is an error, not an empty one")
  func missingBucket() throws {
    let store = server.store(bucket: "none")
    for body: () throws -> Void in [
      { _ = try store.head("x") }, { _ = try store.get("x") }, { try store.delete(["x"]) },
      { _ = try store.objects(below: "") }, { _ = try store.put("x", text: "y") },
      { _ = try store.put("x", .bytes(Self.bytes), .always) },
    ] {
      // `get` takes a missing object for none; a missing bucket, too.
      let error = Result { try body() }
      guard case .failure(let failure as StoreError) = error else { continue }
      #expect(failure.code == .notFound)
      #expect(failure.message.contains("no such bucket"))
    }
    expectFailure(.notFound) { try store.head("x") }
    expectFailure(.notFound) { try store.objects(below: "") }
    expectFailure(.notFound) { try store.put("x", text: "y") }
  }

  @Test("what was stored as gzip is not decompressed on the way")
  func gzip() throws {
    let request = HTTPRequest(
      .post, server.address + "/upload/storage/v1/b/bucket/o?uploadType=multipart&name=x",
      headers: [("Content-Type", "multipart/related; boundary=cut")],
      body: .bytes(
        Array(
          "--cut\r\nA: b\r\n\r\n{\"contentEncoding\": \"gzip\"}\r\n--cut\r\nA: b\r\n\r\n\u{1F}packed\r\n--cut--\r\n"
            .utf8)))
    #expect(try HTTPClient.shared.send(request).isSuccess)
    #expect(try server.store().text("x") == "\u{1F}packed")
  }

  @Test("a key of one's own encrypts puts and copies")
  func kmsKey() throws {
    let store = server.store(kmsKey: "projects/p/locations/l/keyRings/r/cryptoKeys/k")
    _ = try store.put("x", text: "y")
    _ = try store.put("big", .bytes(Self.bytes), .always)
    _ = try store.copy("x", to: "z")
    let posts = try requests("POST")
    let key = "projects%2Fp%2Flocations%2Fl%2FkeyRings%2Fr%2FcryptoKeys%2Fk"
    #expect(posts.count == 3)
    #expect(posts.prefix(2).allSatisfy { $0.contains("&kmsKeyName=\(key)") })
    #expect(posts[2].contains("&destinationKmsKeyName=\(key)"))
  }

  @Test("rule 22: the store's clock is the server's")
  func clock() throws {
    try server.control(["date": "Sun, 06 Nov 1994 08:49:37 GMT"])
    let store = server.store()
    _ = try store.head("x")
    #expect(store.now() == Instant(seconds: 784_111_777))
  }

  @Test("rule 37: each put, delete and copy is one mutation, however many requests it takes")
  func counts() throws {
    let counter = MutationCounter()
    var settings = GCSSettings()
    settings.endpoint = server.address
    settings.partByteCount = 256 << 10
    let store = GCSStore(
      bucket: "bucket", settings: settings, credentials: .anonymous, client: GCSServer.client,
      policy: eagerPolicy, counter: counter)
    _ = try store.put("x", .bytes(Self.bytes), .always)
    _ = try store.copy("x", to: "y")
    try store.delete(["x", "y"])
    _ = try store.head("x")
    #expect(counter.total == 3)
  }

  @Test("wildcards and addresses, through the opener")
  func opener() throws {
    let host = server.address
    let opener = StoreOpener(
      client: GCSServer.client, policy: eagerPolicy,
      environment: { $0 == "STORAGE_EMULATOR_HOST" ? host : nil })
    let store = try opener.open("gs://bucket/data/")
    for key in ["a.csv", "b/a.csv", "b//x.csv", "c%20[1].csv", "z.txt"] {
      _ = try store.put(key, text: key)
    }
    func addresses(_ glob: String) throws -> [String] {
      var all: [String] = []
      try opener.list(glob: glob) { page in
        for (address, object) in page {
          all.append(String(address.dropFirst("gs://bucket/data/".count)))
          let (store, key) = try opener.locate(address)
          #expect(try store.head(key) == object)
        }
      }
      return all
    }
    #expect(try addresses("gs://bucket/data/*.csv") == ["a.csv", "c%20[1].csv"])
    #expect(
      try addresses("gs://bucket/data/**/*.csv") == [
        "a.csv", "b//x.csv", "b/a.csv", "c%20[1].csv",
      ])
    #expect(try addresses("gs://bucket/{data,none}/b//x.csv") == ["b//x.csv"])
    #expect(try addresses("gs://bucket/data/c%20[[]1].csv") == ["c%20[1].csv"])
    #expect(try addresses("gs://bucket/data/z.txt") == ["z.txt"])
    #expect(try addresses("gs://bucket/data/none") == [])
  }
}
