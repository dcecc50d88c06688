import Core
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Standard error while something runs: lines that stay, and below them, on a terminal, bars that
/// move and go away.
///
/// A frame is one write: the cursor goes up over the last frame and every line is overwritten in
/// place, so nothing flickers. The cursor stays visible, so that nothing, not even `kill -9`, can
/// leave a terminal without one.
final class Console: ProgressSink, Sendable {
  struct Settings: Sendable {
    /// Whether bars are drawn.
    var isLive = false
    var isQuiet = false
    var style = Style.plain
    var hasBlocks = false
    var logLevel = LogEntry.Level.info
    var logFormat = Environment.LogFormat.text
    var now: @Sendable () -> Instant = Clock.system.now
    /// Where the bytes go.
    var write: @Sendable (String) -> Void = writeToStandardError
    /// Columns and rows.
    var size: @Sendable () -> (columns: Int, rows: Int) = {
      Terminal.size(of: STDERR_FILENO) ?? (80, 24)
    }
    /// Whether a thread draws by itself, ten times a second; tests draw by hand.
    var drawsByItself = true
  }

  private struct State {
    var tasks: [Bars.Task] = []
    /// The widths of the lines that are on the screen now.
    var drawn: [Int] = []
    var hasThread = false
    var isClosed = false
  }

  let settings: Settings
  private let state = Mutex(State())

  init(_ settings: Settings) { self.settings = settings }

  // Progress.

  func report(task: String, step: String, done: Int64, total: Int64) {
    guard settings.isLive, !settings.isQuiet else { return }
    let mustStart = state.withLock { state -> Bool in
      guard !state.isClosed else { return false }
      if let index = state.tasks.firstIndex(where: { $0.name == task }) {
        (state.tasks[index].step, state.tasks[index].done) = (step, done)
        state.tasks[index].total = total
      } else {
        state.tasks.append(
          .init(name: task, step: step, done: done, total: total, started: monotonicSeconds()))
      }
      guard settings.drawsByItself, !state.hasThread else { return false }
      state.hasThread = true
      return true
    }
    if mustStart { startDrawing() }
  }

  func finish(task: String) {
    state.withLock { $0.tasks.removeAll { $0.name == task } }
  }

  // Lines.

  /// Writes a line for people above the bars, unless everything is to be quiet.
  func note(_ line: String) {
    if !settings.isQuiet { write(.info, line) }
  }

  /// Writes lines about a failure above the bars, always.
  func fail(_ lines: [String]) {
    for line in lines { write(.error, line) }
  }

  /// A sentence that is no log entry, unless all of standard error is JSON.
  private func write(_ level: LogEntry.Level, _ line: String) {
    let isJSON = settings.logFormat == .json
    write(line: isJSON ? logLine(LogEntry(level, line), settings) : line)
  }

  private func write(line: String) {
    state.withLock { state in
      settings.write(erasure(&state) + line + "\n" + frame(&state))
    }
  }

  /// Where the product's log entries go.
  var log: Log {
    Log { [self] entry in
      let least = settings.isQuiet ? .error : settings.logLevel
      guard entry.level >= least else { return }
      write(line: logLine(entry, settings))
    }
  }

  /// Draws the bars as they are now.
  func draw() {
    state.withLock { state in
      guard !state.isClosed, !(state.tasks.isEmpty && state.drawn.isEmpty) else { return }
      settings.write(frame(&state))
    }
  }

  /// Takes the bars away, for good.
  func close() { state.withLock { close(&$0) } }

  /// The same, but leaves them where another thread is stuck while writing.
  func closeIfPossible() { _ = state.withLockIfAvailable { close(&$0) } }

  private func close(_ state: inout State) {
    state.isClosed = true
    state.tasks = []
    let text = erasure(&state)
    if !text.isEmpty { settings.write(text) }
  }

  private func startDrawing() {
    let thread = startThread { [self] in
      while !state.withLock({ $0.isClosed }) {
        // First the wait: what is done at once is never drawn.
        usleep(100_000)
        draw()
      }
    }
    pthread_detach(thread)
  }

  /// Back to where the last frame began, and everything below gone.
  private func erasure(_ state: inout State) -> String {
    guard !state.drawn.isEmpty else { return "" }
    let text = upwards(over: state.drawn) + "\u{1B}[J"
    state.drawn = []
    return text
  }

  /// The frame, drawn over the last one.
  private func frame(_ state: inout State) -> String {
    guard !state.isClosed else { return "" }
    let size = settings.size()
    let bars = Bars(style: settings.style, hasBlocks: settings.hasBlocks)
    let lines = bars.lines(
      state.tasks, now: monotonicSeconds(), columns: size.columns - 1,
      rows: max(1, min(size.rows - 2, 12)))
    var text = upwards(over: state.drawn)
    for line in lines { text += line + "\u{1B}[K\n" }
    if lines.count < state.drawn.count { text += "\u{1B}[J" }
    state.drawn = lines.map { displayWidth(withoutEscapes($0)) }
    return text
  }

  /// A terminal that has become narrower has folded the lines of the last frame.
  private func upwards(over drawn: [Int]) -> String {
    guard !drawn.isEmpty else { return "" }
    let columns = max(1, settings.size().columns)
    let rows = drawn.reduce(0) { $0 + max(1, ($1 + columns - 1) / columns) }
    return "\r\u{1B}[\(rows)A"
  }
}

/// The text without the escapes of `Style`.
func withoutEscapes(_ text: String) -> String {
  guard text.utf8.contains(0x1B) else { return text }
  var out = ""
  var isInside = false
  for scalar in text.unicodeScalars {
    if scalar == "\u{1B}" { isInside = true }
    if !isInside { out.unicodeScalars.append(scalar) }
    if isInside && scalar == "m" { isInside = false }
  }
  return out
}
