import Core
import Foundation
import Kernels
import Synchronization
import TestSupport
import Testing
import Transport

@testable import Stores

/// Objects that others have uploaded in parts, held to the checksum of their parts' checksums. moto
/// knows neither `partNumber` nor the form of these checksums well enough: the server is the test's.
struct S3PartsTests {
  @Test(
    "only an MD5, a dash and a number is the ETag of parts",
    arguments: [
      ("9bb58f26192e4ba00f01e2e7b136bbd8-3", 3), ("9BB58F26192E4BA00F01E2E7B136BBD8-10000", 10_000),
      ("9bb58f26192e4ba00f01e2e7b136bbd8", nil), ("9bb58f26192e4ba00f01e2e7b136bbd8-", nil),
      ("9bb58f26192e4ba00f01e2e7b136bbd8--3", nil), ("9bb58f26192e4ba00f01e2e7b136bbd8-3-4", nil),
      ("9bb58f26192e4ba00f01e2e7b136bbd8-x", nil), ("9bb58f26192e4ba00f01e2e7b136bbd8é3", nil),
      ("9bb58f26192e4ba00f01e2e7b136bbg8-3", nil), ("9bb58f26192e4ba00f01e2e7b136bbd-33", nil),
      ("", nil), ("-3", nil),
    ] as [(String, Int64?)])
  func partCount(_ etag: String, _ count: Int64?) {
    #expect(PartsDigest.partCount(of: etag) == count)
  }

  /// A bucket with one object in parts, as S3 answers for it.
  private struct PartedObject {
    var bytes = noise(50_000)
    var sizes = [20_000, 20_000, 10_000]
    /// Of the checksum that it was uploaded with; nil for none but the ETag.
    var method: ByteSum.Method?
    var headers: [(String, String)] = []
    /// How it answers for part numbers; S3's own way where nil.
    var answersPart: (@Sendable (_ number: Int) -> WebServer.Reply)?
    /// Whether a byte is damaged on its way.
    var isSpoilt = false

    var parts: [Range<Int>] {
      var start = 0
      return sizes.map { size in
        defer { start += size }
        return start..<(start + size)
      }
    }

    private func composite(_ method: ByteSum.Method) -> [UInt8] {
      ByteSum.of(parts.flatMap { ByteSum.of(Array(bytes[$0]), by: method) }, by: method)
    }

    var etag: String { "\"\(hexText(composite(.md5)))-\(sizes.count)\"" }

    func server() -> WebServer {
      var stated = headers
      if let method {
        stated += [
          ("x-amz-checksum-\(method.rawValue)", base64(composite(method)) + "-\(sizes.count)"),
          ("x-amz-checksum-type", "COMPOSITE"),
        ]
      }
      let (whole, etag, parts) = (bytes, etag, parts)
      let (isSpoilt, answersPart) = (isSpoilt, answersPart)
      var sent = whole
      if isSpoilt { sent[whole.count / 2] ^= 4 }
      return WebServer { [stated, sent] request in
        if let query = request.target.split(separator: "partNumber=").dropFirst().first,
          let number = Int(query)
        {
          if let answersPart { return answersPart(number) }
          guard request.headers["if-match"] == etag else { return WebServer.Reply(412) }
          return Self.part(number, parts, of: whole.count, etag)
        }
        var reply = WebServer.Reply.file(sent, etag: etag, for: request)
        if request.headers["x-amz-checksum-mode"] == "ENABLED" { reply.headers += stated }
        if request.method == "HEAD" {
          reply = .init(reply.status, reply.headers, fault: .length(whole.count))
        }
        return reply
      }
    }

    static func part(
      _ number: Int, _ parts: [Range<Int>], of total: Int, _ etag: String
    ) -> WebServer.Reply {
      guard parts.indices.contains(number - 1) else { return WebServer.Reply(416) }
      let part = parts[number - 1]
      return WebServer.Reply(
        206,
        [
          ("ETag", etag), ("x-amz-mp-parts-count", "\(parts.count)"),
          ("Content-Range", "bytes \(part.lowerBound)-\(part.upperBound - 1)/\(total)"),
        ], fault: .length(part.count))
    }
  }

