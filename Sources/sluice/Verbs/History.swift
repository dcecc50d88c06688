import Core
import Pipelines

extension Session {
  /// `sluice history [RUN]`: past runs, or one of them in full.
  func history(on backend: some Backend) throws -> Int32 {
    if let name = operands.first {
      let json = try backend.historyRecord(run: name)
      let record = RunRecord(json)
      let text = RunText(style: style, columns: columns, isDetailed: true, paths: paths)
      try write(
        json: [typed(json)],
        text: text.text(record) + text.failures(record) + text.summary(record))
    } else {
      let records = try backend.history(limit: options.limit ?? 20)
      try write(
        json: records.map(typed),
        text: HistoryText(style: style, columns: columns).text(records.map { RunRecord($0) }))
    }
    return 0
  }

  private func typed(_ record: JSON) -> JSON {
    .object([.init("type", "run")] + (record.members ?? []).filter { $0.name != "type" })
  }
}
