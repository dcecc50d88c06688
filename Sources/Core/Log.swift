/// A structured log line: an event's name, a sentence, and fields. Goes to standard error.
public struct LogEntry: Sendable {
  public enum Level: String, Sendable, Comparable {
    case debug, info, warning, error
    public static func < (a: Level, b: Level) -> Bool { a.order < b.order }
    private var order: Int {
      switch self {
      case .debug: 0
      case .info: 1
      case .warning: 2
      case .error: 3
      }
    }
  }

  public var level: Level
  public var message: String
  public var fields: [(String, JSON)]

  public init(_ level: Level, _ message: String, _ fields: [(String, JSON)] = []) {
    self.level = level
    self.message = message
    self.fields = fields
  }
}

/// Takes log entries. The command writes them; tests collect them.
public struct Log: Sendable {
  public var write: @Sendable (LogEntry) -> Void

  public init(write: @escaping @Sendable (LogEntry) -> Void) { self.write = write }

  public static let silent = Log { _ in }

  public func info(_ message: String, _ fields: (String, JSON)...) {
    write(LogEntry(.info, message, fields))
  }

  public func warning(_ message: String, _ fields: (String, JSON)...) {
    write(LogEntry(.warning, message, fields))
  }
}
