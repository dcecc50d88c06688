import Core
import Foundation
import Stores
import Synchronization
import Testing

@testable import Lake

/// Publishes one hour under one definition unless that is done.
@discardableResult
func publishHour(
  _ lake: Lake, _ id: TableID, _ interval: Interval, run: String, name: String = "a"
) throws -> PublishOutcome {
  let staged = file(lake, id, interval, name: name)
  _ = try lake.store.put(
    try Table.key(of: staged.path, in: lake.store), .bytes(Array("rows".utf8)), .always)
  return try lake.publisher.publish(id, staged: [staged]) { _, consumed in
    var consumption = consumed ?? Consumption()
    if consumption.intervals[interval]?.definition == "d1" { return .alreadyApplied }
    consumption.intervals[interval] = ConsumedInterval(definition: "d1", run: run, rowCount: 10)
    consumption.run = run
    return .apply(
      Publication(
        update: replacing(interval, with: [staged]), consumption: consumption,
        changes: ChangeSet(intervals: .init(added: [interval]))))
  }
}

@Suite("Several publishers at once")
struct ConcurrencyTests {
  private let scratch = ScratchLake()
  private let id = TableID("pageviews", "top_pages")

  /// Every live file once, every one of them there, and nothing else below `data/`.
  private func checkWhole(_ hours: Range<Int>) throws {
    let lake = scratch.lake
    let table = try #require(try lake.catalog.load(id))
    let files = try table.dataFiles()
    #expect(files.count == hours.count)
    #expect(Set(files.map(\.partition)) == Set(hours.map { partition(hour($0)) }))
    let consumption = try #require(try table.consumption())
    #expect(Set(consumption.intervals.keys) == Set(hours.map(hour)))
    let live = try Set(files.map { try Table.key(of: $0.path, in: lake.store) })
    #expect(try Set(scratch.keys(LakeLayout.dataPrefix(id))) == live)
  }

  @Test("eight threads with different hours: all land")
  func differentPartitions() throws {
    let lake = scratch.lake
    let id = id
    let results = concurrently(Array(0..<8), limit: 8) { number in
      for part in 0..<3 {
        try publishHour(lake, id, hour(number * 3 + part), run: "r\(number)")
      }
    }
    for result in results { try result.get() }
    try checkWhole(0..<24)
    #expect(try lake.catalog.load(id)?.version == 24)
  }

  @Test("eight threads with the same hour: one publishes, the others see it and drop their files")
  func samePartition() throws {
    let lake = scratch.lake
    let id = id
    let results = concurrently(Array(0..<8), limit: 8) { number in
      try publishHour(lake, id, hour(0), run: "r\(number)", name: "writer\(number)")
    }
    var published = 0
    for result in results {
      if case .published = try result.get() { published += 1 }
    }
    #expect(published == 1)
    try checkWhole(0..<1)
    #expect(try lake.catalog.load(id)?.version == 1)
  }

  @Test("processes with different hours: all land")
  func processes() async throws {
    let path = scratch.path
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<4 {
        group.addTask {
          await #expect(processExitsWith: .success) {
            [path = path as String, number = number as Int] in
            let lake = Lake(store: LocalStore(root: path, isDurable: false))
            for part in 0..<3 {
              try publishHour(
                lake, TableID("pageviews", "top_pages"), hour(number * 3 + part), run: "r")
            }
          }
        }
      }
    }
    try checkWhole(0..<12)
  }

  @Test("rule 37: killed at any step, before or after it, the next run gives the same table")
  func killPoints() throws {
    // How many steps an uncrashed run has.
    let counting = FaultyStore(ScratchLake().store)
    try publishHour(Lake(store: counting), id, hour(1), run: "r")
    let steps = counting.count
    #expect(steps >= 7)
    for step in 1...steps {
      for fault in [Fault.dieBefore, .dieAfter] {
        let scratch = ScratchLake()
        try publishHour(scratch.lake, id, hour(0), run: "first")
        let dying = FaultyStore(scratch.store) { _, _, number in number == step ? fault : .none }
        #expect(throws: (any Error).self, "step \(step)") {
          try publishHour(Lake(store: dying), id, hour(1), run: "second", name: "dead")
          // Nothing was left to do when it died after the last step.
          if step == steps { throw Died() }
        }
        try publishHour(scratch.lake, id, hour(1), run: "third", name: "alive")
        let table = try #require(try scratch.lake.catalog.load(id))
        try scratch.lake.catalog.repair(table)
        let files = try table.dataFiles()
        #expect(files.map(\.partition).count == 2, "step \(step), \(fault)")
        #expect(Set(files.map(\.partition)) == [partition(hour(0)), partition(hour(1))])
        for file in files {
          let key = try Table.key(of: file.path, in: scratch.store)
          #expect(try scratch.store.head(key) != nil, "step \(step), \(fault): \(key)")
        }
        #expect(try table.consumption()?.intervals.count == 2)
        let hint = try #require(try scratch.store.get(LakeLayout.versionHint(id)))
        #expect(String(decoding: hint.bytes, as: UTF8.self) == "\(table.version)")
      }
    }
  }

  @Test("rule 37: SIGKILL at a mutating call leaves a table that the next run completes")
  func sigkill() async throws {
    let path = scratch.path
    try publishHour(scratch.lake, id, hour(0), run: "first")
    for step in [2, 5, 6] {
      await #expect(processExitsWith: .signal(SIGKILL)) {
        [path = path as String, step = step as Int] in
        let counter = MutationCounter(kill: .init(isBefore: false, number: step))
        let lake = Lake(store: LocalStore(root: path, isDurable: false, counter: counter))
        try publishHour(lake, TableID("pageviews", "top_pages"), hour(step), run: "dead")
      }
      try publishHour(scratch.lake, id, hour(step), run: "alive", name: "again")
      #expect(try scratch.lake.catalog.load(id)?.dataFiles(.exactly(hour(step))).count == 1)
    }
  }
}
