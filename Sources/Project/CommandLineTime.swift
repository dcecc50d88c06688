import Core

/// Times as `--from` and `--to` take them, in UTC.
public enum CommandLineTime {
  /// Parses `2024-01-01`, `2024-01-01T05`, `2024-01-01T05:30`, `2024-01-01T05:00:00[.ffffff]`, with
  /// an optional `Z` or offset (`+02:00`) after a time; a space may stand for the `T`.
  ///
  /// - Parameter option: What messages call the text's place: `--from`.
  /// - Throws: `.badValue`, telling a date that does not exist from text that is no date.
  public static func parse(_ text: String, option: String) throws(ProjectError) -> Instant {
    switch read(text) {
    case .success(let instant): return instant
    case .failure(let mistake):
      throw ProjectError(
        .badValue, "\(option) '\(text.shortened)': \(mistake.message)", advice: mistake.advice,
        exitCode: 2)
    }
  }

  struct Mistake: Error {
    let message: String
    var advice: String?
  }

  static let advice =
    "write 2024-01-01, 2024-01-01T05 or 2024-01-01T05:00:00Z; times are UTC"

  static func read(_ text: String) -> Result<Instant, Mistake> {
    guard let written = Written(text) else {
      return .failure(Mistake(message: "not a time", advice: advice))
    }
    let time = written.time
    guard (1...12).contains(time.month) else {
      return .failure(Mistake(message: "there is no month \(time.month)"))
    }
    let days = CivilTime.daysInMonth(year: time.year, month: time.month)
    guard (1...days).contains(time.day) else {
      let month = time.dateText.prefix(7)
      return .failure(Mistake(message: "\(month) has \(days) days, none is number \(time.day)"))
    }
    guard time.hour < 24, time.minute < 60, time.second < 60 else {
      return .failure(Mistake(message: "there is no \(time.clockText) in a day"))
    }
    guard (0..<24 * 60).contains(abs(written.offsetMinutes)) else {
      return .failure(Mistake(message: "an offset of a day or more"))
    }
    return .success(time.instant.adding(seconds: Int64(-written.offsetMinutes * 60)))
  }

  /// The numbers of a time, in their places but not yet in their ranges.
  private struct Written {
    var time: CivilTime
    var offsetMinutes = 0
    private var rest: Substring

    init?(_ text: String) {
      rest = text[...]
      time = CivilTime(year: 0)
      guard let year = number(4), take("-"), let month = number(2), take("-"), let day = number(2)
      else { return nil }
      time = CivilTime(year: year, month: month, day: day)
      if rest.isEmpty { return }
      guard take("T") || take(" "), let hour = number(2) else { return nil }
      time.hour = hour
      if take(":") {
        guard let minute = number(2) else { return nil }
        time.minute = minute
        if take(":") {
          guard let second = number(2) else { return nil }
          time.second = second
          if take(".") {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            guard (1...6).contains(digits.count), let fraction = Int(digits) else { return nil }
            rest = rest.dropFirst(digits.count)
            time.microsecond = (digits.count..<6).reduce(fraction) { value, _ in value * 10 }
          }
        }
      }
      guard readOffset(), rest.isEmpty else { return nil }
    }

    private mutating func readOffset() -> Bool {
      if rest.isEmpty || take("Z") { return true }
      let sign = rest.first == "-" ? -1 : 1
      guard take("+") || take("-"), let hours = number(2) else { return false }
      _ = take(":")
      let minutes = rest.isEmpty ? 0 : number(2)
      guard let minutes, minutes < 60 else { return false }
      offsetMinutes = sign * (hours * 60 + minutes)
      return true
    }

    private mutating func take(_ character: Character) -> Bool {
      guard rest.first == character else { return false }
      rest = rest.dropFirst()
      return true
    }

    private mutating func number(_ width: Int) -> Int? {
      let digits = rest.prefix(width)
      guard digits.count == width, digits.allSatisfy({ $0.isASCII && $0.isNumber }) else {
        return nil
      }
      rest = rest.dropFirst(width)
      return Int(digits)
    }
  }
}
