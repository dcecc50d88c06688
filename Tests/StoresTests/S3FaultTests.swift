import Core
import Foundation
import Kernels
import Synchronization
import TestSupport
import Testing
import Transport

@testable import Stores

/// What real networks do, between a store and moto's server.
@Suite(.enabled(if: Moto.isThere, Moto.whyNot))
struct S3FaultTests {
  /// Spoils the first requests of a method, and lets the others pass.
  static func first(
    _ count: Int, _ method: String, _ fault: S3Proxy.Fault
  ) -> @Sendable (WebServer.Request) -> S3Proxy.Fault? {
    let left = Mutex(count)
    return { request in
      guard request.method == method, !request.target.contains(".sluice-probe-") else { return nil }
      return left.withLock { left in
        guard left > 0 else { return nil }
        left -= 1
        return fault
      }
    }
  }

  static let passing: [(String, S3Proxy.Fault)] = [
    ("500", S3Proxy.error(500, "InternalError")), ("503", S3Proxy.error(503, "SlowDown")),
    ("429", .answers(WebServer.Reply(429))),
    ("502", .answers(WebServer.Reply(502, text: "<html>"))),
    ("BadDigest", S3Proxy.error(400, "BadDigest")),
    ("RequestTimeout", S3Proxy.error(400, "RequestTimeout")),
    ("ExpiredToken", S3Proxy.error(400, "ExpiredToken")),
    (
      "skew",
      S3Proxy.error(403, "RequestTimeTooSkewed", [("Date", "Tue, 14 Nov 2023 23:13:20 GMT")])
    ),
    ("truncated", .spoils { $0.fault = .length($0.body.count + 10) }),
    ("lost", .losesAnswer),
  ]

  @Test("what passes is tried again", arguments: passing, ["PUT", "GET", "DELETE", "POST"])
  func retries(_ fault: (name: String, S3Proxy.Fault), _ method: String) throws {
    let proxy = try S3Proxy(
      Self.first(["ExpiredToken", "skew"].contains(fault.name) ? 1 : 2, method, fault.1))
    let store = try proxy.store()
    _ = try store.put("x", text: "one", .absent)
    _ = try store.put("y", text: "two")
    _ = try store.put("z", text: "three")
    #expect(try store.text("x") == "one")
    #expect(try store.objects(below: "").map(\.key) == ["x", "y", "z"])
    try store.delete(["x", "y"])
    try store.delete(["z"])
    #expect(try store.objects(below: "").isEmpty)
  }

  @Test(
    "a listing goes on where its token has expired, or a page came garbled",
    arguments: [
      S3Proxy.error(400, "InvalidArgument"),
      .answers(WebServer.Reply(200, text: "<html>a gateway</html>")),
      .spoils { $0.body.removeLast($0.body.count / 2) },
    ])
  func listingGoesOn(_ fault: S3Proxy.Fault) throws {
    let struck = Mutex(0)
    let proxy = try S3Proxy { request in
      guard request.target.contains("continuation-token") else { return nil }
      return struck.withLock { struck in
        struck += 1
        return struck % 2 == 1 ? fault : nil
      }
    }
    let store = try proxy.store { $0.pageNameCount = 2 }
    let keys = (0..<9).map { "key \($0)" }
    for key in keys { _ = try store.put(key, text: key) }
    #expect(try store.objects(below: "").map(\.key) == keys)
    #expect(struck.withLock { $0 } > 1)
  }

  @Test("an object of our own in parts is verified by their checksums", arguments: [true, false])
  func partsVerified(_ isDamaged: Bool) throws {
    let proxy = try S3Proxy { request in
      guard isDamaged, request.method == "GET", request.target.contains("large") else { return nil }
      return .spoils { $0.body[$0.body.count - 7] ^= 1 }
    }
    let store = try proxy.store {
      $0.partThreshold = 1 << 20
      $0.minimumPartByteCount = 5 << 20
      $0.blockByteCount = 3 << 20
    }
    let bytes = noise(12_000_001)
    let object = try store.put("large", .bytes(bytes), .absent)
    #expect(PartsDigest.partCount(of: object.version.rawValue.filter { $0 != "\"" }) == 3)
    var read: [UInt8] = []
    func fetch() throws -> Object {
      try store.read("large", range: nil, ifMatch: nil, cancellation: .never) { read += $0 }
    }
    if isDamaged {
      expectFailure(.damaged) { try fetch() }
    } else {
      let fetched = try fetch()
      // When it was modified is said by two headers, which may be a second apart.
      #expect(fetched.version == object.version && fetched.byteCount == object.byteCount)
      expectSame(read, bytes)
      var checksum = try #require(try store.checksum(of: object))
      bytes.withUnsafeBytes { checksum.update($0) }
      #expect(try checksum.matches)
    }
  }

