/// A half-open stretch of time, `[start, end)`, UTC.
public struct Interval: Sendable, Hashable, Comparable, CustomStringConvertible {
  public let start: Instant
  public let end: Instant

  /// - Precondition: `start < end`.
  public init(start: Instant, end: Instant) {
    precondition(start < end, "an interval ends after it starts")
    self.start = start
    self.end = end
  }

  public static func < (a: Interval, b: Interval) -> Bool {
    (a.start, a.end) < (b.start, b.end)
  }

  public func contains(_ instant: Instant) -> Bool { start <= instant && instant < end }

  /// `2024-01-01T05` for an hour, `2024-01-01` for a day, else `start/end`.
  public var description: String {
    let from = CivilTime(start)
    let whole = from.minute == 0 && from.second == 0 && from.microsecond == 0
    switch end.microseconds - start.microseconds {
    case 3_600_000_000 where whole:
      return "\(from.dateText)T\(String(from.hour).paddedLeft(to: 2, with: "0"))"
    case 86_400_000_000 where whole && from.hour == 0: return from.dateText
    default: return "\(start)/\(end)"
    }
  }
}

/// How long the intervals of a pipeline are; each begins on a whole unit of UTC.
public enum IntervalLength: String, Sendable, Hashable, CaseIterable {
  case hour, day, month, year

  /// The interval of this length that holds `instant`.
  public func interval(holding instant: Instant) -> Interval {
    var start = CivilTime(instant)
    (start.minute, start.second, start.microsecond) = (0, 0, 0)
    if self != .hour { start.hour = 0 }
    if self == .month || self == .year { start.day = 1 }
    if self == .year { start.month = 1 }
    return Interval(start: start.instant, end: next(start).instant)
  }

  /// The intervals that touch `[from, to)`, in order.
  public func intervals(from: Instant, to: Instant) -> [Interval] {
    var result: [Interval] = []
    var cursor = interval(holding: from)
    while cursor.start < to {
      result.append(cursor)
      cursor = interval(holding: cursor.end)
    }
    return result
  }

  /// The intervals of this length that tile `whole`, in order.
  public func tiles(of whole: Interval) -> [Interval] {
    intervals(from: whole.start, to: whole.end)
  }

  private func next(_ time: CivilTime) -> CivilTime {
    var next = time
    switch self {
    case .hour: return CivilTime(time.instant.adding(seconds: 3600))
    case .day: return CivilTime(time.instant.adding(seconds: 86_400))
    case .month:
      next.month += 1
      if next.month == 13 { (next.year, next.month) = (next.year + 1, 1) }
    case .year: next.year += 1
    }
    return next
  }
}
