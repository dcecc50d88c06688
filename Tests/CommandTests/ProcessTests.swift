import Core
import Foundation
import Testing

@testable import sluice

/// The command as its own process: exit codes, streams, signals.
@Suite("The command as a process") struct ProcessTests {
  /// The command lies beside the tests.
  static let command: String = {
    let bundle = CommandLine.arguments.first { $0.contains(".xctest") } ?? Bundle.main.bundlePath
    let folders = bundle.components(separatedBy: "/")
    let index = folders.lastIndex { $0.hasSuffix(".xctest") } ?? folders.count
    return folders[..<index].joined(separator: "/") + "/sluice"
  }()

  static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path
  static let library =
    ProcessInfo.processInfo.environment["SLUICE_DUCKDB"] ?? "\(repository)/.deps/lib/libduckdb.so"
  static let hasEngine = FileManager.default.fileExists(atPath: library)

  struct Result {
    var code: Int32
    var output: String
    var errors: String
    var lines: [String] { output.split(separator: "\n").map(String.init) }
  }

  /// Runs the command in `folder`; `during` may signal it while it works.
  @discardableResult
  static func sluice(
    _ arguments: String..., in folder: String = "/", environment: [String: String] = [:],
    during: (Process) throws -> Void = { _ in }
  ) throws -> Result {
    try sluice(arguments, in: folder, environment: environment, during: during)
  }

  static func sluice(
    _ arguments: [String], in folder: String = "/", environment: [String: String] = [:],
    input: String? = nil, during: (Process) throws -> Void = { _ in }
  ) throws -> Result {
    let process = Process()
    if let input {
      let pipe = Pipe()
      process.standardInput = pipe
      // Short enough for the pipe to hold it.
      try pipe.fileHandleForWriting.write(contentsOf: Data(input.utf8))
      try pipe.fileHandleForWriting.close()
    }
    process.executableURL = URL(fileURLWithPath: command)
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    process.environment = ["PATH": "/usr/bin:/bin", "SLUICE_DUCKDB": library]
      .merging(environment) { $1 }
    let files = try [1, 2].map { _ in try ScratchFile() }
    process.standardOutput = files[0].handle
    process.standardError = files[1].handle
    try process.run()
    try during(process)
    process.waitUntilExit()
    return Result(
      code: process.terminationStatus, output: try files[0].text(), errors: try files[1].text())
  }

  /// What a process writes, in a file: pipes would have to be emptied while it runs.
  final class ScratchFile {
    let path = NSTemporaryDirectory() + "/command-\(UUID().uuidString)"
    let handle: FileHandle
    init() throws {
      _ = FileManager.default.createFile(atPath: path, contents: nil)
      handle = try #require(FileHandle(forWritingAtPath: path))
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }
    func text() throws -> String { try String(contentsOfFile: path, encoding: .utf8) }
  }

  /// Whether a process has blocked a signal, to take it where it wants to.
  static func hasBlocked(_ signal: Int32, _ process: pid_t) -> Bool {
    #if os(Linux)
      return isIn("SigBlk:", signal, process)
    #else
      usleep(500_000)
      return true
    #endif
  }

  /// Whether a signal has been sent to a process and not been taken.
  static func isPending(_ signal: Int32, _ process: pid_t) -> Bool {
    isIn("ShdPnd:", signal, process)
  }

  private static func isIn(_ set: String, _ signal: Int32, _ process: pid_t) -> Bool {
    let status = (try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix(set) }
    let digits = line?.dropFirst(set.count).drop { $0 == "\t" } ?? ""
    return (UInt64(digits, radix: 16) ?? 0) & (1 << UInt64(signal - 1)) != 0
  }

  /// A folder that is removed in the end.
  static func inFolder(_ body: (String) throws -> Void) throws {
    let folder = NSTemporaryDirectory() + "/project-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try body(folder)
  }

  @Test("says its version and its help on standard output")
  func version() throws {
    let version = try Self.sluice("--version")
    #expect(version.code == 0 && version.errors == "")
    #expect(version.lines.first == "sluice 0.1.0")
    #expect(try Self.sluice().output == Help.text(on: nil, style: .plain))
    #expect(try Self.sluice("run", "--help").output == Help.text(on: .run, style: .plain))
    #expect(try Self.sluice("completions", "fish").output == Shell.fish.completions)
  }

