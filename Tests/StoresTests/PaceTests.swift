import Core
import Synchronization
import TestSupport
import Testing
import Transport

@testable import Stores

/// Fewer requests for whoever asks for fewer.
struct PaceTests {
  /// Time that passes only where somebody sleeps.
  private final class Sleeper: Sendable {
    private let state = Mutex((now: Int64(1_700_000_000_000), slept: [Int64]()))

    var clock: Clock {
      Clock(now: { Instant(microseconds: self.state.withLock { $0.now } * 1000) }) {
        milliseconds, _ in
        self.state.withLock {
          $0.now += milliseconds
          $0.slept.append(milliseconds)
        }
      }
    }
    /// The sleeps since the last look.
    func slept() -> [Int64] {
      state.withLock { state in
        defer { state.slept = [] }
        return state.slept
      }
    }
    func pass(_ milliseconds: Int64) { state.withLock { $0.now += milliseconds } }
  }

  @Test("nothing waits while all goes well; a refusal doubles the spacing up to a second")
  func doubles() throws {
    let sleeper = Sleeper()
    let pace = Pace(clock: sleeper.clock)
    for _ in 0..<5 {
      try pace.wait(.never)
      pace.note(isThrottled: false)
    }
    #expect(sleeper.slept() == [])
    var spacings: [Double] = []
    for _ in 0..<9 {
      pace.note(isThrottled: true)
      spacings.append(pace.spacingMilliseconds)
    }
    #expect(spacings == [10, 20, 40, 80, 160, 320, 640, 1000, 1000])
    // The first may go at once, those behind it one after the other.
    for _ in 0..<4 { try pace.wait(.never) }
    #expect(sleeper.slept() == [1000, 1000, 1000])
    // Time that passed anyway counts.
    sleeper.pass(400)
    try pace.wait(.never)
    #expect(sleeper.slept() == [600])
    sleeper.pass(5000)
    try pace.wait(.never)
    #expect(sleeper.slept() == [])
  }

  @Test("good answers bring the pace back, in the end to full speed")
  func recovers() throws {
    let sleeper = Sleeper()
    let pace = Pace(clock: sleeper.clock)
    for _ in 0..<8 { pace.note(isThrottled: true) }
    var count = 0
    var last = pace.spacingMilliseconds
    while pace.spacingMilliseconds > 0, count < 1000 {
      pace.note(isThrottled: false)
      #expect(pace.spacingMilliseconds < last)
      last = pace.spacingMilliseconds
      count += 1
    }
    // Not at the first good answer, and not only after thousands.
    #expect((50...500).contains(count), "\(count)")
    for _ in 0..<3 { try pace.wait(.never) }
    #expect(sleeper.slept() == [])
  }

  @Test("who waits for a turn can be interrupted")
  func interrupted() throws {
    let cancellation = Cancellation()
    let clock = Clock(now: { Instant(seconds: 1_700_000_000) }) { _, asked in
      #expect(asked === cancellation)
      cancellation.cancel()
    }
    let pace = Pace(clock: clock)
    pace.note(isThrottled: true)
    try pace.wait(cancellation)
    #expect(throws: Cancelled.self) { try pace.wait(cancellation) }
  }

  @Test(
    "every remote store slows down for 429 and 503, and not for what else may be wrong",
    arguments: ["s3", "gs", "http"], [429, 503, 500, 404])
  func stores(_ kind: String, _ status: Int) throws {
    let isIll = Atomic<Bool>(true)
    let server = WebServer { _ in
      isIll.load(ordering: .relaxed)
        ? WebServer.Reply(status)
        : WebServer.Reply(
          200, [("ETag", "\"1\""), ("Content-Type", "application/json")],
          text: "{\"name\": \"x\", \"size\": \"1\", \"generation\": \"1\"}")
    }
    defer { server.stop() }
    let sleeper = Sleeper()
    let policy = RetryPolicy(maximumAttempts: 4, clock: sleeper.clock, random: { 0 })
    let (store, pace) = try store(kind, server.address, policy)
    _ = try? store.head("x")
    let isThrottle = status == 429 || status == 503
    // Four tries; of S3 it is asked once more, why.
    let spacing = isThrottle ? kind == "s3" ? 160.0 : 80 : 0
    #expect(pace.spacingMilliseconds == spacing)
    isIll.store(false, ordering: .relaxed)
    _ = sleeper.slept()
    for _ in 0..<3 { #expect(try store.head("x") != nil) }
    #expect(sleeper.slept().count == (isThrottle ? 3 : 0))
    #expect(pace.spacingMilliseconds < max(spacing, 1))
  }

  private func store(
    _ kind: String, _ address: String, _ policy: RetryPolicy
  ) throws -> (any Store, Pace) {
    switch kind {
    case "s3":
      var configuration = S3Configuration()
      configuration.endpoint = address
      let store = S3Store(
        bucket: "b", configuration: configuration,
        credentials: FixedAWSCredentials(
          AWSCredentials(accessKeyID: "AK", secretAccessKey: "canary-s")),
        client: HTTPClient(), policy: policy, counter: MutationCounter())
      return (store, store.service.pace)
    case "gs":
      var settings = GCSSettings()
      settings.endpoint = address
      let store = GCSStore(
        bucket: "b", settings: settings, credentials: .anonymous, client: HTTPClient(),
        policy: policy, counter: MutationCounter())
      return (store, store.service.pace)
    default:
      let store = HTTPStore(root: address, client: HTTPClient(), policy: policy)
      return (store, store.pace)
    }
  }
}
