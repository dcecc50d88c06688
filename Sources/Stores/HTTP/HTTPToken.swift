import Core
import Transport

/// A bearer token for web sources, from the environment.
///
/// `SLUICE_HTTP_TOKEN` is the token, `SLUICE_HTTP_TOKEN_HOST` says who may see it: one or more,
/// separated by commas, of `host`, `host:port` (both over https only) and `http://host:port`.
/// Without the second variable the first is an error: a token for everybody is a token given away.
struct HTTPToken {
  private let token: String
  private let origins: [String]

  /// - Returns: nil where the environment has no token.
  /// - Throws: `.badAddress` (exit code 2).
  init?(environment: Environment) throws {
    guard let token = environment("SLUICE_HTTP_TOKEN") else { return nil }
    Redaction.shared.register(token)
    let hosts = (environment("SLUICE_HTTP_TOKEN_HOST") ?? "").split(separator: ",").map {
      $0.drop { $0 == " " }.lowercased().split(separator: " ").joined()
    }.filter { !$0.isEmpty }
    guard !hosts.isEmpty else {
      throw StoreError(
        .badAddress, "SLUICE_HTTP_TOKEN is set, but not for which host",
        advice: "name the host that may see it in SLUICE_HTTP_TOKEN_HOST", exitCode: 2)
    }
    self.token = token
    origins = hosts.map { HTTPToken.plain($0.contains("://") ? $0 : "https://\($0)") }
  }

  /// The token where this origin (`https://host:8080`) may see it.
  func value(for origin: String) -> String? {
    origins.contains(HTTPToken.plain(origin)) ? token : nil
  }

  /// Without the port that goes without saying, and without a slash at the end.
  private static func plain(_ origin: String) -> String {
    var origin = origin[...]
    while origin.last == "/" { origin.removeLast() }
    for (scheme, port) in [("https://", ":443"), ("http://", ":80")]
    where origin.hasPrefix(scheme) && origin.hasSuffix(port) {
      origin.removeLast(port.count)
    }
    return String(origin)
  }
}