  @Test(
    "misuse is one line on standard error and exit code 2",
    arguments: [
      ["rnu"], ["run", "--form", "x"], ["query"], ["completions", "csh"], ["init", "a", "b"],
    ])
  func misuse(words: [String]) throws {
    let process = try Self.sluice(words)
    #expect(process.code == 2)
    #expect(process.output == "")
    #expect(process.errors.hasPrefix("error: "))
    #expect(process.errors.filter { $0 == "\n" }.count == 1)
  }

  @Test("events come from standard input", .enabled(if: hasEngine))
  func events() throws {
    try Self.inFolder { folder in
      try Self.sluice("init", in: folder)
      try #require(try Self.sluice("run", in: folder).code == 0)
      let orders = "\(folder)/pipelines/sales/orders"
      for name in ["named", "unnamed"] {
        try "order_id,day,product,quantity,price\n9,2024-02-01,\(name),1,9.00\n".write(
          toFile: "\(orders)/\(name).csv", atomically: false, encoding: .utf8)
      }
      let event = #"{"address": "\#(orders)/named.csv"}"#
      let process = try Self.sluice(["run", "--event", "-"], in: folder, input: event)
      #expect(process.code == 0, "\(process.errors)")
      let query = try Self.sluice(
        ["query", "--json", "SELECT product FROM sales.revenue WHERE product LIKE '%named'"],
        in: folder)
      #expect(query.lines == [#"{"product":"named"}"#], "\(query.errors)")

      let wrong = try Self.sluice(
        ["run", "--event", "-"], in: folder, input: event + "\n{\"what\": 1}\n")
      #expect(wrong.code == 2)
      #expect(wrong.errors.contains("standard input:2"))
    }
  }

  @Test("a wrong SLUICE_NOW is exit code 2")
  func wrongNow() throws {
    let process = try Self.sluice("plan", environment: ["SLUICE_NOW": "soon"])
    #expect(process.code == 2 && process.errors.contains("SLUICE_NOW 'soon'"))
  }

  @Test("without a project: exit code 2, and an object of type error with --json")
  func noProject() throws {
    try Self.inFolder { folder in
      let process = try Self.sluice("plan", "--json", in: folder)
      #expect(process.code == 2)
      #expect(process.errors.hasPrefix("error: "))
      #expect(process.lines.count == 1)
      let object = try JSON(parsing: process.output)
      #expect(object["type"] == "error" && object["exit"] == 2)
      #expect(object["message"]?.string.map { process.errors.contains($0) } == true)
    }
  }

  @Test("mistakes in project files: a line each with file, line and column, then how many")
  func mistakes() throws {
    try Self.inFolder { folder in
      try Self.sluice("init", in: folder)
      let file = "\(folder)/pipelines/sales/pipeline.yaml"
      let text = try String(contentsOfFile: file, encoding: .utf8)
      try text.replacingOccurrences(of: "format: csv", with: "fromat: csv")
        .replacingOccurrences(of: "header: true", with: "header: perhaps")
        .write(toFile: file, atomically: true, encoding: .utf8)
      let process = try Self.sluice("plan", in: folder)
      #expect(process.code == 2 && process.output == "")
      let lines = process.errors.split(separator: "\n")
      #expect(lines.count >= 3)
      for line in lines.dropLast() {
        #expect(line.contains(#/^pipelines/sales/pipeline\.yaml:\d+:\d+: /#), "\(line)")
      }
      #expect(lines.last?.hasSuffix(" errors") == true)
    }
  }

  @Test(
    "what init writes passes check, runs, answers queries, and has nothing to do then",
    .enabled(if: hasEngine))
  func initialized() throws {
    try Self.inFolder { folder in
      let initialized = try Self.sluice("init", "shop", in: folder)
      #expect(initialized.code == 0 && initialized.errors.contains("sluice run"))
      let shop = "\(folder)/shop"
      #expect(try Self.sluice("check", in: shop).code == 0)
      let plan = try Self.sluice("plan", in: shop)
      #expect(plan.code == 0)
      #expect(plan.output.contains("1 unit to run"))
      #expect(!FileManager.default.fileExists(atPath: "\(shop)/lake/tables"))
      let run = try Self.sluice("run", in: shop)
      #expect(run.code == 0, "\(run.errors)")
      // A line a published unit, where nobody sees bars.
      #expect(run.errors.contains(#/Z info published pipeline=sales model=revenue rows=4 /#))
      let rows = try Self.sluice(
        "query", "--format", "csv", "SELECT * FROM sales.best_sellers ORDER BY revenue DESC",
        in: shop)
      #expect(rows.output == "product,revenue\nmug,45.00\ntea,36.00\ncoffee,28.80\n")
      #expect(try Self.sluice("check", in: shop).code == 0)
      #expect(try Self.sluice("plan", in: shop).output.hasSuffix("\nnothing to do\n"))
      let again = try Self.sluice("run", in: shop)
      #expect(again.code == 0 && again.output.contains("nothing to do"))
      #expect(try Self.sluice("history", in: shop).lines.count >= 2)
      #expect(try Self.sluice("state", in: shop).output.contains("sales.revenue"))
      #expect(try Self.sluice("init", "shop", in: folder).code == 2)
    }
  }

