import Core
import Foundation
import Kernels

@testable import Formats

/// A folder of a test's own; gone with it.
final class Scratch {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String, _ bytes: [UInt8]) throws -> InputFile {
    let path = "\(path)/\(name)"
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    return InputFile(path: path, name: "mem:/\(name)", byteCount: Int64(bytes.count))
  }

  func file(_ name: String, _ text: String) throws -> InputFile {
    try file(name, Array(text.utf8))
  }

  func rejects() throws -> RejectLog { try RejectLog(directory: path) }
}

/// Columns from `name: type` pairs.
func columns(_ pairs: KeyValuePairs<String, FieldType>) -> [Field] {
  pairs.map { Field(name: $0.key, type: $0.value) }
}

/// One value of a batch, for comparing.
func value(_ batch: ColumnBatch, _ column: Int, _ row: Int, _ type: FieldType) -> Value {
  let values = batch.columns[column]
  if values.nulls?[row] == true { return .null }
  switch (values.values, type) {
  case (.boolean(let all), _): return .boolean(all[row])
  case (.int32(let all), .date): return .date(all[row])
  case (.int32(let all), _): return .integer(Int64(all[row]))
  case (.int64(let all), .time): return .time(all[row])
  case (.int64(let all), .timestamp): return .timestamp(Instant(microseconds: all[row]))
  case (.int64(let all), .timestamptz): return .timestamptz(Instant(microseconds: all[row]))
  case (.int64(let all), _): return .integer(all[row])
  case (.float(let all), _): return .float(all[row])
  case (.double(let all), _): return .double(all[row])
  case (.int128(let all), .decimal(_, let scale)): return .decimal(unscaled: all[row], scale: scale)
  case (.int128(let all), _): return .decimal(unscaled: all[row], scale: 0)
  case (.uuid(let all), _): return .uuid(all[row])
  case (.bytes(let all), _):
    let slice = all[row]
    let bytes = Array(batch.bytes[Int(slice.offset)..<Int(slice.offset) + Int(slice.count)])
    return type == .binary ? .binary(bytes) : .string(String(validating: bytes, as: UTF8.self)!)
  case (.int64Lists(let offsets, let elements), _):
    return .list(elements[Int(offsets[row])..<Int(offsets[row + 1])].map { .integer($0) })
  }
}

func rows(of batch: ColumnBatch, _ schema: Schema) -> [[Value]] {
  (0..<batch.rowCount).map { row in
    schema.fields.enumerated().map { value(batch, $0.offset, row, $0.element.type) }
  }
}

/// All rows of a source, read by one thread.
func rows(of source: any BatchSource) throws -> [[Value]] {
  var all: [[Value]] = []
  while let batch = try source.next() { all += rows(of: batch, source.schema) }
  return all
}

/// The rejected rows as `rule|file|row|text`.
func texts(of log: RejectLog) throws -> [String] {
  try rows(of: log.source()).map { $0.map(\.description).joined(separator: "|") }
}

/// Reads text in one format: the rows that fit, and `line:reason:text` of the others.
func read(
  _ text: [UInt8], _ format: DelimitedFormat, blockByteCount: Int = 512 << 10,
  rowsPerBatch: Int = 16_384
) throws -> (rows: [[Value]], rejected: [String]) {
  let scratch = try Scratch()
  let log = try scratch.rejects()
  var format = format
  format.malformed = .quarantine
  let source = try DelimitedSource(
    files: [scratch.file("in", text)], format: format, rejects: log, cancellation: .never,
    blockByteCount: blockByteCount, rowsPerBatch: rowsPerBatch)
  let all = try rows(of: source)
  try source.finish()
  let rejected = try rows(of: log.source()).map {
    "\($0[2]):\($0[0].description.dropFirst("malformed:".count)):\($0[3])"
  }
  let tally = source.tally
  precondition(tally.rows == all.count && tally.quarantined == rejected.count)
  return (all, rejected)
}

func read(_ text: String, _ format: DelimitedFormat) throws -> (
  rows: [[Value]], rejected: [String]
) {
  try read(Array(text.utf8), format)
}

/// The folder of real data, beside the repository; nil where it is absent.
let realData: String? = {
  var folder = URL(fileURLWithPath: #filePath)
  for _ in 0..<3 { folder.deleteLastPathComponent() }
  for candidate in [folder.deletingLastPathComponent(), mainWorktree(folder)].compactMap({ $0 }) {
    let path = candidate.appendingPathComponent("shared/data").path
    if FileManager.default.fileExists(atPath: path) { return path }
  }
  return nil
}()

/// In a linked worktree, the folder that holds the main one.
private func mainWorktree(_ folder: URL) -> URL? {
  guard
    let text = try? String(contentsOf: folder.appendingPathComponent(".git"), encoding: .utf8),
    text.hasPrefix("gitdir: "), let end = text.range(of: "/.git/")
  else { return nil }
  return URL(fileURLWithPath: String(text[..<end.lowerBound].dropFirst(8)))
    .deletingLastPathComponent()
}
