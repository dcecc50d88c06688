import Core
import Stores

/// The records of runs that are over: one JSON file each, in a folder per day.
public struct RunHistory: Sendable {
  private let store: any Store

  public init(store: any Store) { self.store = store }

  /// Writes a run's record, once.
  ///
  /// - Parameter record: What the run has to say; `run` and `format` are put in front.
  /// - Throws: `LakeError` `.invalid` when the run has a record already.
  public func write(_ run: RunID, _ record: [JSON.Member]) throws {
    let json = JSON.object(
      [.init("format", 1), .init("run", .string(run.rawValue))]
        + record.filter { $0.name != "format" && $0.name != "run" })
    let bytes = Array((json.text(indented: true) + "\n").utf8)
    do {
      _ = try store.put(LakeLayout.run(run), .bytes(bytes), .absent)
    } catch let error as StoreError where error.code == .conditionFailed {
      guard try store.get(LakeLayout.run(run))?.bytes == bytes else {
        throw LakeError(
          .invalid, "the run \(run) has a record already",
          at: Place(file: store.uri(LakeLayout.run(run))))
      }
    }
  }

  /// The names of the runs that started in `[from, to)`, newest first.
  public func list(from: Instant? = nil, to: Instant? = nil, limit: Int? = nil) throws -> [RunID] {
    var runs: [RunID] = []
    try store.list(prefix: LakeLayout.runsPrefix + "date=") { page in
      for object in page where object.key.hasSuffix(".json") {
        guard let name = object.key.split(separator: "/").last,
          let run = RunID(rawValue: String(name.dropLast(".json".count))), let start = run.start
        else { continue }
        if let from, start < from { continue }
        if let to, start >= to { continue }
        runs.append(run)
      }
    }
    runs.sort(by: >)
    return limit.map { Array(runs.prefix($0)) } ?? runs
  }

  /// - Returns: The record, or nil when there is none.
  public func read(_ run: RunID) throws -> JSON? {
    let key = LakeLayout.run(run)
    guard let found = try store.get(key) else { return nil }
    do {
      return try JSON(parsing: found.bytes)
    } catch {
      throw LakeError(
        .damaged, "the run's record is \(error.message)",
        at: Place(file: store.uri(key), line: error.line, column: error.column))
    }
  }

  /// The runs that have not ended, or were killed: their names, oldest first.
  public func active() throws -> [RunID] {
    try store.objects(below: LakeLayout.activeRunsPrefix).compactMap { object in
      RunID(rawValue: String(object.key.dropFirst(LakeLayout.activeRunsPrefix.count)))
    }.sorted()
  }
}
