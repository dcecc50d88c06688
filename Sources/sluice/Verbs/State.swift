import Core
import Pipelines

extension Session {
  /// `sluice state`: what every table has consumed.
  func state(on backend: some Backend) throws -> Int32 {
    let report = try backend.state(pipelines: operands)
    try write(
      json: report.jsonLines, text: StateText(style: style, columns: columns).text(report))
    return 0
  }
}
