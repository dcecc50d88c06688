import Core
import Kernels
import Transport

/// Compares the bytes of a whole object with the checksum that its store has for them.
public struct ObjectChecksum {
  private enum Sum {
    case whole(ByteSum)
    case parts(PartsDigest)
  }
  private var sum: Sum
  /// In base64, most significant byte first; of an ETag as it is written, without quotes.
  private let expected: String
  private let isETag: Bool
  /// Whether a sum of parts is sure to be of the parts that the object has.
  private let confirm: () throws -> Bool

  private init(
    _ sum: Sum, _ expected: String, isETag: Bool = false,
    confirm: @escaping () throws -> Bool = { true }
  ) {
    self.sum = sum
    self.expected = expected
    self.isETag = isETag
    self.confirm = confirm
  }

  init(crc32c expected: String) { self.init(.whole(ByteSum(.crc32c)), expected) }

  /// What an answer of S3 states of all the object's bytes: a checksum of them, or an ETag that is
  /// one, before a checksum of the checksums of its parts, or an ETag of that kind.
  ///
  /// - Parameter parts: Says how the object was divided into that many parts; nil where that is not
  ///   known. May ask the service.
  /// - Returns: nil where there is none that this can compute.
  init?(_ object: Object, s3 response: HTTPResponse, parts: (_ count: Int64) -> S3Parts?) {
    let etag = object.version.unquoted
    let partCount = PartsDigest.partCount(of: etag)
    let stated = StatedChecksum(response, isInParts: partCount != nil)
    if let stated, !stated.isComposite {
      self.init(.whole(ByteSum(stated.method)), stated.value)
    } else if let expected = ObjectChecksum.md5(of: object.version, response) {
      self.init(.whole(ByteSum(.md5)), expected, isETag: true)
    } else if let stated, let count = stated.partCount ?? partCount, let parts = parts(count) {
      self.init(
        .parts(PartsDigest(stated.method, partByteCount: parts.byteCount)), stated.value,
        confirm: parts.confirm)
    } else if stated == nil, let count = partCount, ObjectChecksum.isPlain(response),
      let parts = parts(count)
    {
      self.init(
        .parts(PartsDigest(partByteCount: parts.byteCount)), etag.lowercased(), isETag: true,
        confirm: parts.confirm)
    } else {
      return nil
    }
  }

  mutating func update(_ bytes: UnsafeRawBufferPointer) {
    switch sum {
    case .whole(var whole):
      whole.update(bytes)
      sum = .whole(whole)
    case .parts(var parts):
      parts.update(bytes)
      sum = .parts(parts)
    }
  }

  /// Whether the bytes are those of the object, as far as its store lets one know: where they differ
  /// from a checksum of parts, it is asked whether the object has the parts that were taken for
  /// granted.
  ///
  /// - Throws: What keeps the store from answering that.
  var matches: Bool {
    get throws {
      switch sum {
      case .whole(let whole):
        return (isETag ? hexText(whole.bytes) : base64(whole.bytes)) == expected
      case .parts(let parts):
        return try (isETag ? parts.etag : base64(parts.bytes)) == expected || !confirm()
      }
    }
  }

  /// The MD5, in hexadecimal digits, that an ETag is: of objects written with one request, and not
  /// encrypted with a key of their own.
  static func md5(of version: Version, _ response: HTTPResponse) -> String? {
    let text = version.unquoted
    guard text.utf8.count == 32, text.utf8.allSatisfy({ isHexDigit($0) }), isPlain(response) else {
      return nil
    }
    return text.lowercased()
  }

  /// Whether the ETag is of the bytes as they are read, and not of encrypted ones.
  static func isPlain(_ response: HTTPResponse) -> Bool {
    response["x-amz-server-side-encryption"]?.hasPrefix("aws:") != true
      && response["x-amz-server-side-encryption-customer-algorithm"] == nil
  }
}

/// The first of the checksums that an answer of S3 has in `x-amz-checksum-…` headers.
private struct StatedChecksum {
  let method: ByteSum.Method
  /// In base64.
  let value: String
  /// Whether it is of the checksums of parts.
  let isComposite: Bool
  /// The number of parts, where the value says it: `8FPfBA==-3`.
  let partCount: Int64?

  init?(_ response: HTTPResponse, isInParts: Bool) {
    for method in ByteSum.Method.allCases where method != .md5 {
      guard let text = response[method.header] else { continue }
      let pieces = text.split(separator: "-", omittingEmptySubsequences: false)
      let type = response["x-amz-checksum-type"]
      guard pieces.count <= 2 else { continue }
      // CRC-64 is always of the whole object. Of another that says nothing of its type one cannot
      // know, for an object in parts: real services say so by the number of parts.
      let isSaid = type != nil || pieces.count == 2 || method == .crc64nvme
      guard isSaid || !isInParts else { continue }
      self.method = method
      value = String(pieces[0])
      isComposite = pieces.count == 2 || type == "COMPOSITE"
      partCount = pieces.count == 2 ? Int64(pieces[1]) : nil
      return
    }
    return nil
  }
}

extension Version {
  /// The text of an ETag, without quotes.
  fileprivate var unquoted: String {
    String(unsafeUninitializedCapacity: rawValue.utf8.count) { text in
      var count = 0
      for byte in rawValue.utf8 where byte != UInt8(ascii: "\"") {
        text[count] = byte
        count += 1
      }
      return count
    }
  }
}
