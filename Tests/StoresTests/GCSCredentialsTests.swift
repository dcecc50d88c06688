import Core
import Foundation
import TestSupport
import Testing
import Transport

@testable import Stores

/// Who asks Google Cloud Storage.
@Suite(.enabled(if: GCSServer.isPossible, "needs python3"))
struct GCSCredentialsTests {
  let server: GCSServer
  let scratch = Scratch()
  init() throws { server = try GCSServer() }

  /// A user's log-in whose tokens the server gives out: `token-1`, `token-2`, …
  func logIn(_ more: [String: String] = [:]) -> GoogleCredentials {
    scratch.write(
      "log-in.json",
      """
      {"type": "authorized_user", "client_id": "id", "client_secret": "canary-secret",
       "refresh_token": "canary-refresh", "token_uri": "\(server.address)/token",
       "quota_project_id": "payer"}
      """)
    var variables = more
    variables["GOOGLE_APPLICATION_CREDENTIALS"] = scratch.path + "/log-in.json"
    return GoogleCredentials(
      environment: { [variables] in variables[$0] }, client: GCSServer.client, policy: eagerPolicy)
  }

  @Test("requests carry the token and who pays, and one token serves many")
  func token() throws {
    try server.control(["token": "token-1"])
    let store = server.store(credentials: logIn())
    _ = try store.put("x", .bytes(GCSStoreTests.bytes), .absent)
    #expect(try store.get("x")?.bytes.count == 700_000)
    try store.delete(["x"])
    let own = try server.headers().filter { $0["Authorization"] != nil }
    #expect(own.count == 6)
    #expect(own.allSatisfy { $0["x-goog-user-project"]?.string == "payer" })
    #expect(try server.forms().count == 1)
  }

  @Test("a token that the server no longer takes is replaced, once")
  func expired() throws {
    try server.control(["token": "token-2"])
    let store = server.store(credentials: logIn())
    #expect(try store.objects(below: "") == [])
    try server.control(["token": "nobody's"])
    let error = expectFailure(.denied) { try store.objects(below: "") }
    #expect(error?.message.contains("Invalid Credentials") == true)
    #expect(error?.message.contains("log-in.json") == true)
    #expect(try server.forms().count == 3)
    #expect(error.map { "\($0)".contains("canary") || "\($0)".contains("token-") } == false)
  }

  @Test("without credentials: anonymous, and where that does not suffice, what was tried")
  func none() throws {
    let home = scratch.path
    let none = GoogleCredentials(
      environment: { ["HOME": home, "GCE_METADATA_HOST": "127.0.0.1:9"][$0] },
      client: GCSServer.client, policy: eagerPolicy)
    let store = server.store(credentials: none)
    #expect(try store.objects(below: "") == [])
    try server.control(["token": "somebody's"])
    let error = expectFailure(.denied) { try store.put("x", text: "y") }
    for part in [
      "GOOGLE_APPLICATION_CREDENTIALS is not set",
      "there is no \(home)/.config/gcloud/application_default_credentials.json",
      "no metadata server answers at 127.0.0.1:9",
    ] {
      #expect(error?.message.contains(part) == true)
    }
    #expect(error?.advice?.contains("gcloud auth application-default login") == true)
  }

  @Test("credentials that are named but useless are an error of configuration")
  func useless() throws {
    let none = GoogleCredentials(
      environment: { $0 == "GOOGLE_APPLICATION_CREDENTIALS" ? "/no/such.json" : nil })
    let error = expectFailure(.denied) { try server.store(credentials: none).head("x") }
    #expect(error?.exitCode == 2)
    #expect(error?.place.file == "/no/such.json")
  }

  @Test("an upload's place on another host does not get the token")
  func elsewhere() throws {
    try server.control(["token": "token-1"])
    let other = WebServer { _ in .init(418) }
    let base = server.address
    let front = WebServer { request in
      request.target.contains("resumable")
        ? .init(200, [("Location", "\(other.address)/session")])
        : .init(200, [("Location", base)])
    }
    var settings = GCSSettings()
    settings.endpoint = front.address
    settings.partByteCount = 256 << 10
    let store = GCSStore(
      bucket: "bucket", settings: settings, credentials: logIn(), client: GCSServer.client,
      policy: eagerPolicy, counter: MutationCounter())
    expectFailure(.failed) { try store.put("x", .bytes(GCSStoreTests.bytes), .always) }
    #expect(front.requests.first?.headers["authorization"] == "Bearer token-1")
    #expect(other.requests.count == 1)
    #expect(other.requests.first?.headers["authorization"] == nil)
  }

  @Test("an emulator does not see credentials")
  func emulator() throws {
    var settings = GCSSettings(environment: {
      [base = server.address] in $0 == "STORAGE_EMULATOR_HOST" ? String(base.dropFirst(7)) : nil
    })
    #expect(settings.endpoint == server.address)
    #expect(settings.isEmulator)
    let store = GCSStore(
      bucket: "bucket", settings: settings, credentials: logIn(), client: GCSServer.client,
      policy: eagerPolicy, counter: MutationCounter())
    _ = try store.put("x", text: "y")
    #expect(try server.headers().allSatisfy { $0["Authorization"] == nil })
    settings = GCSSettings(environment: {
      ["SLUICE_GCS_ENDPOINT": "https://private.example/", "STORAGE_EMULATOR_HOST": "x"][$0]
    })
    #expect(settings.endpoint == "https://private.example")
    #expect(!settings.isEmulator)
  }
}
