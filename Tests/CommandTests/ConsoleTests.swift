import Core
import Synchronization
import Testing

@testable import sluice

@Suite("Bars and lines on standard error") struct ConsoleTests {
  /// As much of a terminal as the console uses: rows of cells, a cursor, folding at the right edge.
  final class Screen: Sendable {
    private struct State {
      var columns: Int
      var rows: [[Character]] = [[]]
      var row = 0
      var column = 0
      var writes = 0
    }
    private let state: Mutex<State>

    init(columns: Int) { state = Mutex(State(columns: columns)) }

    var text: [String] { state.withLock { $0.rows.map { String($0) } } }
    /// Folds what is shown into a new width, as terminals do; the cursor stays behind it.
    func resize(columns: Int) {
      state.withLock { state in
        state.columns = columns
        state.rows = state.rows.flatMap { row in
          row.isEmpty
            ? [[]]
            : stride(from: 0, to: row.count, by: columns).map { Array(row[$0...].prefix(columns)) }
        }
        state.row = state.rows.count - 1
        state.column = 0
      }
    }

    var columns: Int { state.withLock { $0.columns } }
    var writes: Int { state.withLock { $0.writes } }
    var cursor: (row: Int, column: Int) { state.withLock { ($0.row, $0.column) } }

    func write(_ text: String) {
      state.withLock { state in
        state.writes += 1
        var rest = Array(text)[...]
        while let character = rest.popFirst() {
          switch character {
          case "\n":
            state.row += 1
            state.column = 0
            if state.row == state.rows.count { state.rows.append([]) }
          case "\r": state.column = 0
          case "\u{1B}":
            precondition(rest.popFirst() == "[")
            var number = ""
            while let next = rest.first, next.isNumber { number.append(rest.removeFirst()) }
            execute(rest.removeFirst(), Int(number), &state)
          default: put(character, &state)
          }
        }
      }
    }

    private func put(_ character: Character, _ state: inout State) {
      if state.column + displayWidth(of: character) > state.columns {
        state.row += 1
        state.column = 0
        if state.row == state.rows.count { state.rows.append([]) }
      }
      while state.rows[state.row].count <= state.column { state.rows[state.row].append(" ") }
      state.rows[state.row][state.column] = character
      state.column += 1
    }

    private func execute(_ command: Character, _ number: Int?, _ state: inout State) {
      switch command {
      case "A": state.row = max(0, state.row - (number ?? 1))
      case "K": state.rows[state.row] = Array(state.rows[state.row].prefix(state.column))
      case "J":
        state.rows[state.row] = Array(state.rows[state.row].prefix(state.column))
        state.rows.removeSubrange((state.row + 1)...)
      case "m": break
      default: preconditionFailure("an escape the console should not use: \(command)")
      }
    }
  }

  static func console(_ screen: Screen, live: Bool = true, quiet: Bool = false) -> Console {
    var settings = Console.Settings()
    settings.isLive = live
    settings.isQuiet = quiet
    settings.hasBlocks = true
    settings.write = { screen.write($0) }
    settings.size = { (screen.columns, 24) }
    settings.drawsByItself = false
    settings.now = { instant(2024, 1, 2, 3) }
    return Console(settings)
  }

  @Test("draw over themselves and leave nothing behind")
  func frames() {
    let screen = Screen(columns: 60)
    let console = Self.console(screen)
    console.draw()
    #expect(screen.writes == 0)
    console.report(task: "a", step: "fetch", done: 1, total: 4)
    console.report(task: "b", step: "compute", done: 0, total: 0)
    console.draw()
    #expect(screen.text.count == 3)
    #expect(screen.text[0].hasPrefix("a  fetch    "))
    #expect(screen.text[0].contains("25%"))
    #expect(screen.text[1].hasPrefix("b  compute  "))
    #expect(screen.text[2] == "")
    console.report(task: "a", step: "compute", done: 4, total: 4)
    console.draw()
    #expect(screen.text[0].contains("100%"))
    console.finish(task: "a")
    console.draw()
    #expect(screen.text.count == 2)
    #expect(screen.text[0].hasPrefix("b"))
    console.close()
    #expect(screen.text == [""])
    #expect(screen.cursor == (0, 0))
    console.report(task: "late", step: "x", done: 0, total: 1)
    console.draw()
    #expect(screen.text == [""])
  }

  @Test("stay below the lines that are written meanwhile")
  func lines() {
    let screen = Screen(columns: 60)
    let console = Self.console(screen)
    console.report(task: "a", step: "fetch", done: 1, total: 4)
    console.draw()
    console.note("first")
    console.log.warning("second", ("rows", 3))
    console.log.info("not on a terminal unless asked for")
    #expect(screen.text[0] == "first")
    #expect(screen.text[1] == "warning: second rows=3")
    #expect(screen.text[2] == "not on a terminal unless asked for")
    #expect(screen.text[3].hasPrefix("a  fetch"))
    console.close()
    #expect(screen.text == ["first", screen.text[1], screen.text[2], ""])
  }

