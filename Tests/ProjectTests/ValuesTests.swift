import Core
import Testing

@testable import Project

/// What settings become when they are right.
@Suite struct ValuesTests {
  static func project(
    _ sluice: String, environment: [String: String] = [:], profile: String? = nil,
    lake: String? = nil
  ) throws -> (project: Project, root: String) {
    let sandbox = try Sandbox(["sluice.yaml": sluice])
    return (
      try sandbox.load(environment: environment, profile: profile, lake: lake), sandbox.path
    )
  }

  @Test("profiles are laid over the settings, key by key") func profiles() throws {
    let text = """
      lake: ${SLUICE_LAKE:-lake}
      engine: {memory: 4GB, threads: 2, spill: tmp}
      profile: dev
      profiles:
        dev:
        prod: {lake: "s3://bucket/${WHERE}", engine: {memory: 16GB}}
      """
    let dev = try Self.project(text)
    #expect(dev.project.profile == "dev")
    #expect(dev.project.lake == dev.root + "/lake")
    let prod = try Self.project(text, environment: ["WHERE": "x"], profile: "prod").project
    #expect(prod.profile == "prod")
    #expect(prod.lake == "s3://bucket/x")
    #expect(prod.engine.memoryBytes == 16_000_000_000)
    #expect(prod.engine.threads == 2)
    let missing = mistakes { try Self.project(text, profile: "prod") }
    #expect(
      missing.count == 1 && missing[0].hasPrefix("sluice.yaml:6:29: nothing defines '${WHERE}'"))
    #expect(
      mistakes { try Self.project(text, profile: "prd") }
        == ["sluice.yaml: --profile prd: there is no such profile; did you mean 'prod'?"])
  }

  @Test("the lake: --lake, else the file's, relative to where each is written") func lake() throws {
    let both = try Self.project("lake: a/../b", lake: "c")
    #expect(both.project.lake == both.root + "/c")
    let file = try Self.project("lake: a/../b")
    #expect(file.project.lake == file.root + "/b")
    #expect(try Self.project("lake: file:///x/y").project.lake == "/x/y")
    #expect(try Self.project("", lake: "s3://b/l").project.lake == "s3://b/l")
    #expect(
      try Self.project("lake: ${NOT_SET}", lake: "/x").project.lake == "/x",
      "what --lake replaces may be unresolved")
    #expect(mistakes { try Self.project("", lake: "s3:") }.count == 1)
    let cache = try Self.project("cache: {path: ${lake}/c}\nlake: l")
    #expect(cache.project.cache.path == cache.root + "/l/c")
  }

  @Test("an empty sluice.yaml is a project") func empty() throws {
    let (project, root) = try Self.project("")
    #expect(project.lake == root + "/lake")
    #expect(project.profile == nil && project.pipelines.isEmpty)
    #expect(project.engine.memoryBytes == nil)
  }

  static func source(_ text: String, every: String = "hour") throws -> Source {
    let pipeline = "interval: {every: \(every)}\nsources: {s: {\(text)}}\n"
    return try Sandbox(["sluice.yaml": "", "pipelines/p/pipeline.yaml": pipeline]).load()
      .pipelines[0].sources[0]
  }

  @Test("rule 3: a day over hourly files, all of them or as many as 'require' says") func require()
    throws
  {
    let uri = "uri: 'x/{yyyyMMddHH}', format: csv, columns: {a: int}"
    guard case .intervals(let all) = try Self.source(uri, every: "day").origin,
      case .intervals(let some) = try Self.source(
        uri + ", require: 20, on_republish: rerun, recheck: 3d", every: "day"
      ).origin
    else {
      Issue.record("no interval source")
      return
    }
    #expect(all.require == nil && all.onRepublish == .ignore && all.recheckMilliseconds == 0)
    #expect(all.uri.length == .hour)
    #expect(
      some.require == 20 && some.onRepublish == .rerun && some.recheckMilliseconds == 259_200_000)
    for (every, most) in [("hour", 1), ("day", 24), ("month", 744), ("year", 8784)] {
      #expect(try Self.source(uri + ", require: \(most)", every: every).name == "s")
      let found = mistakes { try Self.source(uri + ", require: \(most + 1)", every: every) }
      #expect(found.count == 1, "\(every)")
    }
  }

  @Test("rule 5: max_removed is 20 % unless it is said") func maxRemoved() throws {
    guard case .files(let plain) = try Self.source("files: x, format: text").origin,
      case .files(let said) = try Self.source("files: x, format: text, max_removed: 0%").origin
    else {
      Issue.record("no file source")
      return
    }
    #expect(plain.maxRemovedPercent == 20)
    #expect(said.maxRemovedPercent == 0)
  }

  @Test(
    "delimiters and quotes",
    arguments: [
      ("','", 0x2C), ("\"\\t\"", 0x09), ("'\\t'", 0x09), ("tab", 0x09), ("' '", 0x20),
      ("'|'", 0x7C), (";", 0x3B), ("'a'", 0x61), ("5", 0x35), ("\"\\x01\"", 0x01),
    ] as [(String, UInt8)])
  func delimiters(_ text: String, _ byte: UInt8) throws {
    let source = try Self.source(
      "files: x, format: csv, columns: {a: int}, quote: none, null_values: ['', NA], delimiter: \(text)"
    )
    guard case .csv(let csv) = source.format else {
      Issue.record("no CSV")
      return
    }
    #expect(csv.delimiter == byte)
    #expect(csv.quote == nil)
    #expect(csv.nullValues == ["", "NA"])
  }

  @Test("text has its own settings") func text() throws {
    let source = try Self.source(
      "files: 's3://b/*.txt', format: text, encoding: windows-1252, fallback_encoding: none, binary: fail, malformed: quarantine, compression: zstd"
    )
    #expect(
      source.format == .text(.init(encoding: .windows1252, fallbackEncoding: nil, binary: .fail)))
    #expect(source.malformed == .quarantine && source.compression == .zstd)
    #expect(source.columns.fields.isEmpty)
  }

  @Test(
    "the default interval",
    arguments: [
      ("every: hour, default: now - 24h", "2024-01-01T13"), ("every: hour", "2024-01-02T12"),
      ("every: day", "2024-01-01"), ("every: day, default: now", "2024-01-02"),
      ("every: month", "2023-12-01T00:00:00Z/2024-01-01T00:00:00Z"),
      ("every: year", "2023-01-01T00:00:00Z/2024-01-01T00:00:00Z"),
      ("every: hour, default: 2020-02-29T07", "2020-02-29T07"),
      ("every: day, default: 2020-02-29", "2020-02-29"),
    ])
  func intervals(_ text: String, _ expected: String) throws {
    let project = try Sandbox([
      "sluice.yaml": "", "pipelines/p/pipeline.yaml": "interval: {\(text)}",
    ]).load()
    #expect(project.pipelines[0].interval?.defaultInterval.description == expected)
  }

  static func model(_ text: String) throws -> Model {
    try Sandbox([
      "sluice.yaml": "", "pipelines/p/pipeline.yaml": "interval: {every: hour}",
      "pipelines/p/models/m.yaml": text, "pipelines/p/models/m.sql": "SELECT 1",
      "pipelines/p/models/m.spark.sql": "SELECT 2",
    ]).load().pipelines[0].models[0]
  }

  @Test("rules 12 and 14: inputs rebuild and changed definitions fail unless it is said")
  func policies() throws {
    let plain = try Self.model("kind: full\ncolumns: {a: int}")
    #expect(plain.settings(ofInput: "x").onInputChange == .rebuild)
    #expect(plain.onDefinition == .fail)
    let said = try Self.model(
      "kind: full\ncolumns: {a: int}\non_definition: rebuild\ninputs: {x: {on_input_change: ignore}, p.y: {}, z: }"
    )
    #expect(said.settings(ofInput: "x").onInputChange == .ignore)
    #expect(said.settings(ofInput: "p.y").onInputChange == .rebuild)
    #expect(said.inputs.count == 3)
    #expect(said.onDefinition == .rebuild)
    #expect(said.sql?.text == "SELECT 1" && said.sparkSQL?.text == "SELECT 2")
  }

  @Test("rule 13: interval tables carry their interval") func intervalColumns() {
    #expect(
      mistakes { try Self.model("kind: interval\ncolumns: {interval_end: date}") } == [
        "pipelines/p/models/m.yaml:2:1: the column 'interval_start' is missing; 'kind: interval' needs it: write interval_start: {type: timestamp}",
        "pipelines/p/models/m.yaml:2:11: 'interval_end' must be a timestamp, not a date",
      ])
  }

  @Test("checks: both forms, typed values, names of their own") func checks() throws {
    let model = try Self.model(
      """
      kind: full
      tags: [nightly, 5]
      sort: [d desc, n]
      columns:
        n:
          type: decimal(5,2)
          description: A number
          checks:
            - not_null
            - unique: {severity: warn}
            - between: {min: 1, max: 2.5, severity: quarantine}
        d: {type: date, checks: [{between: {max: 2024-02-29, name: recent}}, {accepted_values: {values: [2024-01-01], severity: error}}]}
        s: {type: string, checks: [{accepted_values: [a, 1, true]}, {not_null: }]}
      checks: [{row_count: {min: 1, max: 9}}, {unique: {columns: [n, d], name: key}}]
      """)
    #expect(
      model.checks.map(\.name) == [
        "n_not_null", "n_unique", "n_between", "recent", "d_accepted_values", "s_accepted_values",
        "s_not_null", "row_count", "key",
      ])
    #expect(
      model.checks.map(\.kind) == [
        .notNull, .unique(columns: ["n"]),
        .between(min: .decimal(unscaled: 100, scale: 2), max: .decimal(unscaled: 250, scale: 2)),
        .between(min: nil, max: .date(19_782)), .acceptedValues([.date(19_723)]),
        .acceptedValues([.string("a"), .string("1"), .string("true")]), .notNull,
        .rowCount(min: 1, max: 9), .unique(columns: ["n", "d"]),
      ])
    #expect(
      model.checks.map(\.severity) == [.error, .warn, .quarantine]
        + Array(repeating: .error, count: 6))
    #expect(model.checks.map(\.column) == ["n", "n", "n", "d", "d", "s", "s", nil, nil])
    #expect(model.checks[2].place.description == "pipelines/p/models/m.yaml:11:9, model m")
    #expect(model.columns["n"]?.documentation == "A number")
    #expect(model.sort == [SortKey("d", isDescending: true), SortKey("n")])
    #expect(model.tags == ["nightly", "5"])
  }

  @Test("an operator's settings are read and name their inputs") func operators() throws {
    let model = try Self.model(
      """
      kind: full
      columns: {a: string, n: bigint, rank: int}
      operator:
        rank: {input: visits, by: [a], sum: n, top: 25, where: ["n>=10", "a != 'it''s'"], except: {input: blocked, on: [a], percent_decode: [a]}}
      """)
    let oper = try #require(model.operator)
    #expect(oper.name == "rank")
    #expect(oper.inputs.map(\.name) == ["visits", "blocked"])
    #expect(oper.inputs[1].place.description == "pipelines/p/models/m.yaml:4:101")
    #expect(
      oper.rank
        == RankSettings(
          input: "visits", by: ["a"], within: [], measure: .sum("n"), top: 25, ties: .rank,
          except: .init(input: "blocked", on: ["a"], percentDecode: ["a"]),
          conditions: [
            .init(column: "n", operation: ">=", constant: .integer(10)),
            .init(column: "a", operation: "!=", constant: .string("it's")),
          ]))
  }
}
