import Core
import Testing

@testable import sluice

@Suite("Command lines") struct ArgumentTests {
  struct Accepted: Sendable, CustomTestStringConvertible {
    var line: String
    var verb: Verb
    var operands: [String] = []
    var expect: @Sendable (inout Options) -> Void = { _ in }
    var testDescription: String { line }
  }

  static let accepted: [Accepted] = [
    .init(line: "plan", verb: .plan),
    .init(line: "run pageviews denver", verb: .run, operands: ["pageviews", "denver"]),
    .init(line: "run --from 2024-01-01", verb: .run) { $0.from = instant(2024, 1, 1) },
    .init(line: "run --from=2024-01-01T05 a", verb: .run, operands: ["a"]) {
      $0.from = instant(2024, 1, 1, 5)
    },
    .init(line: "run a --from 2024-01-01T05:00:00Z --to 2024-01-02", verb: .run, operands: ["a"]) {
      $0.from = instant(2024, 1, 1, 5)
      $0.to = instant(2024, 1, 2)
    },
    .init(line: "run --force --full-refresh --allow-removals", verb: .run) {
      $0.force = true
      $0.fullRefresh = true
      $0.allowRemovals = true
    },
    .init(line: "--project /x --profile prod run", verb: .run) {
      $0.project = "/x"
      $0.profile = "prod"
    },
    .init(line: "run --lake s3://b/lake --quiet --no-color --json", verb: .run) {
      $0.lake = "s3://b/lake"
      $0.quiet = true
      $0.noColor = true
      $0.json = true
    },
    .init(line: "run --set top=10 --set=ties=rank --set empty= --set e=a=b", verb: .run) {
      $0.settings = [
        .init(name: "top", value: "10"), .init(name: "ties", value: "rank"),
        .init(name: "empty", value: ""), .init(name: "e", value: "a=b"),
      ]
    },
    .init(line: "run --threads 3 --threads 4 --memory 4GB", verb: .run) {
      $0.threads = 4
      $0.memoryByteCount = 4_000_000_000
    },
    .init(line: "plan --memory=1.5GiB", verb: .plan) { $0.memoryByteCount = 1_610_612_736 },
    .init(line: "query --format csv SELECT", verb: .query, operands: ["SELECT"]) {
      $0.format = .csv
    },
    .init(line: "query --json --format json SELECT", verb: .query, operands: ["SELECT"]) {
      $0.format = .json
      $0.json = true
    },
    .init(line: "query -- --not-a-flag", verb: .query, operands: ["--not-a-flag"]),
    .init(line: "query --lake x -- --help", verb: .query, operands: ["--help"]) { $0.lake = "x" },
    .init(
      line: "search wordindex a --ranked --limit 5 --offset=40", verb: .search,
      operands: ["wordindex", "a"]
    ) {
      $0.isRanked = true
      $0.limit = 5
      $0.offset = 40
    },
    .init(line: "search --count i q", verb: .search, operands: ["i", "q"]) { $0.isCount = true },
    .init(line: "history --limit 3 20240102", verb: .history, operands: ["20240102"]) {
      $0.limit = 3
    },
    .init(line: "state a b --json", verb: .state, operands: ["a", "b"]) { $0.json = true },
    .init(line: "check", verb: .check),
    .init(line: "init shop --quiet", verb: .initialize, operands: ["shop"]) { $0.quiet = true },
    .init(line: "completions zsh", verb: .completions, operands: ["zsh"]),
    .init(line: "run --event - shop --allow-removals", verb: .run, operands: ["shop"]) {
      $0.event = "-"
      $0.allowRemovals = true
    },
    .init(line: "plan --event=x.json", verb: .plan) { $0.event = "x.json" },
    .init(line: "run --set a=--force -", verb: .run, operands: ["-"]) {
      $0.settings = [.init(name: "a", value: "--force")]
    },
  ]

  @Test("are understood", arguments: accepted)
  func understood(_ accepted: Accepted) throws {
    guard case .verb(let verb, var options, let operands) = try parse(accepted.line) else {
      Issue.record("not a verb")
      return
    }
    var expected = Options()
    accepted.expect(&expected)
    options.given = []
    #expect(verb == accepted.verb)
    #expect(operands == accepted.operands)
    #expect(options == expected)
  }

