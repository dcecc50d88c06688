import Core
import Formats
import Foundation
import Kernels
import Operators
import Synchronization
import Usage

/// Runs a part on all threads, each with its share of the documents, and prints what it took.
private func part<State>(
  _ name: String, _ files: [InputFile], _ bytes: Int64, _ make: @escaping @Sendable () -> State,
  _ body: @escaping @Sendable (State, Int) throws -> Void
) {
  let (start, processor) = (wallSeconds(), processorSeconds())
  let next = Atomic<Int>(0)
  onThreads(count: threads) { _ in
    let state = make()
    while true {
      let from = next.add(16, ordering: .relaxed).oldValue
      guard from < files.count else { return }
      for index in from..<min(files.count, from + 16) {
        do { try body(state, index) } catch { print(error) }
      }
    }
  }
  print(
    name.padding(toLength: 20, withPad: " ", startingAt: 0),
    megabytes(bytes, wallSeconds() - start),
    String(format: "%.3f s of processor", processorSeconds() - processor))
}

private final class Splitting {
  let splitter = WordSplitter(WordRules())
  let table = WordTable()
  var words = 0
}

/// Reading, splitting and inverting, each on top of the one before.
func measureParts(_ folder: String) throws {
  let files = documents(of: folder).map {
    InputFile(path: $0.path, name: $0.key, byteCount: $0.size)
  }
  let bytes = files.reduce(0) { $0 + $1.byteCount }
  let texts = try files.map { try Array(Data(contentsOf: URL(fileURLWithPath: $0.path))) }
  let format = TextFormat()
  part("read", files, bytes, { TextReader(format) }) { reader, index in
    try reader.read(files[index]) { _, _ in }
  }
  @Sendable func split(_ state: Splitting, _ index: Int, counts: Bool) {
    let text = texts[index]
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: text.count + 64) { room in
      _ = room.update(from: text)
      let words = state.splitter.split(
        UnsafeMutableBufferPointer(rebasing: room[..<text.count]), isLast: true)
      state.words += counts ? state.table.add(words, document: UInt32(index)) : words.count
    }
  }
  part("tokenise", files, bytes, { Splitting() }) { split($0, $1, counts: false) }
  part("tokenise, invert", files, bytes, { Splitting() }) { split($0, $1, counts: true) }
}

/// Counts the documents of each query, a line of words of which all are wanted.
func measureQueries(_ segment: String, _ queries: String, _ answers: String) throws {
  let reader = try SegmentReader(MappedSegment(path: segment))
  let searcher = try IndexSearcher([
    LiveSegment(reader: reader, wordIDs: .none, dead: DeadDocuments())
  ])
  let parsed = try String(contentsOfFile: queries, encoding: .utf8).split(separator: "\n").map {
    try IndexQuery(String($0), tokenizer: TokenizerSettings())
  }
  for query in parsed.prefix(1000) { _ = try searcher.count(query) }
  var out = ""
  for query in parsed {
    let start = DispatchTime.now().uptimeNanoseconds
    let count = try searcher.count(query)
    out += "\(count) \(DispatchTime.now().uptimeNanoseconds - start)\n"
  }
  try out.write(toFile: answers, atomically: false, encoding: .utf8)
}
