import Kernels

/// The checksum of the checksums of an object's parts, the bytes of one after those of another: what
/// S3 calls a composite checksum, and with MD5 the ETag of an object that was uploaded in parts,
/// `9bb58f26192e4ba00f01e2e7b136bbd8-3`, the second number being that of parts.
///
/// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
struct PartsDigest {
  /// All parts but the last have this size.
  let partByteCount: Int64
  private let method: ByteSum.Method
  private var part: ByteSum
  /// Bytes that the current part may still get.
  private var room: Int64
  /// Of the parts that came whole.
  private var sums: [UInt8] = []

  init(_ method: ByteSum.Method = .md5, partByteCount: Int64) {
    self.method = method
    self.partByteCount = partByteCount
    part = ByteSum(method)
    room = partByteCount
  }

  mutating func update(_ bytes: UnsafeRawBufferPointer) {
    var rest = bytes[...]
    while !rest.isEmpty {
      if room == 0 { endPart() }
      let piece = rest.prefix(Int(min(room, Int64(rest.count))))
      part.update(UnsafeRawBufferPointer(rebasing: piece))
      room -= Int64(piece.count)
      rest = rest.dropFirst(piece.count)
    }
  }

  private mutating func endPart() {
    sums += part.bytes
    part = ByteSum(method)
    room = partByteCount
  }

  /// Of what came so far. No more bytes may come after this.
  var bytes: [UInt8] { ByteSum.of(sums + part.bytes, by: method) }

  /// The same as an ETag, without quotes.
  var etag: String { PartsDigest.etag(of: sums + part.bytes) }

  /// - Parameter digests: 16 bytes a part.
  static func etag(of digests: [UInt8]) -> String {
    "\(hexText(md5(digests)))-\(digests.count / 16)"
  }

  /// The number of parts that an ETag of this form states.
  static func partCount(of etag: String) -> Int64? {
    // Most have none, and every answer is asked.
    let digits = etag.utf8.prefix(32)
    guard etag.utf8.count > 33, etag.utf8[digits.endIndex] == UInt8(ascii: "-"),
      digits.allSatisfy(isHexDigit)
    else { return nil }
    let number = etag.utf8[digits.endIndex...].dropFirst()
    guard number.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
      return nil
    }
    return Int64(Substring(number))
  }
}
