import Core
import Foundation
import Testing

@testable import Project

@Suite struct ExamplesTests {
  @Test("the fixture loads, every default filled in") func fixture() throws {
    let sandbox = try Sandbox(Fixture.files)
    let project = try sandbox.load()
    let root = sandbox.path
    #expect(project.directory == root)
    #expect(project.lake == root + "/lake")
    #expect(project.catalog == .storage)
    #expect(project.engine.use == .duckdb)
    #expect(project.engine.threads >= 1)
    #expect(project.engine.spill == root + "/.sluice/spill")
    #expect(project.cache == CacheSettings(path: root + "/.sluice/cache", maxBytes: 20_000_000_000))
    let web = try #require(project[pipeline: "web"])
    #expect(web.params == ["top": .integer(25), "ties": .string("rank")])
    #expect(web.interval?.defaultInterval.description == "2024-01-01T13")
    #expect(web.interval?.parallel == 1)
    let visits = try #require(web[source: "visits"])
    guard case .intervals(let files) = visits.origin, case .csv(let csv) = visits.format else {
      Issue.record("another kind of source")
      return
    }
    #expect(files.uri.text == "https://example.org/visits/{yyyy}/{MM}/{dd}/{HH}.csv")
    #expect(files.wait == Source.Wait(timeoutMilliseconds: 0, everyMilliseconds: 60_000))
    #expect(csv == Source.CSV())
    #expect(visits.malformed == .fail)
    let pages = try #require(web[model: "pages"])
    #expect(pages.checks.map(\.name) == ["page_not_null"])
    #expect(pages.sql?.text == Fixture.sql)
    let export = try #require(web[export: "csv"])
    #expect(export.columns == ["page", "views", "interval_start", "interval_end"])
    #expect(export.to.text == root + "/lake/exports/{partition}")
    #expect(export.to.expand(partition: "year=2024") == root + "/lake/exports/year=2024")
  }

  @Test(
    "the shared examples load as they are",
    .enabled(if: FileManager.default.fileExists(atPath: sharedExamples + "/sluice.yaml")))
  func shared() throws {
    let project = try Project.load(
      LoadOptions(
        directory: sharedExamples, workingDirectory: "/", now: Instant(seconds: 1_704_200_400)))
    #expect(project.profile == "dev")
    #expect(project.engine.memoryBytes == 4_000_000_000)
    #expect(project.pipelines.map(\.name) == ["pageviews", "wordindex"])

    let pageviews = try #require(project[pipeline: "pageviews"])
    #expect(pageviews.parameters.map(\.name) == ["interval", "ties", "top"])
    #expect(
      pageviews.interval
        == IntervalSettings(
          every: .hour,
          defaultInterval: IntervalLength.hour.interval(holding: Instant(seconds: 1_704_114_000)),
          parallel: 2, retries: 2))
    guard case .intervals(let files)? = pageviews[source: "pageviews"]?.origin else {
      Issue.record("pageviews is no interval source")
      return
    }
    #expect(files.uri.length == .hour)
    #expect(files.recheckMilliseconds == 3 * 86_400_000)
    #expect(
      files.uri.expand(IntervalLength.hour.interval(holding: Instant(seconds: 1_704_085_200)))
        == "https://dumps.wikimedia.org/other/pageviews/2024/2024-01/pageviews-20240101-050000.gz")
    let model = try #require(pageviews[model: "top_pages"])
    #expect(model.inputs["blocked"]?.onInputChange == .ignore)
    #expect(model.onDefinition == .rebuild)
    #expect(
      model.checks.map(\.name) == [
        "domain_not_null", "page_not_null", "views_not_null", "views_between", "rank_between",
        "interval_start_not_null", "interval_end_not_null", "row_count",
        "interval_start_interval_end_domain_page_unique",
      ])
    #expect(model.checks[3].severity == .warn)
    #expect(model.checks[3].kind == .between(min: .integer(0), max: nil))
    #expect(pageviews.exports.map(\.name) == ["csv", "parquet"])

    let wordindex = try #require(project[pipeline: "wordindex"])
    guard case .files(let settings)? = wordindex[source: "files"]?.origin,
      case .text(let text)? = wordindex[source: "files"]?.format
    else {
      Issue.record("files is no text source")
      return
    }
    #expect(settings.maxRemovedPercent == 20)
    #expect(text.fallbackEncoding == .latin1)
    let index = try #require(wordindex[model: "index"])
    #expect(index.operator?.wordIndex == WordIndexSettings(input: "files"))
    #expect(index.incremental?.on == "files")
    #expect(index.outputs.map(\.name) == ["words", "documents", "postings"])
    #expect(index.outputs[2].columns["doc_ids"]?.type.description == "list<bigint>")

    let graph = try project.graph { model in
      switch model.name {
      case "top_pages": ["blocked", "pageviews"]
      default: ["documents", "postings", "words"]
      }
    }
    #expect(
      graph.nodes.map(\.model.qualifiedName)
        == ["pageviews.top_pages", "wordindex.index", "wordindex.word_files"])
    #expect(
      graph["wordindex.word_files"]?.inputs["postings"]
        == .table(pipeline: "wordindex", model: "index", table: "postings"))
  }
}
