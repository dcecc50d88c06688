import Core
import Foundation
import Kernels
import Synchronization
import TestSupport
import Testing
import Transport

@testable import Stores

/// What variables make of requests to S3: hosts, encryption, signatures.
struct S3SettingsTests {
  private static func environment(_ variables: [String: String]) -> AWSEnvironment {
    AWSEnvironment(variable: { variables[$0] }, file: { _ in nil })
  }

  @Test(
    "a bucket is a host's name where that can be, and else a folder",
    arguments: [
      ([:], "my-bucket", "https://my-bucket.s3.us-east-1.amazonaws.com"),
      (["AWS_REGION": "eu-west-3"], "b", "https://b.s3.eu-west-3.amazonaws.com"),
      (["AWS_DEFAULT_REGION": "cn-north-1"], "b", "https://b.s3.cn-north-1.amazonaws.com.cn"),
      // Certificates are for one label, hosts have no capitals.
      ([:], "a.b", "https://s3.us-east-1.amazonaws.com/a.b"),
      ([:], "Old_Bucket", "https://s3.us-east-1.amazonaws.com/Old_Bucket"),
      (["AWS_S3_FORCE_PATH_STYLE": "true"], "b", "https://s3.us-east-1.amazonaws.com/b"),
      (["AWS_S3_FORCE_PATH_STYLE": "false"], "a.b", "https://a.b.s3.us-east-1.amazonaws.com"),
      (["AWS_USE_FIPS_ENDPOINT": "true"], "b", "https://b.s3-fips.us-east-1.amazonaws.com"),
      (
        ["AWS_USE_DUALSTACK_ENDPOINT": "true", "AWS_REGION": "cn-north-1"], "b",
        "https://b.s3.dualstack.cn-north-1.amazonaws.com.cn"
      ),
      (
        [
          "AWS_USE_DUALSTACK_ENDPOINT": "true", "AWS_USE_FIPS_ENDPOINT": "true",
          "AWS_REGION": "us-gov-west-1",
        ], "a.b", "https://s3-fips.dualstack.us-gov-west-1.amazonaws.com/a.b"
      ),
      (
        ["AWS_USE_FIPS_ENDPOINT": "true", "AWS_ENDPOINT_URL": "http://x"], "b", "http://x/b"
      ),
      (["AWS_ENDPOINT_URL": "http://127.0.0.1:9000/"], "b", "http://127.0.0.1:9000/b"),
      (
        ["AWS_ENDPOINT_URL": "http://x", "AWS_ENDPOINT_URL_S3": "https://minio.example.org/base"],
        "b", "https://minio.example.org/base/b"
      ),
      (
        ["AWS_ENDPOINT_URL": "http://x:9000", "AWS_S3_FORCE_PATH_STYLE": "0"], "b",
        "http://b.x:9000"
      ),
      (
        ["AWS_ENDPOINT_URL": "http://x", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"], "b",
        "https://b.s3.us-east-1.amazonaws.com"
      ),
    ] as [([String: String], String, String)])
  func hosts(_ variables: [String: String], _ bucket: String, _ url: String) throws {
    let configuration = try S3Configuration(Self.environment(variables))
    #expect(configuration.bucketURL(bucket, region: configuration.region) == url)
    #expect(configuration.isAmazon == url.contains("amazonaws.com"))
  }

  @Test(
    "settings that make no sense are errors of configuration that name their variable",
    arguments: [
      (["SLUICE_S3_SSE": "aes256"], "SLUICE_S3_SSE"),
      (["SLUICE_S3_SSE_KMS_KEY_ID": "k"], "SLUICE_S3_SSE_KMS_KEY_ID"),
      (["SLUICE_S3_SSE": "AES256", "SLUICE_S3_SSE_KMS_KEY_ID": "k"], "SLUICE_S3_SSE_KMS_KEY_ID"),
      (["AWS_ENDPOINT_URL": "127.0.0.1:9000"], "AWS_ENDPOINT_URL"),
      (["AWS_REGION": "eu/../x"], "AWS_REGION"),
      (["AWS_MAX_ATTEMPTS": "0"], "AWS_MAX_ATTEMPTS"),
      (["AWS_MAX_ATTEMPTS": "many"], "AWS_MAX_ATTEMPTS"),
    ])
  func nonsense(_ variables: [String: String], _ name: String) {
    let error = expectFailure(.badAddress) { try S3Configuration(Self.environment(variables)) }
    #expect(error?.exitCode == 2)
    let said = "\(error?.message ?? "") \(error?.advice ?? "")"
    #expect(said.contains(name), "\(said)")
  }

  @Test("who reads S3 for itself is told of addresses that are not the usual ones")
  func access() throws {
    let keys = ["AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "canary-s"]
    func endpoint(_ variables: [String: String]) throws -> String? {
      let variables = variables.merging(keys) { $1 }
      let opener = StoreOpener(client: HTTPClient(), environment: { variables[$0] })
      return try #require(try opener.s3Access(to: "s3://b/x", cancellation: .never)).endpoint
    }
    #expect(try endpoint([:]) == nil)
    #expect(try endpoint(["AWS_ENDPOINT_URL": "http://x:9000/"]) == "x:9000")
    #expect(
      try endpoint(["AWS_USE_FIPS_ENDPOINT": "true", "AWS_REGION": "eu-west-1"])
        == "s3-fips.eu-west-1.amazonaws.com")
  }

  @Test("AWS_MAX_ATTEMPTS says how often a request is made", arguments: [nil, "1", "3"])
  func attempts(_ count: String?) throws {
    let server = WebServer { _ in WebServer.Reply(500) }
    defer { server.stop() }
    var variables = [
      "AWS_ENDPOINT_URL": server.address, "AWS_ACCESS_KEY_ID": "AK",
      "AWS_SECRET_ACCESS_KEY": "canary-s",
    ]
    variables["AWS_MAX_ATTEMPTS"] = count
    let store = try StoreOpener(
      client: HTTPClient(), policy: eagerPolicy, environment: { [variables] in variables[$0] }
    ).open("s3://b/x")
    expectFailure(.unreachable) { try store.objects(below: "") }
    #expect(server.requests.count == count.flatMap { Int($0) } ?? eagerPolicy.maximumAttempts)
  }

  @Test(
    "the bucket in the host's name: every kind of request", .enabled(if: Moto.isThere, Moto.whyNot))
  func virtualHost() throws {
    let proxy = try S3Proxy { _ in nil }
    // Names below `localhost` are this machine's (RFC 6761), for libcurl too.
    let host = proxy.proxy.address.replacing("127.0.0.1", with: "localhost")
    let store = try Moto.store(endpoint: host) {
      $0.usesPathStyle = false
      $0.partThreshold = 6 << 20
      $0.minimumPartByteCount = 5 << 20
    }
    let key = "a b/+é%//x"
    let put = try store.put(key, text: "one", .absent)
    expectFailure(.conditionFailed) { try store.put(key, text: "two", .absent) }
    #expect(try store.head(key)?.version == put.version)
    #expect(try store.text(key) == "one")
    let large = try store.put("large", .bytes(noise(6 << 20 | 1)), .absent)
    #expect(try store.head("large")?.version == large.version)
    _ = try store.copy(key, to: "copy", ifMatch: put.version)
    #expect(try store.objects(below: "").map(\.key) == [key, "copy", "large"])
    // The same objects as by path.
    #expect(try Moto.store(prefix: String(store.base.dropLast())).text("copy") == "one")
    try store.delete([key, "copy"])
    try store.delete(["large"])
    #expect(try store.objects(below: "").isEmpty)
    let hosts = Set(proxy.requests.map { $0.headers["host"] ?? "" })
    #expect(hosts == ["bucket." + host.dropFirst("http://".count)])
    #expect(!proxy.requests.contains { $0.target.hasPrefix("/bucket") })
  }

  @Test(
    "encryption is asked for where an object is made, and nowhere else",
    .enabled(if: Moto.isThere, Moto.whyNot), arguments: [nil, "a-key"] as [String?])
  func encryption(_ key: String?) throws {
    let proxy = try S3Proxy { _ in nil }
    let address = proxy.proxy.address
    var variables = [
      "AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "canary-s",
      "SLUICE_S3_SSE": key == nil ? "AES256" : "aws:kms",
    ]
    variables["SLUICE_S3_SSE_KMS_KEY_ID"] = key
    let configuration = try S3Configuration(Self.environment(variables))
    let store = try Moto.store(endpoint: address) {
      $0.encryption = configuration.encryption
      $0.kmsKeyID = configuration.kmsKeyID
      $0.partThreshold = 5 << 20
      $0.minimumPartByteCount = 5 << 20
    }
    let bytes = noise(6 << 20)
    _ = try store.put("always", text: "1")
    _ = try store.put("absent", text: "1", .absent)
    _ = try store.put("large", .bytes(bytes), .always)
    _ = try store.copy("always", to: "copy")
    for key in ["always", "absent", "large", "copy"] { _ = try store.headAnswer(key) }
    expectSame(try #require(try store.get("large")).bytes, bytes)
    #expect(try store.text("copy") == "1")

    let names = [
      "x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id",
    ]
    var makers = 0
    for request in proxy.requests {
      let isPart = request.target.contains("partNumber=")
      let isMaker =
        (request.method == "PUT" && !isPart)
        || (request.method == "POST" && request.target.hasSuffix("?uploads="))
      makers += isMaker ? 1 : 0
      let expected: [String?] =
        !isMaker ? [nil, nil] : key == nil ? ["AES256", nil] : ["aws:kms", key]
      #expect(names.map { request.headers[$0] } == expected, "\(request.method) \(request.target)")
    }
    // Three puts, an upload, a copy, and two of the probe.
    #expect(makers >= 6)
    for name in ["always", "absent", "large", "copy"] {
      let answer = try store.headAnswer(name).response
      #expect(answer[names[0]] == (key == nil ? "AES256" : "aws:kms"), "\(name)")
      if key != nil { #expect(answer[names[1]]?.hasSuffix("a-key") == true, "\(name)") }
    }
  }

  @Test(
    "a public bucket is read without a signature, also where there are keys",
    .enabled(if: Moto.isThere, Moto.whyNot))
  func anonymous() throws {
    let owner = try Moto.store()
    let bytes = noise(100_000)
    _ = try owner.put("x y", .bytes(bytes), .always)
    let proxy = try S3Proxy { request in
      let names = ["authorization", "x-amz-security-token", "x-amz-date"]
      // As S3 does where a key is none of those that may.
      return names.contains { request.headers[$0] != nil }
        ? S3Proxy.error(403, "InvalidAccessKeyId") : nil
    }
    let variables = [
      "AWS_ENDPOINT_URL": proxy.proxy.address, "AWS_NO_SIGN_REQUEST": "1",
      "AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "canary-s",
      "AWS_SESSION_TOKEN": "canary-t",
    ]
    func open(_ variables: [String: String]) throws -> any Store {
      try StoreOpener(client: HTTPClient(), policy: eagerPolicy, environment: { variables[$0] })
        .open(owner.root)
    }
    // moto lets anybody read all; what is public is said all the same.
    let made = try owner.service.exchange(
      {
        var request = try owner.request(.put, "x y")
        request.query = [("acl", "")]
        request.headers = [("x-amz-acl", "public-read")]
        return request
      }())
    #expect(made.isSuccess)
    let store = try open(variables)
    var read: [UInt8] = []
    _ = try store.read("x y", range: nil, ifMatch: nil, cancellation: .never) { read += $0 }
    expectSame(read, bytes)
    #expect(try store.objects(below: "").map(\.key) == ["x y"])
    var signed = variables
    signed["AWS_NO_SIGN_REQUEST"] = nil
    expectFailure(.denied) { try open(signed).get("x y") }
  }

  @Test("many objects are removed a thousand at a time, whatever their names")
  func batchDelete() throws {
    let batches = Mutex<[[String]]>([])
    let server = WebServer { request in
      guard request.method == "POST", request.target.hasSuffix("?delete=") else {
        return WebServer.Reply(405)
      }
      guard request.headers["content-md5"] == base64(md5(request.body)) else {
        return FaultProxy.s3Error(400, "BadDigest")
      }
      var keys: [String] = []
      try? readXML(request.body) { name, text in if name == "Key" { keys.append(text) } }
      batches.withLock { $0.append(keys) }
      return WebServer.Reply(200, text: "<DeleteResult></DeleteResult>")
    }
    defer { server.stop() }
    let store = try Moto.store(prefix: "p", endpoint: server.address)
    let odd = ["a&b", "<x>", "\"'", "a//b", " ", "+", "%2F", "é", "e\u{301}", "]]>", "\u{1F600}"]
    let keys = odd + (0..<2500).map { "k\($0)" }
    try store.delete(keys)
    #expect(batches.withLock { $0.map(\.count) } == [1000, 1000, 511])
    let names = batches.withLock { $0.flatMap { $0 } }
    #expect(zip(names, keys).allSatisfy { sameBytes($0, "p/" + $1) })
  }

  @Test("a copy is made of the version that was listed, or not at all")
  func copyCondition() throws {
    let server = WebServer { request in
      let etag = ("ETag", "\"2\"")
      guard request.method == "PUT" else { return WebServer.Reply(200, [etag]) }
      // Encoded as a path, from the bucket on.
      guard request.headers["x-amz-copy-source"] == "/bucket/p/a%20b%2B%25%C3%A9//x" else {
        return FaultProxy.s3Error(404, "NoSuchKey")
      }
      return request.headers["x-amz-copy-source-if-match"] == "\"1\""
        ? WebServer.Reply(
          200, [etag], text: "<CopyObjectResult><ETag>\"2\"</ETag></CopyObjectResult>")
        : FaultProxy.s3Error(412, "PreconditionFailed")
    }
    defer { server.stop() }
    let store = try Moto.store(prefix: "p", endpoint: server.address)
    let copied = try store.copy("a b+%é//x", to: "y", ifMatch: Version("\"1\""))
    #expect(copied.version == Version("\"2\""))
    expectFailure(.changed) { try store.copy("a b+%é//x", to: "y", ifMatch: Version("\"0\"")) }
    expectFailure(.notFound) { try store.copy("other", to: "y") }
  }

  @Test("a copy that fails after its head was sent is a failure")
  func lateCopyFailure() throws {
    let server = WebServer { request in
      request.method == "PUT"
        ? WebServer.Reply(200, text: "<Error><Code>AccessDenied</Code></Error>")
        : WebServer.Reply(200, [("ETag", "\"old\"")])
    }
    defer { server.stop() }
    expectFailure(.denied) {
      try Moto.store(prefix: "p", endpoint: server.address).copy("x", to: "y")
    }
  }
}
