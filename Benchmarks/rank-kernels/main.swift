import CAllocations
import Core
import Formats
import Foundation
import Kernels
import Operators
import Usage

// The kernels under `rank`, one by one and together, on files of page views:
//
//     swift run -c release rank-kernels FILE…
//
// Each is run five times after a warm-up on the text of the first file; the median of its processor
// time counts, which other programs of a busy machine disturb least. `--rank-only` ranks all files
// and runs no kernel of its own; then they may also be of another shape: --shape=headed (a header),
// quoted (CSV with a header) or json (JSON lines). --where=N counts lines with N views or more,
// --batches reads typed batches, as other types of columns need.
// `--inflate` unpacks all files and no more: the floor.

let arguments = Array(CommandLine.arguments.dropFirst())
let names = arguments.filter { !$0.hasPrefix("--") }
guard !names.isEmpty else {
  print(
    "usage: rank-kernels [--threads=N] [--memory=BYTES] [--once] [--rank-only | --inflate] "
      + "[--shape=plain|headed|quoted|json] [--where=N] FILE…")
  exit(2)
}

func option(_ name: String, _ value: Int) -> Int {
  let prefix = "--\(name)="
  return arguments.first { $0.hasPrefix(prefix) }.flatMap { Int($0.dropFirst(prefix.count)) }
    ?? value
}

func padded(_ text: String, _ width: Int) -> String {
  String(repeating: " ", count: max(0, width - text.count)) + text
}

func measure(
  _ name: String, bytes: Int, rows: @autoclosure () -> Int, runs: Int = 5, warmsUp: Bool = true,
  _ body: () throws -> Void
) rethrows {
  if warmsUp { try body() }
  var times: [Double] = []
  var walls: [Double] = []
  let before = allocation_count()
  for _ in 0..<runs {
    let (start, wall) = (processorSeconds(), wallSeconds())
    try body()
    times.append(processorSeconds() - start)
    walls.append(wallSeconds() - wall)
  }
  let allocations = (allocation_count() - before) / UInt(runs)
  let seconds = times.sorted()[runs / 2]
  print(
    name.padding(toLength: 26, withPad: " ", startingAt: 0),
    padded(String(format: "%.3f s", seconds), 10),
    padded(String(format: "%.0f MB/s", Double(bytes) / seconds / 1e6), 12),
    padded(String(format: "%.1f ns/row", seconds / Double(rows()) * 1e9), 13),
    padded("\(allocations) allocations", 24),
    padded(String(format: "%.3f s wall", walls.sorted()[runs / 2]), 14))
}

let files = names.map { path in
  let file = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
  let size = try? FileManager.default.attributesOfItem(atPath: file)[.size] as? Int
  return InputFile(path: path, name: path, byteCount: Int64(size ?? 0))
}
let columns = [
  Field(name: "domain", type: .string), Field(name: "page", type: .string),
  Field(name: "views", type: .bigint), Field(name: "bytes", type: .bigint),
]
let shape = arguments.first { $0.hasPrefix("--shape=") }.map { $0.dropFirst(8) } ?? "plain"
var format =
  switch shape {
  case "plain", "headed":
    DelimitedFormat(
      delimiter: 0x20, quote: nil, hasHeader: shape == "headed", columns: columns,
      malformed: .drop)
  case "quoted": DelimitedFormat(columns: columns, malformed: .drop)
  case "json": DelimitedFormat.jsonLines(columns: columns, malformed: .drop)
  default: fatalError("no shape \(shape)")
  }

// A null text that nothing is sends it the long way.
if arguments.contains("--batches") { format.nullTexts = ["\u{1}"] }

/// Unpacks a file; no text of it is kept.
///
/// - Returns: The number of bytes.
@Sendable func unpackedByteCount(of packed: [UInt8]) throws -> Int {
  let inflater = Inflater(.auto)
  let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
  defer { room.deallocate() }
  var used = 0
  var total = 0
  while true {
    let count = try inflater.read(into: room) { wanted in
      let count = min(wanted.count, packed.count - used)
      packed.withUnsafeBytes {
        wanted.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[used..<used + count]))
      }
      used += count
      return count
    }
    total += count
    if count < room.count { return total }
  }
}

@Sendable func contents(_ path: String) throws -> [UInt8] {
  try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
}

