import Core
import Stores
import Transport

/// Credentials that a catalog lends for the files of a table ("credential vending").
///
/// They come with a table that is loaded or made, as `storage-credentials` by prefix, or in the
/// table's `config` for all of its files; and anew each time that it is loaded.
struct RestLoan: Sendable {
  /// The addresses that they are for, without a final slash.
  var prefix: String
  var keys: AWSCredentials
  /// Region and endpoint, as the environment would name them.
  var variables: [String: String]

  /// Asks for them.
  static let headers = [(name: "X-Iceberg-Access-Delegation", value: "vended-credentials")]

  private static let names = [
    ("s3.endpoint", "AWS_ENDPOINT_URL_S3"), ("client.region", "AWS_REGION"),
    ("s3.region", "AWS_REGION"), ("s3.path-style-access", "AWS_S3_FORCE_PATH_STYLE"),
  ]

  /// - Parameter location: The table's.
  static func all(in answer: JSON, location: String) -> [RestLoan] {
    let lists = (answer["storage-credentials"]?.array ?? []).map { item in
      (item["prefix"]?.string ?? location, item["config"])
    }
    return ([(location, answer["config"])] + lists).compactMap { RestLoan($0, $1, location) }
  }

  private init?(_ prefix: String, _ config: JSON?, _ location: String) {
    guard let id = config?["s3.access-key-id"]?.string,
      let secret = config?["s3.secret-access-key"]?.string
    else { return nil }
    keys = AWSCredentials(
      accessKeyID: id, secretAccessKey: secret, sessionToken: config?["s3.session-token"]?.string,
      expiration: config?["s3.session-token-expires-at-ms"]?.string.flatMap { Int64($0) }
        .map { Instant(microseconds: $0 * 1000) })
    // A prefix may also be a mere scheme: then it is for whatever the table names.
    var prefix = prefix.contains("://") ? prefix : location
    while prefix.hasSuffix("/") { prefix.removeLast() }
    self.prefix = prefix
    variables = [:]
    for (key, variable) in RestLoan.names {
      if let value = config?[key]?.string { variables[variable] = value }
    }
  }
}

extension RestClient {
  /// New keys in the place of some that have expired.
  ///
  /// - Parameter path: The table's.
  /// - Throws: `LakeError` `.refused`, `.denied`; `TransportError`.
  func renewed(
    _ loan: RestLoan, _ path: String, location: String
  ) throws -> AWSCredentials {
    let answer = try ask(.get, path, headers: RestLoan.headers)
    guard answer.isSuccess else { throw refused(answer, "new credentials for \(location)") }
    let loans = RestLoan.all(in: answer.body, location: location)
    guard let found = loans.last(where: { $0.prefix == loan.prefix }) ?? loans.last else {
      throw LakeError(
        .denied, "the catalog lends no more credentials for the table's files",
        at: Place(file: loan.prefix))
    }
    return found.keys
  }
}
