import Core
import Foundation
import Testing

@testable import Pipelines
@testable import sluice

/// A project that answers with hand-made values and remembers what it was asked.
final class FakeBackend: Backend {
  var planned = Plan(pipelines: [])
  var report = RunTextTests.report
  var rows = RowSet(schema: RowWriterTests.schema, rows: RowWriterTests.rows)
  var records: [JSON] = [["run": "20240102-b"], ["run": "20240102-a"], ["run": "20240101-c"]]
  var tables: [TableCheck] = []
  var maintained = MaintenanceReport()
  var invalid: CommandError?
  private(set) var selections: [Selection] = []

  func plan(_ selection: Selection) throws -> Plan {
    selections.append(selection)
    return planned
  }

  func run(_ selection: Selection) throws -> RunReport {
    selections.append(selection)
    return report
  }

  func query(_ sql: String, asOf: AsOf?, visit: (RowSet) throws -> Void) throws {
    try visit(rows)
  }
  private(set) var searched: [SearchRequest] = []
  func search(_ request: SearchRequest) throws -> SearchAnswer {
    searched.append(request)
    let hits = (0..<min(request.limit, 30)).map { number in
      SearchAnswer.Hit(
        documentID: request.offset + Int64(number), file: "texts/\(number).txt", byteCount: 10,
        tokenCount: 2, score: request.isRanked ? 12.5 / Double(number + 1) : nil)
    }
    return SearchAnswer(index: "wordindex.index", version: 3, total: 1234, hits: hits)
  }
  func history(limit: Int) throws -> [JSON] { Array(records.prefix(limit)) }
  func historyRecord(run: String) throws -> JSON {
    guard let record = records.first(where: { $0["run"]?.string?.hasPrefix(run) == true }) else {
      throw CommandError.usage("there is no run '\(run)'")
    }
    return record
  }
  func state(pipelines: [String]) throws -> StateReport { StateTextTests.report }
  /// What was asked to be mended.
  private(set) var mended: [String] = []
  private func mend(_ text: String) -> StateChange {
    mended.append(text)
    return StateChange(pipeline: "shop", model: "orders", text: text, isDone: true)
  }
  func forget(
    _ name: String, files: [String], from: Instant?, to: Instant?, held: Bool
  ) throws -> StateChange {
    mend(
      "forget \(name) \(files) \(from.map { "\($0)" } ?? "") \(to.map { "\($0)" } ?? "")"
        + (held ? " held" : ""))
  }
  func rollback(_ name: String, to asOf: AsOf) throws -> StateChange {
    mend("rollback \(name) \(asOf)")
  }
  func repair(pipelines: [String]) throws -> [StateChange] { [mend("repair \(pipelines)")] }
  func relocate(pipelines: [String]) throws -> [StateChange] { [mend("relocate \(pipelines)")] }
  func accept(_ name: String) throws -> StateChange { mend("accept \(name)") }
  func drop(_ name: String) throws -> StateChange { mend("drop \(name)") }
  func check(pipelines: [String]) throws -> [TableCheck] { tables }
  func validate(pipelines: [String]) throws { if let invalid { throw invalid } }
  func maintain(pipelines: [String]) throws -> MaintenanceReport { maintained }
}

