import CAllocations
import Core
import Formats
import Foundation
import Kernels
import Operators

// The kernels under `rank`, one by one and together, on files of page views:
//
//     swift run -c release rank-kernels FILE…
//
// Each is run five times after a warm-up on the text of the first file; the median of its processor
// time counts, which other programs of a busy machine disturb least.

let arguments = Array(CommandLine.arguments.dropFirst())
let names = arguments.filter { !$0.hasPrefix("--") }
guard !names.isEmpty else {
  print("usage: rank-kernels [--threads=N] [--memory=BYTES] [--rank-only] FILE…")
  exit(2)
}

func option(_ name: String, _ value: Int) -> Int {
  let prefix = "--\(name)="
  return arguments.first { $0.hasPrefix(prefix) }.flatMap { Int($0.dropFirst(prefix.count)) }
    ?? value
}

/// Seconds of processor time of all threads.
func processorSeconds() -> Double {
  var usage = rusage()
  getrusage(0, &usage)
  return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
    + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
}

func wallSeconds() -> Double { Double(DispatchTime.now().uptimeNanoseconds) / 1e9 }

func peakBytes() -> Int {
  var usage = rusage()
  getrusage(0, &usage)
  return usage.ru_maxrss * 1024
}

func padded(_ text: String, _ width: Int) -> String {
  String(repeating: " ", count: max(0, width - text.count)) + text
}

func measure(_ name: String, bytes: Int, rows: Int, runs: Int = 5, _ body: () throws -> Void)
  rethrows
{
  try body()
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
    padded(String(format: "%.1f ns/row", seconds / Double(rows) * 1e9), 13),
    padded("\(allocations) allocations", 24),
    padded(String(format: "%.3f s wall", walls.sorted()[runs / 2]), 14))
}

let files = names.map { path in
  let size = try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int
  return InputFile(path: path, name: path, byteCount: Int64(size ?? 0))
}
let format = DelimitedFormat(
  delimiter: 0x20, quote: nil, hasHeader: false,
  columns: [
    Field(name: "domain", type: .string), Field(name: "page", type: .string),
    Field(name: "views", type: .bigint), Field(name: "bytes", type: .bigint),
  ], malformed: .drop)

/// Unpacks the first file into blocks of whole rows.
func blocks() throws -> [[UInt8]] {
  let packed = try [UInt8](Data(contentsOf: URL(fileURLWithPath: names[0])))
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

if !arguments.contains("--rank-only") {
  let text = try blocks()
  let byteCount = text.reduce(0) { $0 + $1.count }
  let tables = text.map { block in
    block.withUnsafeBufferPointer { splitKeyedRows($0, layout, checksUTF8: true) }
  }
  let rowCount = tables.reduce(0) { $0 + $1.rows.count }
  print("\(rowCount) rows, \(byteCount) bytes of text in \(text.count) blocks")
  try measure("unpack", bytes: byteCount, rows: rowCount) {
    _ = try blocks().count
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
  var sum: UInt64 = 0
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

let definition = RankDefinition(
  by: ["domain", "page"], within: ["domain"], measure: .sum("views"), top: 25)
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
  try rank()
  try measure(
    "rank, \(threads) threads", bytes: total, rows: rows,
    runs: option("runs", files.count > 4 ? 1 : 5),
    rank)
  print("  \(rows) rows, \(spilled) bytes spilled, peak \(peakBytes() / 1_000_000) MB")
}
