/// Random names: what tells one writer's object from another's.
enum Nonce {
  /// `2 × byteCount` hexadecimal digits.
  static func hex(byteCount: Int = 16) -> String {
    var text = ""
    text.reserveCapacity(2 * byteCount)
    for _ in 0..<byteCount {
      let byte = UInt8.random(in: .min ... .max)
      text.append(hexDigits[Int(byte >> 4)])
      text.append(hexDigits[Int(byte & 15)])
    }
    return text
  }

  /// A random UUID (RFC 9562, version 4) as text.
  static func uuid() -> String {
    var digits = Array(hex(byteCount: 16))
    digits[12] = "4"
    digits[16] = ["8", "9", "a", "b"][Int.random(in: 0..<4)]
    let cuts = [0, 8, 12, 16, 20, 32]
    return zip(cuts, cuts.dropFirst()).map { String(digits[$0..<$1]) }.joined(separator: "-")
  }

  /// A positive number for a snapshot.
  static func snapshotID() -> Int64 { Int64.random(in: 1...Int64.max) }

  private static let hexDigits = Array("0123456789abcdef")
}
