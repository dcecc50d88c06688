import Core
import Foundation
import Testing

/// Lakes, spill folders and caches that cannot be written: one clear message, what was published
/// before untouched, and all well again once there is room.
@Suite(
  "Bad places", .enabled(if: Repository.canRun, Comment(rawValue: Repository.whyNot)))
struct BadPlacesTests {
  static let before = "2024-01-01T04"
  static let hour = "2024-01-01T05"
  static let run = "run pageviews --from 2024-01-01T05"

  /// An hour published, and the next one staged.
  private func project(lines: Int = 200) throws -> PageviewsProject {
    let project = try PageviewsProject()
    try project.stage(BadPlacesTests.before, "aa A 1 0\nnot a line\n")
    try project.mustRun(["run", "pageviews", "--from", BadPlacesTests.before])
    let text = (1...lines).map {
      "aa page_\($0 &* 7919 % 1_000_003)_\($0 &* 31337 % 99991) \($0 % 17) 0\n"
    }
    try project.stage(BadPlacesTests.hour, text.joined() + "broken\n")
    return project
  }

  /// What the published part of a lake consists of, without logs and runs, which only grow.
  private func published(_ project: PageviewsProject) throws -> [String: String] {
    try project.listing("lake").filter {
      $0.key.hasPrefix("tables/") || $0.key.hasPrefix("exports/")
    }
  }