  private func partRequests(_ server: WebServer) -> [String] {
    server.requests.filter { $0.method == "HEAD" && $0.target.contains("partNumber") }.map {
      String($0.target.split(separator: "=").last!)
    }
  }

  private func read(
    _ object: PartedObject, blocks: Bool = false
  ) throws -> (result: Result<[UInt8], any Error>, asked: [String]) {
    let server = object.server()
    defer { server.stop() }
    let store = try Moto.store(endpoint: server.address) {
      if blocks { $0.blockByteCount = 5000 }
    }
    let result = Result { try #require(try store.get("x")).bytes }
    return (result, partRequests(server))
  }

  private func expectDamage(_ result: Result<[UInt8], any Error>) {
    expectFailure(.damaged) { try result.get() }
  }

  @Test(
    "bytes are held to the checksum of the parts' checksums",
    arguments: [ByteSum.Method.crc32, .crc32c, .sha1, .sha256, nil], [false, true])
  func composite(_ method: ByteSum.Method?, _ blocks: Bool) throws {
    var object = PartedObject(method: method)
    let good = try read(object, blocks: blocks)
    expectSame(try good.result.get(), object.bytes)
    #expect(good.asked == ["1"])
    object.isSpoilt = true
    let bad = try read(object, blocks: blocks)
    expectDamage(bad.result)
    // Before it is called damaged, the parts in the middle are looked at.
    #expect(bad.asked == ["1", "2"])
  }

  @Test(
    "parts of any number, the last one of any size",
    arguments: [[1], [50_000], [30_000, 1], [7, 7], Array(repeating: 100, count: 40) + [3]])
  func shapes(_ sizes: [Int]) throws {
    for method in [ByteSum.Method.crc32c, nil] {
      var object = PartedObject(
        bytes: noise(sizes.reduce(0, +)), sizes: sizes, method: method)
      let good = try read(object)
      expectSame(try good.result.get(), object.bytes)
      // One part is all there is.
      #expect(good.asked == (sizes.count == 1 ? [] : ["1"]))
      object.isSpoilt = true
      let bad = try read(object)
      expectDamage(bad.result)
      #expect(Set(bad.asked).count == max(sizes.count - 1, 0), "\(bad.asked)")
    }
  }

  @Test("an empty object that was uploaded as one part")
  func empty() throws {
    for method in [ByteSum.Method.sha256, nil] {
      let read = try read(PartedObject(bytes: [], sizes: [0], method: method))
      #expect(try read.result.get() == [] && read.asked == [])
    }
  }

  @Test(
    "parts of other sizes cannot be checked, and are no damage",
    arguments: [
      // As many as parts of the first's size would be.
      [20_000, 19_000, 11_000], [20_000, 21_000, 9000], [10_000, 9000, 11_000, 10_000, 10_000],
      // Fewer, more.
      [10_000, 30_000, 10_000], [20_000, 10_000, 10_000, 10_000],
    ])
  func unequalParts(_ sizes: [Int]) throws {
    for method in [ByteSum.Method.crc32, nil] {
      let object = PartedObject(sizes: sizes, method: method)
      expectSame(try read(object).result.get(), object.bytes)
    }
  }

  @Test(
    "services that do not tell parts, or tell nonsense, have bytes that cannot be checked",
    arguments: [
      WebServer.Reply(403), .init(404), .init(412), .init(501),
      // The number passed over: the whole object.
      .init(200, [("ETag", "E")], fault: .length(50_000)),
      .init(
        206, [("ETag", "E"), ("Content-Range", "bytes 0-49999/50000")], fault: .length(50_000)),
      // Another object's.
      .init(
        206, [("ETag", "\"x\""), ("Content-Range", "bytes 0-19999/50000")], fault: .length(20_000)),
      .init(
        206, [("ETag", "E"), ("Content-Range", "bytes 0-19999/60000")], fault: .length(20_000)),
      .init(
        206, [("ETag", "E"), ("Content-Range", "bytes 9-20008/50000")], fault: .length(20_000)),
      .init(206, [("ETag", "E"), ("Content-Range", "nonsense")], fault: .length(20_000)),
      .init(206, [("ETag", "E"), ("Content-Range", "bytes 0-0/50000")], fault: .length(0)),
      .init(
        206, [("ETag", "E"), ("Content-Range", "bytes 9223372036854775807-1/50000")],
        fault: .length(20_000)),
    ])
  func silentServices(_ reply: WebServer.Reply) throws {
    for isSpoilt in [false, true] {
      var object = PartedObject(method: .crc32c, isSpoilt: isSpoilt)
      var reply = reply
      let etag = object.etag
      reply.headers = reply.headers.map { ($0.0, $0.1 == "E" ? etag : $0.1) }
      object.answersPart = { [reply] _ in reply }
      #expect(try read(object).result.get().count == 50_000)
    }
  }

  @Test("a service that fails where it is asked for the other parts is a failure, not damage")
  func failsAtConfirming() throws {
    var object = PartedObject(
      sizes: [10_000, 10_000, 10_000, 10_000, 10_000], method: .crc32, isSpoilt: true)
    let (parts, etag) = (object.parts, object.etag)
    object.answersPart = { number in
      number == 3 ? WebServer.Reply(503) : PartedObject.part(number, parts, of: 50_000, etag)
    }
    let result = try read(object).result
    expectFailure(.unreachable) { try result.get() }
  }

  @Test("an ETag of encrypted bytes says nothing; a checksum is of those that were uploaded")
  func encrypted() throws {
    let encryption = [("x-amz-server-side-encryption", "aws:kms")]
    let silent = try read(PartedObject(headers: encryption, isSpoilt: true))
    #expect(try silent.result.get().count == 50_000 && silent.asked == [])
    expectDamage(
      try read(PartedObject(method: .sha256, headers: encryption, isSpoilt: true)).result)
  }

  @Test("of our own uploads the size of parts is in the metadata", arguments: [false, true])
  func ownParts(_ isSpoilt: Bool) throws {
    var object = PartedObject(headers: [("x-amz-meta-sluice-part", "20000")], isSpoilt: isSpoilt)
    let own = try read(object)
    #expect(own.asked == [])
    if isSpoilt { expectDamage(own.result) } else { _ = try own.result.get() }
    // Metadata that was taken over from another object does not fit.
    for wrong in ["25001", "0", "-5", "9223372036854775807", "x"] {
      object.headers = [("x-amz-meta-sluice-part", wrong)]
      let other = try read(object)
      #expect(other.asked.first == "1", "\(wrong)")
      if isSpoilt { expectDamage(other.result) } else { _ = try other.result.get() }
    }
  }

  @Test("what was put together from several transfers is held to it, too")
  func checksumOfVersion() throws {
    let object = PartedObject(method: .crc32c)
    let server = object.server()
    defer { server.stop() }
    let store = try Moto.store(endpoint: server.address)
    let listed = try #require(try store.head("x"))
    for isSpoilt in [false, true] {
      var checksum = try #require(try store.checksum(of: listed))
      var bytes = object.bytes
      if isSpoilt { bytes[30_000] ^= 1 }
      bytes.withUnsafeBytes { checksum.update($0) }
      #expect(try checksum.matches == !isSpoilt)
    }
  }

  @Test(
    "parts that Amazon's own library uploaded to moto, which does not say what its checksum is of",
    .enabled(if: Moto.isThere, Moto.whyNot), arguments: ["CRC32", "SHA256", ""])
  func uploadedByOthers(_ algorithm: String) throws {
    let store = try Moto.store()
    let tool = try PythonTool(
      "upload_parts.py", [try Moto.address(), "bucket", store.base + "x", algorithm])
    #expect(try tool.firstLine() == "3")
    let bytes = (0..<(11 << 20)).map { UInt8(truncatingIfNeeded: $0 % 251) }
    expectSame(try #require(try store.get("x")).bytes, bytes)
    #expect(try store.head("x")?.version.rawValue.hasSuffix("-3\"") == true)
  }
}