  @Test(
    "the MD5 of the parts' MD5s, however the bytes come",
    arguments: [0, 1, 99, 100, 101, 199, 200, 1000])
  func partsDigest(_ count: Int) {
    let bytes = noise(count)
    let parts = stride(from: 0, to: max(count, 1), by: 100).map { bytes[$0..<min($0 + 100, count)] }
    let expected = PartsDigest.etag(of: parts.flatMap { md5(Array($0)) })
    for step in [1, 7, 100, 1000] {
      var digest = PartsDigest(partByteCount: 100)
      for start in stride(from: 0, to: count, by: step) {
        bytes[start..<min(start + step, count)].withUnsafeBytes { digest.update($0) }
      }
      #expect(digest.etag == expected)
    }
  }

  @Test("what does not pass is told after some tries")
  func givesUp() throws {
    let proxy = try S3Proxy { _ in S3Proxy.error(503, "SlowDown") }
    let store = try proxy.store()
    let error = expectFailure(.unreachable) { try store.head("x") }
    expectFailure(.unreachable) { try store.text("x") }
    let told = expectFailure(.unreachable) { try store.objects(below: "") }
    #expect(told?.message.contains("fewer requests") == true)
    #expect(error?.place.file == store.uri("x"))
    #expect(store.service.pace.spacingMilliseconds > 0)
  }

  @Test(
    "rule 20: a conditional put whose answer was lost recognises its own object",
    arguments: [PutCondition.absent, .matches(Version("-"))])
  func lostAnswer(_ condition: PutCondition) throws {
    let isArmed = Atomic<Bool>(false)
    let proxy = try S3Proxy { request in
      guard request.method == "PUT", isArmed.exchange(false, ordering: .relaxed) else { return nil }
      return .losesAnswer
    }
    let store = try proxy.store()
    var wanted = condition
    if case .matches = condition { wanted = .matches(try store.put("x", text: "old").version) }
    _ = try store.put("warm", text: "", .absent)
    isArmed.store(true, ordering: .relaxed)
    let put = try store.put("x", text: "mine", wanted)
    #expect(try store.head("x")?.version == put.version)
    #expect(try store.text("x") == "mine")
    #expect(proxy.requests.count { $0.method == "PUT" && $0.target.hasSuffix("/x") } >= 2)
    // Another's object is not taken for it.
    expectFailure(.conditionFailed) { try store.put("x", text: "mine", .absent) }
  }

  @Test("rule 20: a conditional upload in parts recognises its own object")
  func lostUpload() throws {
    let proxy = try S3Proxy { request in
      request.method == "POST" && request.target.contains("uploadId") && request.attempt == 1
        ? .losesAnswer : nil
    }
    let store = try proxy.store {
      $0.partThreshold = 1 << 20
      $0.minimumPartByteCount = 5 << 20
    }
    let bytes = noise(6 << 20)
    let put = try store.put("x", .bytes(bytes), .absent)
    #expect(try store.head("x")?.version == put.version)
  }

  @Test("rule 20: 409 is tried again")
  func conflict() throws {
    let proxy = try S3Proxy(Self.first(1, "PUT", S3Proxy.error(409, "ConditionalRequestConflict")))
    let store = try proxy.store()
    _ = try store.put("x", text: "1", .absent)
    #expect(try store.text("x") == "1")
  }

