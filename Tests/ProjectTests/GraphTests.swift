import Core
import Testing

@testable import Project

@Suite struct GraphTests {
  /// Models of two pipelines by `pipeline.model`, each with its SQL.
  static func project(_ models: [String: String], inputs: [String: String] = [:]) throws -> Project
  {
    var files = ["sluice.yaml": ""]
    let source = "sources: {logs: {files: 'x/*.csv', format: csv, columns: {a: int}}}\n"
    for name in ["one", "two"] {
      files["pipelines/\(name)/pipeline.yaml"] = name == "one" ? source : ""
    }
    for (name, sql) in models {
      let parts = name.split(separator: ".")
      let path = "pipelines/\(parts[0])/models/\(parts[1])"
      files[path + ".sql"] = sql
      files[path + ".yaml"] = "kind: full\ncolumns: {a: int}\n" + (inputs[name] ?? "")
    }
    return try Sandbox(files).load()
  }

  /// The names after FROM and JOIN of one-line queries that put spaces around them.
  static func shape(_ model: Model) -> [String] {
    let words = model.sql!.text.split { " \n".contains($0) }.map(String.init)
    return Set(zip(words, words.dropFirst()).filter { ["FROM", "JOIN"].contains($0.0) }.map(\.1))
      .sorted()
  }

