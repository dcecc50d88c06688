import Core
import Engines
import Pipelines
import Project
import Stores
import Usage

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Planning over a million objects of which a hundred changed: what it costs beyond the listing.
///
///     bench-planning prepare FOLDER   a project whose source's log knows all objects
///     bench-planning plan FOLDER      measures a plan in a process of its own
///
/// `BENCH_OBJECTS` and `BENCH_CHANGED` set other numbers. The plan must find exactly what changed, and
/// fails where it takes longer or more memory than the limits.
let maximumSeconds = 3.0
let maximumMegabytes = 400.0

func variable(_ name: String, default value: Int) -> Int {
  getenv(name).flatMap { Int(String(cString: $0)) } ?? value
}

let count = variable("BENCH_OBJECTS", default: 1_000_000)
let changed = variable("BENCH_CHANGED", default: 100)

func measured<T>(_ body: () throws -> T) rethrows -> (T, Double) {
  let start = processorSeconds()
  let value = try body()
  return (value, processorSeconds() - start)
}

/// Whole hundredths, for people.
func text(_ number: Double) -> String {
  let hundredths = Int((number * 100).rounded())
  return "\(hundredths / 100).\(String(hundredths % 100).paddedLeft(to: 2, with: "0"))"
}

func workspace(_ folder: String, changed: Int) throws -> Workspace {
  let opener = StoreOpener(wrap: { store in
    store.root.hasPrefix("s3:")
      ? ListingStub(root: store.root, count: count, changed: changed) : store
  })
  let project = try Project.load(
    LoadOptions(
      directory: folder, workingDirectory: folder, settings: [], environment: [:],
      now: Clock.system.now()))
  return try Workspace(
    project: project, context: .init(), opener: opener, engine: DuckDBEngine(),
    cache: ObjectCache(directory: folder + "/cache", maximumByteCount: 1 << 30))
}

func prepare(_ folder: String) throws {
  let store = LocalStore(root: folder, isDurable: false)
  func write(_ key: String, _ text: String) throws {
    _ = try store.put(key, .bytes(Array(text.utf8)), .always)
  }
  try write("sluice.yaml", "lake: lake\n")
  try write(
    "pipelines/many/pipeline.yaml",
    """
    sources:
      files:
        files: s3://bucket/data/**/*.csv
        format: csv
        columns: {n: int}
    """)
  try write("pipelines/many/models/totals.yaml", "kind: full\ncolumns: {n: {type: bigint}}\n")
  try write("pipelines/many/models/totals.sql", "SELECT sum(n)::bigint AS n FROM files\n")
  let space = try workspace(folder, changed: 0)
  let (_, seconds) = try measured { try space.appendNews() }
  print("\(count) objects put into the log: \(text(seconds)) s of CPU")
}

func plan(_ folder: String) throws -> Bool {
  let stub = ListingStub(root: "s3://bucket", count: count, changed: changed)
  var listed = 0
  let (_, listing) = try measured { try stub.list(prefix: "") { listed += $0.count } }
  let space = try workspace(folder, changed: changed)
  let start = monotonicSeconds()
  let (plan, planning) = try measured { try space.plan(Selection()) }
  let elapsed = monotonicSeconds() - start
  let beyond = planning - listing
  let peak = Double(peakByteCount()) / 1e6
  let batch = plan.pipelines.first?.batches.first
  let isRight =
    listed == count && plan.pipelines.first?.batches.count == 1 && batch?.changed == changed
    && batch?.added == 0 && batch?.removed == 0
  print(
    """
    \(count) objects, \(changed) changed: \(isRight ? "found" : "NOT FOUND")
      listing     \(text(listing)) s of CPU
      beyond it   \(text(beyond)) s of CPU (at most \(text(maximumSeconds)))
      in all      \(text(elapsed)) s
      memory      \(text(peak)) MB at its peak (at most \(text(maximumMegabytes)))
    """)
  return isRight && beyond <= maximumSeconds && peak <= maximumMegabytes
}

let arguments = CommandLine.arguments.dropFirst()
guard arguments.count == 2, let folder = arguments.last,
  let path = realpath(folder, nil).map({ String(cString: $0) })
else {
  print("usage: bench-planning prepare|plan FOLDER, which is there")
  exit(2)
}
do {
  switch arguments.first {
  case "prepare": try prepare(path)
  case "plan": exit(try plan(path) ? 0 : 1)
  default: exit(2)
  }
} catch {
  print("\(error)")
  exit(1)
}
