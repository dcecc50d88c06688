import Core

/// Names of query parameters whose values are credentials; compared in lower case.
private let secretParameters: Set<String> = [
  "access_token", "api_key", "api-key", "apikey", "app_token", "$$app_token", "auth",
  "authorization", "awsaccesskeyid", "client_secret", "code", "id_token", "key", "passwd",
  "password", "pwd", "refresh_token", "secret", "sig", "signature", "subscription-key", "token",
  "upload_id",
  "x-amz-credential", "x-amz-security-token", "x-amz-signature", "x-goog-credential",
  "x-goog-signature",
]

/// A URL as it may be shown: without user and password, and with `***` for the values of query
/// parameters that carry credentials, and without what was registered with `Redaction`.
public func redactedURL(_ url: String) -> String {
  var text = Substring(url)
  var shown = ""
  if let schemeEnd = text.firstRange(of: "://") {
    shown += text[..<schemeEnd.upperBound]
    text = text[schemeEnd.upperBound...]
    let authorityEnd = text.firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? text.endIndex
    if let at = text[..<authorityEnd].lastIndex(of: "@") { text = text[text.index(after: at)...] }
  }
  let queryStart = text.firstIndex(of: "?") ?? text.endIndex
  shown += text[..<queryStart]
  guard queryStart < text.endIndex else { return Redaction.shared.redact(shown) }
  let query = text[text.index(after: queryStart)...]
  let parts = query.split(separator: "&", omittingEmptySubsequences: false).map { part in
    guard let equals = part.firstIndex(of: "="),
      secretParameters.contains(part[..<equals].lowercased())
    else { return String(part) }
    return part[...equals] + "***"
  }
  return Redaction.shared.redact(shown + "?" + parts.joined(separator: "&"))
}
