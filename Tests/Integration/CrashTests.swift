import Core
import Foundation
import Testing

/// Rule 37: a run is killed at its mutating calls, and the next one sets everything right.
@Suite(
  "Runs that are killed", .serialized,
  .enabled(if: Repository.canRun, Comment(rawValue: Repository.whyNot)),
  .enabled(if: Python.hasVenv, Comment(rawValue: Python.whyNoVenv)))
struct CrashTests {
  /// All of them where `SLUICE_TEST_LONG` is 1, else two of three calls, before and after in turns.
  static let isLong = ProcessInfo.processInfo.environment["SLUICE_TEST_LONG"] == "1"

  /// The very run that is killed.
  enum Scenario: String, CaseIterable, CustomTestStringConvertible {
    case firstHour = "the first hour of a new lake"
    case replacedHour = "an hour that replaces an older version of itself"
    case firstFull = "a full model and its child in a new lake"
    case replacedFull = "a full model that is rebuilt"
    case firstChain = "append, merge, full and view in a new lake"
    case changedChain = "files that came, changed and went, through append, merge, full and view"
    case rolledBack = "tables of all these kinds that are rolled back"
    case relocated = "tables of all these kinds in a lake that was moved"
    case maintained = "tables of all these kinds that are compacted, expired and swept"
    case firstIndex = "a word index in a new lake"
    case changedIndex = "a word index over texts that came, changed and went"

    var testDescription: String { rawValue }

    var arguments: [String] {
      switch self {
      case .firstHour: ["run", "pageviews", "--from", "2024-01-01T05"]
      case .replacedHour: ["run", "pageviews", "--from", "2024-01-01T05", "--force"]
      case .firstFull, .replacedFull: ["run", "shop"]
      case .firstChain, .changedChain: ["run", "goods"]
      case .firstIndex, .changedIndex: ["run", "wordindex"]
      case .rolledBack:
        ["state", "rollback"] + Goods.tables.map { "goods.\($0)" }
          + ["--as-of", "2024-01-02T05:30"]
      case .relocated: ["state", "relocate"]
      case .maintained: ["maintain", "goods"]
      }
    }

    var variables: [String: String] {
      switch self {
      case .rolledBack: ["SLUICE_NOW": "2024-01-02T07:10:00Z"]
      case .maintained: ["SLUICE_NOW": "2024-01-12T05:10:00Z"]
      default: [:]
      }
    }

    /// What comes to rest after that, and has nothing to do then.
    var settling: [String] {
      switch self {
      case .rolledBack, .relocated, .maintained: ["run", "goods"]
      default: again
      }
    }

    /// Brings the following command without `--force` to the same end as the killed one.
    var again: [String] { arguments.filter { $0 != "--force" } }

    /// In the short mode, one of so many moments is tried.
    var stride: Int {
      switch self {
      case .firstChain, .changedChain: 10
      case .rolledBack, .relocated: 5
      case .firstIndex, .changedIndex: 6
      default: 3
      }
    }

    /// A project at the point where the run begins.
    func project() throws -> PageviewsProject {
      let project = try PageviewsProject()
      switch self {
      case .firstHour: try project.stage("2024-01-01T05", newer)
      case .replacedHour:
        // Then what changed is looked for, and not only what is new.
        try project.edit(
          "pipelines/pageviews/pipeline.yaml", "on_republish: ignore", "on_republish: rerun")
        try project.stage("2024-01-01T05", "aa Old 9 0\nold junk\nzz Old 1 0\n")
        try project.mustRun(again)
        try project.stage("2024-01-01T05", newer)
      case .firstFull:
        try Shop.write(to: project)
        try project.root.write(Shop.newer, to: "orders/1.csv")
      case .replacedFull:
        try Shop.write(to: project)
        try project.root.write("customer,amount\nann,1\nx,y,z\n", to: "orders/1.csv")
        try project.mustRun(again)
        try project.root.write(Shop.newer, to: "orders/1.csv")
      case .firstChain:
        try Goods.write(to: project)
        try Goods.fill(project)
      case .changedChain:
        try Goods.write(to: project)
        try Goods.fill(project)
        try project.mustRun(again)
        try Goods.change(project)
      case .relocated:
        try Goods.write(to: project)
        for change in [Goods.fill, Goods.change] {
          try change(project)
          try project.mustRun(["run", "goods", "--lake", "elsewhere/lake"])
        }
        // The old place is gone, so that nothing can be read there.
        try FileManager.default.moveItem(
          at: project.root.appending(path: "elsewhere/lake"), to: project.lake)
      case .rolledBack, .maintained:
        try Goods.write(to: project)
        try Goods.fill(project)
        try project.mustRun(["run", "goods"])
        try Goods.change(project)
        let later = ["SLUICE_NOW": "2024-01-02T06:10:00Z"]
        try project.mustRun(["run", "goods"], variables: later)
        guard self == .maintained else { break }
        // What the first maintenance lets go of, the second may delete.
        try project.edit(
          "sluice.yaml", "cache:", "maintenance: {keep: 1s, snapshots: 1, grace: 1h}\ncache:")
        try project.mustRun(
          ["maintain", "goods"], variables: ["SLUICE_NOW": "2024-01-08T00:00:00Z"])
        for name in ["h", "i"] {
          try Goods.put(project, name, "1,ann,13,9")
          try project.mustRun(["run", "goods"], variables: ["SLUICE_NOW": "2024-01-09T00:00:00Z"])
        }
        try project.age(by: 10 * 86_400)
      case .firstIndex: try Texts.write(to: project)
      case .changedIndex:
        try Texts.write(to: project)
        try project.mustRun(again)
        try Texts.change(project)
      }
      return project
    }

