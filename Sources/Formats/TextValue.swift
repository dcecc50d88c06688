import Core
import Kernels

/// Text of one field → a value, strictly: nothing before, nothing after, nothing rounded.
///
/// | type | text |
/// |---|---|
/// | `boolean` | `true`/`false`, `t`/`f`, `yes`/`no`, `y`/`n`, `1`/`0`, in any case |
/// | `int`, `bigint` | optional sign, digits |
/// | `float`, `double` | optional sign, digits with optional point, optional exponent; `inf`, `nan` |
/// | `decimal(p,s)` | optional sign, digits with optional point; no digit is lost |
/// | `date` | `2024-01-31` |
/// | `time` | `23:59[:59[.999999]]` |
/// | `timestamp` | a date, or a date, `T` or one space, and a time; no zone |
/// | `timestamptz` | the same with optional `Z`, `+hh`, `+hhmm` or `+hh:mm`; without it, UTC |
/// | `uuid` | 32 hexadecimal digits, dashes after 8, 12, 16 and 20 of them or none |
/// | `string` | UTF-8, or what the format's encoding makes of it |
/// | `binary` | the bytes as they are |
enum TextValue {
  /// A field's bytes while they are taken apart from the left.
  struct Cursor {
    let text: UnsafePointer<UInt8>
    let count: Int
    var place = 0

    init(_ text: UnsafePointer<UInt8>, _ count: Int) {
      self.text = text
      self.count = count
    }

    var isAtEnd: Bool { place == count }
    var next: UInt8? { place < count ? text[place] : nil }

    /// Exactly `width` digits.
    mutating func number(_ width: Int) -> Int? {
      guard place + width <= count else { return nil }
      var value = 0
      for index in place..<place + width {
        let digit = text[index] &- 0x30
        guard digit < 10 else { return nil }
        value = value * 10 + Int(digit)
      }
      place += width
      return value
    }

    /// Passes over one byte if it is next.
    mutating func take(_ byte: UInt8) -> Bool {
      guard next == byte else { return false }
      place += 1
      return true
    }
  }

  static func boolean(_ text: UnsafePointer<UInt8>, _ count: Int) -> Bool? {
    guard count >= 1 && count <= 5 else { return nil }
    if count == 1 && text[0] == UInt8(ascii: "1") { return true }
    if count == 1 && text[0] == UInt8(ascii: "0") { return false }
    let lower = (0..<count).map { text[$0] | 0x20 }
    for (word, value) in words where lower.elementsEqual(word.utf8) { return value }
    return nil
  }

  private static let words: [(String, Bool)] = [
    ("true", true), ("false", false), ("t", true), ("f", false), ("yes", true), ("no", false),
    ("y", true), ("n", false),
  ]

  /// Days since 1970-01-01.
  static func date(_ text: UnsafePointer<UInt8>, _ count: Int) -> Int32? {
    var cursor = Cursor(text, count)
    guard let days = date(&cursor), cursor.isAtEnd else { return nil }
    return Int32(days)
  }

  /// Microseconds since midnight.
  static func time(_ text: UnsafePointer<UInt8>, _ count: Int) -> Int64? {
    var cursor = Cursor(text, count)
    guard let time = time(&cursor), cursor.isAtEnd else { return nil }
    return time
  }

  /// Microseconds since 1970-01-01T00:00:00.
  static func timestamp(
    _ text: UnsafePointer<UInt8>, _ count: Int, allowsZone: Bool
  ) -> Int64? {
    var cursor = Cursor(text, count)
    guard let days = date(&cursor) else { return nil }
    var microseconds = Int64(days) * 86_400_000_000
    if cursor.isAtEnd { return microseconds }
    guard cursor.take(UInt8(ascii: "T")) || cursor.take(UInt8(ascii: " ")),
      let time = time(&cursor)
    else { return nil }
    microseconds += time
    if cursor.isAtEnd { return microseconds }
    guard allowsZone, let offset = zone(&cursor), cursor.isAtEnd else { return nil }
    return microseconds - offset
  }

  static func uuid(_ text: UnsafePointer<UInt8>, _ count: Int) -> UInt128? {
    guard count == 32 || count == 36 else { return nil }
    var value: UInt128 = 0
    for index in 0..<count {
      let byte = text[index]
      if count == 36 && (index == 8 || index == 13 || index == 18 || index == 23) {
        guard byte == UInt8(ascii: "-") else { return nil }
        continue
      }
      let digit: UInt8
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
      case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
      default: return nil
      }
      value = value << 4 | UInt128(digit)
    }
    return value
  }

  private static func date(_ cursor: inout Cursor) -> Int? {
    guard let year = cursor.number(4), cursor.take(UInt8(ascii: "-")),
      let month = cursor.number(2), cursor.take(UInt8(ascii: "-")), let day = cursor.number(2)
    else { return nil }
    let date = CivilTime(year: year, month: month, day: day)
    return date.isValid ? date.daysSinceEpoch : nil
  }

  private static func time(_ cursor: inout Cursor) -> Int64? {
    guard let hour = cursor.number(2), hour < 24, cursor.take(UInt8(ascii: ":")),
      let minute = cursor.number(2), minute < 60
    else { return nil }
    var microseconds = Int64(hour * 3600 + minute * 60) * 1_000_000
    guard cursor.take(UInt8(ascii: ":")) else { return microseconds }
    guard let second = cursor.number(2), second < 60 else { return nil }
    microseconds += Int64(second) * 1_000_000
    guard cursor.take(UInt8(ascii: ".")) else { return microseconds }
    var unit: Int64 = 100_000
    let start = cursor.place
    while unit > 0, let digit = cursor.number(1) {
      microseconds += Int64(digit) * unit
      unit /= 10
    }
    return cursor.place > start ? microseconds : nil
  }

  /// The offset from UTC in microseconds.
  private static func zone(_ cursor: inout Cursor) -> Int64? {
    if cursor.take(UInt8(ascii: "Z")) { return 0 }
    let isNegative = cursor.next == UInt8(ascii: "-")
    guard cursor.take(UInt8(ascii: "-")) || cursor.take(UInt8(ascii: "+")),
      let hours = cursor.number(2), hours < 24
    else { return nil }
    var minutes = 0
    if !cursor.isAtEnd {
      _ = cursor.take(UInt8(ascii: ":"))
      guard let number = cursor.number(2), number < 60 else { return nil }
      minutes = number
    }
    let offset = Int64(hours * 60 + minutes) * 60_000_000
    return isNegative ? -offset : offset
  }
}