  @Test(
    "that make no sense get one line and exit code 2",
    arguments: [
      ("rnu", "unknown verb 'rnu'; did you mean 'run'?"),
      ("frobnicate", "unknown verb 'frobnicate'; see sluice help"),
      ("run --form 2024", "unknown flag '--form'; did you mean '--from'?"),
      ("query --fromat csv x", "unknown flag '--fromat'; did you mean '--format'?"),
      ("run --zzzzzz", "unknown flag '--zzzzzz'; see sluice help run"),
      ("--zzzzzz", "unknown flag '--zzzzzz'; see sluice help"),
      ("run -x", "unknown flag '-x'; flags begin with two dashes; see sluice help"),
      ("run --from", "--from needs a value; write --from TIME"),
      ("run --from --to 2024-01-01", "--from needs a value; write --from TIME"),
      ("run --from=", "--from '': not a time"),
      ("run --from 2024-02-30", "--from '2024-02-30'"),
      ("run --from yesterday", "--from 'yesterday': not a time"),
      ("run --to 2024-01-01", "--to needs --from; ranges are half-open, [from, to)"),
      ("run --from 2024-01-02 --to 2024-01-02", "is not after --from"),
      ("run --force=yes", "--force takes no value"),
      ("run --set top", "--set 'top' is not name=value; write e.g. --set top=10"),
      ("run --set =x", "--set '=x' is not name=value"),
      ("run --threads 0", "--threads '0' is not a whole number of 1 or more"),
      ("run --threads two", "--threads 'two' is not a whole number of 1 or more"),
      ("run --memory 4XB", "--memory '4XB' is not a size; write e.g. 4GB or 512MB"),
      ("run --memory 0", "--memory '0' is not a size"),
      ("run --memory=", "--memory '' is not a size"),
      ("run --project=", "--project is empty"),
      ("run --event", "--event needs a value; write --event FILE"),
      ("run --event=", "--event is empty"),
      ("query --event - x", "query takes no --event; it belongs to plan, run"),
      (
        "run --event - --from 2024-01-01",
        "--event and --from contradict each other; events say what to look at"
      ),
      ("plan --force --event -", "--event and --force contradict each other"),
      ("run --event x --full-refresh", "--event and --full-refresh contradict each other"),
      ("run --limit 3", "run takes no --limit; it belongs to search, history"),
      ("search wordindex", "search needs INDEX and QUERY"),
      ("search wordindex a b", "search needs INDEX and QUERY; put quotes around the query"),
      ("search i q --offset -1", "--offset '-1' is not a whole number of 0 or more"),
      ("history --force", "history takes no --force; it belongs to plan, run"),
      ("history a b", "history takes one RUN, not 2"),
      ("init a b", "init takes one DIR, not 2"),
      ("init --lake x", "init takes no --lake"),
      ("query", "query needs SQL; e.g. sluice query"),
      ("query SELECT 1", "query takes one SQL, not 2; put quotes around the SQL"),
      ("query --format xml x", "unknown format 'xml'; --format is table, csv or json"),
      ("query --format jsn x", "unknown format 'jsn'; did you mean 'json'?"),
      ("query --json --format csv x", "--json and --format csv contradict each other"),
      ("help rnu", "unknown verb 'rnu'; did you mean 'run'?"),
      ("help run plan", "help takes one verb"),
      ("completions", "completions needs SHELL; e.g. sluice completions bash"),
      ("--quiet", "--quiet needs a verb; e.g. sluice run --quiet …"),
    ])
  func refused(line: String, message: String) {
    do {
      let invocation = try parse(line)
      Issue.record("understood as \(invocation)")
    } catch {
      let failure = error as? any AnyFailure
      #expect(failure?.exitCode == 2)
      #expect(failure?.description.contains(message) == true, "\(error)")
      #expect(failure?.description.contains("\n") == false)
    }
  }

  @Test(
    "that ask for help are never refused",
    arguments: [
      ("", nil), ("help", nil), ("--help", nil), ("-h", nil), ("help run", Verb.run),
      ("run --help", .run), ("run -h --nonsense", .run), ("--help run", .run),
      ("run --from --help", .run), ("nonsense --help", nil), ("help --help", nil),
      ("help plan -h", .plan), ("query --help", .query), ("init -h", .initialize),
    ])
  func help(line: String, verb: Verb?) throws {
    #expect(try parse(line) == .help(verb))
  }

  @Test("ask for the version", arguments: ["--version", "--version run", "run --version"])
  func version(line: String) throws { #expect(try parse(line) == .version) }

  @Test("keep the flags as given, for the next command")
  func given() throws {
    guard case .verb(_, let options, _) = try parse("run --force --set=a=1 --lake x") else {
      Issue.record("not a verb")
      return
    }
    #expect(
      options.given == [
        .init(name: "force", value: nil), .init(name: "set", value: "a=1"),
        .init(name: "lake", value: "x"),
      ])
  }

  @Test(
    "Sizes",
    arguments: [
      ("1", 1), ("4GB", 4_000_000_000), ("512MB", 512_000_000), ("512 MiB", 536_870_912),
      ("1.5TB", 1_500_000_000_000), ("2kb", 2000), ("3KiB", 3072), ("7b", 7), ("", nil),
      ("GB", nil), ("-1", nil), ("0.1", nil), ("1e3", nil), ("4 GB x", nil), ("1..5GB", nil),
      ("99999999999TB", nil),
    ] as [(String, Int64?)])
  func sizes(text: String, bytes: Int64?) { #expect(parseByteCount(text) == bytes) }

  @Test("Every flag has a verb, a distinct name and a sentence that is not too long for help")
  func definitions() {
    #expect(Set(Flag.all.map(\.name)).count == Flag.all.count)
    for flag in Flag.all {
      #expect(!flag.verbs.isEmpty)
      #expect(!flag.summary.isEmpty && !flag.summary.hasSuffix("."))
    }
    for verb in Verb.allCases { #expect(!verb.definition.examples.isEmpty) }
  }

  private func parse(_ line: String) throws -> Invocation {
    try parseArguments(line.split(separator: " ").map(String.init))
  }
}

/// An instant of the calendar, UTC.
func instant(_ year: Int, _ month: Int, _ day: Int, _ hour: Int = 0, _ minute: Int = 0) -> Instant {
  CivilTime(year: year, month: month, day: day, hour: hour, minute: minute).instant
}

/// `count` hours from one on.
func hours(_ first: Instant, _ count: Int) -> [Interval] {
  (0..<count).map { index in
    Interval(
      start: first.adding(seconds: Int64(index * 3600)),
      end: first.adding(seconds: Int64((index + 1) * 3600)))
  }
}
