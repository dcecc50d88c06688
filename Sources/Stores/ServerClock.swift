import Core
import Synchronization
import Transport

/// The clock of a server, by the `Date` of its last answer: ages of its objects are counted by it
/// (rule 22).
final class ServerClock: Sendable {
  private let own: Clock
  /// What the server's clock is ahead of this machine's; nil before the first answer.
  private let ahead = Mutex<Int64?>(nil)
  /// The hash of the date that it was learnt from.
  private let learnt = Atomic<Int>(0)

  init(own: Clock) { self.own = own }

  /// Microseconds that the server's clock is ahead.
  var offset: Int64 { ahead.withLock { $0 } ?? 0 }

  /// The server's time; this machine's before the first answer.
  var now: Instant { Instant(microseconds: own.now().microseconds + offset) }

  func learn(from response: HTTPResponse) {
    // Dates have whole seconds: the first answer of a second tells most.
    guard let text = response["date"], case let hash = text.hashValue,
      learnt.load(ordering: .relaxed) != hash, let date = httpDate(text)
    else { return }
    learnt.store(hash, ordering: .relaxed)
    let offset = date.microseconds - own.now().microseconds
    ahead.withLock { $0 = offset }
  }
}
