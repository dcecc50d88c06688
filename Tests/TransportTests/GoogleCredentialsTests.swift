import Core
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Transport

/// A key made by the `openssl` command, which also checks what is signed with it.
private struct TestKey {
  static let openssl = ["/usr/bin/openssl", "/opt/homebrew/bin/openssl", "/usr/local/bin/openssl"]
    .first { (path: String) in access(path, X_OK) == 0 }

  let folder: String
  let pem: String

  init() throws {
    folder = NSTemporaryDirectory() + "/key-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try TestKey.run(["genpkey", "-algorithm", "RSA", "-out", folder + "/key.pem"])
    try TestKey.run(["pkey", "-in", folder + "/key.pem", "-pubout", "-out", folder + "/public.pem"])
    pem = try String(contentsOfFile: folder + "/key.pem", encoding: .utf8)
  }

  static func run(_ arguments: [String]) throws {
    let process = Process()
    process.executableURL = URL(filePath: openssl!)
    process.arguments = arguments
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw CocoaError(.featureUnsupported) }
  }

  /// Whether the text has this signature, by `openssl dgst`.
  func verifies(_ text: String, _ signature: Data) throws -> Bool {
    try Data(text.utf8).write(to: URL(filePath: folder + "/text"))
    try signature.write(to: URL(filePath: folder + "/signature"))
    return
      (try? TestKey.run([
        "dgst", "-sha256", "-verify", folder + "/public.pem", "-signature", folder + "/signature",
        folder + "/text",
      ])) != nil
  }
}

private func decodedURL(_ text: Substring) -> Data? {
  var text = text.replacing("-", with: "+").replacing("_", with: "/")
  while text.utf8.count % 4 != 0 { text += "=" }
  return Data(base64Encoded: String(text))
}

private func form(_ request: WebServer.Request) -> [String: String] {
  var components = URLComponents()
  components.percentEncodedQuery = String(decoding: request.body, as: UTF8.self)
  return Dictionary(
    uniqueKeysWithValues: (components.queryItems ?? []).map { ($0.name, $0.value ?? "") })
}

private func tokenAnswer(_ value: String, seconds: Int = 3600) -> WebServer.Reply {
  .init(200, text: "{\"access_token\": \"\(value)\", \"expires_in\": \(seconds)}")
}

struct GoogleCredentialsTests {
  static let start = Instant(seconds: 1_700_000_000)

  let home: String
  let policy = RetryPolicy(
    maximumAttempts: 3, clock: Clock(now: { Self.start }, sleep: { _, _ in }), random: { 0 })

  init() throws {
    home = NSTemporaryDirectory() + "/home-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
  }

