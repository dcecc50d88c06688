import Core
import Stores

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Writes batches of rows as they come as Parquet files of a table, without a query.
struct BatchOutput {
  private let source: any BatchSource
  private let schema: Schema
  /// Of each column of the schema, the source's.
  private let order: [Int]
  private let location: String
  private let fileBytes: Int64

  /// Nil where rows have to be sorted, divided or cast, and where the location is not of this
  /// machine: that takes an engine.
  init?(_ source: any BatchSource, into output: Output, fileBytes: Int64) {
    let location = ParquetInput.localPath(output.location)
    guard output.sort.isEmpty, output.partition.isEmpty, !location.contains("://"),
      ParquetWriter.canWrite(output.schema),
      output.schema.fields.count == source.schema.fields.count
    else { return nil }
    var order: [Int] = []
    for field in output.schema.fields {
      let given = source.schema.fields.firstIndex {
        $0.name.lowercased() == field.name.lowercased()
      }
      guard let given, "\(source.schema.fields[given].type)" == "\(field.type)" else { return nil }
      order.append(given)
    }
    self.source = source
    schema = output.schema
    self.order = order
    self.location = location
    self.fileBytes = fileBytes
  }

  /// - Returns: The files, none of them empty.
  /// - Throws: `EngineError`; what the source throws; `Cancelled`. Nothing is left behind then.
  func write(_ cancellation: Cancellation) throws -> [DataFile] {
    guard makeFolders(location) else { throw ParquetWriter.failure("cannot be made", location) }
    return try MutationCounter.shared.around("compute", location) {
      var files: [DataFile] = []
      var writer: ParquetWriter?
      do {
        while let batch = try source.next() {
          try cancellation.check()
          guard batch.rowCount > 0 else { continue }
          let open = try writer ?? ParquetWriter(path: freshPath(), schema)
          writer = open
          try open.append(batch, order)
          if open.byteCount >= fileBytes {
            files.append(try open.finish())
            writer = nil
          }
        }
        if let writer { files.append(try writer.finish()) }
        if !files.isEmpty { sync() }
        return files
      } catch {
        for path in files.map(\.path) + [writer?.path].compactMap(\.self) { unlink(path) }
        throw error
      }
    }
  }

  private func freshPath() -> String {
    let random = String(UInt128.random(in: .min ... .max), radix: 16).paddedLeft(to: 32, with: "0")
    return "\(location)/part-\(random).parquet"
  }

  /// Waits until the names are on the disk; some file systems refuse that for a folder.
  private func sync() {
    let folder = open(location, O_RDONLY | O_CLOEXEC)
    guard folder >= 0 else { return }
    _ = fsync(folder)
    close(folder)
  }
}