  @Test("come right again when the terminal has become narrower", arguments: [10, 17, 25, 39, 59])
  func narrower(columns: Int) {
    let screen = Screen(columns: 60)
    let console = Self.console(screen)
    console.note("a line that stays")
    console.report(task: "a task", step: "fetch", done: 1, total: 4)
    console.report(task: "another", step: "fetch", done: 1, total: 4)
    console.draw()
    screen.resize(columns: columns)
    console.draw()
    console.close()
    #expect(screen.text.joined() == "a line that stays")
  }

  @Test("fit every width", arguments: 1...130)
  func widths(columns: Int) {
    let bars = Bars(style: .plain, hasBlocks: true)
    let tasks = (0..<20).map { index in
      Bars.Task(
        name: "pageviews.top_pages 2024-01-01T\(index) 日本語", step: "compute", done: Int64(index),
        total: index % 3 == 0 ? 0 : 19, started: 0)
    }
    for rows in [1, 2, 12, 30] {
      let lines = bars.lines(tasks, now: 4000, columns: columns, rows: rows)
      #expect(lines.count == min(rows, 20))
      for line in lines { #expect(displayWidth(line) <= columns, "\(line)") }
    }
  }

  @Test(
    "fill in proportion",
    arguments: [
      (0, "░░░░░░░░░░"), (1, "░░░░░░░░░░"), (50, "█████░░░░░"), (99, "█████████░"),
      (100, "██████████"), (250, "██████████"), (-5, "░░░░░░░░░░"),
    ])
  func filling(done: Int64, bar: String) {
    let bars = Bars(style: .plain, hasBlocks: true)
    let task = Bars.Task(name: "t", step: "s", done: done, total: 100, started: 0)
    let line = bars.lines([task], now: 65, columns: 28, rows: 5)[0]
    #expect(line.filter { "█░".contains($0) } == bar)
    #expect(line.hasSuffix("1:05"))
  }

  @Test("are plain where the locale has no blocks")
  func plainBars() {
    let task = Bars.Task(name: "t", step: "s", done: 1, total: 2, started: 0)
    let line = Bars(style: .plain, hasBlocks: false).lines([task], now: 0, columns: 40, rows: 1)[0]
    #expect(line.utf8.allSatisfy { $0 < 0x80 })
    #expect(line.contains("#"))
  }

  @Test("are not drawn into files, where lines carry the time")
  func notLive() {
    let screen = Screen(columns: 200)
    let console = Self.console(screen, live: false)
    console.report(task: "a", step: "fetch", done: 1, total: 4)
    console.draw()
    #expect(screen.writes == 0)
    console.log.info("published", ("model", "a b"), ("rows", 3), ("ok", true), ("x", "plain"))
    #expect(
      screen.text[0]
        == "2024-01-02T03:00:00Z info published model=\"a b\" rows=3 ok=true x=plain")
    console.finish(task: "a")
    console.close()
    #expect(screen.writes == 1)
  }

  @Test("say nothing but errors when they are to be quiet")
  func quiet() {
    let screen = Screen(columns: 80)
    let console = Self.console(screen, quiet: true)
    console.report(task: "a", step: "fetch", done: 1, total: 4)
    console.draw()
    console.note("hint")
    console.log.warning("w")
    console.close()
    #expect(screen.writes == 0)
    console.log.write(LogEntry(.error, "broken"))
    #expect(screen.text[0] == "error: broken")
  }

  @Test("write nothing but JSON where asked to")
  func onlyJSON() throws {
    let screen = Screen(columns: 500)
    var settings = Console.Settings()
    settings.logFormat = .json
    settings.write = { screen.write($0) }
    let console = Console(settings)
    console.note("hint")
    console.fail(["broken", "2 errors"])
    let levels = try screen.text.dropLast().map { try JSON(parsing: $0)["level"]?.string }
    #expect(levels == ["info", "error", "error"])
  }

  @Test("write log entries as JSON where asked to, without secrets")
  func jsonLog() throws {
    Redaction.shared.register("hunter2hunter2")
    var settings = Console.Settings()
    settings.logFormat = .json
    settings.now = { instant(2024, 1, 2, 3) }
    let line = logLine(
      LogEntry(.warning, "slow hunter2hunter2", [("seconds", 3), ("url", "x?k=hunter2hunter2")]),
      settings)
    #expect(
      try JSON(parsing: line) == [
        "time": "2024-01-02T03:00:00Z", "level": "warning", "message": "slow ***", "seconds": 3,
        "url": "x?k=***",
      ])
  }
}
