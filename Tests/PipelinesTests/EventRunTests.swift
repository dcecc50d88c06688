import Core
import Engines
import Foundation
import Lake
import Project
import Stores
import Synchronization
import Testing

@testable import Pipelines

@Suite("runs of events, end to end") struct EventRunTests {
  /// A workspace that remembers what its stores were asked.
  final class Watched {
    let workspace: Workspace
    private let stores: Stores
    private let folder: String

    final class Stores: Sendable {
      let all = Mutex<[FaultStore]>([])
    }

    init(_ project: TestProject, schedule: @escaping FaultStore.Schedule = { _ in nil }) throws {
      let stores = Stores()
      let opener = StoreOpener(wrap: { store in
        let watched = FaultStore(wrapping: store, schedule: schedule)
        stores.all.withLock { $0.append(watched) }
        return watched
      })
      let base = try project.workspace()
      workspace = try Workspace(
        project: base.project, context: base.context, opener: opener, engine: base.engine,
        cache: base.cache)
      self.stores = stores
      folder = project.folder.path()
    }

    /// Calls below a folder of the project, e.g. `head 1.csv`.
    func calls(_ methods: Set<FaultStore.Method>, below name: String) -> [String] {
      stores.all.withLock { $0 }.filter { $0.root.hasPrefix(folder + name) }.flatMap { store in
        store.history.filter { methods.contains($0.method) }.map {
          "\($0.method.rawValue) \($0.key)"
        }
      }.sorted()
    }
  }

  static func path(_ project: TestProject, _ name: String) -> String {
    project.folder.appending(path: name).path()
  }

  /// Plans and runs what events name, in folder `data`; expects that nothing there was listed.
  ///
  /// - Returns: The run's report, and what the plan looked at: a run also reads files.
  @discardableResult
  func run(
    _ project: TestProject, _ names: [String], allowRemovals: Bool = false
  ) throws -> (report: RunReport, looks: [String]) {
    let selection = Selection(
      allowRemovals: allowRemovals, events: names.map { Self.path(project, $0) })
    let planned = try Watched(project)
    _ = try planned.workspace.plan(selection)
    let watched = try Watched(project)
    let report = try watched.workspace.run(selection)
    #expect(watched.calls([.list], below: "data") == [])
    return (report, planned.calls([.list, .head, .read], below: "data"))
  }

  /// The orders of `FullTests`, with ten files that a run has consumed.
  func tenFiles() throws -> TestProject {
    let project = try FullTests.project()
    for number in 2...10 { try project.write("data/\(number).csv", "customer,amount\nann,1\n") }
    #expect(try project.run().status == .done)
    return project
  }

  let total = "SELECT total FROM shop.totals WHERE customer = 'ann'"

  @Test("rule 2: an added, a changed and a removed object, each by its HEAD and without a listing")
  func changes() throws {
    let project = try tenFiles()
    #expect(try project.rows(total) == ["16"])
    try project.write("data/new.csv", "customer,amount\nann,100\n")
    try project.write("data/unnamed.csv", "customer,amount\nann,5000\n")
    try project.write("data/2.csv", "customer,amount\nann,1\nann,1000\n")
    try project.remove("data/3.csv")
    let names = ["data/new.csv", "data/2.csv", "data/3.csv", "data/4.csv"]

    let watched = try Watched(project)
    let plan = try watched.workspace.plan(
      Selection(events: names.map { Self.path(project, $0) }))
    let batch = try #require(plan.pipelines[0].batches.first)
    #expect(batch.added == 1 && batch.changed == 1 && batch.removed == 1)
    #expect(
      watched.calls([.list, .head, .read], below: "data") == [
        "head 2.csv", "head 3.csv", "head 4.csv", "head new.csv",
      ])

