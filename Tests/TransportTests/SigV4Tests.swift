import Core
import TestSupport
import Testing

@testable import Transport

/// Signatures of requests to AWS.
struct SigV4Tests {
  struct Vector: Sendable {
    var name: String
    var request: HTTPRequest
    var payload: SigV4.Payload = .empty
    var signature: String
    var signedHeaders: String
  }

  // "Authenticating Requests: Using the Authorization Header" of the S3 API reference.
  static let s3Vectors: [Vector] = [
    Vector(
      name: "GET object",
      request: HTTPRequest(
        .get, "https://examplebucket.s3.amazonaws.com/test.txt",
        headers: [("Range", "bytes=0-9")]),
      signature: "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
      signedHeaders: "host;range;x-amz-content-sha256;x-amz-date"),
    Vector(
      name: "PUT object",
      request: HTTPRequest(
        .put, "https://examplebucket.s3.amazonaws.com/test%24file.text",
        headers: [
          ("Date", "Fri, 24 May 2013 00:00:00 GMT"),
          ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ]),
      payload: .bytes(Array("Welcome to Amazon S3.".utf8)),
      signature: "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
      signedHeaders: "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class"),
    Vector(
      name: "GET bucket lifecycle",
      request: HTTPRequest(.get, "https://examplebucket.s3.amazonaws.com/?lifecycle"),
      signature: "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
      signedHeaders: "host;x-amz-content-sha256;x-amz-date"),
    Vector(
      name: "list objects",
      request: HTTPRequest(.get, "https://examplebucket.s3.amazonaws.com/?prefix=J&max-keys=2"),
      signature: "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
      signedHeaders: "host;x-amz-content-sha256;x-amz-date"),
  ]

