import Core
import Foundation
import Stores
import Synchronization
import Testing

@testable import Lake

/// An empty lake in a folder that goes away with the value.
final class ScratchLake: Sendable {
  let path: String

  init() {
    path = FileManager.default.temporaryDirectory.path + "/lake-\(UUID().uuidString)"
    mkdir(path, 0o755)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  var store: LocalStore { LocalStore(root: path, isDurable: false, counter: MutationCounter()) }

  var lake: Lake { Lake(store: store, clock: .system) }

  /// Keys below the root, sorted.
  func keys(_ prefix: String = "") throws -> [String] {
    try store.objects(below: prefix).map(\.key)
  }
}

/// A clock that stands still until it is moved; sleeping moves it.
final class ManualClock: Sendable {
  private let time: Mutex<Instant>

  init(_ start: Instant = Instant(seconds: 1_700_000_000)) { time = Mutex(start) }

  func advance(seconds: Int64) { time.withLock { $0 = $0.adding(seconds: seconds) } }

  var clock: Clock {
    Clock(
      now: { [self] in time.withLock { $0 } },
      sleep: { [self] milliseconds, _ in
        time.withLock { $0 = Instant(microseconds: $0.microseconds + milliseconds * 1000) }
      })
  }
}

extension Schema {
  /// What `pageviews.top_pages` has, in short.
  static let hourly = Schema([
    Field(name: "page", type: .string), Field(name: "views", type: .bigint),
    Field(name: "interval_start", type: .timestamp), Field(name: "interval_end", type: .timestamp),
  ])
}

/// An hour of 1 January 2024, counted from midnight.
func hour(_ number: Int) -> Interval {
  let start = CivilTime(year: 2024).instant.adding(seconds: Int64(number) * 3600)
  return Interval(start: start, end: start.adding(seconds: 3600))
}

func partition(_ interval: Interval) -> [Value] {
  [.timestamp(interval.start), .timestamp(interval.end)]
}

/// A name such as Sluice's own engine gives files, so that nobody looks into the file.
func unwritten(_ lake: Lake, _ id: TableID, _ name: String) -> String {
  lake.store.uri(
    LakeLayout.dataPrefix(id) + "20240101T000000000-0123456789ab/\(name)/"
      + "part-00000000000000000000000000000000.parquet")
}

/// A file of one hour that exists by name only.
func file(_ lake: Lake, _ id: TableID, _ interval: Interval, rows: Int64 = 10, name: String = "a")
  -> DataFile
{
  DataFile(
    path: unwritten(lake, id, "\(interval)-\(name)"),
    rowCount: rows, byteCount: rows * 100, partition: partition(interval),
    columns: [
      1: ColumnStatistics(valueCount: rows, nullCount: 0, lower: .string("a"), upper: .string("z")),
      2: ColumnStatistics(
        valueCount: rows, nullCount: 1, lower: .integer(1), upper: .integer(rows)),
    ])
}

/// The update that replaces one hour.
func replacing(_ interval: Interval, with files: [DataFile], at time: Instant = hour(0).start)
  -> TableUpdate
{
  TableUpdate(
    schema: .hourly, partitionBy: PartitionColumn.identity(["interval_start", "interval_end"]),
    added: files, removal: .partitions([partition(interval)]), time: time)
}

/// Expects `body` to fail with that code; gives the failure for a closer look.
@discardableResult
func expectFailure<T>(
  _ code: LakeError.Code, sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> T
) -> LakeError? {
  do {
    _ = try body()
    Issue.record("no failure, expected \(code.rawValue)", sourceLocation: sourceLocation)
  } catch let error as LakeError {
    #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
    return error
  } catch {
    Issue.record("another failure: \(error)", sourceLocation: sourceLocation)
  }
  return nil
}

/// The tests' Python with pyiceberg and DuckDB's extensions; nil where none is installed.
enum Python {
  static let path: String? = {
    if let path = ProcessInfo.processInfo.environment["SLUICE_TEST_PYTHON"] { return path }
    let own = repository + "/.deps/venv/bin/python"
    return FileManager.default.isExecutableFile(atPath: own) ? own : nil
  }()

  static let repository: String = {
    var parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
    parts.removeLast(3)
    return parts.joined(separator: "/")
  }()

  /// Runs a script of Tests/Support and parses what it prints.
  static func run(_ script: String, _ arguments: [String] = [], input: JSON? = nil) throws -> JSON {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try #require(path))
    process.arguments = ["\(repository)/Tests/Support/\(script)"] + arguments
    let (stdin, stdout) = (Pipe(), Pipe())
    process.standardInput = stdin
    process.standardOutput = stdout
    try process.run()
    let text = Data((input?.description ?? "").utf8)
    let writer = startThread {
      try? stdin.fileHandleForWriting.write(contentsOf: text)
      try? stdin.fileHandleForWriting.close()
    }
    let output = try stdout.fileHandleForReading.readToEnd() ?? Data()
    pthread_join(writer, nil)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0, "\(script) failed")
    return try JSON(parsing: Array(output))
  }
}
