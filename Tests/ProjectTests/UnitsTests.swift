import Core
import Testing

@testable import Project

@Suite struct UnitsTests {
  @Test(
    "durations",
    arguments: [
      ("0s", 0), ("60s", 60_000), ("500ms", 500), ("5m", 300_000), ("24h", 86_400_000),
      ("3d", 259_200_000), ("1h30m", 5_400_000), ("007s", 7000), ("36600d", 3_162_240_000_000),
      ("", nil), ("5", nil), ("s", nil), ("5 s", nil), ("-5s", nil), ("1.5h", nil), ("5w", nil),
      ("5S", nil), ("5s ", nil), ("36601d", nil), ("99999999999999999999s", nil),
      ("9223372036854775807d", nil), ("٣s", nil),
    ] as [(String, Int64?)])
  func durations(_ text: String, _ expected: Int64?) {
    #expect(Units.milliseconds(text) == expected)
  }

  @Test(
    "sizes: GB is 10^9, GiB is 2^30",
    arguments: [
      ("4GB", 4_000_000_000), ("256MB", 256_000_000), ("512MiB", 536_870_912),
      ("4 gb", 4_000_000_000),
      ("1KiB", 1024), ("1kB", 1000), ("1.5GB", 1_500_000_000), ("1048576", 1_048_576), ("7B", 7),
      ("2TiB", 2_199_023_255_552), ("0", 0),
      ("", nil), ("GB", nil), ("-1GB", nil), ("4G", nil), ("4GBB", nil), (".5GB", nil),
      ("5.GB", nil), ("1.2.3GB", nil), ("9223372036854775807KB", nil), ("99999999999TB", nil),
      ("1e3MB", nil), ("4GB ", nil),
    ] as [(String, Int64?)])
  func sizes(_ text: String, _ expected: Int64?) {
    #expect(Units.bytes(text) == expected)
  }

  @Test(
    "shares",
    arguments: [
      ("20%", 20), ("0%", 0), ("100%", 100), ("12.5%", 12.5), ("20", nil), ("101%", nil),
      ("%", nil), ("-1%", nil), ("1e1%", nil), ("nan%", nil), ("20 %", nil),
    ] as [(String, Double?)])
  func percents(_ text: String, _ expected: Double?) {
    #expect(Units.percent(text) == expected)
  }

  @Test(
    "times of the command line",
    arguments: [
      ("2024-01-01", "2024-01-01T00:00:00Z"), ("2024-01-01T05", "2024-01-01T05:00:00Z"),
      ("2024-01-01T05Z", "2024-01-01T05:00:00Z"), ("2024-01-01T05:30", "2024-01-01T05:30:00Z"),
      ("2024-01-01T05:00:00Z", "2024-01-01T05:00:00Z"),
      ("2024-01-01 05:00:00", "2024-01-01T05:00:00Z"),
      ("2024-01-01T05:00:00.25Z", "2024-01-01T05:00:00.250000Z"),
      ("2024-01-01T05:00:00+02:00", "2024-01-01T03:00:00Z"),
      ("2024-01-01T05:00:00-0130", "2024-01-01T06:30:00Z"),
      ("2024-01-01T05+02", "2024-01-01T03:00:00Z"),
      ("2024-02-29", "2024-02-29T00:00:00Z"), ("0001-01-01", "0001-01-01T00:00:00Z"),
      ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
    ])
  func times(_ text: String, _ expected: String) throws {
    #expect(try CommandLineTime.parse(text, option: "--from").description == expected)
  }

  @Test(
    "times that are none, and why",
    arguments: [
      ("2024-13-01", "--from '2024-13-01': there is no month 13"),
      ("2024-00-01", "--from '2024-00-01': there is no month 0"),
      ("2024-02-30", "--from '2024-02-30': 2024-02 has 29 days, none is number 30"),
      ("2023-02-29", "--from '2023-02-29': 2023-02 has 28 days, none is number 29"),
      ("2024-01-00", "--from '2024-01-00': 2024-01 has 31 days, none is number 0"),
      ("2024-01-01T24", "--from '2024-01-01T24': there is no 24:00:00 in a day"),
      ("2024-01-01T05:60", "--from '2024-01-01T05:60': there is no 05:60:00 in a day"),
      ("2024-01-01T05+24:00", "--from '2024-01-01T05+24:00': an offset of a day or more"),
    ]
      + [
        "yesterday", "", "2024", "2024-1-1", "20240101", "2024-01-01T", "2024-01-01T5",
        "2024-01-01Z", "2024-01-01T05:00:00.", "2024-01-01T05:00:00.1234567", "2024-01-01T05x",
        "2024-01-01T05+02:99", "٢٠٢٤-01-01", "-024-01-01",
      ].map {
        (
          $0,
          "--from '\($0)': not a time; write 2024-01-01, 2024-01-01T05 or 2024-01-01T05:00:00Z; times are UTC"
        )
      })
  func noTimes(_ text: String, _ expected: String) {
    #expect(mistakes { try CommandLineTime.parse(text, option: "--from") } == [expected])
  }

  @Test(
    "interval.default",
    arguments: [
      ("now", TimeExpression.now(offsetMilliseconds: 0)),
      ("now - 24h", .now(offsetMilliseconds: -86_400_000)),
      ("now-1h30m", .now(offsetMilliseconds: -5_400_000)),
      ("now + 1d", .now(offsetMilliseconds: 86_400_000)),
      ("2024-01-01T05", .fixed(Instant(seconds: 1_704_085_200))),
      ("now -", nil), ("now 24h", nil), ("nowhere", nil), ("24h", nil), ("now - 24", nil),
    ] as [(String, TimeExpression?)])
  func expressions(_ text: String, _ expected: TimeExpression?) {
    #expect(TimeExpression(text) == expected)
  }
}
