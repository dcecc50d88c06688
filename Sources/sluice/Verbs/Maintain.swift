import Core
import Pipelines

extension Session {
  /// `sluice maintain`: compacts, expires, removes. Failures of single tables are in the report.
  func maintain(on backend: some Backend) throws -> Int32 {
    let report = try backend.maintain(pipelines: operands)
    console.close()
    let text = MaintenanceText(style: style, columns: columns)
    try write(json: report.jsonLines, text: text.text(report))
    return report.isFailed ? 1 : 0
  }
}