/// Unpacks the first file into blocks of whole rows.
func blocks() throws -> [[UInt8]] {
  let packed = try contents(names[0])
  let inflater = Inflater(.auto)
  var used = 0
  var carry: [UInt8] = []
  var blocks: [[UInt8]] = []
  while true {
    let room = 256 << 10
    let chunk = try [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
      count = try inflater.read(into: UnsafeMutableRawBufferPointer(buffer)) { wanted in
        let count = min(wanted.count, packed.count - used)
        packed.withUnsafeBytes {
          wanted.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[used..<used + count]))
        }
        used += count
        return count
      }
    }
    carry += chunk
    let end = chunk.count < room ? carry.count : (carry.lastIndex(of: 0x0A) ?? -1) + 1
    blocks.append(Array(carry[..<end]))
    carry = Array(carry[end...])
    if chunk.count < room { return blocks }
  }
}

let layout = KeyedLayout(
  delimiter: 0x20, roles: [.text, .text, .value, .int64], key: 0..<2, groupFieldCount: 1,
  maximumRowByteCount: 64 << 20)

if arguments.contains("--inflate") {
  for threads in option("threads", 0) == 0 ? [1, 2] : [option("threads", 0)] {
    let (start, wall) = (processorSeconds(), wallSeconds())
    let counts = concurrently(names, limit: threads) { try unpackedByteCount(of: contents($0)) }
    let total = try counts.reduce(0) { $0 + (try $1.get()) }
    print(
      String(
        format: "inflate, %d threads: %.3f s, %.3f s wall, %.0f MB/s of text", threads,
        processorSeconds() - start, wallSeconds() - wall,
        Double(total) / (wallSeconds() - wall) / 1e6))
  }
  exit(0)
}