  @Test("rule 30: Amazon's published S3 signatures", arguments: s3Vectors)
  func published(_ vector: Vector) {
    var request = vector.request
    SigV4(service: "s3").sign(
      &request,
      as: AWSCredentials(
        accessKeyID: "AKIAIOSFODNN7EXAMPLE",
        secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
      region: "us-east-1", payload: vector.payload, at: Instant(seconds: 1_369_353_600))
    #expect(
      request.headers.last?.value
        == "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        + "SignedHeaders=\(vector.signedHeaders), Signature=\(vector.signature)", "\(vector.name)")
  }

  // From the Signature Version 4 test suite.
  static let suiteVectors: [(String, HTTPRequest, String)] = [
    (
      "get-vanilla", HTTPRequest(.get, "https://example.amazonaws.com/"),
      "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    ),
    (
      "get-vanilla-query-order-key-case",
      HTTPRequest(.get, "https://example.amazonaws.com/?Param2=value2&Param1=value1"),
      "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"
    ),
    (
      "get-header-value-trim",
      HTTPRequest(
        .get, "https://example.amazonaws.com/",
        headers: [("My-Header1", " value1"), ("My-Header2", " \"a   b   c\"")]),
      "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"
    ),
    (
      "get-relative-relative",
      HTTPRequest(.get, "https://example.amazonaws.com/example1/example2/../.."),
      "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    ),
    (
      "post-vanilla", HTTPRequest(.post, "https://example.amazonaws.com/"),
      "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
    ),
  ]

  @Test("Amazon's test suite", arguments: suiteVectors)
  func suite(_ name: String, _ request: HTTPRequest, _ signature: String) {
    var request = request
    SigV4(service: "service").sign(
      &request,
      as: AWSCredentials(
        accessKeyID: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
      region: "us-east-1", payload: .empty, at: Instant(seconds: 1_440_938_160))
    #expect(request.headers.last?.value.hasSuffix("Signature=\(signature)") == true, "\(name)")
  }

  static let keys = [
    "", "a", "a b", "a+b", "a%b", "a%20b", "%2F", "//", "/a//b/", "a/../b", "./.", "é/日本/🦊",
    "a~b_c-d.e",
    "a&b=c?d#e", "'\"<>\\^`{|}", "a:b;c,d@e$f!g*h(i)", "\u{1}\u{7F}",
    String(repeating: "k", count: 1024),
  ]

  @Test(
    "rule 30: the same signatures as botocore's",
    .enabled(if: PythonTool.has("botocore"), Comment(rawValue: PythonTool.whyNot)))
  func botocore() throws {
    var random = Seeded(30)
    var cases: [JSON] = []
    var own: [String] = []
    let signers = ["s3": SigV4(service: "s3"), "sts": SigV4(service: "sts")]
    func add(_ key: String, _ query: [(String, String)]) {
      let service = random.next() % 8 == 0 ? "sts" : "s3"
      // Dot segments are resolved elsewhere than in S3, which the next test looks at.
      let path = service == "sts" ? "/" : "/bucket/\(key)"
      let method: HTTPRequest.Method = [.get, .put, .head, .post, .delete][Int(random.next() % 5)]
      let origin = [
        "https://s3.eu-west-1.amazonaws.com", "http://127.0.0.1:9000", "https://H:443",
      ][
        Int(random.next() % 3)]
      var headers: [(name: String, value: String)] = [("Content-Type", "text/x;  a=\"b  c\"")]
      if random.next() % 2 == 0 { headers.append(("x-amz-meta-Nonce", "  n \(random.next())  ")) }
      let token = random.next() % 2 == 0 ? "tok/en+=\(random.next())" : nil
      let secret = "Lp6/secret/\(random.next() % 5)"
      let payload: SigV4.Payload = random.next() % 2 == 0 ? .unsigned : .bytes(Array(key.utf8))
      let instant = Instant(seconds: Int64(random.next() % 2_000_000_000))
      let region = ["us-east-1", "eu-west-1"][Int(random.next() % 2)]

      var url = origin + uriEncoded(path, keepsSlashes: true)
      if !query.isEmpty {
        url +=
          "?" + query.map { "\(uriEncoded($0.0))=\(uriEncoded($0.1))" }.joined(separator: "&")
      }
      var request = HTTPRequest(method, url, headers: headers)
      signers[service]!.sign(
        &request,
        as: AWSCredentials(accessKeyID: "AK", secretAccessKey: secret, sessionToken: token),
        region: region, payload: payload, at: instant)
      own.append(request.headers.last!.value)
      cases.append([
        "method": .string(method.rawValue), "origin": .string(origin), "path": .string(path),
        "query": .array(query.map { [.string($0.0), .string($0.1)] }),
        "headers": .array(headers.map { [.string($0.name), .string($0.value)] }),
        "payload": .string(payload.text), "time": .string(SigV4.stamp(instant)), "access": "AK",
        "secret": .string(secret), "token": token.map { .string($0) } ?? .null,
        "region": .string(region), "service": .string(service),
      ])
    }
    for key in Self.keys {
      add(key, [])
      add(key, [("list-type", "2"), ("prefix", key), ("delete", ""), ("a-b", "1"), ("a", key)])
    }
    for _ in 0..<400 {
      add(random.key(), (0..<Int(random.next() % 4)).map { ("\(random.key())\($0)", random.key()) })
    }
    let printed = try PythonTool("sign_requests.py").run(JSON.array(cases).description)
    let theirs = try JSON(parsing: printed).array?.compactMap(\.string) ?? []
    #expect(theirs.count == own.count)
    for (index, pair) in zip(own, theirs).enumerated() where pair.0 != pair.1 {
      Issue.record("\(cases[index])\n\(pair.0)\n\(pair.1)")
    }
  }

  @Test("encoding and decoding", arguments: keys)
  func encoding(_ key: String) {
    #expect(uriDecoded(uriEncoded(key)) == Array(key.utf8))
    #expect(uriEncoded(key).utf8.allSatisfy { $0 < 0x7F && $0 > 0x20 && $0 != UInt8(ascii: "/") })
  }

  @Test("a plus is a space in forms alone, and a lone % is one")
  func decoding() {
    #expect(uriDecoded("a+b%2B%") == Array("a+b+%".utf8))
    #expect(uriDecoded("a+b%2b%4", plusIsSpace: true) == Array("a b+%4".utf8))
  }
}

extension Seeded {
  /// A name of up to 20 characters, awkward ones among them.
  fileprivate mutating func key() -> String {
    let scalars = Array("ab0 +%/=&?#~.-_*'()é日🦊\"<>".unicodeScalars)
    var key = ""
    for _ in 0..<(next() % 20) {
      key.unicodeScalars.append(scalars[Int(next() % UInt64(scalars.count))])
    }
    return key
  }
}
