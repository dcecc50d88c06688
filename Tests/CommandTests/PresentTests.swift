import Core
import Testing

@testable import Pipelines
@testable import sluice

@Suite("Numbers, times and ranges") struct UnitsTests {
  @Test(
    "bytes",
    arguments: [
      (0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (1234, "1.23 kB"), (99_950, "100 kB"),
      (48_200_000, "48.2 MB"), (999_499, "999 kB"), (999_500, "1.00 MB"),
      (1_240_000_000, "1.24 GB"), (Int64.max, "9223 PB"),
    ])
  func bytes(count: Int64, text: String) { #expect(byteText(count) == text) }

  @Test(
    "durations",
    arguments: [
      (0, "0 ms"), (0.0004, "0 ms"), (0.85, "850 ms"), (0.9996, "1.0 s"), (3.21, "3.2 s"),
      (59.94, "59.9 s"), (59.96, "1 min 00 s"), (65, "1 min 05 s"), (7384, "2 h 03 min"),
      (-1, "0 ms"),
    ])
  func durations(seconds: Double, text: String) { #expect(durationText(seconds) == text) }

  @Test(
    "counts",
    arguments: [(0, "0"), (999, "999"), (1000, "1,000"), (-1234567, "-1,234,567"), (-123, "-123")])
  func counts(number: Int, text: String) { #expect(grouped(number) == text) }

  @Test("plurals")
  func plurals() {
    #expect(counted(1, "file") == "1 file")
    #expect(counted(0, "file") == "0 files")
    #expect(counted(1300, "batch", plural: "batches") == "1,300 batches")
  }

  @Test("runs of intervals collapse")
  func ranges() {
    let day = hours(instant(2024, 1, 1), 24)
    #expect(rangeText(day) == "2024-01-01T00 … T23 (24 intervals)")
    #expect(rangeText([day[5]]) == "2024-01-01T05")
    #expect(rangeText([]) == "")
    #expect(
      rangeText(hours(instant(2024, 1, 1, 22), 4)) == "2024-01-01T22 … 2024-01-02T01 (4 intervals)")
    let days = IntervalLength.day.intervals(from: instant(2024, 1, 30), to: instant(2024, 2, 3))
    #expect(rangeText(days) == "2024-01-30 … 2024-02-02 (4 intervals)")
    #expect(
      rangesText(Array(day[0...4]) + [day[7]] + Array(day[9...10]))
        == "2024-01-01T00 … T04 (5 intervals), 2024-01-01T07, 2024-01-01T09 … T10 (2 intervals)")
    let months = IntervalLength.month.intervals(from: instant(2024, 1, 1), to: instant(2024, 4, 1))
    #expect(runs(of: months, together: isNext).count == 1)
    // An hour and the day after it touch, but are not of one kind.
    #expect(!isNext(day[23], IntervalLength.day.interval(holding: instant(2024, 1, 2))))
    #expect(!isNext(day[3], day[5]))
  }
}

@Suite("Tables of text") struct TextTableTests {
  @Test("align, keep sentences out of the widths, and end no line in spaces")
  func aligns() {
    var table = TextTable(header: ["name", "rows", "why"], indent: 2)
    table.rows = [
      [.init("a"), .number("1"), .init("new")],
      [.init("日本"), .number("1,234"), .sentence("a sentence that is long")],
      [.init("only")],
    ]
    #expect(
      table.text(style: .plain, columns: nil) == """
          name   rows  why
          a         1  new
          日本  1,234  a sentence that is long
          only

        """)
  }

  @Test("are cut to a terminal's width", arguments: 3...30)
  func cut(columns: Int) {
    var table = TextTable(header: ["name", "rows"], indent: 2)
    table.rows = [[.init("日本語日本語"), .number("1,234")], [.init("x"), .number("1")]]
    for line in table.text(style: .plain, columns: columns).split(separator: "\n") {
      #expect(displayWidth(line) <= columns)
    }
  }

  @Test("paint without changing widths")
  func paints() {
    var table = TextTable()
    table.rows = [[.init("x", .good), .init("y")], [.init("long"), .init("z", .bad)]]
    let painted = table.text(style: Style(isColored: true), columns: nil)
    #expect(painted.contains("\u{1B}[32mx   \u{1B}[0m  y"))
    #expect(withoutEscapes(painted) == table.text(style: .plain, columns: nil))
  }

  @Test("show control characters instead of obeying them")
  func controls() {
    var table = TextTable()
    table.rows = [[.init("a\nb\u{1B}[2J")]]
    #expect(table.text(style: .plain, columns: nil) == "a\\nb\\x1B[2J\n")
  }
}

@Suite("Failures") struct FailureTextTests {
  @Test("one failure is one line")
  func one() {
    let failure = CommandError(
      .unwritable, "cannot be written", at: Place(file: "/x", line: 3, column: 5),
      advice: "make room")
    #expect(
      FailureText.lines(failure, style: .plain) == ["error: /x:3:5: cannot be written; make room"])
    #expect(
      FailureText.json(failure).description
        == #"{"type":"error","code":"command.unwritable","message":"cannot be written","place":"/x:3:5","advice":"make room","exit":1}"#
    )
  }

  @Test("several of one pass are a line each and a count; nested ones too")
  func several() {
    let inner = CommandError(.usage, "second", at: Place(file: "b.yaml", line: 2, column: 1))
    let nested = CommandError(.usage, "both", parts: [inner, CommandError(.usage, "third\nline")])
    let outer = CommandError(
      .usage, "mistakes", exitCode: 2,
      parts: [CommandError(.usage, "first", at: Place(file: "a.yaml", line: 1)), nested])
    #expect(
      FailureText.lines(outer, style: .plain) == [
        "a.yaml:1: first", "b.yaml:2:1: second", "third\\nline", "3 errors",
      ])
    #expect(FailureText.lines(Cancelled(), style: .plain) == ["error: interrupted"])
  }
}

@Suite("Paths") struct ShortPathsTests {
  @Test(
    "below the working directory lose it, wherever they begin",
    arguments: [
      ("/home/me/x/y", "x/y"), ("waiting for /home/me/a and 2 more", "waiting for a and 2 more"),
      ("'/home/me/a' ('/home/me/b')", "'a' ('b')"), ("/home/me", "/home/me"),
      ("/home/mellow/x", "/home/mellow/x"), ("/mnt/home/me/x", "/mnt/home/me/x"),
      ("https://h/home/me/x", "https://h/home/me/x"), ("", ""),
    ])
  func shorten(text: String, shown: String) {
    #expect(ShortPaths(workingDirectory: "/home/me")(text) == shown)
    #expect(ShortPaths(workingDirectory: "/")(text) == text)
  }
}
