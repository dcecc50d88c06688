import Core
import Foundation
import Stores
import Testing

/// A forward proxy of the tests' own between the command and its servers: forward_proxy.py.
final class ForwardProxy {
  let port: Int
  private let process: RunningCommand
  private let scratch: Scratch

  init() throws {
    scratch = try Scratch()
    process = try Python.start(
      "forward_proxy.py", ["--log", scratch.url.appending(path: "log").path])
    var announced: Int?
    for _ in 0..<3000 where announced == nil && process.isRunning {
      usleep(10_000)
      let text = process.outputSoFar
      if text.hasSuffix("\n") { announced = Int(text.dropLast()) }
    }
    guard let announced else {
      throw Python.Failed(description: "the proxy did not start: \(process.errorsSoFar)")
    }
    port = announced
  }

  var variables: [String: String] { ["http_proxy": "http://127.0.0.1:\(port)"] }

  /// `METHOD URL` of each request so far.
  func requests() -> [String] {
    let log = try? String(contentsOf: scratch.url.appending(path: "log"), encoding: .utf8)
    return (log ?? "").split(separator: "\n").map(String.init)
  }
}

@Suite(
  "Proxies, and what goes through them",
  .enabled(if: Repository.canRun, Comment(rawValue: Repository.whyNot)),
  .enabled(if: Python.isThere, "needs python3"))
struct ProxyTests {
  @Test("web sources come through the proxy of the environment, but for the hosts of no_proxy")
  func web() throws {
    let hour = "2024-01-01T05"
    let proxy = try ForwardProxy()
    for (exception, isUsed) in [("", true), ("127.0.0.1", false), ("localhost,.example.org", true)]
    {
      let project = try PageviewsProject()
      try project.stage(hour, "aa A 3 0\n")
      let server = try DumpsServer(project.input)
      let before = proxy.requests().count
      let outcome = try project.run(
        ["run", "pageviews", "--from", hour],
        variables: proxy.variables.merging(
          ["PAGEVIEWS_URL": server.url, "no_proxy": exception]) { $1 })
      #expect(outcome.exitCode == 0, "\(outcome)")
      #expect(!server.requests().isEmpty)
      let seen = proxy.requests().dropFirst(before)
      #expect(
        seen.map { String($0) }
          == (isUsed
            ? ["HEAD", "GET"].map { "\($0) \(server.url)/\(PageviewsProject.dumpPath(hour))" }
            : []),
        "no_proxy=\(exception)")
    }
  }

  @Test("rule 2: an event names objects of a bucket, and only those of the source are touched")
  func events() throws {
    guard Python.hasVenv else { return }
    for kind in ObjectServer.Kind.allCases {
      let server = try ObjectServer(kind)
      let proxy = try ForwardProxy()
      let variables = server.variables.merging(proxy.variables) { $1 }
      let project = try PageviewsProject()
      try project.root.write(
        """
        sources:
          calls:
            files: \(server.address("data/**/*.csv"))
            format: csv
            columns: {amount: bigint}
        """, to: "pipelines/city/pipeline.yaml")
      try project.root.write(
        "kind: full\ncolumns: {total: {type: bigint}}", to: "pipelines/city/models/totals.yaml")
      try project.root.write(
        "SELECT sum(amount)::bigint AS total FROM calls", to: "pipelines/city/models/totals.sql")
      let data = try server.store("data")
      func put(_ key: String, _ amount: Int) throws {
        _ = try data.put(key, .bytes(Array("amount\n\(amount)\n".utf8)), .always)
      }
      for index in 0..<6 { try put("\(index).csv", 1 << index) }
      try project.mustRun(["run", "city"], variables: variables)

      let new = "a/b ü+%20.csv"
      try put(new, 1000)
      try put("2.csv", 2000)
      try put("unnamed.csv", 500_000)
      try data.delete(["0.csv"])
      let names = [new, "2.csv", "0.csv", "3.csv"]
      let text = names.map {
        kind == .s3 ? Self.s3Event("data/\($0)") : Self.gcsEvent("data/\($0)")
      }
      try project.root.write(text.joined(separator: "\n"), to: "events.json")
      let before = proxy.requests().count
      let outcome = try project.run(
        ["run", "city", "--json", "--event", "events.json"], variables: variables)
      #expect(outcome.exitCode == 0, "\(kind): \(outcome)")
      // Requests about what is below data/, by their keys; a listing has its prefix in the query.
      let touched = proxy.requests().dropFirst(before).compactMap { line -> String? in
        let url = line.split(separator: " ").last ?? ""
        let decoded = url.removingPercentEncoding ?? ""
        if decoded.contains("prefix=data") { return "LIST" }
        let place = kind == .s3 ? "/bucket/data/" : "/b/bucket/o/data/"
        guard let start = decoded.range(of: place) else { return nil }
        return String(decoded[start.upperBound...].prefix { $0 != "?" })
      }
      // Three are looked at and two of them read; what is known comes from the cache.
      #expect(Set(touched) == Set(names), "\(kind): \(touched)")
      #expect(touched.count <= 4 + 2, "\(kind): \(touched)")
      let rows = try project.run(
        ["query", "SELECT total FROM city.totals", "--format", "csv"], variables: variables)
      #expect(rows.standardOutput == "total\n3058\n", "\(kind): \(rows)")
    }
  }

  static func s3Event(_ key: String) -> String {
    var allowed = CharacterSet.urlPathAllowed
    allowed.remove(charactersIn: "+%")
    // As S3 writes keys in its messages: spaces are plus signs.
    let encoded = (key.addingPercentEncoding(withAllowedCharacters: allowed) ?? "")
      .replacingOccurrences(of: "%20", with: "+")
    return """
      {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {\
      "bucket": {"name": "bucket"}, "object": {"key": "\(encoded)"}}}]}
      """
  }

  static func gcsEvent(_ key: String) -> String {
    """
    {"message": {"attributes": {"bucketId": "bucket", "objectId": "\(key)", \
    "eventType": "OBJECT_FINALIZE"}}}
    """
  }
}