if !arguments.contains("--rank-only") {
  let text = try blocks()
  let byteCount = text.reduce(0) { $0 + $1.count }
  let tables = text.map { block in
    block.withUnsafeBufferPointer { splitKeyedRows($0, layout, checksUTF8: true) }
  }
  let rowCount = tables.reduce(0) { $0 + $1.rows.count }
  print("\(rowCount) rows, \(byteCount) bytes of text in \(text.count) blocks")
  let whole = text.flatMap { $0 }
  let half = text.prefix(text.count / 2).reduce(0) { $0 + $1.count }
  let packings: [(String, [UInt8])] = [
    ("inflate gzip", try contents(names[0])),
    (
      "inflate two gzip members",
      gzipCompressed(Array(whole[..<half])) + gzipCompressed(Array(whole[half...]))
    ),
    ("decompress zstd", zstdCompressed(whole)),
  ]
  for (name, packed) in packings {
    try measure(name, bytes: byteCount, rows: rowCount) {
      let count = try unpackedByteCount(of: packed)
      precondition(count == byteCount)
    }
  }
  measure("find UTF-8 errors", bytes: byteCount, rows: rowCount) {
    for block in text {
      block.withUnsafeBufferPointer { text in
        guard let base = text.baseAddress else { return }
        precondition(indexOfInvalidUTF8(base, count: text.count) <= text.count)
      }
    }
  }
  for checks in [false, true] {
    measure(checks ? "split, with UTF-8" : "split", bytes: byteCount, rows: rowCount) {
      for block in text {
        block.withUnsafeBufferPointer {
          _ = splitKeyedRows($0, layout, checksUTF8: checks).rows.count
        }
      }
    }
  }
  measure("split into fields", bytes: byteCount, rows: rowCount) {
    for block in text {
      block.withUnsafeBufferPointer {
        _ = splitUnquoted($0, delimiter: 0x20, fieldCount: 4, ending: .end).rows.count
      }
    }
  }
  measure("split, fields may be quoted", bytes: byteCount, rows: rowCount) {
    for block in text {
      block.withUnsafeBufferPointer {
        _ =
          splitQuoted($0, delimiter: 0x20, quote: 0x01, fieldCount: 4, ending: .end).rows.count
      }
    }
  }
  let gathering = KeyGathering(
    roles: [.text, .text, .value, .int64], key: [0, 1], groupFieldCount: 1,
    maximumRowByteCount: 64 << 20, conditions: [], coding: .ordered, quoting: .doubled(quote: 1))
  measure("split, and gather keys", bytes: byteCount, rows: rowCount) {
    for block in text {
      block.withUnsafeBufferPointer {
        let table = splitQuoted($0, delimiter: 0x20, quote: 0x01, fieldCount: 4, ending: .end)
        _ = gatherKeyedRows($0, table, gathering, checksUTF8: false).rows.rows.count
      }
    }
  }
  let json = zip(text, tables).map { block, table in
    var out: [UInt8] = []
    for row in table.rows {
      let key = String(
        decoding: block[Int(row.offset)..<Int(row.offset) + Int(row.count)], as: UTF8.self
      ).filter { $0 != "\"" && $0 != "\\" && $0 >= " " }
      let parts = key.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
      out += "{\"domain\":\"\(parts[0])\",\"page\":\"\(parts[1])\",\"views\":\(row.value)}\n".utf8
    }
    return out
  }
  let members = ["domain", "page", "views"].map { Array($0.utf8) }
  measure(
    "split JSON lines", bytes: json.reduce(0) { $0 + $1.count }, rows: rowCount
  ) {
    for block in json {
      block.withUnsafeBufferPointer { _ = splitJSONLines($0, names: members).rows.count }
    }
  }
  var sum: UInt64 = 0
  let digits = Array("1 22 333 4444 -55555 666666 7777777 1234567890123456789 ".utf8)
  let numbers = (0..<8).map { place in
    digits.split(separator: 0x20)[place].indices
  }
  measure(
    "read integers", bytes: 1_000_000 / 8 * (digits.count - 8), rows: 1_000_000
  ) {
    digits.withUnsafeBufferPointer { digits in
      for _ in 0..<125_000 {
        for range in numbers {
          let value = parseInteger(digits.baseAddress! + range.lowerBound, count: range.count)
          sum &+= UInt64(bitPattern: value!)
        }
      }
    }
  }
  measure("hash", bytes: byteCount, rows: rowCount) {
    for (block, table) in zip(text, tables) {
      block.withUnsafeBufferPointer { text in
        for row in table.rows {
          sum &+= hash64(text.baseAddress! + Int(row.offset), count: Int(row.count))
        }
      }
    }
  }
  var common = 0
  measure("compare neighbours", bytes: byteCount, rows: rowCount) {
    for (block, table) in zip(text, tables) {
      block.withUnsafeBufferPointer { text in
        guard var last = table.rows.first else { return }
        for row in table.rows {
          common &+= commonPrefix(
            text.baseAddress! + Int(last.offset), Int(last.count),
            text.baseAddress! + Int(row.offset), Int(row.count))
          last = row
        }
      }
    }
  }
  measure("insert into a table", bytes: byteCount, rows: rowCount) {
    let table = KeyTable(expectedCount: 1 << 12)
    for (block, rows) in zip(text, tables) {
      block.withUnsafeBufferPointer { text in
        for row in rows.rows {
          let key = text.baseAddress! + Int(row.offset)
          let index = table.insert(
            key, count: Int(row.count), hash: hash64(key, count: Int(row.count)), mark: 0)
          table.entries[index].value &+= row.value
        }
      }
      table.removeAll()
    }
  }
  let values = (0..<1_000_000).map { Int64(truncatingIfNeeded: $0 &* 0x9E37_79B9_7F4A_7C15) }
  measure("top 25 of a million", bytes: 8_000_000, rows: 1_000_000) {
    var copy = values
    sum &+= UInt64(bitPattern: copy.withUnsafeMutableBufferPointer { boundOfTop(25, of: $0)! })
  }
  print("(\(sum), \(common))")
}

let least = option("where", Int.min)
let definition = RankDefinition(
  by: ["domain", "page"], within: ["domain"], measure: .sum("views"), top: 25,
  conditions: least == Int.min ? [] : [.init("views", .greaterOrEqual, .integer(Int64(least)))])
let total = files.reduce(0) { $0 + Int($1.byteCount) }
for threads in option("threads", 0) == 0 ? [1, 2] : [option("threads", 0)] {
  var rows = 1
  var spilled: Int64 = 0
  func rank() throws {
    let outcome = try Rank(
      definition, label: "top", threads: threads, memoryByteCount: option("memory", 2 << 30),
      spillFolder: { "/tmp" }
    ).run(.text(files, format, rejects: nil))
    rows = Int(outcome.tally.rows)
    spilled = outcome.spilledByteCount
  }
  try measure(
    "rank, \(threads) threads", bytes: total, rows: rows,
    runs: arguments.contains("--once") ? 1 : option("runs", files.count > 4 ? 1 : 5),
    warmsUp: !arguments.contains("--once"), rank)
  print("  \(rows) rows, \(spilled) bytes spilled, peak \(peakByteCount() / 1_000_000) MB")
}
