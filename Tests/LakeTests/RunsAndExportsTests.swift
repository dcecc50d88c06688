import Core
import Foundation
import Stores
import Testing

@testable import Lake

@Suite("Runs")
struct RunTests {
  private let scratch = ScratchLake()

  @Test("names of runs sort by time and tell it")
  func names() throws {
    let start = Instant(microseconds: 1_704_085_199_123_456)
    let run = RunID(start: start)
    #expect(run.rawValue.hasPrefix("20240101T045959123-"))
    #expect(run.start == Instant(microseconds: 1_704_085_199_123_000))
    #expect(RunID(rawValue: run.rawValue) == run)
    #expect(run < RunID(start: start.adding(seconds: 1)))
    #expect(RunID(start: start) != RunID(start: start))
    for bad in ["", "x", run.rawValue + "0", "20241301T045959123-0123456789ab", "../../etc/passwd"]
    {
      #expect(RunID(rawValue: bad) == nil, "\(bad)")
    }
  }

  @Test("records are written once, listed by range, newest first, and read")
  func history() throws {
    let history = scratch.lake.history
    let runs = (0..<3).map { RunID(start: hour($0 * 20).start) }
    for run in runs { try history.write(run, [.init("status", "ok")]) }
    #expect(try scratch.keys("runs/date=2024-01-02/").count == 1)
    #expect(try history.list() == runs.reversed())
    #expect(try history.list(limit: 1) == [runs[2]])
    #expect(try history.list(from: hour(20).start, to: hour(40).start) == [runs[1]])
    #expect(try history.read(runs[0])?["status"] == "ok")
    #expect(try history.read(RunID(start: hour(0).start)) == nil)
    // Written again with other words: refused; with the same: a lost answer.
    try history.write(runs[0], [.init("status", "ok")])
    expectFailure(.invalid) { try history.write(runs[0], [.init("status", "failed")]) }
  }

  @Test("rule 19: a living run is on record until it ends")
  func active() throws {
    let time = ManualClock()
    let store = FaultyStore(scratch.store)
    let run = try ActiveRun(RunID(start: time.clock.now()), store: store, clock: time.clock)
    #expect(try scratch.lake.history.active() == [run.id])
    try run.renewIfDue()
    #expect(store.count == 1)
    time.advance(seconds: 700)
    try run.renewIfDue()
    #expect(store.count == 2)
    let record = try #require(try scratch.store.get(LakeLayout.activeRun(run.id)))
    #expect(try JSON(parsing: record.bytes)["renewed"]?.string == time.clock.now().description)
    try run.checkMayPublish()
    try run.finish()
    #expect(try scratch.lake.history.active().isEmpty)
    #expect(try scratch.lake.history.list().isEmpty)
  }

  @Test("rule 19: staging is below data/<run>/, one folder a part")
  func staging() {
    let run = RunID(start: hour(0).start)
    let id = TableID("p", "m")
    #expect(
      scratch.lake.staging(id, run: run, part: "2024-01-01T00/../x")
        == "\(scratch.path)/tables/p/m/data/\(run)/2024-01-01T00_.._x")
    #expect(scratch.lake.staging(id, run: run) == "\(scratch.path)/tables/p/m/data/\(run)")
    #expect(LakeLayout.safe("..") == "___")
  }
}

@Suite("Exports")
struct ExportTests {
  private let scratch = ScratchLake()
  private let local = ScratchLake()

  private var folder: ExportFolder {
    ExportFolder(store: scratch.store, folder: "format=csv/year=2024")
  }

  private func write(_ text: String) throws -> String {
    let path = "\(local.path)/\(UUID().uuidString)"
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    return path
  }

  private func marker(_ state: String) -> ExportMarker {
    ExportMarker(interval: hour(0), state: state, definition: "d", run: "r", rowCount: 3)
  }

  private func publish(_ text: String, _ state: String) throws -> ExportMarker {
    try folder.publish(
      [try write(text)], stem: "top_pages", suffix: ".csv.gz", marker: marker(state)
    ) { $0?.state != state }
  }

  @Test("rule 17: a file named by its content, a marker that names it, and the old file gone")
  func replace() throws {
    #expect(try folder.marker() == nil)
    let first = try publish("hello", "s1")
    let hash = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    #expect(first.files.map(\.sha256) == [hash])
    let name = "top_pages-\(hash.prefix(16)).csv.gz"
    #expect(
      try scratch.keys() == ["format=csv/year=2024/_SUCCESS", "format=csv/year=2024/\(name)"])
    #expect(try folder.marker() == first)
    #expect(first.interval == hour(0))
    #expect(try folder.isComplete(first))

    let second = try publish("other", "s2")
    #expect(second.files != first.files)
    #expect(try scratch.keys().count == 2)
    #expect(try folder.marker() == second)
    #expect(try !folder.isComplete(first))

    // Already there: nothing changes.
    #expect(try publish("third", "s2") == second)
    #expect(try scratch.keys().count == 2)
    // The same content under another state keeps its file.
    let fourth = try publish("other", "s3")
    #expect(fourth.files == second.files)
    #expect(try folder.isComplete(fourth))
  }

  @Test("rule 17: the loser of the marker's swap asks again and leaves the winner alone")
  func race() throws {
    let path = try write("mine")
    var calls = 0
    let result = try folder.publish([path], stem: "t", suffix: ".csv", marker: marker("mine")) {
      present in
      calls += 1
      if calls == 1 { _ = try publish("theirs", "theirs") }
      return present?.state != "theirs"
    }
    #expect(calls == 2)
    #expect(result.state == "theirs")
    #expect(try scratch.keys().count == 2)
    #expect(try folder.isComplete(result))
  }

  @Test("rule 17: killed at any step, the next export is complete")
  func killPoints() throws {
    for step in 1...3 {
      for fault in [Fault.dieBefore, .dieAfter] {
        let scratch = ScratchLake()
        func export(_ store: any Store, _ text: String, _ state: String) throws -> ExportMarker {
          try ExportFolder(store: store, folder: "f").publish(
            [try write(text)], stem: "t", suffix: ".csv", marker: marker(state)
          ) { $0?.state != state }
        }
        _ = try export(scratch.store, "old", "s1")
        let dying = FaultyStore(scratch.store) { _, _, number in number == step ? fault : .none }
        #expect(throws: (any Error).self) {
          _ = try export(dying, "new", "s2")
          if step == 3 { throw Died() }
        }
        let between = try #require(try ExportFolder(store: scratch.store, folder: "f").marker())
        #expect(try ExportFolder(store: scratch.store, folder: "f").isComplete(between))
        let done = try export(scratch.store, "new", "s2")
        #expect(done.state == "s2")
        #expect(try ExportFolder(store: scratch.store, folder: "f").isComplete(done))
      }
    }
  }

  @Test("an empty marker of another program is replaced")
  func foreignMarker() throws {
    _ = try scratch.store.put("format=csv/year=2024/_SUCCESS", .bytes([]), .always)
    #expect(try folder.marker() == nil)
    #expect(try publish("hello", "s1").state == "s1")
    #expect(try folder.marker()?.state == "s1")
  }
}