  @Test("inputs come before those that read them, in one order") func order() throws {
    let project = try Self.project([
      "one.z": "SELECT a FROM logs", "one.b": "SELECT a FROM z JOIN two.m",
      "two.m": "SELECT a FROM one.z",
      "one.a": "SELECT 1 AS a", "two.c": "SELECT a FROM m JOIN one.b",
    ])
    let graph = try project.graph(shape: Self.shape)
    #expect(
      graph.nodes.map(\.model.qualifiedName) == ["one.a", "one.z", "two.m", "one.b", "two.c"])
    #expect(graph["one.z"]?.inputs == ["logs": .source(pipeline: "one", source: "logs")])
    #expect(
      graph["two.c"]?.inputs == [
        "m": .table(pipeline: "two", model: "m", table: "m"),
        "one.b": .table(pipeline: "one", model: "b", table: "b"),
      ])
    #expect(graph["two.c"]?.upstream == ["one.b", "two.m"])
  }

  @Test("every unknown input is reported, where it stands, with the nearest name") func unknown()
    throws
  {
    let project = try Self.project(
      [
        "one.a": "-- FROM lgos\nSELECT 'FROM lgos' AS a\nFROM lgos JOIN  two.n",
        "one.b": "SELECT a FROM logs", "two.m": "SELECT a FROM one.logs JOIN logs",
        "one.c": "SELECT a FROM one.logs",
      ], inputs: ["one.b": "inputs:\n  lgs: {on_input_change: ignore}\n"])
    #expect(
      mistakes { try project.graph(shape: Self.shape) }
        == [
          "pipelines/one/models/a.sql:3:6: there is no source or model 'lgos'; did you mean 'logs'?",
          "pipelines/one/models/a.sql:3:17: there is no source or model 'two.n'; did you mean 'two.m'?",
          "pipelines/one/models/b.yaml:4:3: 'b' does not read 'lgs'; did you mean 'logs'?",
          "pipelines/one/models/c.sql:1:15: 'one.logs' is a source, which only its own pipeline reads; write logs",
          "pipelines/two/models/m.sql:1:15: 'one.logs' is a source, which only its own pipeline reads; read a model of 'one' instead",
          "pipelines/two/models/m.sql:1:29: there is no source or model 'logs'; there are: m, one.a, one.b, one.c",
        ])
  }

  @Test(
    "circles are named, the same way each time",
    arguments: [
      (
        ["one.a": "SELECT a FROM a"],
        ["pipelines/one/models/a.sql: models read each other: one.a → one.a"]
      ),
      (
        [
          "one.c": "SELECT a FROM two.m", "two.m": "SELECT a FROM one.b",
          "one.b": "SELECT a FROM c",
          "one.a": "SELECT a FROM b", "one.d": "SELECT a FROM logs",
        ],
        ["pipelines/one/models/b.sql: models read each other: one.b → one.c → two.m → one.b"]
      ),
    ])
  func circles(_ models: [String: String], _ expected: [String]) throws {
    let project = try Self.project(models)
    #expect(mistakes { try project.graph(shape: Self.shape) } == expected)
  }

  @Test("a view reads tables only") func views() throws {
    var project = try Self.project(["one.v": "SELECT a FROM logs"])
    project.pipelines[0].models[0].kind = .view
    #expect(
      mistakes { try project.graph(shape: Self.shape) } == [
        "pipelines/one/models/v.sql:1:15: a view reads tables, but 'logs' is a source; choose 'kind: full', or read a model"
      ])
  }

  enum Domain: FailureDomain { static let name = "engine" }

  @Test("bad queries are mistakes of their files, other failures are passed on") func failures()
    throws
  {
    let project = try Self.project(["one.a": "SELEC", "one.b": "SELECT a FROM nope"])
    let bad = Failure<Domain>(
      .init(rawValue: "badQuery"), "syntax error", at: Place(line: 1, column: 1, model: "a"))
    #expect(
      mistakes {
        try project.graph { model in
          if model.name == "a" { throw bad }
          return ["nope"]
        }
      } == [
        "pipelines/one/models/a.sql:1:1: syntax error",
        "pipelines/one/models/b.sql:1:15: there is no source or model 'nope'; there are: a, b, logs",
      ])
    let gone = Failure<Domain>(.init(rawValue: "unavailable"), "no library")
    #expect(throws: Failure<Domain>.self) { try project.graph { _ in throw gone } }
  }

  @Test(
    "where names stand in SQL",
    arguments: [
      ("SELECT x FROM x", "x", "1:15"), ("SELECT x.a FROM x", "x", "1:17"),
      ("SELECT 'FROM x', \"x y\" FROM\n  x", "x", "2:3"),
      ("-- x\n/* x /* x */ x */ FROM X", "x", "2:24"),
      ("FROM a, x", "x", "1:9"), ("SELECT a, x FROM a, x WHERE a, x", "x", "1:21"),
      ("SELECT $x, $$ FROM x $$, $t$ FROM x $t$ FROM x", "x", "1:46"),
      ("SELECT E'it\\'s FROM x' FROM x", "x", "1:29"),
      ("SELECT 'it''s FROM x' FROM x", "x", "1:28"),
      ("FROM \"my table\"", "my table", "1:6"), ("FROM \"a\"\"b\"", "a\"b", "1:6"),
      ("FROM p.x", "x", nil), ("FROM p . x", "p.x", "1:6"), ("FROM p.x.y JOIN p.x", "p.x", "1:17"),
      ("FROM xx JOIN x1", "x", nil), ("FROM (SELECT 1 FROM x)", "x", "1:21"),
      ("FROM ((x))", "x", "1:8"),
      ("SELECT 1e5 FROM e5", "e5", "1:17"), ("SELECT 'é' FROM x", "x", "1:17"),
      ("SELECT 1 -- FROM x", "x", nil), ("SELECT '", "x", nil), ("/* x", "x", nil),
      ("$$ x", "x", nil), ("", "x", nil),
    ] as [(String, String, String?)])
  func places(_ sql: String, _ name: String, _ expected: String?) {
    #expect(SQLNames.mark(of: name, in: sql).map { "\($0.line):\($0.column)" } == expected)
  }

  @Test("rule 10: `on` is something that the SQL reads and that knows its changes")
  func incremental() throws {
    func found(_ on: String, _ more: String = "", sql: String = "SELECT a FROM logs JOIN seen")
      throws -> [String]
    {
      var files = ["sluice.yaml": ""]
      files["pipelines/p/pipeline.yaml"] =
        "sources: {logs: {files: 'x/*.csv', format: csv, columns: {a: int}}}\n"
      files["pipelines/p/models/m.yaml"] =
        "kind: append\ncolumns: {a: int}\nincremental: {on: \(on)}\n\(more)"
      files["pipelines/p/models/m.sql"] = sql
      files["pipelines/p/models/all.yaml"] = "kind: full\ncolumns: {a: int}"
      files["pipelines/p/models/all.sql"] = "SELECT a FROM logs"
      files["pipelines/p/models/seen.yaml"] = "kind: view\ncolumns: {a: int}"
      files["pipelines/p/models/seen.sql"] = "SELECT a FROM all"
      return mistakes {
        _ = try Sandbox(files).load().graph(shape: Self.shape)
      }
    }
    #expect(try found("logs") == [])
    #expect(
      try found("log") == [
        "pipelines/p/models/m.yaml:3:14: 'm' does not read 'log'; did you mean 'logs'?"
      ])
    #expect(
      try found("seen") == [
        "pipelines/p/models/m.yaml:3:14: 'seen' is a view, which keeps no record of its changes; name a table or a source here"
      ])
    #expect(
      try found("logs", "on_change: keep\n") == [
        "pipelines/p/models/m.yaml:3:14: a change of 'seen' would build 'm' again, which is to keep its rows (on_change: keep); write inputs: {seen: {on_input_change: ignore}}"
      ])
    #expect(
      try found("logs", "on_change: keep\ninputs: {seen: {on_input_change: ignore}}\n") == [])
  }
}