    private var newer: String { "aa B 3 0\naa A 3 0\nnot a line\nde \"Z 2 0\nde y x 0\n" }
  }

  struct Survivor: Sendable {
    var moment: String
    var project: PageviewsProject
    var complaints: [String]
    var wasKilled = false
  }

  @Test("rule 37: there are at least 500 moments to kill a run at")
  func moments() throws {
    var total = 0
    for scenario in Scenario.allCases {
      let (outcome, mutations) = try scenario.project().traced(
        scenario.arguments, variables: scenario.variables)
      try #require(outcome.exitCode == 0, "\(outcome)")
      total += 2 * mutations.count
      print("\(2 * mutations.count) moments: \(scenario.rawValue)")
    }
    print("\(total) moments in all")
    #expect(total >= 500)
  }

  @Test(
    "rule 37: killed anywhere, the next run publishes the same, once", arguments: Scenario.allCases)
  func everywhere(scenario: Scenario) throws {
    let whole = try scenario.project()
    let (outcome, mutations) = try whole.traced(
      scenario.arguments, variables: scenario.variables)
    try #require(outcome.exitCode == 0, "\(outcome)")
    try whole.mustRun(scenario.settling, variables: scenario.variables)
    let expected = try LakeAudit.of(whole.lake).content(of: whole)
    // What is compared below is there to be compared.
    #expect(expected.count >= 4 && expected.values.allSatisfy { !$0.isEmpty })
    #expect(mutations.count >= 15)

    let all = mutations.flatMap { ["before:\($0.number)", "after:\($0.number)"] }
    let moments =
      CrashTests.isLong ? all : stride(from: 0, to: all.count, by: scenario.stride).map { all[$0] }
    #expect(moments.count >= 9)
    let survivors = try concurrently(moments, limit: 2) { moment in
      try kill(scenario, at: moment)
    }.map { try $0.get() }
    let audits = try LakeAudit.of(survivors.map(\.project.lake))
    #expect(audits.count == moments.count)
    let kills = survivors.count(where: \.wasKilled)
    print("\(kills) kills at \(all.count) moments: \(scenario.rawValue)")
    for (survivor, audit) in zip(survivors, audits) {
      let call = mutations.first { survivor.moment.hasSuffix(":\($0.number)") }
      let place = "\(survivor.moment) \(call.map { "\($0.method) \($0.key)" } ?? "")"
      #expect(survivor.complaints == [], "\(place)")
      #expect(audit.content(of: survivor.project) == expected, "\(place)")
      let disagreements = try survivor.project.disagreements(audit)
      #expect(disagreements == [], "\(place)")
    }
  }

  @Test("Killed at any time, also in the middle of a call")
  func anytime() throws {
    let scenario = Scenario.replacedHour
    let whole = try scenario.project()
    let outcome = try whole.run(scenario.arguments)
    try #require(outcome.exitCode == 0, "\(outcome)")
    // Measured anew whenever one runs to its end: how busy the machine is changes.
    var duration = Duration.seconds(2)
    let expected = try LakeAudit.of(whole.lake).content(of: whole)

    let count = CrashTests.isLong ? 200 : 16
    var killed = 0
    var projects: [PageviewsProject] = []
    for index in 0..<count {
      let project = try scenario.project()
      let start = ContinuousClock.now
      let command = try project.start(scenario.arguments)
      let delay = duration * index / count
      usleep(UInt32(delay / .microseconds(1)))
      command.send(signal: SIGKILL)
      if command.wait().end == .killed(signal: SIGKILL) {
        killed += 1
      } else {
        duration = min(duration, ContinuousClock.now - start)
      }
      let again = try project.run(scenario.again)
      #expect(again.exitCode == 0, "\(again)")
      projects.append(project)
    }
    print("\(killed) kills at any time: \(scenario.rawValue)")
    #expect(killed >= 2)
    for (project, audit) in zip(projects, try LakeAudit.of(projects.map(\.lake))) {
      #expect(audit.content(of: project) == expected)
      let disagreements = try project.disagreements(audit)
      #expect(disagreements == [])
    }
  }

