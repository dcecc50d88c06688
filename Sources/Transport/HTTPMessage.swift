import Core

/// What is asked of a web server.
public struct HTTPRequest: Sendable {
  public enum Method: String, Sendable {
    case get = "GET"
    case head = "HEAD"
    case put = "PUT"
    case post = "POST"
    case delete = "DELETE"

    /// Whether doing it twice is as good as once, so that it may be tried again.
    public var isIdempotent: Bool { self != .post }
  }

  /// What is sent along.
  public enum Body: Sendable {
    case none
    case bytes([UInt8])
    /// A local file, streamed.
    case file(path: String)
    /// Some bytes of a local file, streamed.
    case filePart(path: String, Range<Int64>)
  }

  public var method: Method
  /// Encoded, without user and password.
  public var url: String
  /// In the order they are sent. A name given twice is sent twice.
  public var headers: [(name: String, value: String)]
  public var body: Body
  /// The bytes wanted, sent as `Range`; a server may ignore it and answer 200 with everything.
  public var range: Range<Int64>?
  /// `user:password`, for basic authentication; not sent to another host on a redirect.
  public var credentials: String?
  /// Whether user and password may come from `.netrc`, where `credentials` is nil: libcurl looks up
  /// each host of a redirect by its own name.
  public var usesNetrc = false
  /// Signed requests are for exactly this URL: dot segments in its path are sent as they are, and a
  /// redirect is an answer.
  public var isVerbatim = false
  /// A PEM file of certificate authorities, instead of the client's.
  public var certificateFile: String?

  public init(
    _ method: Method = .get, _ url: String, headers: [(name: String, value: String)] = [],
    body: Body = .none, range: Range<Int64>? = nil, credentials: String? = nil
  ) {
    self.method = method
    self.url = url
    self.headers = headers
    self.body = body
    self.range = range
    self.credentials = credentials
  }
}

/// What a web server answered. Of redirects, the last answer.
public struct HTTPResponse: Sendable {
  public internal(set) var status = 0
  /// In the order received, as written; look them up by `subscript`.
  public internal(set) var headers: [(name: String, value: String)] = []
  /// Where redirects led; without credentials.
  public var url: String { redactedURL(effectiveURL) }
  /// The same as it was asked.
  var effectiveURL = ""
  /// Bytes of the body.
  public internal(set) var byteCount: Int64 = 0
  public internal(set) var seconds = 0.0
  /// The start of the body of an answer that is not 2xx: what the server says is wrong.
  public internal(set) var errorBody: [UInt8] = []

  public init(status: Int = 0) { self.status = status }

  public var isSuccess: Bool { (200..<300).contains(status) }

  /// The value of the first header of that name, in whatever case.
  public subscript(name: String) -> String? {
    headers.first { isSameHeader($0.name, name) }?.value
  }

  /// The `Content-Length`, of the body as sent.
  public var contentLength: Int64? { self["content-length"].flatMap { Int64($0) } }

  /// Whether the same request may succeed later: the server is overloaded, restarting or ill.
  public var isTransient: Bool {
    switch status {
    case 408, 425, 429, 500, 502, 503, 504: true
    default: false
    }
  }
}

/// Whether two names of headers are one, in whatever case. They are ASCII (RFC 9110, 5.1).
public func isSameHeader(_ a: String, _ b: String) -> Bool {
  a.utf8.count == b.utf8.count
    && zip(a.utf8, b.utf8).allSatisfy { $0 == $1 || ($0 ^ $1 == 0x20 && isLetter($0)) }
}

private func isLetter(_ byte: UInt8) -> Bool {
  (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
}
