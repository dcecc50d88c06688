import Core
import Foundation
import Lake
import Stores
import Synchronization
import Testing

@testable import Pipelines

@Suite("leases")
struct LeaseTests {
  private func store() throws -> (any Store, TestProject) {
    let project = try TestProject()
    return (LocalStore(root: project.folder.appending(path: "lake").path()), project)
  }

  /// A clock that stands still until it is set.
  private final class Hand: Sendable {
    let time = Mutex(Instant(seconds: 1_704_153_600))
    var clock: Clock { Clock(now: { self.time.withLock { $0 } }, sleep: { _, _ in }) }
    func advance(_ seconds: Int64) { time.withLock { $0 = $0.adding(seconds: seconds) } }
  }

  private func run() -> RunID { RunID(start: Instant(seconds: 1_704_153_600)) }

  @Test("rule 19: a claim keeps others away until it is given up or runs out")
  func claims() throws {
    let (store, project) = try store()
    defer { withExtendedLifetime(project) {} }
    let hand = Hand()
    let (one, two) = (run(), run())
    func claim(_ name: String, _ run: RunID) throws -> Lease.Claim {
      try Lease.claim(name, run: run, in: store, clock: hand.clock)
    }
    let lease = try #require(try claim("a.b", one).lease)
    let holder = try #require(try claim("a.b", two).holder)
    #expect(holder.run == one.rawValue)
    #expect(holder.process == getpid())
    // Another piece of work is free.
    try #require(try claim("a.c", two).lease).release()

    // Renewed in time it holds on.
    hand.advance(40)
    lease.renewIfDue()
    hand.advance(40)
    #expect(try claim("a.b", two).holder?.run == one.rawValue)
    // And then it runs out, is taken over, and the first neither renews nor removes it.
    hand.advance(61)
    let taken = try #require(try claim("a.b", two).lease)
    lease.renewIfDue()
    lease.release()
    #expect(try claim("a.b", one).holder?.run == two.rawValue)
    taken.release()
    #expect(try store.objects(below: "leases/") == [])
  }

  @Test("rule 19: a claim of a process that was killed on this machine is taken over at once")
  func killed() throws {
    let (store, project) = try store()
    defer { withExtendedLifetime(project) {} }
    let hand = Hand()
    let lease = try Lease.claim("a.b", run: run(), in: store, clock: hand.clock).lease
    #expect(lease != nil)
    let found = try #require(try store.get("leases/a.b"))
    let child = Process()
    child.executableURL = URL(filePath: "/bin/sh")
    child.arguments = ["-c", "exit 0"]
    try child.run()
    child.waitUntilExit()
    let text = String(decoding: found.bytes, as: UTF8.self)
    let gone = text.replacing("\(getpid())", with: "\(child.processIdentifier)")
    #expect(gone != text)
    _ = try store.put("leases/a.b", .bytes(Array(gone.utf8)), .always)
    #expect(try Lease.claim("a.b", run: run(), in: store, clock: hand.clock).lease != nil)
  }

  @Test("rule 19: what is no claim claims nothing", arguments: ["", "{}", "[1]", "\u{0}\u{1}"])
  func damaged(text: String) throws {
    let (store, project) = try store()
    defer { withExtendedLifetime(project) {} }
    _ = try store.put("leases/a.b", .bytes(Array(text.utf8)), .always)
    #expect(try Lease.claim("a.b", run: run(), in: store, clock: Hand().clock).lease != nil)
  }

  @Test("rule 19: a run waits for another that works on the same, and then has nothing to do")
  func waits() throws {
    let project = try FullTests.project()
    let store = LocalStore(root: project.folder.appending(path: "lake").path())
    let other = run()
    let lease = try #require(
      try Lease.claim("shop.totals", run: other, in: store, clock: .starting(at: project.now)).lease
    )
    let log = Collected()
    let waiting = try Workspace(
      project: project.load(), context: .init(clock: .starting(at: project.now), log: log.log))
    let outcome = Mutex<Result<RunReport, any Error>?>(nil)
    let thread = startThread {
      let result = Result { try waiting.run(Selection()) }
      outcome.withLock { $0 = result }
    }
    let said = "waiting for run \(other)"
    while !log.messages.contains(where: { $0.contains(said) }) && outcome.withLock({ $0 == nil }) {
      usleep(10_000)
    }
    // Meanwhile a run that does not care for leases does the work.
    try project.write(
      "sluice.yaml", "lake: lake\nleases: false\nengine: {use: duckdb, spill: .sluice/other}")
    #expect(try project.run().status == .done)
    lease.release()
    pthread_join(thread, nil)
    let report = try #require(try outcome.withLock { try $0?.get() })
    #expect(log.messages.contains { $0.contains(said) })
    #expect(report.units.map(\.status) == [.upToDate, .alreadyPublished])
    #expect(try store.objects(below: "leases/") == [])
    #expect(try store.objects(below: "runs/active/") == [])
  }
}

extension Lease.Claim {
  var lease: Lease? { if case .ours(let lease) = self { lease } else { nil } }
  var holder: Lease.Holder? { if case .others(let holder) = self { holder } else { nil } }
}
