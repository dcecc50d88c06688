import Core
import Foundation
import Testing

/// Several processes at once: each succeeds, one set of rows is there in the end, and what the
/// losers left is explained.
@Suite(
  "Runs at once", .serialized,
  .enabled(if: Repository.canRun, Comment(rawValue: Repository.whyNot)),
  .enabled(if: Python.hasVenv, Comment(rawValue: Python.whyNoVenv)))
struct RaceTests {
  static let hours = (0..<8).map { "2024-01-01T0\($0)" }

  /// Without leases, which would let one of them do the work while the others wait.
  ///
  /// Eight hours, each with something to publish and something to set aside.
  private func project(leases: Bool = false) throws -> PageviewsProject {
    let project = try PageviewsProject()
    if !leases { try project.withoutLeases() }
    for (index, hour) in RaceTests.hours.enumerated() {
      try project.stage(hour, "aa Page_\(index) \(index + 1) 0\nbad \(index)\nde \"Z 2 0\n")
    }
    return project
  }

  private func range(_ hours: Range<Int>) -> [String] {
    ["run", "pageviews", "--json", "--from", "2024-01-01T0\(hours.lowerBound)"]
      + ["--to", "2024-01-01T0\(hours.upperBound)"]
  }

  /// What one process alone makes of `hours`.
  private func alone(_ hours: Range<Int>) throws -> [String: [String]] {
    let project = try project()
    try project.mustRun(range(hours))
    let content = try LakeAudit.of(project.lake).content(of: project)
    #expect(content["pageviews/top_pages"]?.count == 2 * hours.count)
    #expect(content["pageviews/quarantine"]?.count == hours.count)
    #expect(content.count == 2 + 2 * hours.count)
    return content
  }

