import Core
import Foundation
import Testing

@testable import Project

/// Files that are missing, superfluous or misnamed.
@Suite struct LayoutTests {
  static func rename(_ files: inout [String: String], _ old: String, _ new: String) {
    files["pipelines/web/" + new] = files.removeValue(forKey: "pipelines/web/" + old)
  }

  @Test("mistakes of all files come in one pass, file by file, from top to end") func onePass()
    throws
  {
    let found = try Fixture.mistakes(settings: [("nonsense", "1")]) {
      $0["sluice.yaml"] = "engin: {}\nlake: ${NOWHERE}\n"
      $0["pipelines/web/pipeline.yaml"] = Fixture.pipeline
        .replacing(once: "model: pages", with: "model: page")
        .replacing(once: "format: csv\n    columns", with: "fromat: csv\n    columns")
        .replacing(once: "default: 25", with: "default: many")
      $0["pipelines/web/models/pages.yaml"] = Fixture.model
        .replacing(once: "sort: [page]", with: "sort: [pag]")
        .replacing(once: "type: bigint", with: "type: bigin")
      $0["pipelines/web/models/lost.sql"] = "SELECT 1"
      $0["pipelines/web/models/broken.yaml"] = "kind: [view"
      $0["pipelines/broken/pipeline.yaml"] = "a: 1\n a: 2"
      $0["pipelines/empty/README.md"] = "nothing"
    }
    #expect(
      found == [
        "sluice.yaml:1:1: unknown key 'engin'; did you mean 'engine'?",
        "sluice.yaml:2:7: nothing defines '${NOWHERE}'; set it with --set NOWHERE=…, export it, or write ${NOWHERE:-default}",
        "pipelines/broken/pipeline.yaml:2:3: not YAML: a ':' that starts no value; indent keys alike, and quote text that holds ': '",
        "pipeline.yaml:3:29: 'default' must be an int, not 'many'",
        "pipeline.yaml:8:5: 'format' is missing here; add 'format:', 'csv' for delimited lines, 'json' for one JSON object a line, 'parquet', 'text' for whole documents",
        "pipeline.yaml:9:5: unknown key 'fromat'; did you mean 'format'?",
        "pipeline.yaml:13:12: there is no model 'page'; did you mean 'pages'?",
        "models/broken.yaml:2:1: not YAML: did not find expected ',' or ']' while parsing a flow sequence that starts on line 1",
        "models/pages.yaml:5:17: unknown type 'bigin'; did you mean 'bigint'?",
        "pipelines/empty: no pipeline.yaml in this folder; every folder below pipelines/ is a pipeline: write one, or move the folder away",
        "models/lost.sql: a query without its lost.yaml; write lost.yaml beside it, with 'kind' and 'columns'",
      ])
  }

  @Test("the error of all mistakes counts them") func count() throws {
    let sandbox = try Sandbox(["sluice.yaml": "a: 1\nb: 2\n"])
    #expect(throws: ProjectError.self) { try sandbox.load() }
    do {
      _ = try sandbox.load()
    } catch let error as ProjectError {
      #expect(error.message == "2 mistakes in the project")
      #expect(error.qualifiedCode == "project.invalid")
      #expect(error.parts.map(\.qualifiedCode) == ["project.unknownKey", "project.unknownKey"])
      #expect(error.exitCode == 2)
    }
  }

  @Test("other files in the folders are left alone") func ignored() throws {
    let found = try Fixture.mistakes {
      $0["pipelines/README.md"] = "x"
      $0["pipelines/.hidden/x"] = "x"
      $0["pipelines/web/README.md"] = "x"
      $0["pipelines/web/blocked.txt"] = "x"
      $0["pipelines/web/tests/pages.yaml"] = "{ no yaml"
      $0["pipelines/web/reports/overview.md"] = "x"
      $0["pipelines/web/models/notes.md"] = "x"
      $0["pipelines/web/models/.#pages.yaml"] = "x"
      $0["pipelines/web/models/old/notes.txt"] = "x"
    }
    #expect(found == [])
  }

  @Test(
    "misnamed files are pointed out",
    arguments: [
      (
        "pipeline.yaml", "pipeline.yml",
        ["pipelines/web: no pipeline.yaml in this folder; rename pipeline.yml to pipeline.yaml"]
      ),
      (
        "pipeline.yaml", "Pipeline.yaml",
        ["pipelines/web: no pipeline.yaml in this folder; rename Pipeline.yaml to pipeline.yaml"]
      ),
      (
        "models/pages.yaml", "models/pages.yml",
        [
          "models/pages.yml: only .yaml and .sql are read here; rename it to pages.yaml",
          "models/pages.sql: a query without its pages.yaml; write pages.yaml beside it, with 'kind' and 'columns'",
        ]
      ),
      (
        "models/pages.sql", "models/pages.SQL",
        [
          "models/pages.yaml:1:1: no pages.sql beside this file; 'kind: interval' takes its rows from one SELECT there",
          "models/pages.SQL: only .yaml and .sql are read here; rename it to pages.sql",
        ]
      ),
      (
        "models/pages.sql", "models/page.sql",
        [
          "models/pages.yaml:1:1: no pages.sql beside this file; 'kind: interval' takes its rows from one SELECT there",
          "models/page.sql: a query without its page.yaml; did you mean pages.sql?",
        ]
      ),
      (
        "models/pages.sql", "models/pages.spark.sql",
        ["models/pages.yaml:1:1: pages.spark.sql without the pages.sql that it translates"]
      ),
      (
        "models/pages.sql", "models/sub/pages.sql",
        [
          "models/pages.yaml:1:1: no pages.sql beside this file; 'kind: interval' takes its rows from one SELECT there",
          "models/sub: models in a folder below models/ are not read; move its files into models/",
        ]
      ),
    ])
  func misnamed(_ old: String, _ new: String, _ expected: [String]) throws {
    #expect(try Fixture.mistakes { Self.rename(&$0, old, new) }.sorted() == expected.sorted())
  }

  @Test("folders and queries that cannot be") func folders() throws {
    let found = try Fixture.mistakes {
      $0["pipelines/my web/pipeline.yaml"] = ""
      $0["pipelines/web/pipeline.yml"] = ""
      $0["pipelines/web/model/x.yaml"] = ""
      $0["pipelines/web/models/pages.sql"] = " \n"
      $0["pipelines/web/models/a-b.yaml"] = "kind: full\ncolumns: {a: int}\n"
      $0["pipelines/web/models/a-b.sql"] = "SELECT 1 AS a"
    }
    #expect(
      found == [
        "models/a-b.yaml:1:1: the model name 'a-b' cannot be; use letters, digits and '_', not starting with a digit",
        "pipelines/my web: the pipeline name 'my web' cannot be; use letters, digits and '_', not starting with a digit",
        "pipeline.yml: only pipeline.yaml is read; remove this file",
        "model: a folder called 'model'; rename it to 'models'",
        "models/pages.sql: an empty file; write one SELECT",
      ])
    let sandbox = try Sandbox(Fixture.files)
    try sandbox.write("pipelines/web/models/pages.sql", Array("SELECT '".utf8) + [0xFF])
    #expect(
      mistakes { try sandbox.load() }
        == ["pipelines/web/models/pages.sql: bytes that are not UTF-8"])
    let other = try Sandbox(["sluice.yaml": "", "pipeline/web/pipeline.yaml": ""])
    #expect(
      mistakes { try other.load() } == [
        "pipeline: a folder called 'pipeline'; rename it to 'pipelines'"
      ])
  }

  @Test("two pipelines cannot export into one folder") func destinations() throws {
    var files = Fixture.files
    for (name, text) in Fixture.files where name.hasPrefix("pipelines/web/") {
      files["pipelines/zoo/" + name.dropFirst("pipelines/web/".count)] = text.replacingOccurrences(
        of: "{partition}", with: "{partition}//")
    }
    let sandbox = try Sandbox(files)
    #expect(
      mistakes { try sandbox.load() } == [
        "pipelines/zoo/pipeline.yaml:12:3: exports 'web.csv' and 'zoo.csv' write to the same folder"
      ])
  }

  @Test("a folder where a file should be is not that file") func foldersForFiles() throws {
    let project = try Sandbox(["sluice.yaml/x": ""])
    #expect(mistakes { try project.load() }[0].contains("no sluice.yaml here"))
    let pipeline = try Sandbox(["sluice.yaml": "", "pipelines/p/pipeline.yaml/x": ""])
    #expect(
      mistakes { try pipeline.load() }[0].hasPrefix("pipelines/p: no pipeline.yaml in this folder"))
  }

  @Test("the project is the nearest folder above that holds sluice.yaml") func directory() throws {
    let sandbox = try Sandbox(Fixture.files)
    let now = Instant(seconds: 0)
    let inside = sandbox.path + "/pipelines/web/models"
    let project = try Project.load(LoadOptions(workingDirectory: inside, now: now))
    #expect(project.directory == sandbox.path)
    let named = try Project.load(
      LoadOptions(directory: "../..", workingDirectory: sandbox.path + "/pipelines/web", now: now))
    #expect(named.directory == sandbox.path)
    #expect(
      mistakes {
        try Project.load(
          LoadOptions(directory: "pipelines", workingDirectory: sandbox.path, now: now))
      } == [
        "\(sandbox.path)/pipelines: no sluice.yaml in this folder; start a project with 'sluice init', or name its folder with --project"
      ])
    let empty = try Sandbox(["x/sluice.yml": ""])
    #expect(
      mistakes { try empty.load() } == [
        "\(empty.path): no sluice.yaml here or in a folder above; start a project with 'sluice init', or name its folder with --project"
      ])
    #expect(
      mistakes {
        try Project.load(LoadOptions(directory: "x", workingDirectory: empty.path, now: now))
      } == [
        "\(empty.path)/x: no sluice.yaml in this folder; rename sluice.yml to sluice.yaml"
      ])
  }

  @Test("messages name files from the working directory where they are below it") func display()
    throws
  {
    let sandbox = try Sandbox(["sluice.yaml": "x: 1"])
    let now = Instant(seconds: 0)
    #expect(
      mistakes {
        try Project.load(LoadOptions(directory: sandbox.path, workingDirectory: "/", now: now))
      }[0]
      .hasPrefix(String(sandbox.path.dropFirst()) + "/sluice.yaml:1:1: "))
    #expect(
      mistakes {
        try Project.load(
          LoadOptions(directory: sandbox.path, workingDirectory: "/nowhere", now: now))
      }[0].hasPrefix(sandbox.path + "/sluice.yaml:1:1: "))
  }
}
