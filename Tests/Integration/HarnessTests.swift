import Core
import Foundation
import Testing

@Suite("The harness of the end-to-end tests")
struct HarnessTests {
  @Test("Gzip made here is what other programs read, and the other way round")
  func gzip() throws {
    for count in [0, 1, 70_000, 300_000] {
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 3) }
      #expect(try Gzip.decompress(Gzip.compress(bytes)) == bytes)
      let members = Gzip.compress(bytes) + Gzip.compress(bytes)
      #expect(try Gzip.decompress(members) == bytes + bytes)
      #expect(throws: Gzip.Damaged.self) { try Gzip.decompress(Gzip.truncated(bytes)) }
      #expect(throws: Gzip.Damaged.self) { try Gzip.decompress(Gzip.wrongChecksum(bytes)) }
    }
  }

  @Test("Input lies where the dumps' is, exports where the pipeline puts them")
  func layout() {
    #expect(
      PageviewsProject.dumpPath("2024-01-01T05") == "2024/2024-01/pageviews-20240101-050000.gz")
    #expect(
      PageviewsProject.partitionPath("2024-01-01T05") == "year=2024/month=01/day=01/hour=05")
    #expect(PageviewsProject.partitionPath("2024-12-31") == "year=2024/month=12/day=31")
  }

  @Test("The oracle reads what is staged", .enabled(if: Python.isThere, "needs python3"))
  func oracle() throws {
    let project = try PageviewsProject()
    try project.stage("2024-01-01T05", "aa B 3 0\naa A 3 0\naa %C3%A9 9 0\nbad line\n")
    let blocked = try project.block("aa é\n")
    let dumps = [project.staged("2024-01-01T05")]
    #expect(
      try Oracle.csv(dumps, blocked: blocked) == "domain,page,views,rank\naa,A,3,1\naa,B,3,1\n")
    let summary = try Oracle.summary(dumps)
    #expect(summary["malformed"] == 1 && summary["rows"] == 3)
  }

  @Test("The dumps' server serves what is staged", .enabled(if: Python.isThere, "needs python3"))
  func server() throws {
    let project = try PageviewsProject()
    try project.stage("2024-01-01T05", "aa A 1 0\n")
    let server = try DumpsServer(project.input, missing: 1)
    let path = PageviewsProject.dumpPath("2024-01-01T05")
    let fetch =
      "import sys, urllib.request as r; sys.stdout.buffer.write(r.urlopen(sys.argv[1]).read())"
    func get() throws -> Outcome {
      try RunningCommand(
        Python.plain, ["-c", fetch, "\(server.url)/\(path)"], environment: [:], in: project.root
      ).wait()
    }
    #expect(try get().standardError.contains("404"))
    #expect(try Gzip.decompress(get().output) == Array("aa A 1 0\n".utf8))
    #expect(server.requests().map { $0.split(separator: " ")[2] } == ["404", "200"])
  }

  @Test("A listing tells any change")
  func listing() throws {
    let project = try PageviewsProject()
    let before = try project.listing()
    #expect(before.keys.contains("pipelines/pageviews/pipeline.yaml"))
    #expect(try project.listing() == before)
    try project.edit("sluice.yaml", "catalog: storage", "catalog: rest")
    #expect(try project.listing().filter { before[$0] != $1 }.map(\.key) == ["sluice.yaml"])
  }

  @Test("A command is heard, interrupted and collected")
  func processes() throws {
    let scratch = try Scratch()
    let talks = try RunningCommand(
      "/bin/sh", ["-c", "echo $A; pwd >&2; exit 3"], environment: ["A": "é"], in: scratch.url)
    let outcome = talks.wait()
    #expect(outcome.end == .exited(3) && outcome.exitCode == 3)
    #expect(outcome.standardOutput == "é\n")
    #expect(outcome.standardError == scratch.url.path + "\n")
    // SIGINT reaches it whatever this process has blocked.
    for signal in [SIGINT, SIGTERM, SIGKILL] {
      let sleeps = try RunningCommand("/bin/sleep", ["600"], environment: [:], in: scratch.url)
      #expect(sleeps.isRunning)
      sleeps.send(signal: signal)
      let ended = sleeps.wait()
      #expect(ended.end == .killed(signal: signal) && ended.exitCode == nil)
    }
  }
}
