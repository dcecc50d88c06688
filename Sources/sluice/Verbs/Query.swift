import Core
import Pipelines

extension Session {
  /// `sluice query`: streams the rows of one SELECT.
  func query(on backend: some Backend) throws -> Int32 {
    let format = options.json ? .json : options.format ?? .table
    var writer = RowWriter(format: format, style: style, columns: columns)
    try backend.query(operands[0], asOf: options.asOf) { rows in
      try output.write(writer.text(of: rows))
    }
    console.close()
    try output.write(writer.end())
    try output.flush()
    if format == .table, columns != nil { console.note(counted(writer.rowCount, "row")) }
    return 0
  }
}
