import Core

/// A day of UTC, by which landed copies are filed.
public struct LandingDay: Sendable, Hashable, CustomStringConvertible {
  /// Days since 1970-01-01.
  let number: Int32

  init(number: Int32) { self.number = number }

  public init(_ instant: Instant) {
    number = Int32(instant.microseconds.floorDivided(by: 86_400_000_000))
  }

  /// - Returns: nil where `text` is not a day, `2024-01-31`.
  public init?(_ text: String) {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    guard text.utf8.count == 10, parts.count == 3, let year = Int(parts[0]),
      let month = Int(parts[1]), let day = Int(parts[2])
    else { return nil }
    let time = CivilTime(year: year, month: month, day: day)
    guard time.isValid, time.dateText == text else { return nil }
    number = Int32(time.daysSinceEpoch)
  }

  public var description: String {
    let (year, month, day) = CivilTime.date(daysSinceEpoch: Int(number))
    return CivilTime(year: year, month: month, day: day).dateText
  }
}
