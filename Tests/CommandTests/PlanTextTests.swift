import Core
import Testing

@testable import Pipelines
@testable import sluice

@Suite("plan, as people read it") struct PlanTextTests {
  let text = PlanText(style: .plain)

  @Test("equal hours share a line; others stand alone")
  func collapses() {
    let day = hours(instant(2024, 1, 1), 24)
    let exports = { (hour: Int) in
      [
        PlannedExport(
          name: "csv", reason: "new",
          destination: "/out/format=csv/hour=\(String(hour).paddedLeft(to: 2, with: "0"))")
      ]
    }
    var units = day[0..<22].enumerated().map { index, interval in
      PlannedUnit(
        model: "top_pages", interval: interval, action: .run(.new), fileCount: 2,
        byteCount: 50_000_000, exports: exports(index))
    }
    units.append(
      PlannedUnit(
        model: "top_pages", interval: day[22], action: .run(.definitionChanged), fileCount: 1,
        byteCount: 1_500, exports: []))
    units.append(
      PlannedUnit(
        model: "top_pages", interval: day[23],
        action: .waiting(missing: ["https://host/pageviews-23.gz"]), fileCount: 0, byteCount: 0,
        exports: []))
    let plan = Plan(pipelines: [
      PipelinePlan(
        pipeline: "pageviews", intervals: day,
        batches: [
          PlannedBatch(
            source: "blocked", number: 3, added: 1200, changed: 1, removed: 0, byteCount: 812)
        ], units: units, notes: ["model old_pages is gone; its table stays"])
    ])
    #expect(
      text.text(plan) == """
        pageviews: 2024-01-01T00 … T23 (24 intervals)
          batch 3 of source blocked: 1,200 files added, 1 changed, 812 B
          model      interval                            action   why                 reads
          top_pages  2024-01-01T00 … T21 (22 intervals)  run      new                 44 files, 1.10 GB
            → csv                                        export   new                 /out/format=csv/…
          top_pages  2024-01-01T22                       run      definition changed  1 file, 1.50 kB
          top_pages  2024-01-01T23                       waiting  not there yet: https://host/pageviews-23.gz
          note: model old_pages is gone; its table stays

        """)
    #expect(
      text.summary(plan) == "1 batch to append, 23 units to run, 22 exports to write, 1 waiting")
  }

  @Test("waiting hours share a line whatever they wait for; other actions must be equal")
  func waiting() {
    let day = hours(instant(2024, 1, 1), 4)
    let actions: [PlannedUnit.Action] = [
      .waiting(missing: ["a"]), .waiting(missing: ["b"]), .blocked("accept it"), .upToDate,
    ]
    let units = zip(day, actions).map { interval, action in
      PlannedUnit(
        model: "m", interval: interval, action: action, fileCount: 1, byteCount: 1, exports: [])
    }
    let plan = Plan(pipelines: [
      PipelinePlan(pipeline: "p", intervals: day, batches: [], units: units, notes: [])
    ])
    #expect(
      text.text(plan) == """
        p: 2024-01-01T00 … T03 (4 intervals)
          model  interval                           action      why
          m      2024-01-01T00 … T01 (2 intervals)  waiting     not there yet: a and 1 more
          m      2024-01-01T02                      blocked     accept it
          m      2024-01-01T03                      up to date

        """)
    #expect(text.summary(plan) == "2 waiting, 1 blocked")
  }

  @Test("models without intervals; nothing to do")
  func whole() {
    let unit = PlannedUnit(
      model: "revenue", interval: nil, action: .upToDate, fileCount: 1, byteCount: 9, exports: [])
    let plan = Plan(pipelines: [
      PipelinePlan(pipeline: "sales", intervals: [], batches: [], units: [unit], notes: [])
    ])
    #expect(
      text.text(plan) == """
        sales
          model    action
          revenue  up to date

        """)
    #expect(text.summary(plan) == "nothing to do")
    #expect(text.summary(Plan(pipelines: [])) == "nothing to do")
  }

  @Test(
    "what texts have in common",
    arguments: [
      ([], ""), (["ab"], "ab"), (["ab", "ab"], "ab"), (["ab", "ac"], "a…"), (["ab", "a"], "a…"),
      (["x", "y"], "…"), (["日本", "日記"], "日…"),
      (["/a/bc/x", "/a/bd/x"], "/a/…"), (["/a/b/", "/a/b/c"], "/a/b/…"),
    ])
  func common(texts: [String], common: String) { #expect(commonText(texts) == common) }
}
