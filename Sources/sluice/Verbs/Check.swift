import Core
import Pipelines

extension Session {
  /// `sluice check`: project files, then published tables. The files were read on the way here.
  func check(on backend: some Backend) throws -> Int32 {
    try backend.validate(pipelines: operands)
    console.note("project files are valid")
    let tables = try backend.check(pipelines: operands)
    console.close()
    let text = CheckText(style: style, columns: columns)
    try write(json: tables.map(\.json), text: text.text(tables) + text.summary(tables))
    return tables.contains(where: \.isFailed) ? 1 : 0
  }
}