@Suite("Verbs") struct VerbTests {
  @Test("search writes names, or what programs read, and says how many there are")
  func search() throws {
    let backend = FakeBackend()
    let (code, output, errors) = try perform("search wordindex sea --limit 2", on: backend)
    #expect(code == 0 && output == "texts/0.txt\ntexts/1.txt\n")
    #expect(errors.contains("1 to 2 of 1,234 documents; the next with --offset 2"))
    #expect(try perform("search wordindex sea --count", on: backend).output == "1234\n")
    #expect(
      try perform("search wordindex sea --ranked --limit 3 --offset 7", on: backend).output
        == "  12.5000  texts/0.txt\n   6.2500  texts/1.txt\n   4.1667  texts/2.txt\n")
    #expect(
      backend.searched == [
        SearchRequest(index: "wordindex", query: "sea", limit: 2),
        SearchRequest(index: "wordindex", query: "sea", limit: 0),
        SearchRequest(index: "wordindex", query: "sea", offset: 7, limit: 3, isRanked: true),
      ])
    let lines = try perform("search wordindex sea --json --limit 1", on: backend).output
      .split(separator: "\n").map { try JSON(parsing: String($0)) }
    #expect(lines.map { $0["type"] } == ["hit", "search"])
    #expect(lines[0]["file"] == "texts/0.txt" && lines[1]["total"] == 1234)
  }

  @Test(
    "state shows, and mends what is named",
    arguments: [
      ("state forget shop.orders", "forget shop.orders []  "),
      (
        "state forget shop.orders --file a.csv --file b.csv",
        "forget shop.orders [\"a.csv\", \"b.csv\"]  "
      ),
      (
        "state forget shop.hours --from 2024-01-01 --to 2024-01-02",
        "forget shop.hours [] 2024-01-01T00:00:00Z 2024-01-02T00:00:00Z"
      ),
      ("state forget shop.orders --held", "forget shop.orders []   held"),
      (
        "state rollback shop.orders --as-of 17",
        "rollback shop.orders snapshot(17)"
      ),
      ("state repair", "repair []"), ("state repair shop", "repair [\"shop\"]"),
      ("state relocate", "relocate []"),
      ("state accept shop.orders", "accept shop.orders"), ("state drop shop.old", "drop shop.old"),
    ])
  func mends(line: String, expected: String) throws {
    let backend = FakeBackend()
    let (code, output, _) = try perform(line, on: backend)
    #expect(code == 0)
    #expect(backend.mended == [expected])
    #expect(output == "shop.orders: \(expected)\n")
    #expect(try perform(line + " --json", on: backend).output.contains("\"changed\":true"))
  }

  @Test(
    "state refuses what it cannot mean",
    arguments: [
      "state forget", "state drop", "state accept", "state show --file a",
      "state rollback shop.orders", "state rollback --as-of 17", "state --held",
      "state forget shop.orders --as-of 17",
      "state --from 2024-01-01",
      "state repair --to 2024-01-01",
    ])
  func cannotMend(line: String) {
    #expect(throws: CommandError.self) { try perform(line, on: FakeBackend()) }
  }

  /// Runs a verb on `backend`; returns what it wrote to standard output and standard error.
  func perform(_ line: String, on backend: FakeBackend) throws -> (
    code: Int32, output: String, errors: String
  ) {
    guard case .verb(let verb, let options, let operands) = try parseArguments(try words(line))
    else {
      throw CommandError.usage("not a verb: \(line)")
    }
    let pipe = Pipe()
    let screen = ConsoleTests.Screen(columns: 1000)
    var settings = Console.Settings()
    settings.write = { screen.write($0) }
    settings.isQuiet = options.quiet
    let session = Session(
      options: options, operands: operands,
      output: Output(descriptor: pipe.fileHandleForWriting.fileDescriptor),
      console: Console(settings))
    let code = try session.perform(verb, on: backend)
    try session.output.flush()
    try pipe.fileHandleForWriting.close()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    return (
      code, String(decoding: data, as: UTF8.self), screen.text.dropLast().joined(separator: "\n")
    )
  }

  private func words(_ line: String) throws -> [String] {
    line.split(separator: " ").map(String.init)
  }

  @Test("run says what failed on standard error, and ends with 1")
  func failedRun() throws {
    let backend = FakeBackend()
    let (code, output, errors) = try perform("run pageviews --from 2024-01-01", on: backend)
    #expect(code == 1)
    #expect(output.hasPrefix("pageviews\n"))
    #expect(!output.contains("truncated gzip"))
    #expect(errors.contains("truncated gzip; fetch it again"))
    #expect(errors.contains("try again: sluice run pageviews --from 2024-01-01T03"))
    #expect(errors.contains("see what was set aside: "))
    #expect(backend.selections[0].pipelines == ["pageviews"])
    #expect(backend.selections[0].from == instant(2024, 1, 1))
  }

  @Test(
    "run ends with 0 unless something failed",
    arguments: [RunReport.Status.done, .unchanged, .waiting])
  func goodRun(status: RunReport.Status) throws {
    let backend = FakeBackend()
    backend.report = RunReport(
      run: "r", started: instant(2024, 1, 1), finished: instant(2024, 1, 1), units: [],
      notes: [], status: status)
    let (code, output, errors) = try perform("run", on: backend)
    #expect(code == 0)
    #expect(output == "nothing to do in 0 ms\n")
    #expect(errors == "")
  }

  @Test("an interrupted run shows what it did, then counts as interrupted")
  func interruptedRun() throws {
    let backend = FakeBackend()
    backend.report.status = .interrupted
    #expect(throws: InterruptedRun.self) { try perform("run", on: backend) }
  }

  @Test("run --quiet says failures only")
  func quietRun() throws {
    let (code, output, errors) = try perform("run --quiet", on: FakeBackend())
    #expect(code == 1)
    #expect(output == "")
    #expect(errors.hasPrefix("failed: pageviews.top_pages 2024-01-01T03\n"))
    #expect(!errors.contains("try again"))
  }

  @Test(
    "--json writes one object a line on standard output and nothing else there",
    arguments: ["plan", "run", "query x", "history", "history 20240101-c", "state", "check"])
  func json(line: String) throws {
    let backend = FakeBackend()
    backend.tables = [StateTextTests.table(nil)]
    backend.planned = Plan(pipelines: [
      PipelinePlan(pipeline: "p", intervals: [], batches: [], units: [], notes: ["n"])
    ])
    let (_, output, _) = try perform("\(line) --json", on: backend)
    let lines = output.split(separator: "\n")
    #expect(!lines.isEmpty)
    for text in lines {
      let object = try JSON(parsing: String(text))
      #expect(object.members != nil)
      #expect(line == "query x" || object["type"]?.string != nil)
    }
  }

  @Test("plan and run read the events that a file holds", arguments: ["plan", "run"])
  func events(verb: String) throws {
    let file = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    defer { try? FileManager.default.removeItem(at: file) }
    try Data(#"{"address": "/a"} {"address": "s3://b/c"}"#.utf8).write(to: file)
    let backend = FakeBackend()
    _ = try perform("\(verb) --event \(file.path())", on: backend)
    _ = try perform(verb, on: backend)
    #expect(backend.selections.map(\.events) == [["/a", "s3://b/c"], nil])

    try Data("{\n?".utf8).write(to: file)
    let wrong = #expect(throws: PipelineError.self) {
      try perform("\(verb) --event \(file.path())", on: backend)
    }
    #expect(wrong?.exitCode == 2 && wrong?.place.line == 2)
    let absent = #expect(throws: CommandError.self) {
      try perform("\(verb) --event \(file.path()).not", on: backend)
    }
    #expect(absent?.exitCode == 2 && absent?.message.contains("No such file") == true)
    #expect(backend.selections.count == 2)
  }

  @Test("what failed in a run of events is tried again without them")
  func eventsAgain() throws {
    let file = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    defer { try? FileManager.default.removeItem(at: file) }
    try Data().write(to: file)
    let errors = try perform("run pageviews --event \(file.path())", on: FakeBackend()).errors
    #expect(errors.contains("try again: sluice run pageviews --from 2024-01-01T03"))
    #expect(!errors.contains("--event"))
  }

  @Test("plan suggests to carry out what it found")
  func plan() throws {
    let backend = FakeBackend()
    let nothing = try perform("plan", on: backend)
    #expect(nothing.code == 0 && nothing.errors == "" && nothing.output == "\nnothing to do\n")
    let unit = PlannedUnit(
      model: "m", interval: nil, action: .run(.new), fileCount: 1, byteCount: 1, exports: [])
    backend.planned = Plan(pipelines: [
      PipelinePlan(pipeline: "p", intervals: [], batches: [], units: [unit], notes: [])
    ])
    #expect(try perform("plan p --lake x", on: backend).errors == "do it: sluice run p --lake x")
  }

  @Test("history finds a run by how its name begins")
  func history() throws {
    let backend = FakeBackend()
    #expect(try perform("history 20240101", on: backend).output.contains("20240101-c"))
    #expect(try perform("history --limit 1", on: backend).output.split(separator: "\n").count == 2)
  }

  @Test("check ends with 1 when a check of severity error fails, and reports wrong files first")
  func check() throws {
    let backend = FakeBackend()
    backend.tables = [StateTextTests.table([StateTextTests.outcome("a", "warn", passed: false)])]
    let good = try perform("check", on: backend)
    #expect(good.code == 0 && good.errors == "project files are valid")
    backend.tables = [StateTextTests.table([StateTextTests.outcome("a", "error", passed: false)])]
    #expect(try perform("check", on: backend).code == 1)
    backend.invalid = .usage("wrong")
    #expect(throws: CommandError.self) { try perform("check", on: backend) }
  }

  @Test("maintain says what it did to which table, and ends with 1 where one failed")
  func maintain() throws {
    let backend = FakeBackend()
    let nothing = try perform("maintain", on: backend)
    #expect(nothing.code == 0 && nothing.output == "no tables yet\n")
    var done = TableMaintenance(pipeline: "shop", model: "sales")
    (done.compactedFiles, done.writtenFiles, done.compactedBytes) = (1200, 3, 5_000_000)
    (done.expiredSnapshots, done.removedFiles, done.removedBytes) = (40, 7, 2_000_000)
    backend.maintained.tables = [done, TableMaintenance(pipeline: "shop", model: "rest")]
    backend.maintained.removedFiles = 2
    let good = try perform("maintain", on: backend)
    #expect(good.code == 0)
    #expect(
      good.output == """
        table       compacted  into  snapshots expired  files removed    bytes
        shop.sales      1,200     3                 40              7  2.00 MB

        1 table in shape, 1 table maintained, 2 other files of killed runs removed

        """, "\(good.output)")
    backend.maintained.tables[1].failure = CommandError(.unwritable, "no such file")
    let bad = try perform("maintain --json", on: backend)
    #expect(bad.code == 1)
    let lines = try bad.output.split(separator: "\n").map { try JSON(parsing: Array($0.utf8)) }
    #expect(lines.map { $0["type"]?.string } == ["table", "table", "lake"])
    #expect(lines[0]["expired_snapshots"]?.integer == 40)
    #expect(lines[1]["error"]?["message"]?.string == "no such file")
    #expect(lines[2]["failed"]?.boolean == true)
  }

  @Test("a reader that leaves ends a query quietly")
  func brokenPipe() throws {
    signal(SIGPIPE, SIG_IGN)
    let pipe = Pipe()
    try pipe.fileHandleForReading.close()
    let output = Output(descriptor: pipe.fileHandleForWriting.fileDescriptor)
    try output.write("x")
    #expect(throws: BrokenPipe.self) { try output.flush() }
    // What could not be written is not tried again.
    try output.flush()
  }

  @Test("output that cannot be written is a failure", .enabled(if: access("/dev/full", W_OK) == 0))
  func fullDisk() throws {
    let descriptor = open("/dev/full", O_WRONLY)
    defer { close(descriptor) }
    let output = Output(descriptor: descriptor)
    try output.write("x")
    #expect {
      try output.flush()
    } throws: { error in
      "\(error)".contains("standard output cannot be written: No space left on device")
    }
  }
}

