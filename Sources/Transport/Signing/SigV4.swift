import Core
import Kernels
import Synchronization

/// Signs requests to AWS and what speaks its protocols: Signature Version 4, in headers.
///
/// Our own, because the libcurl of Debian 12 signs some queries and encodings wrongly (rule 30).
/// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
public final class SigV4: Sendable {
  /// What the signature says of the body.
  public enum Payload: Sendable, Hashable {
    /// The connection protects it; for S3 over TLS.
    case unsigned
    /// Its SHA-256, 64 hexadecimal digits.
    case sha256(String)

    public static let empty = Payload.sha256(hexText(Kernels.sha256([])))

    public static func bytes(_ bytes: [UInt8]) -> Payload {
      bytes.isEmpty ? .empty : .sha256(hexText(Kernels.sha256(bytes)))
    }

    var text: String {
      switch self {
      case .unsigned: "UNSIGNED-PAYLOAD"
      case .sha256(let text): text
      }
    }
  }

  /// The service's name in its scope: `s3`, `sts`.
  public let service: String

  private struct KeyName: Hashable {
    let secret: String
    let date: String
    let region: String
  }
  /// A key holds for a day and a region.
  private let keys = Mutex<[KeyName: HMACKey]>([:])

  public init(service: String) { self.service = service }

  /// Adds the headers that sign the request: `X-Amz-Date`, `X-Amz-Security-Token` where there is a
  /// token, `X-Amz-Content-Sha256` for S3, and `Authorization`.
  ///
  /// - Parameters:
  ///   - request: Its URL is percent-encoded. All of its headers are signed, and `Host`; its range
  ///     is not.
  ///   - time: By the server's clock, within 15 minutes.
  public func sign(
    _ request: inout HTTPRequest, as credentials: AWSCredentials, region: String,
    payload: Payload, at time: Instant
  ) {
    let stamp = SigV4.stamp(time)
    request.headers.reserveCapacity(request.headers.count + 4)
    request.headers.append(("X-Amz-Date", stamp))
    if let token = credentials.sessionToken {
      request.headers.append(("X-Amz-Security-Token", token))
    }
    if service == "s3" { request.headers.append(("X-Amz-Content-Sha256", payload.text)) }
    let (canonical, signedHeaders) = canonicalRequest(request, payload)
    let date = String(decoding: stamp.utf8.prefix(8), as: UTF8.self)
    let scope = "\(date)/\(region)/\(service)/aws4_request"
    var toSign: [UInt8] = []
    toSign.reserveCapacity(256)
    let digest = hexText(Kernels.sha256(canonical))
    for piece in ["AWS4-HMAC-SHA256\n", stamp, "\n", scope, "\n", digest] {
      toSign.append(contentsOf: piece.utf8)
    }
    let key = key(credentials.secretAccessKey, date, region)
    let signature = hexText(key.code(of: toSign))
    request.headers.append(
      (
        "Authorization",
        "AWS4-HMAC-SHA256 Credential=\(credentials.accessKeyID)/\(scope), "
          + "SignedHeaders=\(signedHeaders), Signature=\(signature)"
      ))
  }

  /// The request in the one form that both sides can compute, in UTF-8.
  func canonicalRequest(
    _ request: HTTPRequest, _ payload: Payload
  ) -> (text: [UInt8], signedHeaders: String) {
    let url = URLParts(request.url)
    var values: [(name: String, value: String)] = []
    values.reserveCapacity(request.headers.count + 1)
    values.append(("host", url.host))
    for (name, value) in request.headers {
      let (name, value) = (name.lowercased(), SigV4.plain(value))
      if let same = values.firstIndex(where: { $0.name == name }) {
        values[same].value += "," + value
      } else {
        values.append((name, value))
      }
    }
    values.sort { precede($0.name, $1.name) }
    // Piece by piece into buffers of bytes: this is done for every request.
    var signedHeaders: [UInt8] = []
    signedHeaders.reserveCapacity(128)
    for (name, _) in values {
      if !signedHeaders.isEmpty { signedHeaders.append(UInt8(ascii: ";")) }
      signedHeaders.append(contentsOf: name.utf8)
    }
    let lineBreak = UInt8(ascii: "\n")
    var text: [UInt8] = []
    text.reserveCapacity(1024)
    for line in [request.method.rawValue, path(url.path), SigV4.query(url.query)] {
      text.append(contentsOf: line.utf8)
      text.append(lineBreak)
    }
    for (name, value) in values {
      text.append(contentsOf: name.utf8)
      text.append(UInt8(ascii: ":"))
      text.append(contentsOf: value.utf8)
      text.append(lineBreak)
    }
    text.append(lineBreak)
    text.append(contentsOf: signedHeaders)
    text.append(lineBreak)
    text.append(contentsOf: payload.text.utf8)
    return (text, String(decoding: signedHeaders, as: UTF8.self))
  }

