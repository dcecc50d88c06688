import Core
import Pipelines

/// What every table has consumed, and what lies in the lake that nothing refers to.
struct StateText {
  var style: Style
  var columns: Int?

  func text(_ report: StateReport) -> String {
    var parts: [String] = []
    if !report.sources.isEmpty { parts.append(sources(report.sources)) }
    if !report.models.isEmpty { parts.append(models(report.models)) }
    if !report.leftovers.isEmpty { parts.append(leftovers(report.leftovers)) }
    return parts.isEmpty ? "nothing yet\n" : parts.joined(separator: "\n")
  }

  private func sources(_ sources: [SourceState]) -> String {
    var table = TextTable(header: ["source", "newest batch", "files", "bytes"], indent: 2)
    table.rows = sources.map { source in
      [
        .init("\(source.pipeline).\(source.source)"),
        source.batch == 0 ? .number("none", .dim) : .number(String(source.batch)),
        .number(grouped(source.fileCount)), .number(byteText(source.byteCount)),
      ]
    }
    return style.bold("Sources") + "\n" + table.text(style: style, columns: columns)
  }

  private func models(_ models: [ModelState]) -> String {
    var out = style.bold("Tables") + "\n"
    var table = TextTable(
      header: ["model", "kind", "version", "rows", "files", "bytes"], indent: 2)
    table.rows = models.map { model in
      let exists = model.version != nil
      return [
        .init("\(model.pipeline).\(model.model)"), .init(model.kind),
        .number(model.version.map { "v\($0)" } ?? "none", exists ? .plain : .dim),
        .number(exists ? grouped(model.rowCount) : ""),
        .number(exists ? grouped(model.fileCount) : ""),
        .number(exists ? byteText(model.byteCount) : ""),
      ]
    }
    out += table.text(style: style, columns: columns)
    for model in models { out += consumed(model) }
    return out
  }

  /// What one table has consumed, and what stops it.
  private func consumed(_ model: ModelState) -> String {
    var lines: [String] = []
    if !model.intervals.isEmpty {
      lines.append("consumed \(rangesText(model.intervals.map(\.interval)))")
    }
    for input in model.inputs {
      lines.append("\(printable(input.name)) up to \(printable(input.position))")
    }
    if let held = model.held { lines.append("\(style.yellow("held back:")) \(printable(held))") }
    if let problem = model.problem {
      lines.append("\(style.red("problem:")) \(printable(problem))")
    }
    guard !lines.isEmpty else { return "" }
    let name = style.bold(printable("\(model.pipeline).\(model.model)"))
    return "\n  \(name)\n" + lines.map { "    \($0)\n" }.joined()
  }

  private func leftovers(_ leftovers: [Leftover]) -> String {
    let bytes = byteText(leftovers.reduce(0) { $0 + $1.byteCount })
    var out = style.bold("Leftovers") + ": \(counted(leftovers.count, "file")), \(bytes), which no "
    out += "table refers to; they do no harm\n"
    var table = TextTable(header: ["file", "bytes", "why it is there"], indent: 2)
    table.rows = leftovers.map { leftover in
      [
        .init(leftover.key), .number(byteText(leftover.byteCount)),
        .sentence(leftover.explanation),
      ]
    }
    out += table.text(style: style, columns: columns)
    return out
  }
}