  /// Kills one run, runs again, and once more. On a thread of its own, so it tells what is wrong
  /// instead of expecting.
  private func kill(_ scenario: Scenario, at moment: String) throws -> Survivor {
    var survivor = Survivor(moment: moment, project: try scenario.project(), complaints: [])
    let project = survivor.project
    func check(_ isRight: Bool, _ outcome: Outcome) {
      if !isRight { survivor.complaints.append("\(outcome)") }
    }
    let variables = scenario.variables
    let killed = try project.killed(scenario.arguments, at: moment, variables: variables)
    survivor.wasKilled = killed.end == .killed(signal: SIGKILL)
    check(survivor.wasKilled, killed)
    if scenario == .maintained {
      // Who reads in between finds all there is.
      let read = try project.run([
        "query",
        Goods.tables.map { "SELECT count(*) FROM goods.\($0)" }.joined(separator: " UNION ALL "),
      ])
      check(read.exitCode == 0, read)
    }
    // A damaged lake can be looked at.
    if scenario != .relocated { _ = try project.leftovers() }

    let again = try project.run(scenario.again, variables: variables)
    check(again.exitCode == 0, again)
    if scenario.settling != scenario.again {
      let settled = try project.run(scenario.settling, variables: variables)
      check(settled.exitCode == 0, settled)
    }
    let lake = try project.listing("lake")
    let third = try project.run(scenario.settling + ["--json"], variables: variables)
    check(third.exitCode == 0, third)
    check(try third.json().last?["status"] == "unchanged", third)
    check(try project.listing("lake") == lake, third)
    return survivor
  }

  @Test(
    "A killed run leaves nothing behind in the folder for temporary files",
    arguments: ["csv", "parquet"])
  func temporaryFiles(format: String) throws {
    let scenario = Scenario.firstHour
    let whole = try scenario.project()
    let exports = try whole.traced(scenario.arguments).mutations.filter { $0.method == "export" }
    let call = try #require(format == "csv" ? exports.first : exports.last)
    let project = try scenario.project()
    let killed = try project.killed(scenario.arguments, at: "after:\(call.number)")
    #expect(killed.end == .killed(signal: SIGKILL))
    try project.mustRun(scenario.again)
    let left = try project.listing(".sluice").keys.sorted()
    #expect(left == [])
  }
}

/// A second pipeline: files → `totals` (full) → `ranks` (full), with quarantine and an export.
enum Shop {
  static let newer = "customer,amount\nann,7\nbob,20\nbob,oops\nann,1\n\"a\nb\",c,\n"

  static func write(to project: PageviewsProject) throws {
    try project.root.write(
      """
      sources:
        orders:
          files: orders/*.csv
          format: csv
          header: true
          malformed: quarantine
          columns: {customer: string, amount: bigint}
      exports:
        totals:
          model: totals
          to: ${lake}/exports/shop/totals
          format: csv
          compression: gzip
          header: true
          columns: [customer, total]
          sort: [customer]
      """, to: "pipelines/shop/pipeline.yaml")
    try project.root.write(
      """
      kind: full
      sort: [customer]
      columns:
        customer: {type: string, checks: [not_null, unique]}
        total: {type: bigint, checks: [{between: {min: 0}}]}
      """, to: "pipelines/shop/models/totals.yaml")
    try project.root.write(
      "SELECT customer, sum(amount)::bigint AS total FROM orders GROUP BY customer",
      to: "pipelines/shop/models/totals.sql")
    try project.root.write(
      "kind: full\ncolumns: {customer: {type: string}, rank: {type: bigint}}",
      to: "pipelines/shop/models/ranks.yaml")
    try project.root.write(
      "SELECT customer, rank() OVER (ORDER BY total DESC) AS rank FROM totals",
      to: "pipelines/shop/models/ranks.sql")
  }
}

