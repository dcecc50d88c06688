import Foundation
import Testing

@testable import Core

@Suite("instants and intervals")
struct TimeTests {
  @Test("the calendar agrees with Foundation's, from year 1 to 9999")
  func calendar() {
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = TimeZone(identifier: "UTC")!
    var generator = SystemRandomNumberGenerator()
    // Foundation's calendar turns Julian before 1582; ours is proleptic, as Iceberg's is.
    for _ in 0..<2000 {
      let seconds = Int64.random(in: -12_000_000_000...250_000_000_000, using: &generator)
      let time = CivilTime(Instant(seconds: seconds))
      let parts = calendar.dateComponents(
        [.year, .month, .day, .hour, .minute, .second],
        from: Date(timeIntervalSince1970: Double(seconds)))
      #expect(time.year == parts.year && time.month == parts.month && time.day == parts.day)
      #expect(time.hour == parts.hour && time.minute == parts.minute)
      #expect(time.second == parts.second)
      #expect(time.instant == Instant(seconds: seconds))
    }
  }

  @Test(
    "instants as text",
    arguments: [
      (0, "1970-01-01T00:00:00Z", "1970-01-01 00:00:00"),
      (-1, "1969-12-31T23:59:59.999999Z", "1969-12-31 23:59:59.999999"),
      (1_704_085_200_000_000, "2024-01-01T05:00:00Z", "2024-01-01 05:00:00"),
      (951_782_400_000_001, "2000-02-29T00:00:00.000001Z", "2000-02-29 00:00:00.000001"),
    ] as [(Int64, String, String)])
  func text(microseconds: Int64, iso: String, sql: String) {
    #expect(Instant(microseconds: microseconds).description == iso)
    #expect(Instant(microseconds: microseconds).sqlText == sql)
  }

  @Test(
    "the interval that holds an instant",
    arguments: [
      (IntervalLength.hour, "2024-02-29T23", "2024-02-29T23:00:00Z", "2024-03-01T00:00:00Z"),
      (.day, "2024-02-29", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"),
      (
        .month, "2024-02-01T00:00:00Z/2024-03-01T00:00:00Z", "2024-02-01T00:00:00Z",
        "2024-03-01T00:00:00Z"
      ),
      (
        .year, "2024-01-01T00:00:00Z/2025-01-01T00:00:00Z", "2024-01-01T00:00:00Z",
        "2025-01-01T00:00:00Z"
      ),
    ])
  func holding(length: IntervalLength, name: String, start: String, end: String) {
    let instant = CivilTime(year: 2024, month: 2, day: 29, hour: 23, minute: 59, second: 59).instant
    let interval = length.interval(holding: instant)
    #expect(interval.description == name)
    #expect(interval.start.description == start)
    #expect(interval.end.description == end)
    #expect(interval.contains(instant) && !interval.contains(interval.end))
  }

  @Test("a range is cut into the intervals that touch it, and a day into its 24 hours")
  func cutting() {
    let from = CivilTime(year: 2023, month: 12, day: 31, hour: 22, minute: 30).instant
    let to = CivilTime(year: 2024, month: 1, day: 1, hour: 1).instant
    let hours = IntervalLength.hour.intervals(from: from, to: to)
    #expect(hours.map(\.description) == ["2023-12-31T22", "2023-12-31T23", "2024-01-01T00"])
    #expect(IntervalLength.hour.intervals(from: to, to: to).isEmpty)
    let day = IntervalLength.day.interval(holding: from)
    let tiles = IntervalLength.hour.tiles(of: day)
    #expect(tiles.count == 24)
    #expect(zip(tiles, tiles.dropFirst()).allSatisfy { $0.end == $1.start })
    #expect(tiles.first?.start == day.start && tiles.last?.end == day.end)
  }

  @Test("days that do not exist are told from those that do")
  func validity() {
    #expect(CivilTime(year: 2024, month: 2, day: 29).isValid)
    #expect(!CivilTime(year: 2023, month: 2, day: 29).isValid)
    #expect(!CivilTime(year: 2100, month: 2, day: 29).isValid)
    #expect(CivilTime(year: 2000, month: 2, day: 29).isValid)
    #expect(!CivilTime(year: 2024, month: 13, day: 1).isValid)
    #expect(!CivilTime(year: 2024, month: 1, day: 1, hour: 24).isValid)
  }
}
