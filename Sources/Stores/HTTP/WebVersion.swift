import Core
import Transport

/// What a web server's answer says of a file's state.
///
/// The version is the ETag as sent (`"abc"`, `W/"abc"`), else `modified:<Last-Modified>;<length>`,
/// else `length:<length>`, else `unversioned`.
enum WebVersion {
  private static let unversioned = Version("unversioned")

  static func object(_ key: String, _ response: HTTPResponse) -> Object {
    Object(
      key: key, byteCount: totalByteCount(response) ?? Object.unknownByteCount,
      version: version(response), modified: response["last-modified"].flatMap(httpDate))
  }

  static func version(_ response: HTTPResponse) -> Version {
    if let etag = response["etag"], !etag.isEmpty { return Version(etag) }
    let length = totalByteCount(response).map { String($0) }
    if let modified = response["last-modified"] {
      return Version("modified:\(modified);\(length ?? "?")")
    }
    return length.map { Version("length:\($0)") } ?? unversioned
  }

  /// Whether two answers of this version are sure enough to be the same bytes.
  static func isReliable(_ version: Version) -> Bool {
    version != unversioned && !version.rawValue.hasPrefix("length:")
  }

  /// The ETag where `If-Match` can compare it: that needs a strong one (RFC 9110, 13.1.1).
  static func strongTag(_ version: Version?) -> String? {
    version.flatMap { $0.rawValue.hasPrefix("\"") ? $0.rawValue : nil }
  }

  /// The length of the whole file, also where the answer holds a part of it.
  static func totalByteCount(_ response: HTTPResponse) -> Int64? {
    if let range = response["content-range"] {
      return range.split(separator: "/").last.flatMap { Int64($0) }
    }
    return response.status == 206 || !response.isSuccess ? nil : response.contentLength
  }

  /// The first byte's position in an answer with status 206: `bytes 5-9/10`.
  static func firstByte(_ response: HTTPResponse) -> Int64? {
    guard let range = response["content-range"], range.lowercased().hasPrefix("bytes") else {
      return nil
    }
    let digits = range.dropFirst(5).drop { $0 == " " }.prefix { $0.isASCII && $0.isNumber }
    return Int64(digits)
  }
}

extension Version {
  /// Whether two objects of this version are sure enough to be the same bytes: of web servers, those
  /// that send neither an ETag nor a modification time do not let one know.
  public var isReliable: Bool { WebVersion.isReliable(self) }
}

extension Object {
  /// The size of an object whose web server does not state it.
  public static let unknownByteCount: Int64 = -1
}