  @Test(
    "rule 20: a service that ignores conditions is refused",
    arguments: ["if-none-match", "if-match"])
  func probe(_ ignored: String) throws {
    let objects = Mutex<[String: Int]>([:])
    let server = WebServer { request in
      guard request.method == "PUT" else { return WebServer.Reply(204) }
      return objects.withLock { objects in
        let holds =
          (request.headers["if-none-match"] != nil && ignored != "if-none-match"
            && objects[request.target] != nil)
          || (request.headers["if-match"] != nil && ignored != "if-match")
        if holds { return WebServer.Reply(412) }
        objects[request.target, default: 0] += 1
        return WebServer.Reply(200, [("ETag", "\"0\"")])
      }
    }
    let store = try Moto.store(endpoint: server.address)
    let error = expectFailure(.unsafe) { try store.put("x", text: "1", .absent) }
    #expect(error?.advice != nil)
    #expect(objects.withLock { $0.keys.contains { $0.hasSuffix("/x") } } == false)
    #expect(server.requests.last?.method == "DELETE")
    // Without a condition nothing is asked of it.
    _ = try store.put("x", text: "1")
  }

  static let breaks: [WebServer.Fault] = [
    .reset(after: 60_000), .close(after: 60_000), .hang(after: 60_000),
  ]

  @Test("a read goes on where it broke off", arguments: breaks)
  func resumes(_ fault: WebServer.Fault) throws {
    let bytes = noise(300_000)
    let proxy = try S3Proxy { request in
      guard request.method == "GET" else { return nil }
      return .spoils { if $0.body.count > 60_000 { $0.fault = fault } }
    }
    let store = try proxy.store(client: impatientClient)
    _ = try store.put("x", .bytes(bytes), .always)
    var read: [UInt8] = []
    _ = try store.read("x", range: nil, ifMatch: nil, cancellation: .never) { read += $0 }
    expectSame(read, bytes)
    let gets = proxy.requests.filter { $0.method == "GET" }
    #expect(gets.count >= 5 && gets.dropFirst().allSatisfy { $0.headers["if-match"] != nil })
  }

  @Test("blocks of a large read go on where they broke off")
  func resumesBlocks() throws {
    let bytes = noise(900_000)
    let proxy = try S3Proxy { request in
      guard request.method == "GET", request.attempt % 2 == 1 else { return nil }
      return .spoils { $0.fault = .close(after: $0.body.count / 2) }
    }
    let store = try proxy.store { $0.blockByteCount = 100_000 }
    _ = try store.put("x", .bytes(bytes), .always)
    var read: [UInt8] = []
    _ = try store.read("x", range: nil, ifMatch: nil, cancellation: .never) { read += $0 }
    expectSame(read, bytes)
  }

  @Test("bytes that are not the object's are damaged", arguments: [false, true])
  func wrongBytes(_ isLarge: Bool) throws {
    let proxy = try S3Proxy { request in
      request.method == "GET" ? .spoils { if !$0.body.isEmpty { $0.body[0] ^= 1 } } : nil
    }
    let store = try proxy.store { if isLarge { $0.blockByteCount = 10_000 } }
    _ = try store.put("x", .bytes(noise(100_000)), .always)
    expectFailure(.damaged) { try store.get("x") }
  }