    let (report, looks) = try run(project, names)
    #expect(report.units.map(\.status) == [.published, .published], "\(report.failures)")
    #expect(looks == ["head 2.csv", "head 3.csv", "head 4.csv", "head new.csv"])
    #expect(try project.rows(total) == ["1115"])
    // Told twice: nothing to do.
    let before = try project.lakeListing()
    #expect(try run(project, names).report.status == .unchanged)
    #expect(try project.lakeListing() == before)
    // A look at everything finds what no event told.
    #expect(try project.run().status == .done)
    #expect(try project.rows(total) == ["6115"])
  }

  @Test("rule 2: what a message says of an object does not count, only what is there")
  func outOfOrder() throws {
    let project = try tenFiles()
    let gone = Self.path(project, "data/gone.csv")
    let there = Self.path(project, "data/there.csv")
    try project.write("data/there.csv", "customer,amount\nann,100\n")
    // Created after it was removed, and removed before it was created: the last word is the store's.
    let text = """
      {"address": "\(gone)", "event": "created"}
      {"address": "\(there)", "event": "created"}
      {"address": "\(there)", "event": "removed"}
      {"address": "\(there)", "event": "removed"}
      """
    let events = try ObjectEvents.addresses(in: Array(text.utf8), from: "x")
    let planned = try Watched(project)
    _ = try planned.workspace.plan(Selection(events: events))
    #expect(
      planned.calls([.list, .head], below: "data") == ["head gone.csv", "head there.csv"])
    let report = try project.run(Selection(events: events))
    #expect(report.status == .done, "\(report.failures)")
    #expect(try project.rows(total) == ["116"])
  }

  @Test(
    "objects that no source means are not looked at, and nothing is begun",
    arguments: [
      [], ["data/x.txt"], ["data/sub/1.csv"], ["data/.1.csv"], ["elsewhere/1.csv"], ["data"],
      ["data2/1.csv"],
    ])
  func unrelated(_ names: [String]) throws {
    let project = try tenFiles()
    try project.write("data/2.csv", "customer,amount\nann,77\n")
    let before = try project.lakeListing()
    let (report, looks) = try run(project, names)
    #expect(report.status == .unchanged)
    #expect(report.units.isEmpty)
    #expect(looks == [])
    #expect(try project.lakeListing() == before)
  }

  @Test("a second attempt looks at what failed, and lists nothing")
  func attempts() throws {
    let project = try tenFiles()
    try project.write("data/2.csv", "customer,amount\nann,1\nann,1000\n")
    // A file that no event named turns out to be another one while it is read.
    let watched = try Watched(project) { call in
      call.method == .head && call.key == "5.csv" && call.attempt == 1 ? .fails(.changed) : nil
    }
    let report = try watched.workspace.run(
      Selection(events: [Self.path(project, "data/2.csv")]))
    #expect(report.status == .done, "\(report.failures)")
    #expect(report.units.first?.attempts == 2)
    #expect(watched.calls([.list], below: "data") == [])
    #expect(try project.rows(total) == ["1016"])
  }

  @Test("a folder where the object was has removed it")
  func folder() throws {
    let project = try tenFiles()
    try project.remove("data/3.csv")
    try project.write("data/3.csv/x", "y")
    #expect(try run(project, ["data/3.csv"]).report.status == .done)
    #expect(try project.rows(total) == ["15"])
  }

  @Test("an address may be a URI, and need not be in its shortest form")
  func spelling() throws {
    let project = try tenFiles()
    try project.write("data/new one.csv", "customer,amount\nann,100\n")
    let folder = Self.path(project, "data")
    let report = try project.run(
      Selection(events: ["file://\(folder)//../data/./new%20one.csv"]))
    #expect(report.status == .done, "\(report.failures)")
    #expect(try project.rows(total) == ["116"])
    let error = #expect(throws: StoreError.self) {
      try project.run(Selection(events: ["ftp://host/x"]))
    }
    #expect(error?.exitCode == 2)
  }

  @Test("rule 5: events that remove too much need --allow-removals too")
  func removals() throws {
    let project = try tenFiles()
    let names = ["data/2.csv", "data/3.csv", "data/4.csv"]
    for name in names { try project.remove(name) }
    let refused = try run(project, names).report
    #expect(refused.status == .failed)
    #expect(refused.units[0].failure?.qualifiedCode == "lake.tooManyRemovals")
    #expect(try run(project, names, allowRemovals: true).report.status == .done)
    #expect(try project.rows(total) == ["13"])
  }

  @Test("rule 2: an object that cannot be looked at fails the run, so that its message comes again")
  func unreachable() throws {
    let project = try tenFiles()
    try project.write("data/new.csv", "customer,amount\nann,100\n")
    let watched = try Watched(project) { call in
      call.method == .head && call.key == "new.csv" ? .fails(.unreachable) : nil
    }
    let events = [Self.path(project, "data/new.csv")]
    #expect(try watched.workspace.run(Selection(events: events)).status == .failed)
    #expect(try run(project, ["data/new.csv"]).report.status == .done)
    #expect(try project.rows(total) == ["116"])
  }

  @Test("a batch that was logged and not consumed is consumed, whatever is named then")
  func pending() throws {
    let project = try tenFiles()
    try project.write("data/new.csv", "customer,amount\nann,100\n")
    let workspace = try project.workspace()
    let survey = try workspace.planner.survey(
      Selection(events: [Self.path(project, "data/new.csv")]))
    // The run is killed right after the log append.
    for view in survey.sources.values { _ = try workspace.planner.sourcePlanner.append(view) }
    let (report, looks) = try run(project, ["elsewhere/1.csv"])
    #expect(report.units.map(\.status) == [.published, .published], "\(report.failures)")
    #expect(looks == [])
    #expect(try project.rows(total) == ["116"])
  }

  @Test("rule 1: a log that moved between the look and the append is looked at again")
  func movedLog() throws {
    let project = try tenFiles()
    try project.write("data/new.csv", "customer,amount\nann,100\n")
    try project.write("data/other.csv", "customer,amount\nann,1000\n")
    // Another run appends first: its entry is the one that the events' run tries to create.
    nonisolated(unsafe) let rival = project
    let other = Self.path(project, "data/other.csv")
    let watched = try Watched(project) { call in
      guard call.method == .head, call.key == "new.csv", call.attempt == 1 else { return nil }
      _ = try? rival.run(Selection(events: [other]))
      return nil
    }
    let report = try watched.workspace.run(
      Selection(events: [Self.path(project, "data/new.csv")]))
    #expect(report.status == .done, "\(report.failures)")
    #expect(watched.calls([.list], below: "data") == [])
    #expect(try project.rows(total) == ["1116"])
  }

  @Test("rule 5: a source that looks elsewhere now is listed once, so that old files can go")
  func movedSource() throws {
    let project = try tenFiles()
    let path = "pipelines/shop/pipeline.yaml"
    let text = String(decoding: try project.read(path), as: UTF8.self)
    try project.write(path, text.replacing("data/*.csv", with: "moved/*.csv"))
    try project.write("moved/1.csv", "customer,amount\nann,3\n")
    let events = [Self.path(project, "moved/1.csv")]
    let refused = try project.run(Selection(events: events))
    #expect(refused.units[0].failure?.qualifiedCode == "lake.tooManyRemovals")
    #expect(try project.rows(total) == ["16"])
    #expect(try project.run(Selection(allowRemovals: true, events: events)).status == .done)
    #expect(try project.rows(total) == ["3"])
  }

  @Test("a new source holds what events named until a run looks at everything")
  func firstLook() throws {
    let project = try FullTests.project()
    try project.write("data/2.csv", "customer,amount\nann,5\n")
    #expect(try run(project, ["data/2.csv"]).report.status == .done)
    #expect(try project.rows("SELECT * FROM totals") == ["ann|5"])
    #expect(try project.run().status == .done)
    #expect(try project.rows("SELECT total FROM totals ORDER BY ALL") == ["12", "20"])
  }

  // MARK: - Intervals

  static func dump(_ hour: String) -> String {
    "dumps/2024/2024-01/pageviews-20240101-\(hour)0000.gz"
  }

  @Test("the intervals of a run are those of the files named; nothing else is looked at")
  func intervals() throws {
    let project = try TestProject.pageviews()
    for hour in ["03", "05", "07"] {
      try project.stage("2024-01-01T\(hour)", IntervalTests.lines)
    }
    let names = ["05", "05", "09", "07"].map { Self.path(project, Self.dump($0)) }
    let watched = try Watched(project)
    let report = try watched.workspace.run(
      Selection(events: names + [Self.path(project, "dumps/2024/2024-02/other.gz")]))
    #expect(report.units.map(\.status) == [.published, .published, .waiting], "\(report.failures)")
    #expect(
      report.units.compactMap(\.interval?.description) == [
        "2024-01-01T05", "2024-01-01T07", "2024-01-01T09",
      ])
    #expect(
      Set(watched.calls([.list, .head], below: "dumps")) == [
        "head pageviews-20240101-050000.gz", "head pageviews-20240101-070000.gz",
        "head pageviews-20240101-090000.gz",
      ])
    #expect(try project.rows("SELECT count(*)::bigint AS n FROM pageviews.top_pages") == ["10"])
    #expect(
      try project.run(Selection(events: names)).units.map(\.status) == [
        .upToDate, .upToDate, .waiting,
      ])
  }

  @Test("hours named one by one make a day, once all have come")
  func day() throws {
    let project = try TestProject.pageviews()
    project.settings = [("interval", "day")]
    for number in 0..<24 {
      let hour = String(number).count == 1 ? "0\(number)" : "\(number)"
      try project.stage("2024-01-01T\(hour)", "aa A 1 0\n")
      let report = try project.run(Selection(events: [Self.path(project, Self.dump(hour))]))
      #expect(report.units.map(\.status) == [number < 23 ? .waiting : .published])
      #expect(report.units[0].interval?.description == "2024-01-01")
    }
    #expect(try project.rows("SELECT views FROM pageviews.top_pages") == ["24"])
  }

  @Test("a file published again reruns its interval where the source says so")
  func republished() throws {
    let project = try TestProject.pageviews()
    let path = "pipelines/pageviews/pipeline.yaml"
    let text = String(decoding: try project.read(path), as: UTF8.self)
    try project.write(path, text.replacing("on_republish: ignore", with: "on_republish: rerun"))
    try project.stage("2024-01-01T05", IntervalTests.lines)
    let selection = Selection(events: [Self.path(project, Self.dump("05"))])
    #expect(try project.run(selection).status == .done)
    try project.stage("2024-01-01T05", "zz Z 9 0\n")
    let again = try project.run(selection)
    #expect(again.units.map(\.reason) == ["published again at the source"], "\(again.failures)")
    #expect(try project.rows(IntervalTests.query) == ["zz|Z|9|1"])
    // Gone at the source is not gone from the table.
    try project.remove(Self.dump("05"))
    #expect(try project.run(selection).status == .unchanged)
  }

  @Test("rule 2: a known interval file that cannot be looked at fails the run")
  func unreachableInterval() throws {
    let project = try TestProject.pageviews()
    try project.stage("2024-01-01T05", IntervalTests.lines)
    let selection = Selection(events: [Self.path(project, Self.dump("05"))])
    #expect(try project.run(selection).status == .done)
    let watched = try Watched(project) { call in
      call.method == .head && call.key.hasPrefix("pageviews-") ? .fails(.unreachable) : nil
    }
    #expect(throws: StoreError.self) { try watched.workspace.run(selection) }
  }
}
