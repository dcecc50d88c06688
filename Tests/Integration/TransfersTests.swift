import Core
import Foundation
import Stores
import Synchronization
import TestSupport
import Testing

/// What a run says of its network is what went over it.
@Suite(
  "Requests, retries and bytes of a run", .serialized,
  .enabled(if: Repository.canRun, Comment(rawValue: Repository.whyNot)),
  .enabled(if: Python.hasVenv, Comment(rawValue: Python.whyNoVenv)))
struct TransfersTests {
  private static let hour = "2024-01-01T05"
  private static let lines = "aa B 3 0\naa A 3 0\nnot a line\naa C 1 0\nen.m Main_Page 7 0\n"

  /// What went by, up to the record of the run.
  private final class Meter: Sendable {
    private struct State {
      var isOver = false
      var refused: [String: Int] = [:]
      var requests = 0
      var refusals = 0
      var received: Int64 = 0
      var sent: Int64 = 0
    }
    private let state = Mutex(State())

    func fault(for request: WebServer.Request) -> FaultProxy.Fault? {
      // The record itself, and what follows it, cannot be in it.
      let isRecord = request.target.removingPercentEncoding?.contains("runs/date=") == true
      let isRefused = state.withLock { state -> Bool? in
        if isRecord && ["PUT", "POST"].contains(request.method) { state.isOver = true }
        guard !state.isOver else { return nil }
        state.requests += 1
        state.sent += Int64(request.body.count)
        // Each read of an object fails once, at first.
        guard request.method == "GET",
          state.refused.updateValue(1, forKey: request.target) == nil
        else { return false }
        state.refusals += 1
        return true
      }
      guard let isRefused else { return nil }
      if isRefused {
        let reply = WebServer.Reply(503, text: "not now")
        state.withLock { $0.received += Int64(reply.body.count) }
        return .answers(reply)
      }
      return .spoils { reply in
        guard request.method != "HEAD" else { return }
        let count = Int64(reply.body.count)
        self.state.withLock { $0.received += count }
      }
    }

    var transfers: JSON {
      state.withLock {
        [
          "requests": .integer(Int64($0.requests)), "retries": .integer(Int64($0.refusals)),
          "bytes_received": .integer($0.received), "bytes_sent": .integer($0.sent),
        ]
      }
    }
  }

  @Test("the record of a run counts what its servers saw", arguments: ["s3", "gs", "http"])
  func counted(_ kind: String) throws {
    let project = try PageviewsProject()
    try project.withoutLeases()
    let meter = Meter()
    var variables: [String: String] = [:]
    let dump = PageviewsProject.dumpPath(Self.hour)
    let login = try Scratch()
    // Kept to the end: they stop with their values.
    var servers: [AnyObject] = []
    let proxy: FaultProxy
    if let kind = ObjectServer.Kind(rawValue: kind) {
      let server = try ObjectServer(kind)
      servers.append(server)
      _ = try server.store("dumps").put(dump, .bytes(Gzip.compress(Self.lines)), .always)
      proxy = FaultProxy(to: server.url, keepsRequests: false) { meter.fault(for: $0) }
      variables = try server.variables(through: proxy.address, loginIn: login.url)
      variables["PAGEVIEWS_URL"] = server.address("dumps")
      variables["SLUICE_LAKE"] = server.address("lake")
      variables["PAGEVIEWS_OUT"] = server.address("out")
    } else {
      try project.stage(Self.hour, Self.lines)
      let server = try DumpsServer(project.input)
      servers.append(server)
      proxy = FaultProxy(to: server.url, keepsRequests: false) { meter.fault(for: $0) }
      variables["PAGEVIEWS_URL"] = proxy.address
    }
    defer { proxy.stop() }
    let run = try project.run(
      ["run", "pageviews", "--from", Self.hour, "--json"], variables: variables)
    #expect(run.exitCode == 0, "\(run)")
    let told = try #require(try run.json().last?["transfers"])
    #expect(told == meter.transfers)
    #expect((told["retries"]?.integer ?? 0) > 0 && (told["bytes_received"]?.integer ?? 0) > 0)
    let history = try project.sluice("history", "--json", variables: variables)
    #expect(try history.json().first?["transfers"] == told, "\(history)")
    let name = try #require(try run.json().last?["run"]?.string)
    let text = try project.sluice("history", name, variables: variables).standardOutput
    #expect(text.contains("network: \(told["requests"]?.integer ?? -1) request"), "\(text)")
    withExtendedLifetime(servers) {}
  }
}