@Suite("init") struct InitTests {
  @Test("writes its files, and refuses where one is there")
  func writes() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
      "init-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    let target = folder.path + "/deep/shop"
    let paths = try Initializer.write(into: target)
    #expect(paths.count == Template.files.count)
    for file in Template.files {
      #expect(try String(contentsOfFile: "\(target)/\(file.path)", encoding: .utf8) == file.text)
      #expect(file.text.hasSuffix("\n") && !file.text.hasSuffix("\n\n"))
    }
    try FileManager.default.removeItem(atPath: target + "/sluice.yaml")
    let before = try FileManager.default.subpathsOfDirectory(atPath: target).sorted()
    #expect {
      try Initializer.write(into: target)
    } throws: { error in
      (error as? any AnyFailure)?.exitCode == 2 && "\(error)".contains(".gitignore")
    }
    // Nothing was written, not even what was missing.
    #expect(try FileManager.default.subpathsOfDirectory(atPath: target).sorted() == before)
  }

  @Test("says so when it may not write")
  func unwritable() {
    #expect {
      try Initializer.write(into: "/proc/nowhere")
    } throws: { error in "\(error)".contains("cannot be written") }
  }

  @Test("says where to go")
  func next() {
    #expect(Initializer.nextSteps(in: ".").first == "sluice plan")
    #expect(Initializer.nextSteps(in: "a b").first == "cd 'a b'")
  }
}

