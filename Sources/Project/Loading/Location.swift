import Core

/// Paths and URIs as project files and the command line write them.
enum Location {
  struct Mistake: Error {
    let message: String
    let advice: String?
  }

  static let schemes = ["file", "http", "https", "s3", "gs"]

  /// Makes a location independent of where it was written.
  ///
  /// - Returns: A normalised absolute path for paths and `file:` URIs, other URIs as they are.
  static func resolve(_ text: String, against directory: String) throws(Mistake) -> String {
    if let scheme = scheme(of: text) {
      guard schemes.contains(scheme.lowercased()) else {
        let advice = suggestion(for: scheme, among: schemes, called: "known are a path and")
        throw Mistake(message: "no store understands '\(scheme):'", advice: advice)
      }
      let rest = text.dropFirst(scheme.count + 1)
      if scheme.lowercased() == "file" { return try filePath(rest) }
      guard rest.hasPrefix("//"), let first = rest.dropFirst(2).first, first != "/" else {
        throw Mistake(
          message: "'\(scheme):' without a host or bucket",
          advice: "write \(scheme)://name/…")
      }
      return scheme.lowercased() + text.dropFirst(scheme.count)
    }
    if text.hasPrefix("~") {
      throw Mistake(
        message: "'~' means nothing outside a shell", advice: "write ${HOME} instead")
    }
    return absolute(text, in: directory)
  }

  /// A path made absolute, without `.`, `..`, doubled and trailing slashes. Reads no links.
  static func absolute(_ path: String, in directory: String) -> String {
    let whole = path.hasPrefix("/") ? path : directory + "/" + path
    var parts: [Substring] = []
    for part in whole.split(separator: "/") where part != "." {
      if part == ".." { _ = parts.popLast() } else { parts.append(part) }
    }
    return "/" + parts.joined(separator: "/")
  }

  /// `path` from `directory` where it lies below it, for messages; else as it is.
  static func display(_ path: String, from directory: String) -> String {
    let prefix = directory == "/" ? "/" : directory + "/"
    return path.hasPrefix(prefix) ? String(path.dropFirst(prefix.count)) : path
  }

  static func scheme(of text: String) -> String? {
    guard let colon = text.firstIndex(of: ":") else { return nil }
    let scheme = text[..<colon]
    // One letter is a drive, and a slash before the colon makes it part of a path.
    guard scheme.count > 1, scheme.first!.isLetter,
      scheme.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "+-.".contains($0)) })
    else { return nil }
    return String(scheme)
  }

  /// The password of `scheme://user:password@host`, so that it can be kept out of messages.
  static func password(in uri: String) -> String? {
    guard let scheme = scheme(of: uri), uri.dropFirst(scheme.count).hasPrefix("://") else {
      return nil
    }
    let authority = uri.dropFirst(scheme.count + 3).prefix { $0 != "/" && $0 != "?" && $0 != "#" }
    guard let at = authority.lastIndex(of: "@"),
      let colon = authority[..<at].firstIndex(of: ":")
    else { return nil }
    return String(authority[authority.index(after: colon)..<at])
  }

  /// RFC 8089: `file:/path`, `file:///path`, `file://localhost/path`, percent-encoded.
  private static func filePath(_ rest: Substring) throws(Mistake) -> String {
    var path = rest
    if path.hasPrefix("//") {
      path = path.dropFirst(2)
      if path.hasPrefix("localhost/") { path = path.dropFirst("localhost".count) }
    }
    guard path.hasPrefix("/") else {
      throw Mistake(
        message: "a 'file:' address needs an absolute path",
        advice: "write file:///…, or a plain path, which may be relative")
    }
    var bytes: [UInt8] = []
    var utf8 = Array(path.utf8)[...]
    while let byte = utf8.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard utf8.count >= 2,
        let value = UInt8(String(decoding: utf8.prefix(2), as: UTF8.self), radix: 16), value != 0
      else {
        throw Mistake(message: "a '%' that encodes nothing", advice: "write '%25' for a '%'")
      }
      bytes.append(value)
      utf8 = utf8.dropFirst(2)
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw Mistake(message: "a 'file:' address that does not decode to UTF-8", advice: nil)
    }
    return absolute(text, in: "/")
  }
}
