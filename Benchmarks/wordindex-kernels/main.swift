import Core
import Formats
import Foundation
import Kernels
import Operators
import Synchronization
import Usage

// The parts of `word_index` on a folder of text files, one by one and together:
//
//     wordindex-kernels generate FOLDER COUNT
//     wordindex-kernels parts FOLDER
//     wordindex-kernels build FOLDER SEGMENT [--threads=N] [--memory=BYTES]
//     wordindex-kernels query SEGMENT QUERIES ANSWERS      counts and nanoseconds, query by query

let arguments = Array(CommandLine.arguments.dropFirst())
let names = arguments.filter { !$0.hasPrefix("--") }

func option(_ name: String, _ value: Int) -> Int {
  let prefix = "--\(name)="
  return arguments.first { $0.hasPrefix(prefix) }.flatMap { Int($0.dropFirst(prefix.count)) }
    ?? value
}

let threads = option("threads", 2)

/// Documents in the order of the numbers in their names.
func documents(of folder: String) -> [IndexDocument] {
  guard let listing = opendir(folder) else { return [] }
  defer { closedir(listing) }
  var found: [(number: UInt32, name: String)] = []
  while let entry = readdir(listing) {
    let name = withUnsafePointer(to: &entry.pointee.d_name) {
      $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
    }
    guard let number = UInt32(Substring(name.utf8.prefix { $0 != 0x2E })) else { continue }
    found.append((number, name))
  }
  found.sort { $0.number < $1.number }
  // A thread takes a few hundred at a time: a task for each would take longer than looking at it.
  let parts = stride(from: 0, to: found.count, by: 512).map { [found] in
    found[$0..<min(found.count, $0 + 512)]
  }
  return concurrently(parts, limit: threads) { part in
    part.compactMap { number, name in
      let path = "\(folder)/\(name)"
      var status = stat()
      guard stat(path, &status) == 0 else { return nil }
      let modified = Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
      return IndexDocument(
        id: number, key: name, size: Int64(status.st_size),
        version: "\(status.st_size)-\(status.st_mtim.tv_sec)", path: path,
        state: InputFile.State(modified: modified, inode: UInt64(status.st_ino)))
    }
  }.flatMap { (try? $0.get()) ?? [] }
}

func megabytes(_ bytes: Int64, _ seconds: Double) -> String {
  String(format: "%.3f s  %.0f MB/s", seconds, Double(bytes) / seconds / 1e6)
}

switch names.first {
case "generate" where names.count == 3:
  try Collection(folder: names[1], count: Int(names[2])!).write()

case "build" where names.count == 3:
  let listed = documents(of: names[1])
  let size = listed.reduce(0) { $0 + $1.size }
  let builder = IndexBuilder(
    tokenizer: TokenizerSettings(), format: TextFormat(), threads: threads,
    memoryByteCount: option("memory", 1 << 30), spillFolder: { "/tmp" })
  let (start, processor) = (wallSeconds(), processorSeconds())
  let result = try builder.build(listed, sequence: 1, to: names[2])
  let (seconds, used) = (wallSeconds() - start, processorSeconds() - processor)
  print(
    "build", megabytes(size, seconds), String(format: "%.3f s of processor", used),
    "peak \(peakByteCount() / 1_000_000) MB", "spilled \(result.spilledByteCount >> 20) MB")
  print(result.segment.map { "\($0)" } ?? "no segment", "rejected \(result.rejected.count)")
  // What is in memory need not be given back one by one.
  exit(0)

case "parts" where names.count == 2:
  try measureParts(names[1])

case "query" where names.count == 4:
  try measureQueries(names[1], names[2], names[3])

default:
  print(
    "usage: wordindex-kernels generate FOLDER COUNT | parts FOLDER | build FOLDER SEGMENT\n"
      + "       wordindex-kernels query SEGMENT QUERIES ANSWERS")
  exit(2)
}
