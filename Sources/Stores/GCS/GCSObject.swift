import Core
import Kernels
import Transport

/// An object's metadata as the JSON API has it.
struct GCSObject {
  /// The whole name in the bucket.
  var name: String
  var byteCount: Int64
  var generation: String
  var updated: Instant?
  /// Of the bytes, in base64 of big-endian order.
  var crc32c: String?
  /// Who wrote it: see `GCSUpload`.
  var nonce: String?

  static let fields = "name,size,generation,updated,crc32c,metadata"
  /// The name of the metadata entry that holds `nonce`.
  static let nonceName = "sluice-write"

  /// - Returns: nil where this is no object's metadata.
  init?(_ json: JSON) {
    guard let name = json["name"]?.string,
      let byteCount = json["size"]?.string.flatMap({ Int64($0) }),
      let generation = json["generation"]?.string
    else { return nil }
    self.name = name
    self.byteCount = byteCount
    self.generation = generation
    updated = json["updated"]?.string.flatMap(GCSObject.instant)
    crc32c = json["crc32c"]?.string
    nonce = json["metadata"]?[GCSObject.nonceName]?.string
  }

  func object(key: String) -> Object {
    Object(key: key, byteCount: byteCount, version: Version(generation), modified: updated)
  }

  /// Reads `2024-01-31T05:00:00.123Z` (RFC 3339).
  static func instant(_ text: String) -> Instant? {
    let text = Array(text.utf8)
    guard text.count >= 20, text.last == UInt8(ascii: "Z") else { return nil }
    func number(_ range: Range<Int>) -> Int? { Int(String(decoding: text[range], as: UTF8.self)) }
    guard let year = number(0..<4), let month = number(5..<7), let day = number(8..<10),
      let hour = number(11..<13), let minute = number(14..<16), let second = number(17..<19)
    else { return nil }
    var microsecond = 0
    if text[19] == UInt8(ascii: ".") {
      let digits = String(decoding: text[20..<(text.count - 1)].prefix(6), as: UTF8.self)
      guard let value = Int(digits + String(repeating: "0", count: 6 - digits.count)) else {
        return nil
      }
      microsecond = value
    }
    let time = CivilTime(
      year: year, month: month, day: day, hour: hour, minute: minute, second: second,
      microsecond: microsecond)
    return time.isValid ? time.instant : nil
  }
}

extension CRC32C {
  /// As the JSON API writes it.
  var gcsText: String { base64(withUnsafeBytes(of: value.bigEndian) { Array($0) }) }
}