  /// S3 signs the path as it is sent; elsewhere it is encoded once more, without dot segments.
  private func path(_ path: Substring) -> String {
    if service == "s3" { return path.isEmpty ? "/" : String(path) }
    var segments: [Substring] = []
    let parts = path.split(separator: "/")
    for part in parts {
      switch part {
      case ".": break
      case "..": _ = segments.popLast()
      default: segments.append(part)
      }
    }
    let end = path.hasSuffix("/") && !segments.isEmpty ? "/" : ""
    return "/" + segments.map { uriEncoded(String($0)) }.joined(separator: "/") + end
  }

  /// Encoded alike, and sorted by name, then value.
  private static func query(_ query: Substring) -> String {
    if query.isEmpty { return "" }
    let pairs = query.split(separator: "&").map { pair in
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      return (
        uriEncoded(uriDecoded(parts[0])), parts.count == 2 ? uriEncoded(uriDecoded(parts[1])) : ""
      )
    }
    return pairs.sorted { $0.0 == $1.0 ? precede($0.1, $1.1) : precede($0.0, $1.0) }
      .map { "\($0.0)=\($0.1)" }.joined(separator: "&")
  }

  /// Without spaces at the ends, and with one where there are several.
  private static func plain(_ value: String) -> String {
    let isSpace: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 }
    // Most have none, and it is asked for each header of each request: no way out of the loop, so
    // that it is done for many bytes at a time.
    let hasNone = value.utf8.withContiguousStorageIfAvailable { bytes in
      var spaces: UInt8 = 0
      for byte in bytes { spaces |= byte == 0x20 || byte == 0x09 ? 1 : 0 }
      return spaces == 0
    }
    if hasNone == true { return value }
    return value.utf8.split(whereSeparator: isSpace).map { String(Substring($0)) }
      .joined(separator: " ")
  }

  private func key(_ secret: String, _ date: String, _ region: String) -> HMACKey {
    let name = KeyName(secret: secret, date: date, region: region)
    if let key = keys.withLock({ $0[name] }) { return key }
    var bytes = Array("AWS4\(secret)".utf8)
    for part in [date, region, service, "aws4_request"] {
      bytes = hmacSHA256(key: bytes, message: Array(part.utf8))
    }
    let key = HMACKey(bytes)
    keys.withLock {
      // Yesterday's keys, and those of tokens that expired.
      if $0.count >= 100 { $0.removeAll() }
      $0[name] = key
    }
    return key
  }

  /// `20130524T000000Z`.
  static func stamp(_ time: Instant) -> String {
    let civil = CivilTime(time)
    var digits: [UInt8] = []
    digits.reserveCapacity(16)
    func append(_ number: Int, width: Int) {
      var unit = width == 4 ? 1000 : 10
      while unit > 0 {
        digits.append(UInt8(ascii: "0") + UInt8(number / unit % 10))
        unit /= 10
      }
    }
    append(civil.year, width: 4)
    append(civil.month, width: 2)
    append(civil.day, width: 2)
    digits.append(UInt8(ascii: "T"))
    append(civil.hour, width: 2)
    append(civil.minute, width: 2)
    append(civil.second, width: 2)
    digits.append(UInt8(ascii: "Z"))
    return String(decoding: digits, as: UTF8.self)
  }
}

/// The parts of a URL that a signature covers.
struct URLParts {
  /// As libcurl sends it: with the port where it is not the scheme's own.
  let host: String
  let path: Substring
  let query: Substring

  init(_ url: String) {
    // Byte by byte: what separates is ASCII, and a combining character may follow it.
    let (slash, mark, hash) = (UInt8(ascii: "/"), UInt8(ascii: "?"), UInt8(ascii: "#"))
    let scheme = String(Substring(url.utf8.prefix { $0 != UInt8(ascii: ":") })).lowercased()
    let rest = url.utf8.dropFirst(scheme.utf8.count + 3)
    let end = rest.firstIndex { $0 == slash || $0 == mark || $0 == hash } ?? rest.endIndex
    var host = Substring(rest[..<end]).lowercased()
    let ownPort = scheme == "https" ? ":443" : ":80"
    if host.hasSuffix(ownPort) { host.removeLast(ownPort.count) }
    self.host = host
    let target = rest[end...].prefix { $0 != hash }
    let path = target.prefix { $0 != mark }
    self.path = Substring(path)
    query = Substring(target[path.endIndex...].dropFirst())
  }
}

private func precede(_ a: String, _ b: String) -> Bool {
  a.utf8.lexicographicallyPrecedes(b.utf8)
}