  func write(_ json: JSON, _ name: String = "file.json") throws -> String {
    let path = home + "/" + name
    try FileManager.default.createDirectory(
      at: URL(filePath: path).deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(json.description.utf8).write(to: URL(filePath: path))
    return path
  }

  func credentials(_ variables: [String: String]) -> GoogleCredentials {
    GoogleCredentials(
      environment: { [home] in
        variables[$0] ?? ["HOME": home, "GCE_METADATA_HOST": "127.0.0.1:9"][$0]
      }, client: HTTPClient(), policy: policy)
  }

  @Test(
    "a service account signs what it asks with",
    .enabled(if: TestKey.openssl != nil, "needs openssl"))
  func serviceAccount() throws {
    let key = try TestKey()
    let server = WebServer { _ in tokenAnswer("canary-token") }
    let path = try write([
      "type": "service_account", "client_email": "me@project.example", "private_key_id": "key-7",
      "private_key": .string(key.pem), "token_uri": .string(server.address + "/token"),
    ])
    let found = try credentials(["GOOGLE_APPLICATION_CREDENTIALS": path]).find()
    #expect(found.tokens?.source.description == "service account me@project.example (\(path))")
    #expect(try found.tokens?.current() == "canary-token")
    #expect(try found.tokens?.current() == "canary-token")
    #expect(server.requests.count == 1)
    #expect(Redaction.shared.redact("is canary-token") == "is ***")
    let line = try #require(key.pem.split(separator: "\n").dropFirst().first)
    #expect(Redaction.shared.redact("is \(line)") == "is ***")

    let form = form(server.requests[0])
    #expect(form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer")
    let parts = try #require(form["assertion"]).split(separator: ".")
    #expect(parts.count == 3)
    #expect(parts.allSatisfy { !$0.contains { "+/=".contains($0) } })
    let header = try JSON(parsing: Array(try #require(decodedURL(parts[0]))))
    #expect(header == ["alg": "RS256", "typ": "JWT", "kid": "key-7"])
    let claims = try JSON(parsing: Array(try #require(decodedURL(parts[1]))))
    #expect(
      claims == [
        "iss": "me@project.example",
        "scope": "https://www.googleapis.com/auth/devstorage.read_write",
        "aud": .string(server.address + "/token"), "iat": 1_700_000_000, "exp": 1_700_003_600,
      ])
    let signature = try #require(decodedURL(parts[2]))
    #expect(try key.verifies("\(parts[0]).\(parts[1])", signature))
    #expect(try !key.verifies("\(parts[0]).\(parts[1])x", signature))
  }

  @Test(
    "a clock that goes wrong is set right by the server's",
    .enabled(if: TestKey.openssl != nil, "needs openssl"))
  func clockSkew() throws {
    let server = WebServer {
      $0.attempt == 1
        ? .init(
          400, [("Date", "Sun, 06 Nov 1994 08:49:37 GMT")],
          text: "{\"error\": \"invalid_grant\", \"error_description\": \"Token in the future\"}")
        : tokenAnswer("token-of-1994")
    }
    let path = try write([
      "type": "service_account", "client_email": "me@x", "private_key": .string(try TestKey().pem),
      "token_uri": .string(server.address),
    ])
    let found = try credentials(["GOOGLE_APPLICATION_CREDENTIALS": path]).find()
    #expect(try found.tokens?.current() == "token-of-1994")
    let assertion = try #require(form(server.requests[1])["assertion"])
    let claims = try JSON(
      parsing: Array(try #require(decodedURL(assertion.split(separator: ".")[1]))))
    #expect(claims["iat"] == 784_111_777)
  }

  static let logIn: JSON = [
    "type": "authorized_user", "client_id": "the id&", "client_secret": "canary-secret",
    "refresh_token": "canary-refresh",
  ]

  func logIn(at url: String) -> JSON {
    .object(Self.logIn.members! + [.init("token_uri", .string(url))])
  }

  @Test("gcloud's log-in is found, and a transient failure asked again")
  func user() throws {
    let server = WebServer { $0.attempt == 1 ? .init(503) : tokenAnswer("token-of-user") }
    let path = try write(
      logIn(at: server.address), ".config/gcloud/application_default_credentials.json")
    let found = try credentials([:]).find()
    #expect(try found.tokens?.current() == "token-of-user")
    #expect(found.tokens?.source.description == "the user's log-in (\(path))")
    #expect(
      form(server.requests[1]) == [
        "grant_type": "refresh_token", "refresh_token": "canary-refresh", "client_id": "the id&",
        "client_secret": "canary-secret",
      ])
    #expect(Redaction.shared.redact("canary-secret canary-refresh") == "*** ***")

    let other = try write(logIn(at: server.address), "sdk/application_default_credentials.json")
    let moved = try credentials(["CLOUDSDK_CONFIG": home + "/sdk"]).find()
    #expect(moved.tokens?.source.description.contains(other) == true)
  }

  @Test("who is no longer welcome is told what to do")
  func refused() throws {
    let server = WebServer { _ in
      .init(400, text: "{\"error\": \"invalid_grant\", \"error_description\": \"revoked\"}")
    }
    let path = try write(logIn(at: server.address))
    let found = try credentials(["GOOGLE_APPLICATION_CREDENTIALS": path]).find()
    let error = #expect(throws: TransportError.self) { try found.tokens?.current() }
    #expect(error?.code == .credentials)
    #expect(error?.message.contains("invalid_grant: revoked") == true)
    #expect(error?.advice?.contains("gcloud auth application-default login") == true)
    #expect(error.map { "\($0)".contains("canary") } == false)
    #expect(server.requests.count == 1)
  }

  @Test("a token server that keeps failing is no reason to log in again")
  func failing() throws {
    let server = WebServer { _ in .init(502) }
    let path = try write(logIn(at: server.address))
    let found = try credentials(["GOOGLE_APPLICATION_CREDENTIALS": path]).find()
    let error = #expect(throws: TransportError.self) { try found.tokens?.current() }
    #expect(error?.code == .unreachable)
    #expect(error?.advice == "run again later")
    #expect(error?.place.file == server.address)
    #expect(server.requests.count > 1)
  }

  @Test("the machine's service account, from the metadata server")
  func metadata() throws {
    let server = WebServer {
      $0.headers["metadata-flavor"] != "Google"
        ? .init(403)
        : $0.target == "/computeMetadata/v1/"
          ? .init(200, [("Metadata-Flavor", "Google")], text: "instance/")
          : $0.target == "/computeMetadata/v1/instance/service-accounts/default/token"
            ? tokenAnswer("token-of-machine") : .init(404)
    }
    let host = "127.0.0.1:\(server.port)"
    let found = try credentials([
      "GCE_METADATA_HOST": host, "GOOGLE_CLOUD_QUOTA_PROJECT": "payer",
    ]).find()
    #expect(try found.tokens?.current() == "token-of-machine")
    #expect(found.quotaProject == "payer")
    let none = try credentials(["GCE_METADATA_HOST": host, "NO_GCE_CHECK": "True"]).find()
    #expect(none.tokens == nil)
    // Another server at that address is none.
    let other = WebServer { _ in .init(200, text: "log in to the wireless network") }
    let portal = try credentials(["GCE_METADATA_HOST": "127.0.0.1:\(other.port)"]).find()
    #expect(portal.tokens == nil)
  }

  @Test("where there is nothing, it is said what was tried")
  func nothing() throws {
    let found = try credentials([:]).find()
    #expect(found.tokens == nil)
    #expect(
      found.tried == [
        "GOOGLE_APPLICATION_CREDENTIALS is not set",
        "there is no \(home)/.config/gcloud/application_default_credentials.json",
        "no metadata server answers at 127.0.0.1:9",
      ])
    #expect(
      try credentials([
        "SLUICE_GCS_ANONYMOUS": "1", "GOOGLE_APPLICATION_CREDENTIALS": "/no/such",
      ]).find().tokens == nil)
  }

  static let uselessFiles: [(JSON, String)] = [
    ([:], "credentials without type"),
    (["type": "external_account"], "credentials of the type external_account"),
    (["type": "authorized_user"], "credentials without client_secret"),
    (["type": "service_account"], "credentials without private_key"),
    (
      ["type": "service_account", "private_key": "x", "client_email": "y"], "not an RSA key in PEM"
    ),
    ("text", "credentials without type"),
  ]

  @Test("files that are no credentials are an error of configuration", arguments: uselessFiles)
  func useless(_ json: JSON, _ message: String) throws {
    let path = try write(json)
    let error = #expect(throws: TransportError.self) {
      try credentials(["GOOGLE_APPLICATION_CREDENTIALS": path]).find()
    }
    #expect(error?.message.contains(message) == true, "\(String(describing: error))")
    #expect(error?.exitCode == 2)
    #expect(error?.place.file == path)
    #expect(error?.advice != nil)
  }

  @Test("a missing file, one that is not JSON, and keys that are encrypted or not RSA")
  func broken() throws {
    let missing = #expect(throws: TransportError.self) {
      try credentials(["GOOGLE_APPLICATION_CREDENTIALS": "/no/such"]).find()
    }
    #expect(missing?.message.contains("No such file") == true)
    try Data("{".utf8).write(to: URL(filePath: home + "/broken"))
    let error = #expect(throws: TransportError.self) {
      try credentials(["GOOGLE_APPLICATION_CREDENTIALS": home + "/broken"]).find()
    }
    #expect(error?.message.contains("not JSON") == true)
    guard TestKey.openssl != nil else { return }
    try TestKey.run([
      "genpkey", "-algorithm", "RSA", "-aes128", "-pass", "pass:word", "-out", home + "/locked.pem",
    ])
    try TestKey.run(["genpkey", "-algorithm", "ED25519", "-out", home + "/curve.pem"])
    for name in ["locked.pem", "curve.pem"] {
      #expect(
        SigningKey(pem: try String(contentsOfFile: home + "/" + name, encoding: .utf8)) == nil)
    }
  }

  /// Gives out `token-1`, `token-2`, … for an hour each; `fails` from the second on, if asked.
  private final class Counting: TokenSource {
    let description = "the test"
    let count = Atomic<Int>(0)
    let now: @Sendable () -> Instant
    let isOnce: Bool
    init(isOnce: Bool = false, now: @escaping @Sendable () -> Instant) {
      self.now = now
      self.isOnce = isOnce
    }
    func fetch(cancellation: Cancellation) throws -> AccessToken {
      let number = count.add(1, ordering: .relaxed).newValue
      if isOnce && number > 1 { throw TransportError(.unreachable, "gone") }
      return AccessToken(value: "token-\(number)", expires: now().adding(seconds: 3600))
    }
  }

  private final class Time: Sendable {
    let seconds = Atomic<Int64>(0)
    var clock: Clock {
      Clock(
        now: { Instant(seconds: self.seconds.load(ordering: .relaxed)) }, sleep: { _, _ in })
    }
  }

  @Test("a token is replaced before it expires, and by one fetch for all who wait")
  func cache() throws {
    let time = Time()
    let source = Counting(now: time.clock.now)
    let cache = TokenCache(source, clock: time.clock)
    let results = concurrently(Array(0..<8), limit: 8) { _ in try cache.current() }
    #expect(try results.map { try $0.get() } == Array(repeating: "token-1", count: 8))
    time.seconds.store(3299, ordering: .relaxed)
    #expect(try cache.current() == "token-1")
    time.seconds.store(3300, ordering: .relaxed)
    #expect(try cache.current() == "token-2")
    cache.forget("token-1")
    #expect(try cache.current() == "token-2")
    cache.forget("token-2")
    #expect(try cache.current() == "token-3")
  }

  @Test("while no new token can be had, the old one serves until it expires")
  func oldToken() throws {
    let time = Time()
    let source = Counting(isOnce: true, now: time.clock.now)
    let cache = TokenCache(source, clock: time.clock)
    #expect(try cache.current() == "token-1")
    time.seconds.store(3599, ordering: .relaxed)
    #expect(try cache.current() == "token-1")
    time.seconds.store(3600, ordering: .relaxed)
    #expect(throws: TransportError.self) { try cache.current() }
  }

  @Test(
    "base64, and what is for URLs",
    arguments: [
      ([], "", ""), ([0xFB], "+w==", "-w"), ([0xFF, 0xFE], "//4=", "__4"),
      ([1, 2, 3], "AQID", "AQID"),
    ] as [([UInt8], String, String)])
  func base64Text(_ bytes: [UInt8], _ plain: String, _ url: String) {
    #expect(base64(bytes) == plain)
    #expect(base64URL(bytes) == url)
  }
}
