import Core
import Testing

@testable import Project

@Suite struct SubstitutionTests {
  static let environment = [
    "A": "1", "EMPTY": "", "B_2": "two words", "DOLLAR": "${A}", "BRACE": "}",
  ]

  /// What becomes of one value, or what is wrong with it.
  static func result(_ text: String) -> String {
    let problems = Problems()
    let reader = Reader(file: "f", directory: "/", problems: problems)
    let options = LoadOptions(
      workingDirectory: "/", settings: [("S", "set"), ("A2", "x")], environment: environment,
      now: Instant(seconds: 0))
    let scope = Variables(options).scope(lake: "/lake")
    let node = YAMLNode(
      content: .scalar(.init(text: text, isPlain: true, quoteCount: 0)),
      mark: .init(line: 1, column: 1))
    let replaced = scope.substitute(node, reader)
    do throws(ProjectError) {
      try problems.throwIfAny()
    } catch {
      return error.parts.map(\.description).joined(separator: " | ")
    }
    return replaced.scalar?.text ?? "?"
  }

  @Test(
    "what variables become",
    arguments: [
      ("plain", "plain"), ("${A}", "1"), ("x${A}y${S}", "x1yset"), ("${lake}/x", "/lake/x"),
      ("${NONE:-d}", "d"), ("${NONE:-}", ""), ("${EMPTY:-d}", "d"), ("${EMPTY}", ""),
      ("${A:-d}", "1"), ("${NONE:-${A}}", "1"), ("${NONE:-${NONE2:-${lake}/e}}/f", "/lake/e/f"),
      // A default that is not needed is not looked at.
      ("${A:-${NONE}}", "1"),
      // Plain braces balance inside a default, as URI templates need.
      ("${NONE:-u/{yyyy}/x}/{HH}", "u/{yyyy}/x/{HH}"),
      // Values are not templates.
      ("${DOLLAR}", "${A}"), ("${BRACE}", "}"), ("${B_2}", "two words"),
      // A dollar that starts nothing is itself; two are one.
      ("$A $5 $", "$A $5 $"), ("$$", "$"), ("$${A}", "${A}"), ("$$$${A}", "$${A}"),
      ("$$${A}", "$1"), ("${NONE:-$${A}}", "${A}"), ("é${A}ü", "é1ü"),
    ])
  func values(_ text: String, _ expected: String) {
    #expect(Self.result(text) == expected)
  }

  @Test(
    "what is no substitution, at its column",
    arguments: [
      (
        "${NONE}",
        "f:1:1: nothing defines '${NONE}'; set it with --set NONE=…, export it, or write ${NONE:-default}"
      ),
      ("ab ${EMPT}", "f:1:4: nothing defines '${EMPT}'; did you mean 'EMPTY'?"),
      ("${lkae}", "f:1:1: nothing defines '${lkae}'; did you mean 'lake'?"),
      ("${a}", "f:1:1: nothing defines '${a}'; did you mean 'A'?"),
      (
        "${NONE:-${NONE2}}",
        "f:1:9: nothing defines '${NONE2}'; set it with --set NONE2=…, export it, or write ${NONE2:-default}"
      ),
      (
        "${QQQ1} ${QQQ2}",
        "f:1:1: nothing defines '${QQQ1}'; set it with --set QQQ1=…, export it, or write ${QQQ1:-default} | f:1:9: nothing defines '${QQQ2}'; set it with --set QQQ2=…, export it, or write ${QQQ2:-default}"
      ),
      (
        "x${A",
        "f:1:2: '${' without its '}'; write ${NAME} or ${NAME:-default}, and $$ for a plain $"
      ),
      (
        "${A:-x",
        "f:1:1: '${A:-' without its '}'; write ${NAME} or ${NAME:-default}, and $$ for a plain $"
      ),
      (
        "${}", "f:1:1: '${' without a name; write ${NAME} or ${NAME:-default}, and $$ for a plain $"
      ),
      (
        "${A-x}",
        "f:1:1: '${A-' is no substitution; write ${NAME} or ${NAME:-default}, and $$ for a plain $"
      ),
      (
        "${A:?x}",
        "f:1:1: '${A:' is no substitution; write ${NAME} or ${NAME:-default}, and $$ for a plain $"
      ),
      (
        "${1}",
        "f:1:1: '${' without a name; write ${NAME} or ${NAME:-default}, and $$ for a plain $"
      ),
    ])
  func mistakes(_ text: String, _ expected: String) {
    #expect(Self.result(text) == expected)
  }