  /// Of ones in parts S3 has a checksum of all bytes where their writer asked for one.
  @Test(
    "an object in parts is held to the checksum that S3 states",
    arguments: [
      ("crc64nvme", "FULL_OBJECT", true), ("crc32c", "FULL_OBJECT", true),
      ("crc32", "FULL_OBJECT", true), ("sha256", "FULL_OBJECT", true),
      ("sha1", "FULL_OBJECT", true),
      // Of parts that nobody knows.
      ("crc32c", "COMPOSITE", false),
    ])
  func statedChecksum(name: String, type: String, isHeld: Bool) throws {
    let bytes = noise(50_000)
    let method = try #require(ByteSum.Method(rawValue: name))
    let value = base64(ByteSum.of(bytes, by: method))
    let isSpoilt = Atomic<Bool>(false)
    let proxy = try S3Proxy { request in
      guard ["GET", "HEAD"].contains(request.method) else { return nil }
      return .spoils { reply in
        reply.headers.removeAll { $0.0.lowercased() == "etag" }
        reply.headers += [
          ("ETag", "\"0123456789abcdef0123456789abcdef-7\""), ("x-amz-checksum-\(name)", value),
          ("x-amz-checksum-type", type),
        ]
        if isSpoilt.load(ordering: .relaxed), !reply.body.isEmpty { reply.body[49_000] ^= 4 }
      }
    }
    let store = try proxy.store()
    _ = try store.put("x", .bytes(bytes), .always)
    expectSame(try #require(try store.get("x")).bytes, bytes)
    let object = try #require(try store.head("x"))
    #expect((try store.checksum(of: object) != nil) == isHeld)
    isSpoilt.store(true, ordering: .relaxed)
    if isHeld {
      expectFailure(.damaged) { try store.get("x") }
    } else {
      _ = try store.get("x")
    }
  }

  @Test("an object replaced in the middle of a read has changed")
  func replaced() throws {
    let isReplaced = Atomic<Bool>(false)
    let proxy = try S3Proxy { request in
      guard request.method == "GET" else { return nil }
      return .spoils {
        if $0.body.count > 60_000 { $0.fault = .close(after: 60_000) }
        isReplaced.store(true, ordering: .relaxed)
      }
    }
    let store = try proxy.store()
    let direct = S3Store(
      bucket: "bucket", prefix: String(store.base.dropLast()), service: try Moto.store().service,
      counter: MutationCounter())
    _ = try store.put("x", .bytes(noise(100_000)), .always)
    var hasReplaced = false
    expectFailure(.changed) {
      try store.read("x", range: nil, ifMatch: nil, cancellation: .never) { _ in
        if !hasReplaced { _ = try direct.put("x", .bytes(noise(100_000, seed: 2)), .always) }
        hasReplaced = true
      }
    }
  }

  @Test("the region is learnt from the answer", arguments: [301, 400])
  func region(_ status: Int) throws {
    let proxy = try S3Proxy { request in
      let isRight = request.headers["authorization"]?.contains("/eu-west-1/s3/") == true
      return isRight
        ? nil
        : S3Proxy.error(status, "AuthorizationHeaderMalformed", extra: "<Region>eu-west-1</Region>")
    }
    let store = try proxy.store()
    #expect(try store.objects(below: "").isEmpty)
    _ = try store.put("x", text: "1")
    #expect(try store.text("x") == "1")
    #expect(proxy.requests.count == 4)
  }

  @Test("a removal that fails for some objects names them")
  func partialDelete() throws {
    let proxy = try S3Proxy { request in
      guard request.target.contains("?delete") else { return nil }
      return .answers(
        WebServer.Reply(
          200,
          text: "<DeleteResult><Error><Key>p/b</Key><Code>AccessDenied</Code>"
            + "<Message>no</Message></Error></DeleteResult>"))
    }
    let error = expectFailure(.denied) { try proxy.store().delete(["a", "b"]) }
    #expect(error?.place.file == "s3://bucket/p/b")
  }

  @Test(
    "errors say what to do",
    arguments: [
      (403, "AccessDenied", StoreError.Code.denied, "permissions"),
      (403, "InvalidAccessKeyId", .denied, "AWS_ACCESS_KEY_ID"),
      (403, "SignatureDoesNotMatch", .denied, "AWS_SECRET_ACCESS_KEY"),
      (400, "ExpiredToken", .denied, "log in again"),
      (404, "NoSuchBucket", .notFound, "bucket's name"),
      (400, "KeyTooLongError", .badAddress, "shorter"),
      (403, "InvalidObjectState", .denied, "restore"),
    ])
  func errors(_ status: Int, _ code: String, _ expected: StoreError.Code, _ advice: String) throws {
    let proxy = try S3Proxy { _ in S3Proxy.error(status, code) }
    let store = try proxy.store()
    var told = [
      expectFailure(expected) { try store.put("x", text: "1") },
      expectFailure(expected) { try store.objects(below: "") },
    ]
    // A missing bucket looks like a missing object to HEAD.
    if status != 404 { told.append(expectFailure(expected) { try store.head("x") }) }
    for error in told {
      #expect(error?.advice?.contains(advice) == true, "\(String(describing: error))")
      #expect(error?.place.file?.hasPrefix("s3://bucket/") == true)
      #expect(error.map { "\($0)".contains("canary") } == false)
    }
  }
}
