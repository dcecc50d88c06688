import Core
import Engines
import Foundation
import Synchronization
import Testing

/// The repository's root, by the place of this file.
let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent().path

/// The tests share an engine, as runs of one process do.
let engine: DuckDBEngine = {
  let library = "\(repository)/.deps/lib/libduckdb.so"
  if FileManager.default.fileExists(atPath: library) { setenv("SLUICE_DUCKDB", library, 0) }
  return DuckDBEngine(settings: DuckDBSettings(threads: 2))
}()

/// A folder that is removed when the value goes away.
final class TemporaryFolder: Sendable {
  let path: String

  init() {
    path =
      FileManager.default.temporaryDirectory.appending(path: "engines-\(UUID().uuidString)").path
    try? FileManager.default.createDirectory(
      atPath: path, withIntermediateDirectories: true, attributes: nil)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  var files: [String] {
    ((try? FileManager.default.subpathsOfDirectory(atPath: path)) ?? []).sorted()
  }
}

extension DuckDBEngine {
  /// The rows of a query without inputs but those given.
  func rows(
    _ sql: String, _ parameters: [String: Value] = [:], _ inputs: [String: Query.Input] = [:]
  ) throws -> [[Value]] {
    try rows(Query(sql: sql, parameters: parameters, inputs: inputs), cancellation: .never).rows
  }

  func compute(_ query: Query, into output: Output) throws -> [DataFile] {
    try compute(query, into: output, cancellation: .never, progress: { _ in })
  }
}

/// The error that `body` throws, as one of the engine's.
func engineError(_ body: () throws -> Void) -> EngineError? {
  do {
    try body()
    return nil
  } catch {
    return error as? EngineError
  }
}

func schema(_ fields: (String, FieldType)...) -> Schema {
  Schema(fields.map { Field(name: $0.0, type: $0.1) }).withFreshIDs()
}

/// Batches made beforehand.
final class FixedBatches: BatchSource {
  let schema: Schema
  private let batches: Mutex<[ColumnBatch]>
  private let handedOut = Atomic<Int64>(0)
  private let total: Int64
  /// Thrown after the last batch.
  private let failure: (any Error)?

  init(
    _ schema: Schema, _ batches: [ColumnBatch], readerLimit: Int = 1024, failure: (any Error)? = nil
  ) {
    self.readerLimit = readerLimit
    self.schema = schema
    self.batches = Mutex(batches)
    total = Int64(batches.count)
    self.failure = failure
  }

  var progress: (done: Int64, total: Int64) { (handedOut.load(ordering: .relaxed), total) }

  let readerLimit: Int

  var isRead: Bool { batches.withLock { $0.isEmpty } }

  func next() throws -> ColumnBatch? {
    let batch = batches.withLock { $0.isEmpty ? nil : $0.removeFirst() }
    if batch != nil { handedOut.add(1, ordering: .relaxed) } else if let failure { throw failure }
    return batch
  }
}

extension ColumnBatch {
  /// A column of strings; nil is NULL.
  static func strings(_ texts: [String?]) -> ColumnBatch {
    var bytes: [UInt8] = []
    var slices: [Slice] = []
    for text in texts {
      slices.append(Slice(offset: UInt32(bytes.count), count: UInt32(text?.utf8.count ?? 0)))
      bytes += Array((text ?? "").utf8)
    }
    return ColumnBatch(
      rowCount: texts.count,
      columns: [Column(values: .bytes(slices), nulls: texts.map { $0 == nil })], bytes: bytes)
  }
}

/// The greatest number noted.
final class Peak: Sendable {
  private let state = Mutex<Int64>(0)
  func note(_ value: Int64) { state.withLock { $0 = max($0, value) } }
  var value: Int64 { state.withLock { $0 } }
}

/// The bytes of all files below a folder.
func diskUsage(_ folder: String) -> Int64 {
  ((try? FileManager.default.subpathsOfDirectory(atPath: folder)) ?? []).reduce(0) { sum, name in
    let attributes = try? FileManager.default.attributesOfItem(atPath: "\(folder)/\(name)")
    return sum + (attributes?[.size] as? Int64 ?? 0)
  }
}

let pythonPath = "\(repository)/.deps/venv/bin/python"

/// Whether Python with pyarrow is there to read what the engine wrote.
let hasPython = FileManager.default.isExecutableFile(atPath: pythonPath)

/// Runs a Python program and gives its output; nil where there is no Python.
func python(_ program: String, _ arguments: String...) throws -> String? {
  guard hasPython else { return nil }
  let process = Process()
  let output = Pipe()
  process.executableURL = URL(filePath: pythonPath)
  process.arguments = ["-c", program] + arguments
  process.standardOutput = output
  try process.run()
  let data = output.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  #expect(process.terminationStatus == 0)
  return String(decoding: data, as: UTF8.self)
}