  private func expectSettled(
    _ project: PageviewsProject, _ outcomes: [Outcome], equal expected: [String: [String]],
    again: [String]
  ) throws {
    for outcome in outcomes {
      #expect(outcome.exitCode == 0, "\(outcome)")
      let units = try outcome.json().filter { $0["type"] == "unit" }
      #expect(
        units.allSatisfy { unit in
          ["published", "alreadyPublished", "exported", "upToDate"].contains(
            unit["status"]?.string ?? "")
        }, "\(outcome)")
    }
    let lake = try project.listing("lake")
    let third = try project.run(again)
    #expect(try third.json().last?["status"] == "unchanged", "\(third)")
    #expect(try project.listing("lake") == lake)
    let audit = try LakeAudit.of(project.lake)
    #expect(audit.content(of: project) == expected)
    let disagreements = try project.disagreements(audit)
    #expect(disagreements == [])
    // All of them have ended, so none claims to be at work.
    #expect(!lake.keys.contains { $0.hasPrefix("runs/active/") })
  }

  @Test("The same range, on a new lake", arguments: [(2, false), (8, false), (4, true)])
  func sameRange(count: Int, leases: Bool) throws {
    let hours = 0..<2
    let project = try project(leases: leases)
    let commands = try (0..<count).map { _ in try project.start(range(hours)) }
    let outcomes = commands.map { $0.wait() }
    try expectSettled(project, outcomes, equal: alone(hours), again: range(hours))

    // Each unit was published by exactly one of them.
    let units = try outcomes.flatMap { try $0.json() }.filter { $0["status"] == "published" }
    #expect(units.count == hours.count, "\(units)")
    #expect(Set(units.map { $0["interval"]?["start"]?.string ?? "" }).count == hours.count)
  }

  @Test("The same range again, with --force")
  func forced() throws {
    let hours = 0..<2
    let project = try project()
    try project.mustRun(range(hours))
    let commands = try (0..<3).map { _ in try project.start(range(hours) + ["--force"]) }
    try expectSettled(
      project, commands.map { $0.wait() }, equal: alone(hours), again: range(hours))
  }

  @Test("Different ranges of one table, while maintenance runs", arguments: [2, 8])
  func differentRanges(count: Int) throws {
    let project = try project()
    try project.edit(
      "sluice.yaml", "leases:", "maintenance: {keep: 1s, snapshots: 1}\nleases:")
    let size = 8 / count
    let commands = try (0..<count).map { index in
      try project.start(range(index * size..<(index + 1) * size))
    }
    let maintenance = try (0..<2).map { _ in try project.start(["maintain", "pageviews"]) }
    let outcomes = commands.map { $0.wait() }
    for command in maintenance {
      let maintained = command.wait()
      #expect(maintained.exitCode == 0, "\(maintained)")
    }
    try expectSettled(project, outcomes, equal: alone(0..<8), again: range(0..<8))
  }

  @Test("Ranges that overlap, hours and the day around them")
  func overlapping() throws {
    let project = try project()
    for hour in 8..<24 {
      try project.stage("2024-01-01T" + (hour < 10 ? "0\(hour)" : "\(hour)"), "aa Other 1 0\n")
    }
    let day = ["run", "pageviews", "--json", "--set", "interval=day", "--from", "2024-01-01"]
    let commands = try [range(0..<4), range(2..<6), day, day].map { try project.start($0) }
    let outcomes = commands.map { $0.wait() }
    for outcome in outcomes { #expect(outcome.exitCode == 0, "\(outcome)") }
    let audit = try LakeAudit.of(project.lake)
    let disagreements = try project.disagreements(audit)
    #expect(disagreements == [])

    let rows = try project.query(
      """
      SELECT interval_start::varchar AS start, interval_end - interval_start = interval 1 day AS whole,
        count(*) AS n, count(DISTINCT (domain, page)) AS pages
      FROM pageviews.top_pages GROUP BY ALL ORDER BY whole, start
      """)
    #expect(rows.map { $0["whole"] } == Array(repeating: false, count: 6) + [true])
    #expect(rows.map { $0["n"] } == Array(repeating: 2, count: 6) + [10])
    #expect(rows.allSatisfy { $0["n"] == $0["pages"] })
    #expect(
      try project.exported("2024-01-01")
        == Oracle.csv(
          (0..<24).map { project.staged("2024-01-01T" + ($0 < 10 ? "0\($0)" : "\($0)")) }))
  }

  @Test("A full model, rebuilt by several at once")
  func fullModel() throws {
    let project = try PageviewsProject()
    try project.withoutLeases()
    try Shop.write(to: project)
    try project.root.write(Shop.newer, to: "orders/1.csv")
    let whole = try PageviewsProject()
    try Shop.write(to: whole)
    try whole.root.write(Shop.newer, to: "orders/1.csv")
    try whole.mustRun(["run", "shop"])
    let expected = try LakeAudit.of(whole.lake).content(of: whole)
    let run = ["run", "shop", "--json"]
    for _ in 0..<2 {
      let commands = try (0..<3).map { _ in try project.start(run) }
      try expectSettled(project, commands.map { $0.wait() }, equal: expected, again: run)
      // Another version of the file with the same rows: all of them have to rebuild.
      try project.root.write(Shop.newer, to: "orders/1.csv")
    }
  }

  @Test("Append, merge, full and view tables, kept up to date by eight at once, and maintained")
  func chain() throws {
    func prepared(leases: Bool) throws -> PageviewsProject {
      let project = try PageviewsProject()
      if !leases { try project.withoutLeases() }
      try Goods.write(to: project)
      try Goods.fill(project)
      return project
    }
    let run = ["run", "goods", "--json"]
    let whole = try prepared(leases: true)
    let project = try prepared(leases: false)
    for round in 0..<3 {
      if round == 1 {
        for project in [whole, project] { try Goods.change(project) }
      }
      if round == 2 {
        for project in [whole, project] { try Goods.put(project, "e", "1,ann,12,9") }
      }
      try whole.mustRun(run)
      let expected = try LakeAudit.of(whole.lake).content(of: whole)
      let maintenance = try project.start(["maintain", "goods"])
      let commands = try (0..<8).map { _ in try project.start(run) }
      let outcomes = commands.map { $0.wait() }
      let maintained = maintenance.wait()
      #expect(maintained.exitCode == 0, "\(maintained)")
      try expectSettled(project, outcomes, equal: expected, again: run)
    }
    let rows = try project.query("SELECT id, owner, amount FROM goods.silver ORDER BY id")
    #expect(
      rows.map { "\($0["id"]!) \($0["owner"]!.string!) \($0["amount"]!)" }
        == ["1 ann 12"] + Goods.silver.dropFirst())
  }
}
