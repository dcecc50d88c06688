import Core
import Pipelines

extension Session {
  /// `sluice plan`: shows what would run, and why.
  func plan(on backend: some Backend) throws -> Int32 {
    let plan = try backend.plan(selection())
    console.close()
    let text = PlanText(style: style, columns: columns, paths: paths)
    let summary = text.summary(plan)
    try write(json: plan.jsonLines, text: text.text(plan) + "\n\(summary)\n")
    if !plan.isEmpty { console.note("do it: \(NextSteps.run(options, pipelines: operands))") }
    return 0
  }
}
