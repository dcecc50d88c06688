import Core
import Foundation
import Lake
import Stores
import Testing

/// Sources that say `land: true`, from a web server, folders and buckets into lakes of every kind.
@Suite(
  "Landing", .enabled(if: Repository.canRun, Comment(rawValue: Repository.whyNot)),
  .enabled(if: Python.isThere, "needs python3"))
struct LandingTests {
  static let run = ["run", "city", "--json"]
  static let tomorrow = ["SLUICE_NOW": "2024-01-03T05:10:00Z"]
  static let folder = "lake/landing/city/calls"

  /// A project whose one source lands, and a model that adds its numbers up.
  private func project(files: String, land: String = "true") throws -> PageviewsProject {
    let project = try PageviewsProject()
    try project.root.write(
      """
      sources:
        calls:
          files: \(files)
          land: \(land)
          format: csv
          columns: {name: string, amount: bigint}
      """, to: "pipelines/city/pipeline.yaml")
    try project.root.write(
      "kind: full\ncolumns: {total: {type: bigint}, calls: {type: bigint}}",
      to: "pipelines/city/models/totals.yaml")
    try project.root.write(
      "SELECT sum(amount)::bigint AS total, count(*)::bigint AS calls FROM calls",
      to: "pipelines/city/models/totals.sql")
    return project
  }

  private func total(_ project: PageviewsProject) throws -> Int64? {
    try project.query("SELECT total FROM city.totals").first?["total"]?.integer
  }

  private func logged(_ project: PageviewsProject) throws -> LogState {
    try SourceLog(
      store: LocalStore(root: project.lake.path), pipeline: "city", source: "calls"
    ).read()
  }

  private func landed(_ outcome: Outcome) throws -> [Int64] {
    let landed = try outcome.json().last?["landed"]
    return [landed?["files"]?.integer ?? -1, landed?["bytes"]?.integer ?? -1]
  }

  private func status(_ outcome: Outcome) throws -> JSON? { try outcome.json().last?["status"] }

  @Test("rule 6: landed once, byte for byte, under its day; the log names the origin")
  func once() throws {
    let project = try project(
      files: "${CITY_URL:-https://nowhere.invalid}/open%20data/calls.csv?format=csv")
    let text = "name,amount\r\nann,7\r\n\"b\"\"b\",5\r\n"
    try project.input.write(Array(text.utf8), to: "open data/calls.csv")
    let server = try DumpsServer(project.input)
    let url = ["CITY_URL": server.url]

    let plan = try project.run(["plan", "city", "--json"], variables: url)
    #expect(try plan.json().first?["landed"] == true, "\(plan)")
    let shown = try project.run(["plan", "city"], variables: url)
    #expect(shown.standardOutput.contains("1 file added, 30 B, to land first"), "\(shown)")
    #expect(try project.listing("lake").isEmpty)

    let outcome = try project.run(Self.run, variables: url)
    #expect(outcome.exitCode == 0, "\(outcome)")
    #expect(try landed(outcome) == [1, 30])
    #expect(try total(project) == 12)
    let copies = try project.listing(Self.folder).keys.map { $0 }
    #expect(copies.count == 1)
    let copy = try #require(copies.first)
    #expect(copy.hasPrefix("date=2024-01-02/") && copy.hasSuffix("/calls.csv"), "\(copy)")
    let bytes = try Data(contentsOf: project.root.appending(path: Self.folder + "/" + copy))
    #expect([UInt8](bytes) == Array(text.utf8))
    let file = try #require(try logged(project).files.first)
    #expect(file.key == "\(server.url)/open%20data/calls.csv?format=csv")
    #expect(file.landed?.description == "2024-01-02" && file.byteCount == 30)
    let gets = server.requests().filter { $0.hasPrefix("GET") }
    #expect(gets.count == 1, "\(gets)")

    // The same day and the next: a look at the origin, and nothing is moved or written.
    let before = try project.listing("lake")
    for day in [[:], Self.tomorrow] {
      let count = server.requests().count
      let again = try project.run(Self.run, variables: url.merging(day) { $1 })
      #expect(try status(again) == "unchanged", "\(again)")
      #expect(server.requests().dropFirst(count).map { $0.prefix(4) } == ["HEAD"])
      #expect(try project.listing("lake") == before)
    }
    // The history shows what landed.
    let history = try project.run(["history", "--json"])
    #expect(try history.json().last?["landed"]?["files"] == 1, "\(history)")
  }