  @Test("a line that does not fit is kept aside, and run says where", .enabled(if: hasEngine))
  func quarantine() throws {
    try Self.inFolder { folder in
      try Self.sluice("init", in: folder)
      try "order_id,day,product,quantity,price\nnine,2024-01-12,tea,1,4.50\n".write(
        toFile: "\(folder)/pipelines/sales/orders/2024-02.csv", atomically: true, encoding: .utf8)
      let run = try Self.sluice("run", in: folder)
      #expect(run.code == 0)
      #expect(run.errors.contains("sales.quarantine"))
      let rows = try Self.sluice(
        "query", "--json", "SELECT rule, source_row, row FROM sales.quarantine", in: folder)
      #expect(rows.lines.count == 1)
      #expect(try JSON(parsing: rows.output)["row"] == "nine,2024-01-12,tea,1,4.50")
    }
  }

  @Test("a reader that leaves early is no failure", .enabled(if: hasEngine))
  func head() throws {
    try Self.inFolder { folder in
      try Self.sluice("init", in: folder)
      try Self.sluice("run", in: folder)
      let script = """
        set -o pipefail; cd \(singleQuoted(folder))
        SLUICE_DUCKDB=\(singleQuoted(Self.library)) \(singleQuoted(Self.command)) query --format csv \
          "SELECT a.product, unnest(range(200000)) AS n FROM sales.revenue a" | head -1
        echo "${PIPESTATUS[0]}"
        """
      #expect(try bash(script) == "product,n\n0\n")
    }
  }

  @Test(
    "ctrl-C and SIGTERM stop a run that waits, and say so", .enabled(if: hasEngine),
    arguments: [SIGINT, SIGTERM])
  func interrupted(signal: Int32) throws {
    try Self.inFolder { folder in
      try Self.sluice("init", in: folder)
      let file = "\(folder)/pipelines/sales/pipeline.yaml"
      try """
      interval: {every: hour, default: now - 24h}
      sources:
        orders:
          uri: \(folder)/never/{yyyyMMdd}-{HH}.csv
          wait: {timeout: 1h, every: 10s}
          format: csv
          columns: {order_id: bigint, day: date, product: string, quantity: int, price: "decimal(10,2)"}
      """.write(toFile: file, atomically: true, encoding: .utf8)
      let process = try Self.sluice("run", in: folder) { process in
        // It waits for an hour; the signal comes once it is ready for one.
        while process.isRunning, !Self.hasBlocked(signal, process.processIdentifier) {
          usleep(1000)
        }
        kill(process.processIdentifier, signal)
      }
      #expect(process.code == 128 + signal)
      #expect(process.errors.contains("stopping…"))
    }
  }

  #if os(Linux)
    @Test("a second ctrl-C ends what the first cannot", .enabled(if: hasEngine))
    func interruptedTwice() throws {
      try Self.inFolder { folder in
        try Self.sluice("init", in: folder)
        try Self.sluice("run", in: folder)
        // Nobody reads the pipe, so the command hangs in a write.
        let (pipe, process) = (Pipe(), Process())
        process.executableURL = URL(fileURLWithPath: Self.command)
        process.arguments = [
          "query", "--format", "csv",
          "SELECT a.product, unnest(range(1000000)) AS n FROM sales.revenue a",
        ]
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        process.environment = ["SLUICE_DUCKDB": Self.library]
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        try process.run()
        var available: Int32 = 0
        while process.isRunning, available < 65536 {
          _ = ioctl(pipe.fileHandleForReading.fileDescriptor, UInt(FIONREAD), &available)
          usleep(1000)
        }
        kill(process.processIdentifier, SIGINT)
        // Two at once would count as one: the first has been taken when it is no longer pending.
        while process.isRunning, Self.isPending(SIGINT, process.processIdentifier) { usleep(1000) }
        #expect(process.isRunning)
        kill(process.processIdentifier, SIGINT)
        process.waitUntilExit()
        #expect(process.terminationReason == .exit && process.terminationStatus == 130)
      }
    }
  #endif
}
