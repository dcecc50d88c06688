import Synchronization

/// Keeps secrets out of everything that is written: register a secret once, and every message,
/// log line, plan and run record that passes through `redact` shows `***` in its place.
public final class Redaction: Sendable {
  public static let shared = Redaction()

  private let secrets = Mutex<[String]>([])

  public init() {}

  /// Remembers `secret`. Values shorter than four bytes are ignored: they would hide ordinary text.
  public func register(_ secret: String) {
    guard secret.utf8.count >= 4 else { return }
    secrets.withLock { known in
      guard !known.contains(secret) else { return }
      known.append(secret)
      known.sort { $0.utf8.count > $1.utf8.count }
    }
  }

  /// - Returns: `text` with each registered secret replaced by `***`.
  public func redact(_ text: String) -> String {
    let known = secrets.withLock { $0 }
    var result = text
    for secret in known where result.contains(secret) {
      result = result.split(separator: secret, omittingEmptySubsequences: false)
        .joined(separator: "***")
    }
    return result
  }
}
