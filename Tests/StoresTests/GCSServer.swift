import Core
import Foundation
import Transport

@testable import Stores

/// The tests' own server of Google Cloud Storage, `Tests/Support/gcs_server.py`: a process that ends
/// with this value.
final class GCSServer: @unchecked Sendable {
  // Written by the initializer only.
  let port: Int
  private let process = Process()
  private let input = Pipe()

  var address: String { "http://127.0.0.1:\(port)" }

  static let python: String? = [
    "/usr/bin/python3", "/usr/local/bin/python3", "/opt/homebrew/bin/python3",
  ]
  .first { (path: String) in access(path, X_OK) == 0 }
  static let isPossible = python != nil
  /// Patient: on a busy machine Python takes its time.
  static let client = HTTPClient()

  init(buckets: [String] = ["bucket"]) throws {
    let script = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Support/gcs_server.py")
    let output = Pipe()
    process.executableURL = URL(filePath: GCSServer.python!)
    process.arguments = [script.path] + buckets
    process.environment = ["PYTHONDONTWRITEBYTECODE": "1"]
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
    guard let port = Int(text.trimmingCharacters(in: .whitespacesAndNewlines)) else {
      throw StoreError(.failed, "the server did not start: \(text)")
    }
    self.port = port
  }

  deinit {
    try? input.fileHandleForWriting.close()
    process.waitUntilExit()
  }

  /// A store in it, with parts as small as can be.
  func store(
    prefix: String = "", bucket: String = "bucket", kmsKey: String? = nil,
    credentials: GoogleCredentials = .anonymous, policy: RetryPolicy = eagerPolicy
  ) -> GCSStore {
    var settings = GCSSettings()
    settings.endpoint = address
    settings.partByteCount = 256 << 10
    settings.kmsKey = kmsKey
    return GCSStore(
      bucket: bucket, prefix: prefix, settings: settings, credentials: credentials,
      client: GCSServer.client, policy: policy, counter: MutationCounter())
  }

  /// Sets things up as the server's own documentation says.
  func control(_ settings: JSON) throws {
    let request = HTTPRequest(
      .post, address + "/_control", body: .bytes(Array(settings.description.utf8)))
    guard try HTTPClient.shared.send(request).isSuccess else {
      throw StoreError(.failed, "the server does not take \(settings)")
    }
  }

  func faults(_ faults: JSON...) throws { try control(["faults": .array(faults)]) }

  /// The requests so far: `GET /storage/… 200`.
  func log() throws -> [String] {
    String(decoding: try get("/_log"), as: UTF8.self).split(separator: "\n").map(String.init)
  }

  /// The headers of each request so far, with names as sent.
  func headers() throws -> [JSON] { try JSON(parsing: get("/_headers")).array ?? [] }

  /// What was sent to the token endpoint.
  func forms() throws -> [JSON] { try JSON(parsing: get("/_forms")).array ?? [] }

  private func get(_ path: String) throws -> [UInt8] {
    try HTTPClient.shared.fetch(HTTPRequest(.get, address + path)).body
  }
}
