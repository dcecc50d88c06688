import Core
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Numbers the mutating calls of this process, so that tests can kill it at each one (rule 37).
///
/// `SLUICE_TEST_KILL=before:17` raises SIGKILL just before the 17th call takes effect, `after:17`
/// just after; `stop:17` raises SIGSTOP just before it. `SLUICE_TEST_TRACE=<file>` appends a line per call, `number⇥method⇥key`, which tells
/// a test driver how many steps there are. Without the two variables this is one atomic addition.
public final class MutationCounter: Sendable {
  /// When the process dies.
  public struct Kill: Sendable, Equatable {
    public var isBefore: Bool
    /// Whether it only stops, until it gets SIGCONT.
    public var isStop = false
    /// 1 is the first mutating call.
    public var number: Int

    public init(isBefore: Bool, number: Int) {
      self.isBefore = isBefore
      self.number = number
    }

    /// - Returns: nil where `text` is not `before:N`, `after:N` or `stop:N` with N ≥ 1.
    public init?(_ text: String) {
      let parts = text.split(separator: ":", omittingEmptySubsequences: false)
      guard parts.count == 2, ["before", "after", "stop"].contains(parts[0]),
        let number = Int(parts[1]), number >= 1
      else { return nil }
      self.init(isBefore: parts[0] != "after", number: number)
      isStop = parts[0] == "stop"
    }
  }

  /// The process's counter, set up from the environment.
  public static let shared = MutationCounter.fromEnvironment()

  private let count = Atomic<Int>(0)
  private let kill: Kill?
  private let tracePath: String?
  private let die: @Sendable () -> Void

  /// - Parameter die: Ends the process; a test may watch instead.
  public init(
    kill: Kill? = nil, tracePath: String? = nil,
    die: @escaping @Sendable () -> Void = { _ = raise(SIGKILL) }
  ) {
    self.kill = kill
    self.tracePath = tracePath
    self.die = die
  }

  /// Mutating calls so far.
  public var total: Int { count.load(ordering: .relaxed) }

  /// Performs one mutating call. The stores use it in `put` and `delete`; whoever writes files
  /// without a store (an engine's output) wraps that in it too.
  public func around<T>(_ method: String, _ key: String, _ body: () throws -> T) rethrows -> T {
    let number = count.add(1, ordering: .sequentiallyConsistent).newValue
    if let tracePath { MutationCounter.append("\(number)\t\(method)\t\(key)\n", to: tracePath) }
    if let kill, kill.isBefore, kill.number == number {
      if kill.isStop { raise(SIGSTOP) } else { die() }
    }
    // A call that failed has been made, too.
    defer { if let kill, !kill.isBefore, kill.number == number { die() } }
    return try body()
  }

  /// One write, so that lines of several processes do not mix.
  private static func append(_ line: String, to path: String) {
    let file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    guard file >= 0 else { return }
    let bytes = Array(line.utf8)
    _ = write(file, bytes, bytes.count)
    close(file)
  }

  private static func fromEnvironment() -> MutationCounter {
    func variable(_ name: String) -> String? {
      getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }
    var kill: Kill?
    if let text = variable("SLUICE_TEST_KILL") {
      kill = Kill(text)
      // A test that believes it kills but does not would pass for the wrong reason.
      if kill == nil { fatalError("SLUICE_TEST_KILL is \(text), not before:N, after:N or stop:N") }
    }
    return MutationCounter(kill: kill, tracePath: variable("SLUICE_TEST_TRACE"))
  }
}
