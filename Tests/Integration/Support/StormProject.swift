import Core
import Engines
import Foundation
import Lake
import Project
import Stores
import Synchronization
import TestSupport
import Transport

@testable import Pipelines

/// A small pipeline whose source, lake and exports lie in a bucket, run within the tests' process:
/// hours of page views, files of items that change between two runs, a quarantine, and exports.
///
/// The bucket's server is reached directly, or through a proxy that spoils what goes by.
final class StormProject: Sendable {
  /// Where in the bucket it lives; nothing else does.
  let place: String
  let server: ObjectServer
  private let folder: URL

  /// Every project and every run of the tests computes with the same engine.
  private static let scratch = Result { try Scratch() }
  private static let engine = Result {
    let folder = try scratch.get().url.path
    return DuckDBEngine(
      settings: DuckDBSettings(
        memoryBytes: 1 << 30, threads: 1, spillDirectory: folder + "/engine",
        allowedDirectories: [folder]))
  }
  private static let count = Atomic<Int>(0)

  init(on server: ObjectServer) throws {
    self.server = server
    place = "storm-\(Self.count.add(1, ordering: .relaxed).newValue)"
    folder = try Self.scratch.get().url.appending(path: "\(server.kind.rawValue)-\(place)")
    for (path, text) in Self.files { try folder.write(text, to: path) }
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  private static let files = [
    "sluice.yaml": """
    lake: ${STORM}/lake
    engine: {use: duckdb, spill: .sluice/spill}
    cache: {path: .sluice/cache, max: 1GB}
    """,
    "pipelines/storm/pipeline.yaml": """
    interval: {every: hour, parallel: 2, retries: 1}
    sources:
      views:
        uri: ${STORM}/dumps/{yyyy}/views-{yyyyMMdd}-{HH}.gz
        land: true
        on_republish: rerun
        recheck: 3d
        format: csv
        delimiter: " "
        quote: none
        header: false
        malformed: quarantine
        columns: {domain: string, page: string, views: bigint}
      items:
        files: ${STORM}/items/*.csv
        format: csv
        columns: {page: string, price: bigint}
    exports:
      csv:
        {model: top, to: "${STORM}/lake/exports/storm/{partition}", format: csv, compression: gzip,
         sort: [domain, rank, page]}
      prices: {model: prices, to: "${STORM}/lake/exports/prices", format: parquet, sort: [page]}
    """,
    "pipelines/storm/models/top.yaml": """
    kind: interval
    sort: [domain, rank, page]
    columns:
      domain: {type: string, checks: [not_null]}
      page: {type: string, checks: [not_null]}
      views: {type: bigint}
      price: {type: bigint}
      rank: {type: bigint, checks: [{between: {min: 1}}]}
      interval_start: {type: timestamp}
      interval_end: {type: timestamp}
    checks:
      - unique: {columns: [interval_start, interval_end, domain, page]}
    """,
    "pipelines/storm/models/top.sql": """
    SELECT v.domain, v.page, sum(v.views)::bigint AS views, any_value(i.price) AS price,
      rank() OVER (PARTITION BY v.domain ORDER BY sum(v.views) DESC) AS rank,
      $interval_start AS interval_start, $interval_end AS interval_end
    FROM views v LEFT JOIN items i ON i.page = v.page GROUP BY v.domain, v.page
    """,
    "pipelines/storm/models/prices.yaml": """
    kind: full
    sort: [page]
    columns: {page: {type: string, checks: [unique]}, price: {type: bigint, checks: [not_null]}}
    """,
    "pipelines/storm/models/prices.sql":
      "SELECT page, sum(price)::bigint AS price FROM items GROUP BY page",
  ]

  // MARK: - Input

  /// Two hours and seven files of items, one of them empty.
  func stageFirst() throws {
    try put(
      "dumps/2024/views-20240101-05.gz", Gzip.compress("aa A 3\naa B 2\nnot a line\nde C 1\n"))
    try put("dumps/2024/views-20240101-06.gz", Gzip.compress("aa A 1\naa A 1\nen D 9\n"))
    for (name, page) in [("a", "A"), ("b c+d", "B"), ("é%41", "C"), ("d", "D"), ("e", "E")] {
      try put("items/\(name).csv", Array("page,price\n\(page),\(page.utf8.first!)\n".utf8))
    }
    try put("items/f.csv", Array("page,price\nF,1\nG,2\n".utf8))
    try put("items/empty.csv", [])
  }

  /// One more hour, an hour that is published again, and items added, changed and removed.
  func stageSecond() throws {
    try put("dumps/2024/views-20240101-06.gz", Gzip.compress("aa A 5\nen D 9\nen E 1\n"))
    try put("dumps/2024/views-20240101-07.gz", Gzip.compress("bb B 4\nbroken\n"))
    try put("items/b c+d.csv", Array("page,price\nB,1000\n".utf8))
    try put("items/h.csv", Array("page,price\nH,8\n".utf8))
    try store().delete(["items/d.csv"])
  }

  private func put(_ key: String, _ bytes: [UInt8]) throws {
    _ = try store().put(key, .bytes(bytes), .always)
  }

  func store() throws -> any Store { try server.store(place) }

  // MARK: - Runs

  /// What a run wrote beside the bucket.
  struct Ending {
    var report: RunReport?
    var error: (any Error)?
    /// Log, report and errors.
    var text = ""

    var failures: [any Error] {
      error.map { [$0] } ?? report?.units.compactMap(\.failure) ?? []
    }
  }

  /// Sleeps hardly at all.
  private static let hastyClock = Clock(now: Clock.system.now) { milliseconds, cancellation in
    Clock.system.sleep(min(milliseconds, 2), cancellation)
  }
  private static let now = Instant(seconds: 1_704_153_600)  // 2024-01-02T00:00:00Z
  /// Time that was slept away passes at once: claims of runs that could not give them up run out.
  private let clock: Clock = {
    let running = Clock.starting(at: now)
    let slept = Mutex<Int64>(0)
    return Clock {
      Instant(microseconds: running.now().microseconds + slept.withLock { $0 } * 1000)
    } sleep: { milliseconds, cancellation in
      slept.withLock { $0 += milliseconds }
      hastyClock.sleep(milliseconds, cancellation)
    }
  }()

  /// Runs all three hours.
  ///
  /// - Parameters:
  ///   - proxy: Its address; nil goes to the server.
  ///   - isElsewhere: On a machine that has nothing yet.
  func run(through proxy: String? = nil, isElsewhere: Bool = false) throws -> Ending {
    if isElsewhere { try? FileManager.default.removeItem(at: folder.appending(path: ".sluice")) }
    let variables = try server.variables(through: proxy, loginIn: folder)
      .merging(["STORM": server.address(place)]) { $1 }
    let project = try Project.load(
      LoadOptions(
        directory: folder.path, workingDirectory: folder.path, environment: variables,
        now: Self.now))
    var configuration = HTTPConfiguration()
    // What hangs is given up on soon; where nothing hangs, a busy machine has all the time it needs.
    if proxy != nil { configuration.stallMilliseconds = 300 }
    let opener = StoreOpener(
      client: HTTPClient(configuration: configuration),
      policy: RetryPolicy(baseMilliseconds: 1, maximumMilliseconds: 2, clock: Self.hastyClock),
      environment: { variables[$0] })
    let cache = ObjectCache(directory: project.cache.path, maximumByteCount: project.cache.maxBytes)
    let log = Mutex("")
    let workspace = try Workspace(
      project: project,
      context: .init(
        clock: clock,
        log: Log { entry in log.withLock { $0 += "\(entry.message) \(entry.fields)\n" } }),
      opener: opener,
      engine: RemoteEngine(
        try Self.engine.get(), opener: opener, cache: cache, scratch: project.engine.spill),
      cache: cache)
    var ending = Ending()
    do {
      let hour = try CommandLineTime.parse("2024-01-01T05", option: "--from")
      ending.report = try workspace.run(
        Selection(from: hour, to: hour.adding(seconds: 3 * 3600)))
    } catch {
      ending.error = error
    }
    ending.text = log.withLock { $0 }
    if let report = ending.report { ending.text += report.json.description }
    ending.text += ending.failures.map { "\n\($0)" }.joined()
    return ending
  }

  // MARK: - What became of it

  /// The source logs, folded: file and size, and where bytes say it the version.
  func sources() throws -> [String] {
    let lake = Lake(store: try server.store("\(place)/lake"), clock: .system)
    return try ["views", "items"].flatMap { source in
      try lake.sourceLog(pipeline: "storm", source: source).read().files.map { logged in
        let name = logged.file.key.replacingOccurrences(of: server.address(place), with: "")
        let version = server.kind == .s3 ? logged.file.version : ""
        return "\(source) \(name) \(logged.file.byteCount) \(version)"
      }
    }
  }

  /// Copies the lake to a folder, for tools that read files.
  ///
  /// - Returns: The keys of objects with the secret in them.
  func copy(to target: URL) throws -> [String] {
    let store = try server.store("\(place)/lake")
    var telling: [String] = []
    for object in try store.objects(below: "") {
      guard let (bytes, _) = try store.get(object.key) else { continue }
      if bytes.firstRange(of: Array(ObjectServer.canary.utf8)) != nil { telling.append(object.key) }
      try target.write(bytes, to: object.key)
    }
    return telling
  }

  func remove() throws {
    let store = try store()
    try store.delete(try store.objects(below: "").map(\.key))
  }
}
