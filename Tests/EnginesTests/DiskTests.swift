import Core
import Engines
import Foundation
import Testing

private let smallDisk = ProcessInfo.processInfo.environment["SLUICE_TEST_SMALL_DISK"]

/// A file system of some 8 MB, for example:
/// `mount -t tmpfs -o size=8m none DIR; SLUICE_TEST_SMALL_DISK=DIR swift test`.
@Suite(.serialized, .enabled(if: smallDisk != nil, "needs SLUICE_TEST_SMALL_DISK"))
struct DiskTests {
  let disk = smallDisk ?? ""
  static let table = schema(("s", .string), ("i", .bigint))
  static let query = Query(
    sql: "SELECT repeat(md5(i::varchar), 20) AS s, i FROM (SELECT unnest(range($n)) AS i)",
    parameters: ["n": .integer(1_000_000)], label: "p.m")

  @Test(arguments: [true, false])
  func outputOnAFullDisk(_ isSorted: Bool) throws {
    let error = try #require(
      engineError {
        _ = try engine.compute(
          DiskTests.query,
          into: Output(
            schema: DiskTests.table, location: "\(disk)/out", sort: isSorted ? [.init("i")] : []))
      })
    #expect(error.code == .exhausted, "\(error)")
    #expect(diskUsage("\(disk)/out") == 0)
  }

  @Test func exportOnAFullDisk() throws {
    let error = try #require(
      engineError {
        _ = try engine.export(
          DiskTests.query,
          to: TextOutput(
            format: .csv(header: true), columns: ["s", "i"], sort: [], path: "\(disk)/x.csv"),
          cancellation: .never)
      })
    #expect(error.code == .exhausted, "\(error)")
    #expect(!FileManager.default.fileExists(atPath: "\(disk)/x.csv"))
  }

  @Test func spillOnAFullDisk() throws {
    let folder = TemporaryFolder()
    let small = DuckDBEngine(
      settings: DuckDBSettings(
        memoryBytes: 128 << 20, threads: 1, spillDirectory: "\(disk)/spill"))
    let error = try #require(
      engineError {
        _ = try small.compute(
          DiskTests.query,
          into: Output(schema: DiskTests.table, location: folder.path, sort: [.init("s")]))
      })
    #expect(error.code == .exhausted, "\(error)")
    #expect(folder.files == [])
  }
}