@Suite("Environment") struct EnvironmentTests {
  @Test("SLUICE_NOW starts the clock there")
  func now() throws {
    let environment = try Environment { $0 == "SLUICE_NOW" ? "2024-01-02T05:00:00Z" : nil }
    let now = environment.clock.now()
    #expect(now >= instant(2024, 1, 2, 5) && now < instant(2024, 1, 2, 6))
  }

  @Test(
    "values that mean nothing are usage errors",
    arguments: [
      ("SLUICE_NOW", "tomorrow"), ("SLUICE_NOW", "2024-13-01"), ("SLUICE_LOG", "loud"),
      ("SLUICE_LOG_FORMAT", "xml"),
    ])
  func bad(name: String, value: String) {
    #expect {
      _ = try Environment { $0 == name ? value : nil }
    } throws: { error in
      (error as? any AnyFailure)?.exitCode == 2 && "\(error)".contains(name)
        && "\(error)".contains(value)
    }
  }

  @Test(
    "decides on colors, bars and characters",
    arguments: [
      (["TERM": "xterm"], false, false, false), (["TERM": "dumb"], true, true, false),
      ([:], true, true, false), (["TERM": "xterm", "NO_COLOR": "1"], true, false, false),
      (["TERM": "xterm", "NO_COLOR": ""], false, false, false),
      (["TERM": "xterm", "LANG": "C.UTF-8"], false, false, true),
      (["TERM": "xterm", "LANG": "de_DE.utf8"], false, false, true),
      (["TERM": "xterm", "LANG": "de_DE.UTF-8", "LC_ALL": "C"], false, false, false),
    ] as [([String: String], Bool, Bool, Bool)])
  func terminal(variables: [String: String], noColor: Bool, dumb: Bool, utf8: Bool) throws {
    let environment = try Environment { variables[$0] }
    #expect(environment.forbidsColor == noColor)
    #expect(environment.isDumb == dumb)
    #expect(environment.isUTF8 == utf8)
  }

  @Test("levels and formats of logs")
  func logs() throws {
    let variables = ["SLUICE_LOG": "debug", "SLUICE_LOG_FORMAT": "json"]
    let environment = try Environment { variables[$0] }
    #expect(environment.logLevel == .debug)
    #expect(environment.logFormat == .json)
    #expect(try Environment { _ in nil }.logLevel == nil)
  }
}
