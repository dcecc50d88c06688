import Core
import Engines
import Formats
import Foundation
import Kernels

@testable import Operators

let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent().path

/// The tests share an engine, as runs of one process do.
let engine: DuckDBEngine = {
  let library = "\(repository)/.deps/lib/libduckdb.so"
  if FileManager.default.fileExists(atPath: library) { setenv("SLUICE_DUCKDB", library, 0) }
  return DuckDBEngine(settings: DuckDBSettings(threads: 2))
}()

/// A folder of a test's own; gone with it.
final class Scratch: Sendable {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String, _ bytes: [UInt8]) throws -> InputFile {
    let path = "\(path)/\(name)"
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    return InputFile(path: path, name: name, byteCount: Int64(bytes.count))
  }
}

/// One line of page views.
struct Line: Hashable {
  var domain: String
  var page: String
  var views: Int64

  var text: String { "\(domain) \(page) \(views) 0" }
}

/// One row of a ranking.
struct Row: Hashable, Comparable, CustomStringConvertible {
  var domain: String
  var page: String
  var views: Int64
  var rank: Int64

  static func < (a: Row, b: Row) -> Bool {
    if a.domain != b.domain { return a.domain.utf8.lexicographicallyPrecedes(b.domain.utf8) }
    if a.rank != b.rank { return a.rank < b.rank }
    return a.page.utf8.lexicographicallyPrecedes(b.page.utf8)
  }

  var description: String { "\(domain)|\(page)|\(views)|\(rank)" }
}

/// The formats of the shipped pipeline.
let pageviewFormat = DelimitedFormat(
  delimiter: 0x20, quote: nil, hasHeader: false,
  columns: [
    Field(name: "domain", type: .string), Field(name: "page", type: .string),
    Field(name: "views", type: .bigint), Field(name: "bytes", type: .bigint),
  ], malformed: .fail)
let blockedFormat = DelimitedFormat(
  delimiter: 0x20, quote: nil, hasHeader: false,
  columns: [Field(name: "domain", type: .string), Field(name: "page", type: .string)],
  malformed: .drop)

func pageviewDefinition(
  top: Int, ties: RankDefinition.Ties, conditions: [RankCondition] = []
) -> RankDefinition {
  RankDefinition(
    by: ["domain", "page"], within: ["domain"], measure: .sum("views"), top: top, ties: ties,
    except: .init(on: ["domain", "page"], percentDecode: ["page"]), conditions: conditions)
}

/// What `rank` means, in the plainest words.
func naiveRank(
  _ lines: [Line], blocked: [(String, String)], top: Int, ties: RankDefinition.Ties
) -> [Row] {
  func decoded(_ page: String) -> String {
    var out: [UInt8] = []
    let isDecoded = Array(page.utf8).withUnsafeBufferPointer {
      appendPercentDecoded($0, to: &out)
    }
    return isDecoded ? String(decoding: out, as: UTF8.self) : page
  }
  struct Key: Hashable {
    var domain: [UInt8]
    var page: [UInt8]
  }
  let out = Set(blocked.map { Key(domain: Array($0.utf8), page: Array(decoded($1).utf8)) })
  var sums: [Key: (line: Line, views: Int64)] = [:]
  for line in lines {
    sums[Key(domain: Array(line.domain.utf8), page: Array(line.page.utf8)), default: (line, 0)]
      .views += line.views
  }
  var groups: [[UInt8]: [Row]] = [:]
  for (key, value) in sums {
    let comparable = Key(domain: key.domain, page: Array(decoded(value.line.page).utf8))
    if out.contains(comparable) { continue }
    groups[key.domain, default: []].append(
      Row(domain: value.line.domain, page: value.line.page, views: value.views, rank: 0))
  }
  var result: [Row] = []
  for var rows in groups.values {
    rows.sort { a, b in
      a.views != b.views
        ? a.views > b.views : a.page.utf8.lexicographicallyPrecedes(b.page.utf8)
    }
    for (index, row) in rows.enumerated() {
      var row = row
      switch ties {
      case .rowNumber: row.rank = Int64(index + 1)
      case .rank: row.rank = Int64(rows.filter { $0.views > row.views }.count + 1)
      case .denseRank:
        row.rank = Int64(Set(rows.filter { $0.views > row.views }.map(\.views)).count + 1)
      }
      if row.rank <= top { result.append(row) }
    }
  }
  return result.sorted()
}

/// The text and integers of a batch's row.
func text(_ batch: ColumnBatch, _ column: Int, _ row: Int) -> String {
  if batch.columns[column].nulls?[row] == true { return "NULL" }
  switch batch.columns[column].values {
  case .bytes(let slices):
    let slice = slices[row]
    return String(
      decoding: batch.bytes[Int(slice.offset)..<Int(slice.offset) + Int(slice.count)],
      as: UTF8.self)
  case .int64(let values): return "\(values[row])"
  case .int32(let values): return "\(values[row])"
  case .boolean(let values): return "\(values[row])"
  case .int128(let values): return "\(values[row])"
  case .uuid(let values): return "\(values[row])"
  case .int64Lists(let offsets, let elements):
    return "\(Array(elements[Int(offsets[row])..<Int(offsets[row + 1])]))"
  case .float, .double: return "?"
  }
}

/// All rows of a result, in its order.
func texts(_ source: any BatchSource) throws -> [[String]] {
  var rows: [[String]] = []
  while let batch = try source.next() {
    for row in 0..<batch.rowCount {
      rows.append(batch.columns.indices.map { text(batch, $0, row) })
    }
  }
  return rows
}

func pageRows(_ source: any BatchSource) throws -> [Row] {
  try texts(source).map {
    Row(domain: $0[0], page: $0[1], views: Int64($0[2])!, rank: Int64($0[3])!)
  }
}

/// Batches made beforehand.
final class FixedBatches: BatchSource, @unchecked Sendable {
  let schema: Schema
  private var batches: [ColumnBatch]
  private let lock = NSLock()

  init(_ schema: Schema, _ batches: [ColumnBatch]) {
    self.schema = schema
    self.batches = batches.reversed()
  }

  var progress: (done: Int64, total: Int64) { (0, 1) }

  func next() throws -> ColumnBatch? { lock.withLock { batches.popLast() } }
}
