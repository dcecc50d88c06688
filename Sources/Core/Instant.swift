/// A point in time: microseconds since 1970-01-01T00:00:00 UTC, as Iceberg's `timestamp` counts.
public struct Instant: Sendable, Hashable, Comparable, CustomStringConvertible {
  public var microseconds: Int64

  public init(microseconds: Int64) { self.microseconds = microseconds }

  public init(seconds: Int64) { self.microseconds = seconds * 1_000_000 }

  public static func < (a: Instant, b: Instant) -> Bool { a.microseconds < b.microseconds }

  public var milliseconds: Int64 { microseconds.floorDivided(by: 1000) }

  public func adding(seconds: Int64) -> Instant {
    Instant(microseconds: microseconds + seconds * 1_000_000)
  }

  /// `2024-01-01T05:00:00Z`; fractional seconds only where there are some.
  public var description: String {
    let time = CivilTime(self)
    var text = "\(time.dateText)T\(time.clockText)"
    if time.microsecond != 0 {
      text += "." + String(time.microsecond).paddedLeft(to: 6, with: "0")
    }
    return text + "Z"
  }

  /// `2024-01-01 05:00:00[.ffffff]`, as SQL writes a timestamp without zone.
  public var sqlText: String {
    let time = CivilTime(self)
    let base = "\(time.dateText) \(time.clockText)"
    guard time.microsecond != 0 else { return base }
    return base + "." + String(time.microsecond).paddedLeft(to: 6, with: "0")
  }
}

/// An instant in the proleptic Gregorian calendar, UTC.
///
/// The day arithmetic is Howard Hinnant's `days_from_civil` and `civil_from_days`
/// (https://howardhinnant.github.io/date_algorithms.html).
public struct CivilTime: Sendable, Hashable {
  public var year: Int
  public var month: Int
  public var day: Int
  public var hour: Int
  public var minute: Int
  public var second: Int
  public var microsecond: Int

  public init(
    year: Int, month: Int = 1, day: Int = 1, hour: Int = 0, minute: Int = 0, second: Int = 0,
    microsecond: Int = 0
  ) {
    self.year = year
    self.month = month
    self.day = day
    self.hour = hour
    self.minute = minute
    self.second = second
    self.microsecond = microsecond
  }

  public init(_ instant: Instant) {
    let days = instant.microseconds.floorDivided(by: 86_400_000_000)
    let rest = instant.microseconds - days * 86_400_000_000
    (year, month, day) = CivilTime.date(daysSinceEpoch: Int(days))
    hour = Int(rest / 3_600_000_000)
    minute = Int(rest / 60_000_000 % 60)
    second = Int(rest / 1_000_000 % 60)
    microsecond = Int(rest % 1_000_000)
  }

  /// Days since 1970-01-01 of this date.
  public var daysSinceEpoch: Int {
    let y = month <= 2 ? year - 1 : year
    let era = (y >= 0 ? y : y - 399) / 400
    let yearOfEra = y - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }

  public static func date(daysSinceEpoch days: Int) -> (year: Int, month: Int, day: Int) {
    let z = days + 719_468
    let era = (z >= 0 ? z : z - 146_096) / 146_097
    let dayOfEra = z - era * 146_097
    let yearOfEra =
      (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shifted = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * shifted + 2) / 5 + 1
    let month = shifted + (shifted < 10 ? 3 : -9)
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
  }

  public static func daysInMonth(year: Int, month: Int) -> Int {
    switch month {
    case 2: return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: return 30
    default: return 31
    }
  }

  /// Whether every field is in its range and the day exists.
  public var isValid: Bool {
    (1...12).contains(month) && day >= 1
      && day <= CivilTime.daysInMonth(year: year, month: month)
      && (0...23).contains(hour) && (0...59).contains(minute) && (0...59).contains(second)
      && (0...999_999).contains(microsecond)
  }

  public var instant: Instant {
    let seconds = Int64(daysSinceEpoch) * 86_400 + Int64(hour * 3600 + minute * 60 + second)
    return Instant(microseconds: seconds * 1_000_000 + Int64(microsecond))
  }

  /// `2024-01-01`.
  public var dateText: String { "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))" }

  /// `05:00:00`.
  public var clockText: String { "\(padded(hour, 2)):\(padded(minute, 2)):\(padded(second, 2))" }

  private func padded(_ number: Int, _ width: Int) -> String {
    String(number).paddedLeft(to: width, with: "0")
  }
}

extension Int64 {
  /// Division rounding towards negative infinity.
  public func floorDivided(by divisor: Int64) -> Int64 {
    let quotient = self / divisor
    return self % divisor < 0 ? quotient - 1 : quotient
  }
}

extension String {
  /// Pads with `pad` on the left up to `width` characters.
  public func paddedLeft(to width: Int, with pad: Character) -> String {
    count >= width ? self : String(repeating: pad, count: width - count) + self
  }

  /// Pads with spaces on the right up to `width` characters.
  public func paddedRight(to width: Int) -> String {
    count >= width ? self : self + String(repeating: " ", count: width - count)
  }
}
