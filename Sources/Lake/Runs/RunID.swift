import Core

/// The name of one run: its start and a random part, so that names sort by time.
public struct RunID: RawRepresentable, Sendable, Hashable, Comparable, CustomStringConvertible {
  /// `20240101T050000123-1f9c02ab7d30`.
  public let rawValue: String

  public init?(rawValue: String) {
    let bytes = Array(rawValue.utf8)
    guard bytes.count == 31, bytes[8] == UInt8(ascii: "T"), bytes[18] == UInt8(ascii: "-"),
      (Array(bytes[0..<8]) + bytes[9..<18]).allSatisfy({ (48...57).contains($0) }),
      bytes[19...].allSatisfy({ (48...57).contains($0) || (97...102).contains($0) })
    else { return nil }
    self.rawValue = rawValue
    guard start != nil else { return nil }
  }

  /// A fresh name for a run that starts at `start`.
  public init(start: Instant) {
    let time = CivilTime(start)
    let digits = [(time.year, 4), (time.month, 2), (time.day, 2)].map(RunID.padded).joined()
    let clock = [(time.hour, 2), (time.minute, 2), (time.second, 2), (time.microsecond / 1000, 3)]
      .map(RunID.padded).joined()
    rawValue = "\(digits)T\(clock)-\(Nonce.hex(byteCount: 6))"
  }

  public var description: String { rawValue }

  public static func < (a: RunID, b: RunID) -> Bool { a.rawValue < b.rawValue }

  /// When the run started, to the millisecond.
  public var start: Instant? {
    let digits = rawValue.utf8.prefix(18).filter { (48...57).contains($0) }.map { Int($0) - 48 }
    guard digits.count == 17 else { return nil }
    func number(_ range: Range<Int>) -> Int { digits[range].reduce(0) { $0 * 10 + $1 } }
    let time = CivilTime(
      year: number(0..<4), month: number(4..<6), day: number(6..<8), hour: number(8..<10),
      minute: number(10..<12), second: number(12..<14), microsecond: number(14..<17) * 1000)
    return time.isValid ? time.instant : nil
  }

  /// `2024-01-01`, the day of the run's start.
  var dateText: String {
    let text = Array(rawValue.utf8)
    func part(_ range: Range<Int>) -> String { String(decoding: text[range], as: UTF8.self) }
    return "\(part(0..<4))-\(part(4..<6))-\(part(6..<8))"
  }

  private static func padded(_ number: Int, _ width: Int) -> String {
    String(number).paddedLeft(to: width, with: "0")
  }
}
