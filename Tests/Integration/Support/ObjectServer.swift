import Core
import Foundation
import Stores
import TestSupport

/// An object store that runs beside the tests, with one bucket, `bucket`: moto's S3, or the tests' own
/// Google Cloud Storage. It ends with this value.
final class ObjectServer: @unchecked Sendable {
  enum Kind: String, CaseIterable, Sendable {
    case s3, gs
  }

  let kind: Kind
  // Written by the initializer only.
  let port: Int
  private let certificate: TestCertificate?
  private let process = Process()
  private let input = Pipe()

  /// - Parameter certificate: For TLS, which S3's server alone speaks.
  /// - Throws: `Python.Failed` when the server does not start.
  init(_ kind: Kind, certificate: TestCertificate? = nil) throws {
    self.kind = kind
    self.certificate = certificate
    let script = kind == .s3 ? "moto_server.py" : "gcs_server.py"
    let output = Pipe()
    process.executableURL = URL(filePath: Python.venv)
    let tls = certificate.map { ["--tls", $0.path, $0.keyPath] } ?? []
    process.arguments = [Repository.path("Tests/Support/\(script)")] + tls + ["bucket"]
    process.environment = ["PYTHONDONTWRITEBYTECODE": "1", "PATH": "/usr/local/bin:/usr/bin:/bin"]
    process.standardInput = input
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let text = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
    guard let port = Int(text.trimmingCharacters(in: .whitespacesAndNewlines)) else {
      throw Python.Failed(description: "\(script) did not start: '\(text)'")
    }
    self.port = port
  }

  deinit {
    try? input.fileHandleForWriting.close()
    process.waitUntilExit()
  }

  var url: String { "http\(certificate == nil ? "" : "s")://127.0.0.1:\(port)" }

  /// What a command, or a store of the tests, needs to find the server. The secret is one that
  /// appears nowhere else, so that it can be looked for.
  var variables: [String: String] {
    switch kind {
    case .gs: return ["STORAGE_EMULATOR_HOST": url]
    case .s3:
      var variables = [
        "AWS_ENDPOINT_URL": url, "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIACANARYCANARYCANA",
        "AWS_SECRET_ACCESS_KEY": ObjectServer.canary, "AWS_SESSION_TOKEN": ObjectServer.canary,
      ]
      variables["AWS_CA_BUNDLE"] = certificate?.path
      return variables
    }
  }

  /// The same through a proxy; nil for none. Also on Google's side there is a log-in with the secret,
  /// in a file of that folder.
  func variables(through proxy: String?, loginIn folder: URL) throws -> [String: String] {
    let address = proxy ?? url
    guard kind == .gs else { return variables.merging(["AWS_ENDPOINT_URL": address]) { $1 } }
    let login = try folder.write(
      """
      {"type": "authorized_user", "client_id": "test", "client_secret": "\(ObjectServer.canary)",
       "refresh_token": "\(ObjectServer.canary)", "token_uri": "\(address)/token"}
      """, to: "login.json")
    return ["SLUICE_GCS_ENDPOINT": address, "GOOGLE_APPLICATION_CREDENTIALS": login.path]
  }

  static let canary = "canary-K7f2mQ9xW4pL8sT1"

  /// `s3://bucket/…` or `gs://bucket/…`.
  func address(_ key: String) -> String { "\(kind.rawValue)://bucket/\(key)" }

  /// The store at an address, for putting input there and looking at results.
  func store(_ prefix: String) throws -> any Store {
    let variables = variables
    return try StoreOpener(environment: { variables[$0] }).open(address(prefix))
  }
}
