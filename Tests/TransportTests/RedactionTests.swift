import Core
import Testing

@testable import Transport

@Test(
  "a URL is shown without what must stay secret",
  arguments: [
    ("https://host/a?b=c", "https://host/a?b=c"),
    ("https://user:secret@host:8/a", "https://host:8/a"),
    ("https://user@host", "https://host"),
    ("https://a@b@host/x@y", "https://host/x@y"),
    ("https://host/x?Token=abc&y=1&sig=d%3De", "https://host/x?Token=***&y=1&sig=***"),
    (
      "https://host?X-Amz-Signature=12&X-Amz-Date=3",
      "https://host?X-Amz-Signature=***&X-Amz-Date=3"
    ),
    ("https://host/?token", "https://host/?token"),
    ("https://host/?q=user:pw@x", "https://host/?q=user:pw@x"),
    ("/plain/path@x", "/plain/path@x"),
    ("", ""),
  ])
func redactsURLs(_ url: String, _ shown: String) {
  #expect(redactedURL(url) == shown)
}

@Test("what is registered as secret is not shown in URLs or errors")
func redactsRegistered() {
  Redaction.shared.register("canary-4711")
  #expect(redactedURL("https://host/canary-4711/x?y=canary-4711") == "https://host/***/x?y=***")
  let error = #expect(throws: TransportError.self) {
    try HTTPClient().send(HTTPRequest(.get, "http://canary-4711.invalid/?token=other-secret"))
  }
  #expect(error.map { "\($0)".contains("canary-4711") || "\($0)".contains("other") } == false)
}
