import Core
import Foundation
import Stores
import Testing

@testable import Lake

@Suite("Landing areas")
struct LandingTests {
  private let scratch = ScratchLake()

  private var area: LandingArea {
    LandingArea(store: scratch.store, pipeline: "p", source: "s")
  }

  @Test(
    "a day is ten characters of a calendar",
    arguments: [
      ("1970-01-01", true), ("2024-02-29", true), ("2023-02-29", false), ("2024-1-01", false),
      ("2024-01-01T00", false), ("", false), ("2024-13-01", false), ("-024-01-01", false),
      ("+024-01-01", false),
    ])
  func days(text: String, isDay: Bool) {
    #expect(LandingDay(text)?.description == (isDay ? text : nil))
  }

  @Test("a day begins and ends at midnight UTC")
  func midnight() {
    #expect(LandingDay(Instant(microseconds: -1)).description == "1969-12-31")
    #expect(LandingDay(Instant(microseconds: 0)).description == "1970-01-01")
    #expect(LandingDay(Instant(seconds: 86_399)).description == "1970-01-01")
    #expect(LandingDay(Instant(seconds: 86_400)).description == "1970-01-02")
  }

  @Test("keys differ where origin, version or day do, and end with the origin's name")
  func keys() throws {
    let day = try #require(LandingDay("2024-01-02"))
    let other = try #require(LandingDay("2024-01-03"))
    func key(_ origin: String, _ version: String, _ day: LandingDay) -> String {
      area.key(of: ListedFile(key: origin, byteCount: 1, version: version), on: day)
    }
    let origins = ["https://h/a/x.csv", "https://h/b/x.csv", "s3://b/x.csv", "data/x.csv"]
    let keys = origins.flatMap { origin in
      ["1", "2"].flatMap { version in
        [day, other].map { key(origin, version, $0) }
      }
    }
    #expect(Set(keys).count == 16)
    #expect(keys.allSatisfy { $0.hasSuffix("/x.csv") })
    for (origin, name) in [
      ("https://h/x.csv.gz?a=b/c.csv", "x.csv.gz"), ("https://h/", "data"), ("a/..", "___"),
      ("s3://b/x?y", "x_y"), ("data/ä b.csv", "___b.csv"),
      (
        "data/" + String(repeating: "l", count: 300) + ".csv",
        String(repeating: "l", count: 116) + ".csv"
      ),
    ] {
      #expect(key(origin, "1", day).split(separator: "/").last.map(String.init) == name)
    }
  }

  @Test("copies that no log names go, two days later; those of all versions that it names stay")
  func unlogged() throws {
    let clock = ManualClock().clock
    let log = SourceLog(
      store: scratch.store, pipeline: "p", source: "s", limits: .standard, entriesPerCheckpoint: 2)
    let (day, later) = (LandingDay("2024-01-02")!, LandingDay("2024-01-03")!)
    #expect(FileManager.default.createFile(atPath: scratch.path + "/bytes", contents: Data([1])))
    func land(_ key: String, _ version: String, _ day: LandingDay) throws -> ListedFile {
      let file = ListedFile(key: key, byteCount: 1, version: version, landed: day)
      _ = try area.put(scratch.path + "/bytes", as: file, on: day)
      return file
    }
    var state = LogState.empty
    // A file with two versions, one that was removed, and one that comes by a checkpoint.
    for change in [
      FileChange(.added, try land("a", "1", day)), FileChange(.changed, try land("a", "2", day)),
      FileChange(.added, try land("b", "1", later)),
      FileChange(.removed, ListedFile(key: "b", byteCount: 0, version: "1")),
      FileChange(.added, try land("c", "1", later)),
    ] {
      state = try log.append([change], after: state, definition: "", clock: clock)
    }
    let lost = try [land("a", "3", day), land("d", "1", later)]
    let all = try scratch.keys("landing").count
    #expect(all == 6)
    func found(_ today: String, isOld: Bool = true) throws -> [String] {
      try area.unlogged(by: log, today: LandingDay(today)!) { _ in isOld }.map(\.key)
    }
    #expect(try found("2024-01-03") == [])
    #expect(try found("2024-01-04") == [area.key(of: lost[0], on: day)])
    #expect(
      try found("2024-01-05")
        == [area.key(of: lost[0], on: day), area.key(of: lost[1], on: later)].sorted())
    #expect(try found("2024-01-05", isOld: false) == [])
    try scratch.store.delete(found("2024-01-05"))
    #expect(try found("2024-02-01") == [])
  }

  @Test("rule 6: a log says where a version has landed, through entries and checkpoints")
  func logged() throws {
    let clock = ManualClock().clock
    let log = SourceLog(
      store: scratch.store, pipeline: "p", source: "s", limits: .standard, entriesPerCheckpoint: 2)
    let day = LandingDay("2024-01-02")
    var state = LogState.empty
    for (key, landed) in [("a", day), ("b", nil), ("c", LandingDay("1969-12-31"))] {
      let file = ListedFile(key: key, byteCount: 1, version: "v", landed: landed)
      state = try log.append([FileChange(.added, file)], after: state, definition: "", clock: clock)
    }
    let read = try log.read()
    #expect(read.files.map(\.landed) == [day, nil, LandingDay("1969-12-31")])
    #expect(read.files.elementsEqual(state.files))
    // That a copy came is nothing that has happened to the file.
    let listing = ["a", "b", "c"].map { ListedFile(key: $0, byteCount: 1, version: "v") }
    #expect(try read.diff(listing: listing).isEmpty)
  }
}
