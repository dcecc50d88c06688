import Core
import Synchronization
import TestSupport
import Testing

@testable import Transport

/// Where AWS credentials are looked for, and when they are renewed.
struct AWSCredentialTests {
  /// A chain over variables and files of a test's own, and a clock that it sets.
  struct Place {
    let now = Mutex2(Instant(seconds: 1_700_000_000))
    var variables: [String: String] = ["HOME": "/home/x", "AWS_EC2_METADATA_DISABLED": "true"]
    var files: [String: String] = [:]

    var chain: AWSCredentialChain {
      let (variables, files, now) = (variables, files, now)
      return AWSCredentialChain(
        environment: AWSEnvironment(
          variable: { variables[$0] }, file: { files[$0].map { Array($0.utf8) } }),
        client: HTTPClient(),
        policy: RetryPolicy(
          maximumAttempts: 3, clock: Clock(now: { now.value }, sleep: { _, _ in }), random: { 0 }))
    }
  }

  /// A value that closures share.
  final class Mutex2: Sendable {
    private let state: Mutex<Instant>
    init(_ value: Instant) { state = Mutex(value) }
    var value: Instant {
      get { state.withLock { $0 } }
      set { state.withLock { $0 = newValue } }
    }
  }

  func failure(_ place: Place) -> TransportError? {
    do {
      let found = try place.chain.credentials(.never)
      Issue.record("found \(String(describing: found))")
    } catch let error as TransportError {
      return error
    } catch {
      Issue.record("\(error)")
    }
    return nil
  }

  @Test("the environment comes first, and an anonymous wish before it")
  func environment() throws {
    var place = Place()
    place.variables["AWS_ACCESS_KEY_ID"] = "AKENV"
    place.variables["AWS_SECRET_ACCESS_KEY"] = "canary-env-secret"
    place.variables["AWS_SESSION_TOKEN"] = "canary-env-token"
    place.files["/home/x/.aws/credentials"] =
      "[default]\naws_access_key_id = AKFILE\naws_secret_access_key = s\n"
    let found = try #require(try place.chain.credentials(.never))
    #expect(found.accessKeyID == "AKENV" && found.sessionToken == "canary-env-token")
    #expect(Redaction.shared.redact("a canary-env-secret canary-env-token") == "a *** ***")
    var dumped = ""
    dump(found, to: &dumped)
    #expect(!"\(found)\(dumped)\(String(reflecting: found))".contains("canary"))
    place.variables["AWS_NO_SIGN_REQUEST"] = "1"
    #expect(try place.chain.credentials(.never) == nil)
    place.variables["AWS_NO_SIGN_REQUEST"] = nil
    place.variables["AWS_SECRET_ACCESS_KEY"] = nil
    #expect(failure(place)?.message.contains("AWS_SECRET_ACCESS_KEY") == true)
  }