  @Test(
    "versions of one day lie side by side; what is gone at the origin stays and is rebuilt from")
  func versions() throws {
    let project = try project(files: "${CITY_URL:-https://nowhere.invalid}/calls.csv")
    try project.input.write(Array("name,amount\nann,7\n".utf8), to: "calls.csv")
    var server: DumpsServer? = try DumpsServer(project.input)
    let url = ["CITY_URL": try #require(server?.url)]
    try project.mustRun(Self.run, variables: url)
    let first = try project.listing(Self.folder)
    try project.input.write(Array("name,amount\nann,70\n".utf8), to: "calls.csv")
    let changed = try project.run(Self.run, variables: url)
    #expect(try landed(changed) == [1, 19], "\(changed)")
    #expect(try total(project) == 70)
    let both = try project.listing(Self.folder)
    #expect(both.count == 2 && both.keys.allSatisfy { $0.hasPrefix("date=2024-01-02/") })
    #expect(first.allSatisfy { both[$0.key] == $0.value })

    // Gone from the server: nothing is retracted, and a rebuild has all it needs.
    try FileManager.default.removeItem(at: project.input.appending(path: "calls.csv"))
    let gone = try project.run(Self.run, variables: url)
    #expect(try status(gone) == "unchanged", "\(gone)")
    try FileManager.default.removeItem(at: project.root.appending(path: ".sluice"))
    let rebuilt = try project.run(Self.run + ["--full-refresh"], variables: url)
    #expect(rebuilt.exitCode == 0, "\(rebuilt)")
    #expect(try status(rebuilt) == "done")
    #expect(try total(project) == 70)

    // No server at all: that there is no news is not known, but a rebuild goes on.
    server = nil
    let blind = try project.run(Self.run, variables: url)
    #expect(blind.exitCode == 1, "\(blind)")
    let again = try project.run(Self.run + ["--full-refresh"], variables: url)
    #expect(again.exitCode == 0, "\(again)")
    let note = try again.json().last?["notes"]?.array?.first?.string ?? ""
    #expect(note.contains("calls: read as it has landed"), "\(note)")
    #expect(try total(project) == 70)
    #expect(try project.listing(Self.folder) == both)

    // A copy that someone removed is an error that names it.
    try FileManager.default.removeItem(at: project.root.appending(path: Self.folder))
    let missing = try project.run(Self.run + ["--full-refresh"], variables: url)
    #expect(missing.exitCode == 1)
    #expect(missing.standardError.contains("landing/city/calls/date=2024-01-02/"), "\(missing)")
  }

  @Test("files of one name from two folders land apart, whatever characters their names have")
  func names() throws {
    let project = try project(files: "${CITY_FILES:-nowhere}/**/*.csv")
    let names = [
      "a/x.csv", "b/x.csv", "c d/ä+%20 é.csv", "\(String(repeating: "n", count: 240)).csv",
    ]
    for (index, name) in names.enumerated() {
      try project.input.write(Array("name,amount\nann,\(1 << index)\n".utf8), to: name)
    }
    let files = ["CITY_FILES": project.input.path]
    let outcome = try project.run(Self.run, variables: files)
    #expect(outcome.exitCode == 0, "\(outcome)")
    #expect(try landed(outcome)[0] == 4)
    #expect(try project.listing(Self.folder).count == 4)
    #expect(try total(project) == 15)
    // Read from the copies, also where the originals are files of this machine.
    try FileManager.default.removeItem(at: project.input.appending(path: "a"))
    let rebuilt = try project.run(
      Self.run + ["--full-refresh"], variables: files)
    #expect(rebuilt.exitCode == 0, "\(rebuilt)")
    #expect(try total(project) == 15)
  }

  @Test("killed in the middle of a transfer, the next run asks for the rest only")
  func resumed() throws {
    let project = try project(files: "${CITY_URL:-https://nowhere.invalid}/calls.csv")
    let text = "name,amount\n" + (0..<200_000).map { "a\($0),1\n" }.joined()
    try project.input.write(Array(text.utf8), to: "calls.csv")
    let server = try DumpsServer(project.input, hang: 1)
    let url = ["CITY_URL": server.url]
    let command = try project.start(Self.run, variables: url)
    let half = text.utf8.count / 2
    func part() throws -> Int {
      let cache = project.root.appending(path: ".sluice/cache")
      let names = (try? FileManager.default.contentsOfDirectory(atPath: cache.path)) ?? []
      guard let name = names.first(where: { $0.hasSuffix(".part") }) else { return 0 }
      return try Data(contentsOf: cache.appending(path: name)).count
    }
    while command.isRunning, try part() < half { usleep(10_000) }
    command.send(signal: SIGKILL)
    #expect(command.wait().end == .killed(signal: SIGKILL))
    #expect(!(try project.listing().keys.contains { $0.hasPrefix("lake/landing") }))

    let outcome = try project.run(Self.run, variables: url)
    #expect(outcome.exitCode == 0, "\(outcome)")
    #expect(try total(project) == 200_000)
    let gets = server.requests().filter { $0.hasPrefix("GET") }
    #expect(gets == ["GET /calls.csv 200 -", "GET /calls.csv 206 bytes=\(half)-"])
    let copies = try project.listing(Self.folder).keys.map { $0 }
    #expect(copies.count == 1)
    let bytes = try Data(contentsOf: project.root.appending(path: Self.folder + "/" + copies[0]))
    #expect(bytes == Data(text.utf8))
  }

  @Test("rule 37: killed at any change of the lake, the next run lands what is missing, once")
  func killed() throws {
    @Sendable func fresh() throws -> PageviewsProject {
      let project = try project(files: "${CITY_FILES:-nowhere}/*.csv")
      for index in 0..<3 {
        try project.input.write(Array("name,amount\nann,\(1 << index)\n".utf8), to: "\(index).csv")
      }
      return project
    }
    let whole = try fresh()
    let (outcome, mutations) = try whole.traced(
      Self.run, variables: ["CITY_FILES": whole.input.path])
    try #require(outcome.exitCode == 0, "\(outcome)")
    let landings = mutations.filter { $0.key.hasPrefix("landing/") }.map(\.number)
    #expect(landings.count == 3)
    // All about the landing and the log, and some of the rest.
    let moments =
      mutations.filter { $0.number <= landings.max()! + 2 || $0.number % 4 == 0 }.flatMap {
        ["before:\($0.number)", "after:\($0.number)"]
      }
    let problems = concurrently(moments, limit: 2) { moment -> [String] in
      let project = try fresh()
      let files = ["CITY_FILES": project.input.path]
      var wrong: [String] = []
      let killed = try project.killed(Self.run, at: moment, variables: files)
      if killed.end != .killed(signal: SIGKILL) { wrong.append("\(moment) \(killed)") }
      let again = try project.run(Self.run, variables: files)
      if again.exitCode != 0 { wrong.append("\(moment) \(again)") }
      // Another thread's unfinished file may lie there, which is no object.
      let copies = try project.listing(Self.folder).keys.count { !$0.contains("/.sluice-tmp") }
      if copies != 3 { wrong.append("\(moment): \(copies) copies") }
      if try self.total(project) != 7 { wrong.append("\(moment): other rows") }
      let third = try project.run(Self.run, variables: files)
      if try self.status(third) != "unchanged" { wrong.append("\(moment) \(third)") }
      return wrong
    }
    let wrong = try problems.flatMap { try $0.get() }
    #expect(wrong.isEmpty, "\(wrong.joined(separator: "\n"))")
  }

  @Test("two runs at once land each file once")
  func together() throws {
    let project = try project(files: "${CITY_URL:-https://nowhere.invalid}/calls.csv")
    let text = "name,amount\n" + (0..<50_000).map { "a\($0),1\n" }.joined()
    try project.input.write(Array(text.utf8), to: "calls.csv")
    let server = try DumpsServer(project.input)
    // Caches of their own, as several machines have.
    try project.edit(
      "sluice.yaml", "{path: .sluice/cache,", "{path: \"${CITY_CACHE:-.sluice/cache}\",")
    let commands = try (0..<3).map { index in
      try project.start(
        Self.run, variables: ["CITY_URL": server.url, "CITY_CACHE": ".sluice/cache\(index)"])
    }
    for command in commands {
      let outcome = command.wait()
      #expect(outcome.exitCode == 0, "\(outcome)")
    }
    #expect(try project.listing(Self.folder).count == 1)
    #expect(try logged(project).number == 1)
    #expect(try total(project) == 50_000)
  }

  @Test("an origin that does not tell its versions apart is fetched once a day")
  func unversioned() throws {
    let project = try project(files: "${CITY_URL:-https://nowhere.invalid}/calls.csv")
    try project.input.write(Array("name,amount\nann,7\n".utf8), to: "calls.csv")
    let server = try DumpsServer(project.input, isPlain: true)
    let url = ["CITY_URL": server.url]
    func gets() -> Int { server.requests().count { $0.hasPrefix("GET") } }
    try project.mustRun(Self.run, variables: url)
    #expect(gets() == 1)
    #expect(try logged(project).files.first?.version.hasPrefix("sha256:") == true)
    let again = try project.run(Self.run, variables: url)
    #expect(try status(again) == "unchanged", "\(again)")
    #expect(gets() == 1)

    // The next day brings the same: a copy of that day, and nothing new for anyone.
    let next = url.merging(Self.tomorrow) { $1 }
    let same = try project.run(Self.run, variables: next)
    #expect(try status(same) == "unchanged", "\(same)")
    #expect(gets() == 2)
    #expect(try logged(project).number == 1)
    #expect(try project.listing(Self.folder).count == 2)
    #expect(try status(project.run(Self.run, variables: next)) == "unchanged")
    #expect(gets() == 2)

    // And the one after it other bytes of the same length.
    try project.input.write(Array("name,amount\nann,8\n".utf8), to: "calls.csv")
    let third = url.merging(["SLUICE_NOW": "2024-01-04T05:10:00Z"]) { $1 }
    #expect(try status(project.run(Self.run, variables: third)) == "done")
    #expect(gets() == 3)
    #expect(try total(project) == 8)
    #expect(try status(project.run(Self.run, variables: third)) == "unchanged")
    #expect(gets() == 3)
  }

  @Test("an hour's file lands, too, and its rerun needs no server")
  func intervals() throws {
    let project = try PageviewsProject()
    try project.edit(
      "pipelines/pageviews/pipeline.yaml", "on_republish: ignore",
      "on_republish: ignore\n    land: true")
    let hour = "2024-01-01T05"
    try project.stage(hour, "aa A 3 0\naa B 1 0\n")
    let run = ["run", "pageviews", "--json", "--from", hour]
    let outcome = try project.run(run)
    #expect(outcome.exitCode == 0, "\(outcome)")
    let copies = try project.listing("lake/landing/pageviews/pageviews").keys
    #expect(copies.count == 1)
    #expect(copies.allSatisfy { $0.hasPrefix("date=2024-01-02/") })
    let csv = try project.exported(hour)
    try FileManager.default.removeItem(at: project.staged(hour))
    let again = try project.run(run + ["--force"])
    #expect(again.exitCode == 0, "\(again)")
    #expect(try project.exported(hour) == csv)
  }

  @Test("from one bucket to the lake in another; a machine with nothing on it rebuilds")
  func buckets() throws {
    guard Python.hasVenv else { return }
    for kind in ObjectServer.Kind.allCases {
      let server = try ObjectServer(kind)
      let source = try server.store("data")
      let keys = ["a b.csv", "1/x+y.csv", "2/x+y.csv"]
      for (index, key) in keys.enumerated() {
        let text = "name,amount\nann,\(1 << index)\n"
        _ = try source.put(key, .bytes(Array(text.utf8)), .always)
      }
      let variables = server.variables.merging([
        "SLUICE_LAKE": server.address("lake")
      ]) { $1 }
      let project = try project(files: server.address("data/**/*.csv"))
      let outcome = try project.run(Self.run, variables: variables)
      #expect(outcome.exitCode == 0, "\(kind): \(outcome)")
      #expect(try landed(outcome)[0] == 3, "\(kind)")
      let copies = try server.store("lake/landing/city/calls").objects(below: "")
      #expect(copies.count == 3 && copies.allSatisfy { $0.key.hasPrefix("date=2024-01-02/") })
      let again = try project.run(Self.run, variables: variables)
      #expect(try status(again) == "unchanged", "\(kind): \(again)")

      // An event lands what it names, and nothing else.
      for (key, amount) in [("named.csv", 8), ("unnamed.csv", 1000)] {
        _ = try source.put(key, .bytes(Array("name,amount\nann,\(amount)\n".utf8)), .always)
      }
      let event =
        kind == .s3 ? ProxyTests.s3Event("data/named.csv") : ProxyTests.gcsEvent("data/named.csv")
      try project.root.write(event, to: "event.json")
      let told = try project.run(Self.run + ["--event", "event.json"], variables: variables)
      #expect(told.exitCode == 0, "\(kind): \(told)")
      #expect(try self.landed(told)[0] == 1, "\(kind): \(told)")
      let total = try project.run(
        ["query", "SELECT total FROM city.totals", "--format", "csv"], variables: variables)
      #expect(total.standardOutput == "total\n15\n", "\(kind): \(total)")

      try source.delete(keys + ["named.csv", "unnamed.csv"])
      let other = try self.project(files: server.address("data/**/*.csv"))
      let rebuilt = try other.run(Self.run + ["--full-refresh"], variables: variables)
      #expect(rebuilt.exitCode == 0, "\(kind): \(rebuilt)")
      let rows = try other.run(
        ["query", "SELECT total FROM city.totals", "--format", "csv"], variables: variables)
      #expect(rows.standardOutput == "total\n15\n", "\(kind): \(rows)")
    }
  }
}
