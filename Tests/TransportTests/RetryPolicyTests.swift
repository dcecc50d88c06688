import Core
import Synchronization
import TestSupport
import Testing

@testable import Transport

/// A clock that notes how long it was asked to sleep, and does not.
final class Naps: Sendable {
  private let all = Mutex<[Int64]>([])
  var list: [Int64] { all.withLock { $0 } }

  func policy(attempts: Int = 6, random: Double = 0.5) -> RetryPolicy {
    RetryPolicy(
      maximumAttempts: attempts,
      clock: Clock(
        now: { Instant(seconds: 784_111_777) },
        sleep: { milliseconds, _ in self.all.withLock { $0.append(milliseconds) } }),
      random: { random })
  }
}

struct RetryPolicyTests {
  struct Broken: Error, Equatable { var number: Int }
  let naps = Naps()

  @Test("pauses double up to the maximum, and lie in the upper half", arguments: [0, 0.5, 0.999])
  func pauses(_ random: Double) {
    let policy = naps.policy(random: random)
    for failures in 1...70 {
      let full = min(20_000.0, 200 * Double(1 << min(failures - 1, 40)))
      let pause = Double(policy.pause(afterFailures: failures))
      #expect(pause >= full / 2 && pause <= full)
      #expect(abs(pause - full / 2 - full / 2 * random) <= 1)
    }
  }

  @Test("it tries until done, or gives up with the last failure", arguments: [1, 2, 5, 6, 7, 20])
  func attempts(_ needed: Int) throws {
    var tries = 0
    var retries = 0
    let result = Result {
      try naps.policy().run(cancellation: .never, onRetry: { retries += 1 }) { number in
        tries += 1
        #expect(number == tries)
        return number == needed
          ? .done(number) : .again(.failure(Broken(number: number)), afterMilliseconds: nil)
      }
    }
    if needed <= 6 {
      #expect(try result.get() == needed)
    } else {
      #expect(throws: Broken(number: 6)) { try result.get() }
    }
    #expect(tries == min(needed, 6))
    #expect(retries == tries - 1)
    #expect(naps.list == Array([150, 300, 600, 1200, 2400].prefix(tries - 1)))
  }

  @Test("progress starts the counting anew")
  func progress() throws {
    let count = try naps.policy(attempts: 2).run(cancellation: .never) { number in
      number == 50
        ? .done(number)
        : .again(.failure(Broken(number: number)), afterMilliseconds: nil, progressed: true)
    }
    #expect(count == 50)
    #expect(Set(naps.list) == [150])
  }

  @Test("an error that is thrown is not tried again")
  func thrown() {
    #expect(throws: Broken(number: 1)) {
      try naps.policy().run(cancellation: .never) { number -> RetryPolicy.Attempt<Int> in
        throw Broken(number: number)
      }
    }
    #expect(naps.list == [])
  }

  @Test("a cancelled run does not try again")
  func cancelled() {
    let cancellation = Cancellation()
    var tries = 0
    #expect(throws: Cancelled.self) {
      try naps.policy().run(cancellation: cancellation) { number -> RetryPolicy.Attempt<Int> in
        tries += 1
        cancellation.cancel()
        return .again(.failure(Broken(number: number)), afterMilliseconds: nil)
      }
    }
    #expect(tries == 1)
  }

  @Test(
    "Retry-After is honoured, as seconds or as a date, within reason",
    arguments: [
      ("3", [3000]), ("0", [150]), ("120", [120_000]), ("121", []), ("99999999999999", []),
      ("Sun, 06 Nov 1994 08:49:47 GMT", [10_000]), ("Sun, 06 Nov 1994 08:00:00 GMT", [150]),
      ("soon", [150]), ("-5", [150]),
    ] as [(String, [Int64])])
  func retryAfter(_ value: String, _ expected: [Int64]) throws {
    let server = WebServer {
      $0.attempt == 1 ? .init(503, [("Retry-After", value)]) : .init(200, text: "ok")
    }
    let client = HTTPClient()
    let (response, body) = try client.fetch(
      HTTPRequest(.get, server.address), policy: naps.policy())
    #expect(naps.list == expected)
    #expect(response.status == (expected.isEmpty ? 503 : 200))
    #expect(body == (expected.isEmpty ? [] : Array("ok".utf8)))
    #expect(client.counters.snapshot.retries == expected.count)
  }

  @Test(
    "only what is transient is tried again",
    arguments: [
      (200, 1), (204, 1), (400, 1), (401, 1), (403, 1), (404, 1), (409, 1), (412, 1), (501, 1),
      (408, 6), (429, 6), (500, 6), (502, 6), (503, 6), (504, 6),
    ])
  func statuses(_ status: Int, _ requests: Int) throws {
    let server = WebServer { _ in .init(status) }
    let (response, _) = try HTTPClient().fetch(
      HTTPRequest(.get, server.address), policy: naps.policy())
    #expect(response.status == status)
    #expect(server.requests.count == requests)
  }

  @Test(
    "only what is safe is tried again",
    arguments: [
      (.get, 3), (.head, 3), (.put, 3), (.delete, 3), (.post, 1),
    ] as [(HTTPRequest.Method, Int)])
  func methods(_ method: HTTPRequest.Method, _ requests: Int) throws {
    let failing = WebServer { _ in .init(503) }
    _ = try HTTPClient().fetch(
      HTTPRequest(method, failing.address), policy: naps.policy(attempts: 3))
    #expect(failing.requests.count == requests)
    let breaking = WebServer { _ in .init(200, text: "abc", fault: .length(10)) }
    if method != .head {
      #expect(throws: TransportError.self) {
        try HTTPClient().fetch(
          HTTPRequest(method, breaking.address), policy: naps.policy(attempts: 3))
      }
      #expect(breaking.requests.count == requests)
    }
  }
}
