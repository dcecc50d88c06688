import Core
import Synchronization
import Testing

@testable import Transport

@Suite("Keys that are lent")
struct LentKeysTests {
  /// Lends `k1`, `k2`, …, each for ten minutes, until it refuses.
  private final class Lender: Sendable {
    struct Refused: Error {}
    private struct State {
      var now: Int64 = 0
      var count = 0
      var refuses = false
    }
    private let state = Mutex(State())

    var clock: Clock {
      Clock(now: { Instant(seconds: self.state.withLock(\.now)) }, sleep: { _, _ in })
    }
    var count: Int { state.withLock(\.count) }
    func pass(_ seconds: Int64) { state.withLock { $0.now += seconds } }
    func refuse(_ refuses: Bool = true) { state.withLock { $0.refuses = refuses } }

    @Sendable func lend() throws -> AWSCredentials {
      try state.withLock { state in
        if state.refuses { throw Refused() }
        state.count += 1
        return AWSCredentials(
          accessKeyID: "k\(state.count)", secretAccessKey: "lent-secret-Bx7",
          expiration: Instant(seconds: state.now + 600))
      }
    }
  }

  @Test("they are replaced before they expire; while they hold, a lender may fail")
  func expiration() throws {
    let lender = Lender()
    let keys = LentAWSCredentials(try lender.lend(), clock: lender.clock, renew: lender.lend)
    func id() throws -> String? { try keys.credentials(.never)?.accessKeyID }
    lender.pass(299)
    #expect(try id() == "k1")
    lender.pass(1)
    #expect(try id() == "k2")
    #expect(try id() == "k2")
    lender.pass(400)
    lender.refuse()
    #expect(try id() == "k2")
    lender.pass(175)
    #expect(throws: Lender.Refused.self) { try id() }
    lender.refuse(false)
    #expect(try id() == "k3")
  }

  @Test("what a server calls expired is replaced once, and what is given unasked is taken")
  func expired() throws {
    let lender = Lender()
    let first = try lender.lend()
    let keys = LentAWSCredentials(first, clock: lender.clock, renew: lender.lend)
    keys.expire(first)
    #expect(try keys.credentials(.never)?.accessKeyID == "k2")
    // Another request that was sent with the old ones.
    keys.expire(first)
    #expect(try keys.credentials(.never)?.accessKeyID == "k2")
    keys.replace(with: try lender.lend())
    #expect(try keys.credentials(.never)?.accessKeyID == "k3")
    #expect(lender.count == 3)
  }
}
