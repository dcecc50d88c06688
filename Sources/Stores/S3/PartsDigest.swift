import Kernels

/// The MD5 of the MD5s of an object's parts, which is what S3 makes the ETag of an object that was
/// uploaded in parts: `9bb58f26192e4ba00f01e2e7b136bbd8-3`, the second number being that of parts.
struct PartsDigest {
  /// All parts but the last have this size.
  let partByteCount: Int64
  private var digest = Digest(.md5)
  /// Bytes that the current part may still get.
  private var room: Int64
  private var digests: [UInt8] = []

  init(partByteCount: Int64) {
    self.partByteCount = partByteCount
    room = partByteCount
  }

  mutating func update(_ bytes: UnsafeRawBufferPointer) {
    var rest = bytes[...]
    while !rest.isEmpty {
      if room == 0 { endPart() }
      let piece = rest.prefix(Int(min(room, Int64(rest.count))))
      digest.update(UnsafeRawBufferPointer(rebasing: piece))
      room -= Int64(piece.count)
      rest = rest.dropFirst(piece.count)
    }
  }

  private mutating func endPart() {
    digests += digest.finish()
    digest = Digest(.md5)
    room = partByteCount
  }

  /// Of what came so far, without quotes. May be asked once.
  var etag: String { PartsDigest.etag(of: digests + digest.finish()) }

  /// - Parameter digests: 16 bytes a part.
  static func etag(of digests: [UInt8]) -> String {
    "\(hexText(md5(digests)))-\(digests.count / 16)"
  }

  /// The number of parts that an ETag of this form states.
  static func partCount(of etag: String) -> Int64? {
    let parts = etag.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 2, parts[0].utf8.count == 32, parts[0].utf8.allSatisfy(isHexDigit) else {
      return nil
    }
    return Int64(parts[1])
  }
}