  /// The fixture with another `top`, and `use` of it somewhere.
  static func load(
    _ top: String, settings: [(String, String)] = [], environment: [String: String] = [:]
  ) throws -> Value? {
    var files = Fixture.files
    files["pipelines/web/pipeline.yaml"] = Fixture.pipeline.replacing(
      once: "top: {type: int, default: 25, min: 1}", with: top)
    return try Sandbox(files).load(settings: settings, environment: environment)
      .pipelines[0].params["top"]
  }

  @Test("a param is --set, else its default, in which params and the environment may stand")
  func params() throws {
    #expect(try Self.load("top: {type: int, default: 5}") == .integer(5))
    #expect(try Self.load("top: {type: int, default: 5}", settings: [("top", "7")]) == .integer(7))
    #expect(
      try Self.load("top: {type: int, default: 5}", settings: [("top", "7"), ("top", "8")])
        == .integer(8), "the last --set wins")
    #expect(
      try Self.load("top: {type: int, default: 5}", environment: ["top": "9"]) == .integer(5),
      "a param hides the environment")
    #expect(
      try Self.load("top: {type: int, default: \"${TOP:-6}\"}", environment: ["TOP": "9"])
        == .integer(9))
    #expect(try Self.load("top: {type: int, default: ${TOP:-6}}") == .integer(6))
    #expect(
      try Self.load(
        "a: {type: int, default: 3}\n  top: {type: int, default: ${b}}\n  b: {type: int, default: ${a}}"
      )
        == .integer(3))
    #expect(
      try Self.load("top: {type: int, default: ${TOP}}", settings: [("top", "4")]) == .integer(4),
      "a default that is not needed may be unresolved")
    #expect(try Self.load("top: {type: date, default: 2024-02-29}") == .date(19_782))
    #expect(
      try Self.load("top: {type: \"decimal(5,2)\", default: 1.5}")
        == .decimal(unscaled: 150, scale: 2))
  }

  @Test(
    "a param that cannot have its value says so",
    arguments: [
      (
        "top: {type: int, default: ${top}}", [],
        ["pipeline.yaml:3:3: params need each other: top → top"]
      ),
      (
        "top: {type: int, default: ${b}}\n  b: {type: int, default: ${top}}", [],
        ["pipeline.yaml:3:3: params need each other: top → b → top"]
      ),
      (
        "top: {type: int}", [],
        ["pipeline.yaml:3:3: param 'top' has no default; run with --set top=…"]
      ),
      (
        "top: {type: int, default: x}", [],
        ["pipeline.yaml:3:29: 'default' must be an int, not 'x'"]
      ),
      (
        "top: {type: int, default: 0, min: 1}", [],
        ["pipeline.yaml:3:29: 'default' must be at least 1, not 0"]
      ),
      (
        "top: {type: int, default: 9, max: 8}", [],
        ["pipeline.yaml:3:29: 'default' must be at most 8, not 9"]
      ),
      (
        "top: {type: int, default: 9, values: [1, 2]}", [],
        ["pipeline.yaml:3:29: 'default' must be one of 1, 2, not 9"]
      ),
      (
        "top: {type: int, default: 1, values: [1, x]}", [],
        ["pipeline.yaml:3:44: a value must be an int, not 'x'"]
      ),
      (
        "top: {type: int, default: 1, min: a}", [],
        ["pipeline.yaml:3:37: 'min' must be an int, not 'a'"]
      ),
      (
        "top: {type: list<int>, default: 1}", [],
        ["pipeline.yaml:3:15: a param cannot be a list<int>"]
      ),
      (
        "top: {type: int, default: [1]}", [],
        ["pipeline.yaml:3:29: 'default' must be an int, not a list"]
      ),
      (
        "top: {type: int, default: }", [],
        ["pipeline.yaml:3:29: 'default' must be an int, not nothing"]
      ),
      (
        "top: {default: x}\n  TOP: {default: y}", [],
        [
          "pipeline.yaml:4:3: params 'top' and 'TOP' differ only by case; SQL takes $top and $TOP for one"
        ]
      ),
      (
        "lake: {default: x}", [],
        [
          "pipeline.yaml:3:3: a param cannot be called 'lake'; Sluice gives this name a value itself"
        ]
      ),
      (
        "top: {type: int, default: 1}", ["top=x"],
        ["--set top=x: param 'top' of pipeline 'web' must be an int"]
      ),
      (
        "top: {type: int, default: 1, min: 1}", ["top=0"],
        ["--set top=0: param 'top' of pipeline 'web' must be at least 1"]
      ),
      (
        "top: {default: rank, values: [rank, row_number]}", ["top=rnak"],
        [
          "--set top=rnak: param 'top' of pipeline 'web' must be one of rank, row_number; did you mean 'rank'?"
        ]
      ),
      (
        "top: {type: int, default: 1}", ["tpo=3"],
        ["--set tpo: nothing in the project is called that; did you mean 'top'?"]
      ),
      (
        "top: {type: int, default: 1}", ["lake=x"],
        ["--set lake: nothing in the project is called that; write --lake URI"]
      ),
      (
        "top: {type: int, default: 1}", ["VISITS_URK=x"],
        ["--set VISITS_URK: nothing in the project is called that; did you mean 'VISITS_URL'?"]
      ),
    ] as [(String, [String], [String])])
  func badParams(_ top: String, _ settings: [String], _ expected: [String]) throws {
    let found = try Fixture.mistakes(
      settings: settings.map { text in
        let parts = text.split(separator: "=").map(String.init)
        return (parts[0], parts[1])
      }
    ) {
      $0["pipelines/web/pipeline.yaml"] = Fixture.pipeline.replacing(
        once: "top: {type: int, default: 25, min: 1}", with: top)
    }
    #expect(found == expected)
  }

  @Test("--set reaches variables that are no params, and comes before the environment")
  func settings() throws {
    let sandbox = try Sandbox(Fixture.files)
    let project = try sandbox.load(
      settings: [("VISITS_URL", "http://a/b")], environment: ["VISITS_URL": "http://c/d"])
    guard case .intervals(let files) = project.pipelines[0].sources[0].origin else {
      Issue.record("no interval source")
      return
    }
    #expect(files.uri.text == "http://a/b/{yyyy}/{MM}/{dd}/{HH}.csv")
  }

  @Test("an unquoted value takes its type after substitution")
  func typing() throws {
    var files = Fixture.files
    files["sluice.yaml"] = "engine: {threads: ${T}, memory: ${M}}\ncache: {max: \"${M}\"}\n"
    files["pipelines/web/pipeline.yaml"] = Fixture.pipeline.replacing(
      once: "format: csv\n    columns", with: "format: csv\n    header: ${H}\n    columns")
    let project = try Sandbox(files).load(environment: ["T": "3", "M": "1GiB", "H": "false"])
    #expect(project.engine.threads == 3)
    #expect(project.engine.memoryBytes == 1 << 30)
    #expect(project.cache.maxBytes == 1 << 30)
    guard case .csv(let csv) = project.pipelines[0].sources[0].format else {
      Issue.record("no CSV")
      return
    }
    #expect(!csv.header)
  }

  @Test("what the environment holds stays out of every message") func secrets() throws {
    let found = try Fixture.mistakes(environment: ["PASSWORD": "hunter2-and-more"]) {
      $0["sluice.yaml"] = """
        lake: x${PASSWORD}:${PASSWORD}
        catalog: ${PASSWORD}
        engine: {threads: ${PASSWORD}, memory: "${PASSWORD}", use: a${PASSWORD}b}
        cache: ${PASSWORD}
        profile: ${PASSWORD}
        """
      $0["pipelines/web/pipeline.yaml"] = Fixture.pipeline
        .replacing(once: "every: hour", with: "every: ${PASSWORD}")
        .replacing(once: "model: pages", with: "model: ${PASSWORD}")
        .replacing(once: "default: 25", with: "default: ${PASSWORD}")
        .replacing(once: "default: rank,", with: "default: ${PASSWORD},")
      $0["pipelines/web/models/pages.yaml"] = Fixture.model
        .replacing(once: "sort: [page]", with: "sort: [${PASSWORD}]\ntags: {x: ${PASSWORD}}")
        .replacing(once: "type: string", with: "type: ${PASSWORD}")
        .replacing(
          once: "type: bigint",
          with: "type: bigint, checks: [${PASSWORD}, {between: {min: ${PASSWORD}}}]")
    }
    #expect(found.count >= 12)
    for line in found { #expect(!line.contains("hunter2"), "\(line)") }
  }
}
