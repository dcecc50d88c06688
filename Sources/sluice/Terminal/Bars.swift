import Core

/// What is going on, as lines of a terminal: a pure function of the tasks, the width and the time.
struct Bars {
  /// One task in progress.
  struct Task: Sendable {
    var name: String
    var step: String
    var done: Int64
    /// 0 where nobody knows.
    var total: Int64
    /// On the monotonic clock, in seconds.
    var started: Double
  }

  var style: Style
  /// Whether the terminal shows block characters.
  var hasBlocks: Bool

  /// One line a task, none wider than `columns`; at most `rows` lines, the rest counted in the
  /// last one.
  func lines(_ tasks: [Task], now: Double, columns: Int, rows: Int) -> [String] {
    let shown = tasks.count > rows ? Array(tasks.prefix(max(rows - 1, 0))) : tasks
    let nameWidth = min(shown.map { displayWidth($0.name) }.max() ?? 0, max(columns / 2, 8))
    let stepWidth = shown.map { displayWidth($0.step) }.max() ?? 0
    var lines = shown.map { task in
      line(task, now: now, columns: columns, nameWidth: nameWidth, stepWidth: stepWidth)
    }
    if shown.count < tasks.count && rows > 0 {
      lines.append(style.dim(truncated("and \(tasks.count - shown.count) more", to: columns)))
    }
    return lines
  }

  private func line(
    _ task: Task, now: Double, columns: Int, nameWidth: Int, stepWidth: Int
  ) -> String {
    let name = padded(truncatedOnLeft(printable(task.name), to: nameWidth), to: nameWidth)
    let step = padded(printable(task.step), to: stepWidth)
    let elapsed = padded(clock(now - task.started), to: 5, onLeft: true)
    let percent = task.total > 0 ? "\(min(100, task.done * 100 / task.total))%" : ""
    let fixed = nameWidth + stepWidth + elapsed.count + 10
    let barWidth = min(30, columns - fixed - 1)
    guard barWidth >= 5 else {
      return truncated("\(name) \(step) \(padded(percent, to: 4, onLeft: true))", to: columns)
    }
    let bar = style.cyan(bar(task, width: barWidth, elapsed: now - task.started))
    let numbers = padded(percent, to: 4, onLeft: true)
    return "\(name)  \(style.dim(step))  \(bar)  \(numbers) \(style.dim(elapsed))"
  }

  /// Filled in proportion; where the total is unknown, a piece that wanders.
  private func bar(_ task: Task, width: Int, elapsed: Double) -> String {
    let (full, empty) = hasBlocks ? ("█", "░") : ("#", ".")
    func cells(_ character: String, _ count: Int) -> String {
      String(repeating: character, count: count)
    }
    guard task.total > 0 else {
      let piece = min(3, width)
      let positions = max(1, width - piece)
      let tick = Int(elapsed * 10) % (2 * positions)
      let before = tick < positions ? tick : 2 * positions - tick
      return cells(empty, before) + cells(full, piece) + cells(empty, width - piece - before)
    }
    let filled = Int(Double(width) * min(1, max(0, Double(task.done) / Double(task.total))))
    return cells(full, filled) + cells(empty, width - filled)
  }

  /// `0:07`, `12:34`, `1:02:03`.
  private func clock(_ seconds: Double) -> String {
    let whole = max(0, Int(seconds))
    let minutes = String(whole / 60 % 60)
    let rest = String(whole % 60).paddedLeft(to: 2, with: "0")
    guard whole >= 3600 else { return "\(minutes):\(rest)" }
    return "\(whole / 3600):\(minutes.paddedLeft(to: 2, with: "0")):\(rest)"
  }
}
