import Core
import Transport

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The address of a store or of an object in one, taken apart.
///
/// | written | means |
/// |---|---|
/// | `/data/a b%20c.txt` | a path, taken literally: `%`, `+` and spaces stand for themselves |
/// | `data/x.txt` | the same, below the folder given as `relativeTo` |
/// | `file:/data/a%20b`, `file:///data/a%20b` | a path, percent-decoded |
/// | `https://host/a%20b?x=1` | a web address; stays encoded, and its key keeps the query |
/// | `s3://bucket/a b//c%20d`, `gs://…` | a bucket and a name in it, taken literally, `//` included |
///
/// Local paths are made plain: repeated slashes, `.` and `..` are resolved by their text, without looking
/// at links, so that one place has one name.
public struct StoreURI: Sendable, Hashable, CustomStringConvertible {
  public enum Kind: Sendable, Hashable {
    case local
    case http
    /// A bucket of S3, or of what speaks its protocol.
    case s3
    /// A bucket of Google Cloud Storage.
    case gs
  }

  public let kind: Kind
  /// The scheme and host of a web address (`https://host:8080`), without user and password; scheme
  /// and bucket (`gs://bucket`); empty for local paths.
  public let origin: String
  /// Local: the absolute path without a trailing slash, empty for the root. Web: path and query as
  /// written, starting with a slash or empty. Bucket: a slash and the name, or empty.
  public let path: String
  /// `user:password` of a web address, percent-decoded; never part of `description`.
  let credentials: String?

  /// - Parameter relativeTo: The absolute path of the folder that relative paths start at.
  /// - Throws: `.badAddress`.
  public init(_ text: String, relativeTo folder: String? = nil) throws {
    switch StoreURI.scheme(of: text) {
    case nil:
      self.init(localPath: try StoreURI.absolute(text, folder, given: text))
    case "file":
      let path = try StoreURI.filePath(text)
      let decoded = try percentDecoded(path, given: text)
      self.init(localPath: try StoreURI.absolute(decoded, folder, given: text))
    case "http", "https": try self.init(web: text)
    case "s3": try self.init(bucket: text, .s3)
    case "gs": try self.init(bucket: text, .gs)
    case .some(let scheme): throw StoreURI.unknown(scheme, in: text)
    }
  }

  /// - Parameter localPath: An absolute path, taken literally.
  public init(localPath: String) {
    kind = .local
    origin = ""
    path = StoreURI.plain(localPath)
    credentials = nil
  }

  private init(web text: String) throws {
    func refuse(_ why: String) -> StoreError { StoreURI.bad(why, text) }
    guard !text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
      throw refuse("a control character in a web address")
    }
    guard let slashes = text.firstRange(of: "://") else { throw refuse("no // after the scheme") }
    let rest = text[slashes.upperBound...]
    let end = rest.firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? rest.endIndex
    var host = rest[..<end]
    var credentials: String?
    if let at = host.lastIndex(of: "@") {
      credentials = try percentDecoded(String(host[..<at]), given: text, isName: false)
      host = host[host.index(after: at)...]
    }
    guard !host.isEmpty, !host.contains(where: { $0 == " " || $0 == "\\" }) else {
      throw refuse("no usable host in a web address")
    }
    // What follows # is for browsers.
    let path = rest[end...].prefix { $0 != "#" }
    kind = .http
    origin = text[..<slashes.lowerBound].lowercased() + "://" + host.lowercased()
    self.path = path.first == "?" ? "/" + path : String(path)
    self.credentials = credentials
    // Some services take a token as the user's name.
    if let credentials {
      let parts = credentials.split(separator: ":", maxSplits: 1)
      if let secret = parts.count == 2 ? parts[1] : parts.first {
        Redaction.shared.register(String(secret))
      }
    }
  }

  private init(bucket text: String, _ kind: Kind) throws {
    // Byte by byte: every object of a batch has an address, and what separates is ASCII.
    guard let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")),
      text.utf8[colon...].starts(with: "://".utf8)
    else { throw StoreURI.bad("no // after the scheme", text) }
    let start = text.utf8.index(colon, offsetBy: 3)
    let end = text.utf8[start...].firstIndex(of: UInt8(ascii: "/")) ?? text.endIndex
    let bucket = text[start..<end]
    guard !bucket.isEmpty,
      bucket.utf8.allSatisfy({
        UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= $0
          || UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || "-_.".utf8.contains($0)
      })
    else { throw StoreURI.bad("no usable bucket after \(text[..<start])", text) }
    guard !text.utf8.contains(0) else { throw StoreURI.bad("a NUL byte in an address", text) }
    self.kind = kind
    origin = String(text[..<colon]).lowercased() + text[colon..<end]
    path = String(text[end...])
    credentials = nil
  }

  /// The whole address as a store's root.
  public var root: String {
    var root = Substring(origin + path)
    switch kind {
    case .local: break
    case .http: while root.utf8.last == UInt8(ascii: "/") { root.removeLast() }
    // Names may well end in a slash; the last one separates.
    case .s3, .gs: if root.utf8.last == UInt8(ascii: "/") { root.removeLast() }
    }
    return String(root)
  }

  /// The bucket of a root in it, and what the names below that root start with, without their
  /// last slash.
  func bucketAndPrefix(of root: String) -> (bucket: String, prefix: String) {
    let bucket = origin.utf8.drop { $0 != UInt8(ascii: ":") }.dropFirst(3)
    let prefix = root.utf8.dropFirst(origin.utf8.count + 1)
    return (String(decoding: bucket, as: UTF8.self), String(decoding: prefix, as: UTF8.self))
  }

  /// The store that holds the object of this address, and the object's key: for a path its folder
  /// and its name, for a web address its host, for a bucket the bucket, and the rest.
  ///
  /// - Throws: `.badAddress` where the address names no object.
  public func split() throws -> (root: String, key: String) {
    switch kind {
    case .http: return (origin, String(path.drop { $0 == "/" }))
    case .s3, .gs:
      guard path.utf8.count > 1 else {
        throw StoreURI.bad("a bucket where an object should be", origin + path)
      }
      return (origin, String(decoding: path.utf8.dropFirst(), as: UTF8.self))
    case .local:
      guard let cut = path.utf8.lastIndex(of: UInt8(ascii: "/")) else {
        throw StoreURI.bad("a folder where a file should be", "/")
      }
      return (String(path[..<cut]), String(path[path.utf8.index(after: cut)...]))
    }
  }

  public var description: String { kind == .local && path.isEmpty ? "/" : origin + path }

  public static func == (a: StoreURI, b: StoreURI) -> Bool {
    sameBytes(a.origin, b.origin) && sameBytes(a.path, b.path) && a.credentials == b.credentials
  }
}

