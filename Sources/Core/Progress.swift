/// What the parts of a run tell whoever watches: bars on a terminal, lines in a log.
public protocol ProgressSink: Sendable {
  /// A step of a task moved: `done` of `total` units; `total` 0 means unknown.
  func report(task: String, step: String, done: Int64, total: Int64)
  /// The task is over; its bar goes away.
  func finish(task: String)
}

/// Shows nothing.
public struct SilentProgress: ProgressSink {
  public init() {}
  public func report(task: String, step: String, done: Int64, total: Int64) {}
  public func finish(task: String) {}
}