  private func expectWhole(_ project: PageviewsProject, variables: [String: String] = [:]) throws {
    let again = try project.run(
      ["run", "pageviews", "--from", BadPlacesTests.hour], variables: variables)
    #expect(again.exitCode == 0, "\(again)")
    #expect(
      try project.exported(BadPlacesTests.hour) == Oracle.csv([project.staged(BadPlacesTests.hour)])
    )
    #expect(
      try project.exported(BadPlacesTests.before)
        == Oracle.csv([project.staged(BadPlacesTests.before)]))
    let rows = try project.query("SELECT row FROM pageviews.quarantine ORDER BY row")
    #expect(rows.map { $0["row"] } == ["broken", "not a line"])
  }

  @Test(
    "rule 38: a read-only lake", .enabled(if: Mounts.areAllowed, Comment(rawValue: Mounts.whyNot)))
  func readOnly() throws {
    let project = try project()
    let lake = try project.listing("lake")
    let outcome = try Mounts.run(
      project,
      """
      mount --bind lake lake && mount -o remount,ro,bind lake
      sluice query --format csv 'SELECT page FROM pageviews.top_pages'
      sluice plan pageviews --from 2024-01-01T05 >/dev/null
      sluice run pageviews --from 2024-01-01T04 >/dev/null
      sluice \(BadPlacesTests.run)
      """)
    // Reading, planning, and a run with nothing to do need not write.
    #expect(outcome.standardOutput.hasPrefix("page\nA\n"), "\(outcome)")
    #expect(outcome.exitCode == 1)
    let errors = outcome.standardError.split(separator: "\n").filter { $0.contains("Read-only") }
    #expect(errors.count == 1, "\(outcome)")
    #expect(errors.first?.contains("\(project.lake.path)/") == true)
    #expect(errors.first?.contains("choose another place") == true)
    #expect(try project.listing("lake") == lake)
    try expectWhole(project)
  }

  @Test(
    "A lake on a full disk", .enabled(if: Mounts.areAllowed, Comment(rawValue: Mounts.whyNot)),
    .enabled(if: Python.hasVenv, Comment(rawValue: Python.whyNoVenv)),
    arguments: [0, 4, 12, 24, 32, 40, 48, 64])
  func fullLake(freeKiB: Int) throws {
    let project = try project()
    // The lake moves to a disk with that much room, and back when the run is over.
    let outcome = try Mounts.run(
      project,
      """
      cp -a lake lake.before
      mount -t tmpfs -o size=64m none lake
      cp -a lake.before/. lake/
      used=$(df -k --output=used lake | tail -1)
      mount -o remount,size=$((used + \(freeKiB)))k lake
      code=0; sluice \(BadPlacesTests.run) || code=$?
      mkdir lake.after; cp -a lake/. lake.after/
      exit $code
      """)
    #expect(outcome.exitCode == 1, "\(outcome)")
    #expect(outcome.standardError.contains("No space left on device"), "\(outcome)")
    #expect(
      outcome.standardError.contains("\(project.lake.path)/")
        || outcome.standardError.contains("\"lake/") || outcome.standardError.contains(" lake/"),
      "\(outcome)")
    #expect(outcome.standardError.contains("free space there"))

    let lake = try published(project)
    try FileManager.default.removeItem(at: project.lake)
    try FileManager.default.moveItem(
      at: project.root.appending(path: "lake.after"), to: project.lake)
    let now = try project.listing("lake")
    let version = "tables/pageviews/quarantine/metadata/version-hint.text"
    for (key, file) in lake where !key.hasSuffix("version-hint.text") {
      // Size and content; the copy's times are its own.
      #expect(now[key]?.split(separator: " ").first == file.split(separator: " ").first, "\(key)")
    }
    #expect(now[version] != nil)
    try FileManager.default.removeItem(at: project.root.appending(path: "lake.before"))
    let rows = try project.query(
      "SELECT page, interval_start FROM pageviews.top_pages ORDER BY interval_start LIMIT 1")
    #expect(rows.map { $0["page"] } == ["A"])
    try expectWhole(project)
    let audit = try LakeAudit.of(project.lake)
    let disagreements = try project.disagreements(audit)
    #expect(disagreements == [])
  }

  @Test(
    "A full disk under the spill folder",
    .enabled(if: Mounts.areAllowed, Comment(rawValue: Mounts.whyNot)),
    arguments: [4, 16, 48])
  func fullSpill(sizeKiB: Int) throws {
    let project = try project(lines: 8000)
    let outcome = try Mounts.run(
      project,
      """
      mkdir -p .sluice/spill
      mount -t tmpfs -o size=\(sizeKiB)k none .sluice/spill
      sluice \(BadPlacesTests.run) --set top=100000
      """)
    #expect(outcome.exitCode == 1, "\(outcome)")
    let lines = outcome.standardError.split(separator: "\n").filter {
      $0.contains("No space left on device")
    }
    #expect(lines.count == 1, "\(outcome)")
    #expect(lines.first?.contains(".sluice/spill") == true)
    #expect(project.exportNames(BadPlacesTests.hour).isEmpty)
    try expectWhole(project)
  }

  @Test(
    "A full disk under the cache",
    .enabled(if: Mounts.areAllowed, Comment(rawValue: Mounts.whyNot)),
    .enabled(if: Python.isThere, "needs python3"))
  func fullCache() throws {
    let project = try project(lines: 20_000)
    let server = try DumpsServer(project.input)
    let variables = ["PAGEVIEWS_URL": server.url]
    let outcome = try Mounts.run(
      project,
      """
      mkdir -p .sluice/cache
      mount -t tmpfs -o size=32k none .sluice/cache
      sluice \(BadPlacesTests.run)
      """, variables: variables)
    #expect(outcome.exitCode == 1, "\(outcome)")
    let lines = outcome.standardError.split(separator: "\n").filter {
      $0.contains("No space left on device") && !$0.contains(" warning ")
    }
    #expect(lines.count == 1, "\(outcome)")
    #expect(lines.first?.contains(".sluice/cache") == true, "\(outcome)")
    #expect(project.exportNames(BadPlacesTests.hour).isEmpty)
    #expect(try project.query("SELECT page FROM pageviews.top_pages").map { $0["page"] } == ["A"])
    try expectWhole(project, variables: variables)
  }

  @Test("Exports to a place that is a file: the table is published, the export once it can be")
  func exportPlace() throws {
    let project = try project()
    let place = try project.root.write("mine", to: "out")
    let variables = ["PAGEVIEWS_OUT": place.path]
    let run = ["run", "pageviews", "--json", "--from", BadPlacesTests.hour]
    let outcome = try project.run(run, variables: variables)
    #expect(outcome.exitCode == 1, "\(outcome)")
    let message = outcome.standardError.split(separator: "\n").filter { $0.contains(" out/") }
    #expect(message.count == 1, "\(outcome)")
    #expect(try String(contentsOf: place, encoding: .utf8) == "mine")
    try FileManager.default.removeItem(at: place)
    let later = try project.run(run, variables: variables)
    #expect(later.exitCode == 0, "\(later)")
    #expect(try later.json().first?["status"] == "exported")
    #expect(
      try project.exported(BadPlacesTests.hour, below: place)
        == Oracle.csv([project.staged(BadPlacesTests.hour)]))
  }

  @Test("A lake that is a file", arguments: ["plan", "run", "state", "history"])
  func lakeIsAFile(verb: String) throws {
    let project = try PageviewsProject()
    try project.stage(BadPlacesTests.hour, "aa A 1 0\n")
    try project.root.write("mine", to: "lake")
    let outcome = try project.sluice(verb)
    #expect(outcome.exitCode == 1 || outcome.exitCode == 2, "\(outcome)")
    #expect(outcome.standardError.hasPrefix("error: \(project.lake.path)"), "\(outcome)")
    #expect(outcome.standardError.split(separator: "\n").count == 1)
    #expect(
      outcome.standardError.contains("Not a directory")
        || outcome.standardError.contains("a file where"))
    #expect(try String(contentsOf: project.lake, encoding: .utf8) == "mine")
  }

  @Test(
    "A lake that nobody may write",
    .enabled(if: Privileges.canDrop, Comment(rawValue: Privileges.whyNot)))
  func forbidden() throws {
    let project = try project()
    try Privileges.open(project)
    let lake = try project.listing("lake")
    for folder in ["lake", "lake/sources/pageviews/pageviews", "lake/runs"] {
      chmod(project.root.appending(path: folder).path, 0o555)
    }
    let outcome = try Privileges.start(
      project, ["run", "pageviews", "--from", BadPlacesTests.hour]
    ).wait()
    #expect(outcome.exitCode == 1, "\(outcome)")
    let lines = outcome.standardError.split(separator: "\n").filter {
      $0.contains("Permission denied")
    }
    #expect(lines.count == 1 && lines[0].contains(project.lake.path), "\(outcome)")
    #expect(try project.listing("lake") == lake)
    try Privileges.open(project)
    try expectWhole(project)
  }
}