/// The shipped pipeline `wordindex` over a few texts.
enum Texts {
  static func write(to project: PageviewsProject) throws {
    let pipeline = project.root.appending(path: "pipelines/wordindex")
    try FileManager.default.copyItem(
      at: Repository.root.appending(path: "pipelines/wordindex"), to: pipeline)
    try FileManager.default.removeItem(at: pipeline.appending(path: "sample"))
    for number in 1...7 { try put(project, number, "all of them, number \(number)") }
    try project.root.write([0x61, 0, 0x62], to: "pipelines/wordindex/sample/8.txt")
  }

  static func put(_ project: PageviewsProject, _ number: Int, _ text: String) throws {
    try project.root.write(text, to: "pipelines/wordindex/sample/\(number).txt")
  }

  static func change(_ project: PageviewsProject) throws {
    try put(project, 2, "changed, of them")
    try project.root.write([0x61, 0, 0x63, 0x64], to: "pipelines/wordindex/sample/8.txt")
    try put(project, 9, "all new")
    try FileManager.default.removeItem(
      at: project.root.appending(path: "pipelines/wordindex/sample/3.txt"))
  }
}

/// A third pipeline, of the kinds that follow their input: files → `bronze` (append, rows set aside)
/// → `silver` (merge) → `copy` (append) and `totals` (full, exported) → `large` (view); `direct`
/// (merge) reads the files themselves, and in `live` (merge) some rows say that their keys are gone.
enum Goods {
  static let tables = ["bronze", "silver", "direct", "live", "copy", "totals"]

  static func write(to project: PageviewsProject) throws {
    try project.root.write(
      """
      sources:
        items:
          files: items/*.csv
          format: csv
          malformed: quarantine
          max_removed: 100%
          columns: {id: bigint, owner: string, amount: bigint, ts: bigint}
      exports:
        totals:
          model: totals
          to: ${lake}/exports/goods/totals
          format: csv
          sort: [owner]
      """, to: "pipelines/goods/pipeline.yaml")
    let columns =
      "columns: {id: bigint, owner: string, amount: {type: bigint, checks: "
      + "[{between: {min: 0, severity: quarantine}}]}, ts: bigint}"
    let merge = "kind: merge\nunique_key: [id]\norder_by: [ts]\n\(columns)\n"
    let models = [
      "bronze": (
        "kind: append\nincremental: {on: items}\n\(columns)", "SELECT * FROM items"
      ),
      "silver": (
        merge + "incremental: {on: bronze}", "SELECT id, owner, amount, ts FROM bronze"
      ),
      "direct": (merge + "incremental: {on: items}", "SELECT id, owner, amount, ts FROM items"),
      "live": (
        merge.replacingOccurrences(of: "columns: {", with: "columns: {gone: boolean, ")
          + "incremental: {on: items}\ndelete_marker: gone",
        "SELECT amount % 10 = 1 OR amount = 20 AS gone, id, owner, amount, ts FROM items"
      ),
      "copy": (
        "kind: append\nincremental: {on: silver}\n\(columns)",
        "SELECT id, owner, amount, ts FROM silver"
      ),
      "totals": (
        "kind: full\ncolumns: {owner: string, total: bigint}",
        "SELECT owner, sum(amount)::bigint AS total FROM silver GROUP BY owner"
      ),
      "large": (
        "kind: view\ncolumns: {owner: string, total: bigint}",
        "SELECT * FROM totals WHERE total > 10"
      ),
    ]
    for (name, model) in models {
      try project.root.write(model.0, to: "pipelines/goods/models/\(name).yaml")
      try project.root.write(model.1, to: "pipelines/goods/models/\(name).sql")
    }
  }

  static func put(_ project: PageviewsProject, _ file: String, _ rows: String...) throws {
    try project.root.write(
      "id,owner,amount,ts\n" + rows.map { $0 + "\n" }.joined(), to: "items/\(file).csv")
  }

  static func fill(_ project: PageviewsProject) throws {
    try put(project, "a", "1,ann,10,5", "2,bob,20,5", "x,y,z,1")
    try put(project, "b", "1,ann,11,6", "3,cid,-1,5", "4,dan,40,1")
    try put(project, "c", "5,eve,50,1")
  }

  /// A winner changes and another goes, a late row loses, a new key comes.
  static func change(_ project: PageviewsProject) throws {
    try put(project, "a", "1,ann,10,5", "2,bob,21,5", "x,y,z,1")
    try FileManager.default.removeItem(at: project.root.appending(path: "items/b.csv"))
    try put(project, "d", "5,eve,49,0", "6,fay,60,1", "7,gus,-7,1")
  }

  /// What is in the tables after `fill` and `change`.
  static let silver = ["1 ann 10", "2 bob 21", "5 eve 50", "6 fay 60"]
}