  @Test("profiles of both files; the credentials file wins")
  func profiles() throws {
    var place = Place()
    place.files["/home/x/.aws/credentials"] = """
      # comment
      [default]
      aws_access_key_id = AKD
      aws_secret_access_key = se#cr=et;d  ; comment
      [work]
      aws_access_key_id=AKW
      aws_secret_access_key=w
      aws_session_token = t
      """
    place.files["/home/x/.aws/config"] = """
      [default]
      region = eu-west-1
      s3 =
        addressing_style = path
      [profile work]
      region = eu-west-2
      aws_access_key_id = ignored
      endpoint_url = http://e/
      [profile empty]
      sso_session = corp
      """
    #expect(
      try place.chain.credentials(.never)
        == AWSCredentials(accessKeyID: "AKD", secretAccessKey: "se#cr=et;d"))
    #expect(place.chain.environment.region == "eu-west-1")
    place.variables["AWS_PROFILE"] = "work"
    #expect(
      try place.chain.credentials(.never)
        == AWSCredentials(accessKeyID: "AKW", secretAccessKey: "w", sessionToken: "t"))
    #expect(place.chain.environment.region == "eu-west-2")
    #expect(place.chain.environment.endpoint("S3") == "http://e")
    place.variables["AWS_ENDPOINT_URL_S3"] = "http://f"
    #expect(place.chain.environment.endpoint("S3") == "http://f")
    place.variables["AWS_REGION"] = "us-west-2"
    #expect(place.chain.environment.region == "us-west-2")
    place.variables["AWS_PROFILE"] = "empty"
    #expect(failure(place)?.advice?.contains("export-credentials") == true)
    place.variables["AWS_PROFILE"] = "absent"
    #expect(failure(place)?.message.contains("absent") == true)
  }

  @Test("other places of the files")
  func otherFiles() throws {
    var place = Place()
    place.variables["AWS_SHARED_CREDENTIALS_FILE"] = "~/c"
    place.variables["AWS_CONFIG_FILE"] = "/d"
    place.files["/home/x/c"] = "[default]\naws_access_key_id = A\naws_secret_access_key = s\n"
    place.files["/d"] = "[default]\nregion = r\n"
    #expect(try place.chain.credentials(.never)?.accessKeyID == "A")
    #expect(place.chain.environment.region == "r")
  }

  @Test("nothing anywhere: one error that lists what was tried")
  func nothing() {
    let error = failure(Place())
    #expect(error?.code == .credentials && error?.exitCode == 2)
    for part in [
      "AWS_ACCESS_KEY_ID", "WEB_IDENTITY", "/home/x/.aws/credentials", "CONTAINER", "METADATA",
    ] {
      #expect(error?.message.contains(part) == true, "\(part)")
    }
    #expect(error?.advice?.contains("AWS_NO_SIGN_REQUEST") == true)
  }

  /// An answer of STS.
  static func role(_ key: String, _ expiration: String, of action: String) -> WebServer.Reply {
    WebServer.Reply(
      200,
      text: "<\(action)Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
        + "<\(action)Result><Credentials><AccessKeyId>\(key)</AccessKeyId>"
        + "<SecretAccessKey>canary-sts</SecretAccessKey><SessionToken>canary-st</SessionToken>"
        + "<Expiration>\(expiration)</Expiration></Credentials></\(action)Result>"
        + "</\(action)Response>")
  }

  @Test("a web identity becomes a role, renewed before it expires")
  func webIdentity() throws {
    // 2023-11-14T22:13:20Z is the test's time.
    let server = WebServer { request in
      if request.attempt == 2 { return WebServer.Reply(500) }
      return Self.role(
        "AK\(request.attempt)",
        request.attempt == 1 ? "2023-11-14T23:13:20Z" : "2023-11-15T00:13:20Z",
        of: "AssumeRoleWithWebIdentity")
    }
    var place = Place()
    place.variables["AWS_WEB_IDENTITY_TOKEN_FILE"] = "/token"
    place.variables["AWS_ROLE_ARN"] = "arn:aws:iam::1:role/r"
    place.variables["AWS_ENDPOINT_URL_STS"] = server.address + "/"
    place.files["/token"] = "canary/web+token\n"
    let chain = place.chain
    #expect(try chain.credentials(.never)?.accessKeyID == "AK1")
    place.now.value = Instant(seconds: 1_700_000_000 + 3600 - 301)
    #expect(try chain.credentials(.never)?.accessKeyID == "AK1")
    #expect(server.requests.count == 1)
    place.now.value = Instant(seconds: 1_700_000_000 + 3600 - 300)
    #expect(try chain.credentials(.never)?.accessKeyID == "AK3")
    let body = String(decoding: server.requests[0].body, as: UTF8.self)
    #expect(body.contains("Action=AssumeRoleWithWebIdentity"))
    #expect(body.contains("RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr"))
    #expect(body.contains("WebIdentityToken=canary%2Fweb%2Btoken"))
    #expect(server.requests.allSatisfy { $0.headers["authorization"] == nil })
    // A server's word that they have expired counts, too.
    chain.expire(try #require(try chain.credentials(.never)))
    #expect(try chain.credentials(.never)?.accessKeyID == "AK4")
  }

  @Test("credentials that still hold outlast a failed renewal")
  func failedRenewal() throws {
    let server = WebServer { request in
      request.attempt == 1
        ? Self.role("AK1", "2023-11-14T23:13:20Z", of: "AssumeRoleWithWebIdentity")
        : WebServer.Reply(400, text: "<E><Error><Code>IDPRejectedClaim</Code></Error></E>")
    }
    var place = Place()
    place.variables["AWS_WEB_IDENTITY_TOKEN_FILE"] = "/token"
    place.variables["AWS_ROLE_ARN"] = "r"
    place.variables["AWS_ENDPOINT_URL_STS"] = server.address
    place.files["/token"] = "canary-token"
    let chain = place.chain
    _ = try chain.credentials(.never)
    place.now.value = Instant(seconds: 1_700_000_000 + 3500)
    #expect(try chain.credentials(.never)?.accessKeyID == "AK1")
    place.now.value = Instant(seconds: 1_700_000_000 + 3580)
    do {
      _ = try chain.credentials(.never)
      Issue.record("expired credentials")
    } catch let error as TransportError {
      #expect(error.message.contains("IDPRejectedClaim") && !"\(error)".contains("canary"))
    }
  }

  @Test("a profile takes on a role with another profile's keys")
  func assumedRole() throws {
    let server = WebServer { _ in Self.role("AKR", "2099-01-01T00:00:00Z", of: "AssumeRole") }
    var place = Place()
    place.variables["AWS_PROFILE"] = "role"
    place.variables["AWS_ENDPOINT_URL_STS"] = server.address
    place.files["/home/x/.aws/config"] = """
      [profile role]
      role_arn = arn
      source_profile = base
      external_id = e
      [profile base]
      aws_access_key_id = AKB
      aws_secret_access_key = s
      [profile loop]
      role_arn = arn
      source_profile = loop2
      [profile loop2]
      role_arn = arn
      source_profile = loop
      """
    #expect(try place.chain.credentials(.never)?.accessKeyID == "AKR")
    #expect(
      server.requests[0].headers["authorization"]?.contains(
        "Credential=AKB/20231114/us-east-1/sts/aws4_request") == true)
    place.variables["AWS_PROFILE"] = "loop"
    #expect(failure(place)?.message.contains("loop") == true)
  }

  static let json = """
    {"Code": "Success", "AccessKeyId": "AKC", "SecretAccessKey": "canary-c", "Token": "canary-ct",
     "Expiration": "2099-01-01T00:00:00Z"}
    """

  @Test("a container's host, with its token from a file")
  func container() throws {
    let server = WebServer { request in
      if request.attempt == 1 { return WebServer.Reply(503) }
      return request.headers["authorization"] == "canary-auth"
        ? WebServer.Reply(200, text: Self.json) : WebServer.Reply(403)
    }
    var place = Place()
    place.variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = server.address + "/creds"
    place.variables["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = "/t"
    place.files["/t"] = "canary-auth\n"
    let found = try #require(try place.chain.credentials(.never))
    #expect(found.accessKeyID == "AKC" && found.expiration?.description == "2099-01-01T00:00:00Z")
    place.variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://example.com/creds"
    #expect(failure(place)?.message.contains("nor on this machine") == true)
  }

  @Test(
    "whom a token may be sent to",
    arguments: [
      ("https://x/y", true), ("http://127.0.0.1:80/", true), ("http://localhost/", true),
      ("http://[::1]:9/", true), ("http://169.254.170.2/x", true), ("http://169.254.170.23/", true),
      ("http://[fd00:ec2::23]/", true), ("http://example.com/", false),
      ("http://127.0.0.1.example.com/", false), ("ftp://127.0.0.1/", false), ("/x", false),
    ])
  func trust(_ url: String, _ isTrusted: Bool) {
    #expect(AWSCredentialChain.isTrusted(url) == isTrusted)
  }

  @Test("instance metadata, version 2")
  func instance() throws {
    let server = WebServer { request in
      switch (request.method, request.target) {
      case ("PUT", "/latest/api/token"):
        return request.headers["x-aws-ec2-metadata-token-ttl-seconds"] == nil
          ? WebServer.Reply(400) : WebServer.Reply(200, text: "canary-imds")
      case _ where request.headers["x-aws-ec2-metadata-token"] != "canary-imds":
        return WebServer.Reply(401)
      case ("GET", "/latest/meta-data/iam/security-credentials/"):
        return WebServer.Reply(200, text: "role-1\n")
      case ("GET", "/latest/meta-data/iam/security-credentials/role-1"):
        return WebServer.Reply(200, text: Self.json)
      default: return WebServer.Reply(404)
      }
    }
    var place = Place()
    place.variables["AWS_EC2_METADATA_DISABLED"] = nil
    place.variables["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = server.address + "/"
    #expect(try place.chain.credentials(.never)?.accessKeyID == "AKC")
    server.stop()
    let error = failure(place)
    #expect(error?.message.contains("nobody answers") == true)
  }

  @Test(
    "instants as AWS writes them",
    arguments: [
      ("2016-02-25T06:03:31Z", 1_456_380_211), ("2016-02-25T06:03:31.123Z", 1_456_380_211),
      ("2016-02-25T07:03:31+01:00", 1_456_380_211), ("2016-02-25", nil),
      ("2016-13-25T06:03:31Z", nil), ("2016-02-25T06:03:31", nil), ("", nil),
    ] as [(String, Int64?)])
  func instants(_ text: String, _ seconds: Int64?) {
    #expect(isoInstant(text) == seconds.map { Instant(seconds: $0) })
  }
}