extension StoreURI {
  private static let known = ["file", "http", "https", "s3", "gs"]

  /// The scheme, in lower case; nil for a plain path, which may well contain a colon.
  static func scheme(of text: String) -> String? {
    guard let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")) else { return nil }
    let scheme = String(text[..<colon]).lowercased()
    guard let first = scheme.utf8.first, UInt8(ascii: "a")...UInt8(ascii: "z") ~= first,
      scheme.utf8.allSatisfy({
        UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 || UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0
          || $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".")
      })
    else { return nil }
    return known.contains(scheme) || text.utf8[colon...].starts(with: "://".utf8) ? scheme : nil
  }

  /// What follows `file:`, without a host.
  static func filePath(_ text: String) throws -> String {
    let rest = text[text.index(after: text.firstIndex(of: ":")!)...]
    guard rest.hasPrefix("//") else { return String(rest) }
    let afterHost = rest.dropFirst(2)
    let end = afterHost.firstIndex(of: "/") ?? afterHost.endIndex
    let host = afterHost[..<end]
    guard host.isEmpty || host.lowercased() == "localhost" else {
      throw bad("a file: address with the host \(host), which is not this machine", text)
    }
    guard end < afterHost.endIndex else { throw bad("a file: address without a path", text) }
    return String(afterHost[end...])
  }

  static func absolute(_ path: String, _ folder: String?, given text: String) throws -> String {
    guard !path.isEmpty else { throw bad("an empty address", text) }
    guard !path.utf8.contains(0) else { throw bad("a NUL byte in a path", text) }
    if path.utf8.first == UInt8(ascii: "/") { return path }
    guard let folder else {
      throw bad("a relative path where an absolute one is needed", text)
    }
    return folder + "/" + path
  }

  static func unknown(_ scheme: String, in text: String) -> StoreError {
    let advice = nearest(to: scheme, among: known).map { "did you mean \($0):?" }
    return StoreError(
      .badAddress, "no store understands addresses that start with \(scheme):",
      at: Place(file: redactedURL(text)),
      advice: advice ?? "use a path, file:, s3:, gs:, http: or https:",
      exitCode: 2)
  }

  static func bad(_ why: String, _ text: String) -> StoreError {
    StoreError(
      .badAddress, why, at: Place(file: redactedURL(text)),
      advice: "use a path, file:, s3:, gs:, http: or https:", exitCode: 2)
  }

  /// Resolves repeated slashes, `.` and `..` in an absolute path, by text alone.
  static func plain(_ path: String) -> String {
    var segments: [Substring.UTF8View] = []
    for segment in path[...].utf8.split(separator: UInt8(ascii: "/")) {
      if segment.elementsEqual(".".utf8) { continue }
      if segment.elementsEqual("..".utf8) {
        _ = segments.popLast()
      } else {
        segments.append(segment)
      }
    }
    return segments.map { "/" + String(Substring($0)) }.joined()
  }
}

/// Decodes `%XX`. The bytes must be UTF-8; `%00` and `%2F` cannot be part of a file's name.
func percentDecoded(
  _ text: String, given address: String, isName: Bool = true
) throws -> String {
  var bytes: [UInt8] = []
  var rest = text.utf8[...]
  while let byte = rest.popFirst() {
    guard byte == UInt8(ascii: "%") else {
      bytes.append(byte)
      continue
    }
    let digits = rest.prefix(2)
    guard digits.count == 2, digits.allSatisfy(isHexDigit),
      let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
    else { throw StoreURI.bad("a % without two hexadecimal digits (write %25 for %)", address) }
    guard value != 0, !isName || value != UInt8(ascii: "/") else {
      throw StoreURI.bad("%00 or %2F in a name", address)
    }
    bytes.append(value)
    rest = rest.dropFirst(2)
  }
  guard let decoded = String(validating: bytes, as: UTF8.self) else {
    throw StoreURI.bad("an address that does not decode to UTF-8", address)
  }
  return decoded
}
