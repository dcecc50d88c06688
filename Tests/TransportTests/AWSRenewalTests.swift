import Core
import Synchronization
import TestSupport
import Testing

@testable import Transport

/// Credentials that somebody lends for a time, whoever it is.
struct AWSRenewalTests {
  private typealias Place = AWSCredentialTests.Place

  /// The time of `Place`, 2023-11-14T22:13:20Z, and an hour and two later.
  private static let start: Int64 = 1_700_000_000
  private static let ends = ["2023-11-14T23:13:20Z", "2023-11-15T00:13:20Z"]

  private static func json(_ key: String, _ end: String) -> WebServer.Reply {
    WebServer.Reply(
      200,
      text: """
        {"Code": "Success", "AccessKeyId": "\(key)", "SecretAccessKey": "canary-\(key)",
         "Token": "canary-token-\(key)", "Expiration": "\(end)"}
        """)
  }

  /// The second loan is refused once, as a busy host does.
  private static func lent(_ attempt: Int, _ reply: (String, String) -> WebServer.Reply)
    -> WebServer.Reply
  {
    attempt == 2 ? WebServer.Reply(503) : reply("AK\(attempt)", ends[attempt == 1 ? 0 : 1])
  }

  private func place(
    _ kind: String, isDown: @escaping @Sendable () -> Bool = { false }
  ) -> (Place, WebServer) {
    let server = WebServer { request in
      if isDown() { return WebServer.Reply(200, fault: .noAnswer) }
      switch request.target {
      case "/creds", "/latest/meta-data/iam/security-credentials/r":
        return Self.lent(request.attempt, Self.json)
      case "/latest/api/token": return WebServer.Reply(200, text: "canary-imds")
      case "/latest/meta-data/iam/security-credentials/": return WebServer.Reply(200, text: "r")
      default:
        return Self.lent(request.attempt) { AWSCredentialTests.role($0, $1, of: "AssumeRole") }
      }
    }
    var place = Place()
    switch kind {
    case "container":
      place.variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = server.address + "/creds"
    case "instance":
      place.variables["AWS_EC2_METADATA_DISABLED"] = nil
      place.variables["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = server.address
    default:
      place.variables["AWS_ENDPOINT_URL_STS"] = server.address
      place.files["/home/x/.aws/config"] = """
        [default]
        role_arn = arn
        source_profile = base
        [profile base]
        aws_access_key_id = AKB
        aws_secret_access_key = s
        """
    }
    return (place, server)
  }

  @Test(
    "they are renewed five minutes before they expire",
    arguments: ["container", "instance", "role"])
  func renewal(_ kind: String) throws {
    let (place, server) = place(kind)
    defer { server.stop() }
    let chain = place.chain
    func key(_ second: Int64) throws -> String? {
      place.now.value = Instant(seconds: Self.start + second)
      return try chain.credentials(.never)?.accessKeyID
    }
    #expect(try key(0) == "AK1")
    let count = server.requests.count
    #expect(try key(3600 - 301) == "AK1")
    #expect(server.requests.count == count)
    #expect(try key(3600 - 300) == "AK3")
    #expect(try key(7200 - 301) == "AK3")
    // All parts of them are new.
    let found = try #require(try chain.credentials(.never))
    #expect(found.expiration == Instant(seconds: Self.start + 7200))
    if kind != "role" {
      #expect(found.secretAccessKey == "canary-AK3" && found.sessionToken == "canary-token-AK3")
    }
  }

  @Test(
    "while nobody renews them, they serve until they expire",
    arguments: ["container", "instance", "role"])
  func outage(_ kind: String) throws {
    let isDown = Atomic<Bool>(false)
    let (place, server) = place(kind) { isDown.load(ordering: .relaxed) }
    defer { server.stop() }
    let chain = place.chain
    #expect(try chain.credentials(.never)?.accessKeyID == "AK1")
    isDown.store(true, ordering: .relaxed)
    place.now.value = Instant(seconds: Self.start + 3500)
    #expect(try chain.credentials(.never)?.accessKeyID == "AK1")
    place.now.value = Instant(seconds: Self.start + 3600)
    #expect(throws: TransportError.self) { try chain.credentials(.never) }
  }

  @Test("a role's identity token is read anew: whoever runs the machine replaces it")
  func identityToken() throws {
    let server = WebServer { request in
      AWSCredentialTests.role(
        "AK\(request.attempt)", Self.ends[request.attempt == 1 ? 0 : 1],
        of: "AssumeRoleWithWebIdentity")
    }
    defer { server.stop() }
    let files = Files(["/token": "canary-first"])
    let now = AWSCredentialTests.Mutex2(Instant(seconds: Self.start))
    let address = server.address
    let chain = AWSCredentialChain(
      environment: AWSEnvironment(
        variable: {
          [
            "AWS_WEB_IDENTITY_TOKEN_FILE": "/token", "AWS_ROLE_ARN": "r",
            "AWS_ROLE_SESSION_NAME": "nightly", "AWS_ENDPOINT_URL_STS": address,
          ][$0]
        }, file: { files[$0] }),
      client: HTTPClient(),
      policy: RetryPolicy(clock: Clock(now: { now.value }, sleep: { _, _ in })))
    _ = try chain.credentials(.never)
    files["/token"] = Array("canary-second".utf8)
    now.value = Instant(seconds: Self.start + 3590)
    _ = try chain.credentials(.never)
    let bodies = server.requests.map { String(decoding: $0.body, as: UTF8.self) }
    #expect(bodies.map { $0.contains("WebIdentityToken=canary-first&") } == [true, false])
    #expect(bodies.map { $0.contains("WebIdentityToken=canary-second&") } == [false, true])
    #expect(bodies.allSatisfy { $0.contains("RoleSessionName=nightly&") })
  }

  /// Files that change.
  private final class Files: Sendable {
    private let state: Mutex<[String: [UInt8]]>
    init(_ texts: [String: String]) { state = Mutex(texts.mapValues { Array($0.utf8) }) }
    subscript(path: String) -> [UInt8]? {
      get { state.withLock { $0[path] } }
      set { state.withLock { $0[path] = newValue } }
    }
  }

  @Test("a container's address is the host's, with the path that it was given")
  func containerAddress() throws {
    func address(_ variables: [String: String]) throws -> String? {
      try AWSCredentialChain.containerAddress(AWSEnvironment(variable: { variables[$0] }))
    }
    let relative = ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/1?x=y"]
    #expect(try address(relative) == "http://169.254.170.2/v2/credentials/1?x=y")
    let full = ["AWS_CONTAINER_CREDENTIALS_FULL_URI": "https://h/c"]
    #expect(try address(full) == "https://h/c")
    // As AWS's own tools have it.
    #expect(
      try address(relative.merging(full) { $1 }) == "http://169.254.170.2/v2/credentials/1?x=y")
    #expect(try address([:]) == nil)
    #expect(throws: TransportError.self) {
      try address(["AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://example.com/"])
    }
  }

  @Test(
    "STS is where Amazon has it, by region and kind of address",
    arguments: [
      ("us-east-1", false, false, "sts.us-east-1.amazonaws.com"),
      ("cn-north-1", false, false, "sts.cn-north-1.amazonaws.com.cn"),
      ("eu-west-1", true, false, "sts-fips.eu-west-1.amazonaws.com"),
      ("us-gov-west-1", true, false, "sts.us-gov-west-1.amazonaws.com"),
      ("eu-west-1", false, true, "sts.eu-west-1.api.aws"),
      ("cn-north-1", false, true, "sts.cn-north-1.api.amazonwebservices.com.cn"),
      ("us-gov-west-1", true, true, "sts-fips.us-gov-west-1.api.aws"),
    ])
  func stsAddress(_ region: String, _ isFIPS: Bool, _ isDual: Bool, _ host: String) {
    var place = Place()
    for isProfile in [false, true] {
      let (fips, dual) = (isFIPS ? "true" : "false", isDual ? "true" : "false")
      if isProfile {
        place.variables = ["HOME": "/home/x"]
        place.files["/home/x/.aws/config"] =
          "[default]\nuse_fips_endpoint = \(fips)\nuse_dualstack_endpoint = \(dual)\n"
      } else {
        place.variables["AWS_USE_FIPS_ENDPOINT"] = fips
        place.variables["AWS_USE_DUALSTACK_ENDPOINT"] = dual
      }
      #expect(place.chain.ownAddress(region) == "https://\(host)")
    }
  }
}
