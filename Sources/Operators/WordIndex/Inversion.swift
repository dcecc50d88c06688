import Core
import Formats
import Kernels
import Synchronization

/// What the threads of one build share. Documents have numbers here: their places in the order of
/// IDs, rejected ones included.
final class Inversion: @unchecked Sendable {
  // Unchecked: each place of `counts` is written by one thread only.

  /// Where words go that do not fit in memory.
  let file: SpillFile
  private let documents: [IndexDocument]
  private let order: [Int]
  /// Of each document, its words; -1 where it was rejected.
  private let counts: UnsafeMutablePointer<Int64>
  private let next = Atomic<Int>(0)
  private let byteCount = Atomic<Int64>(0)
  private let state = Mutex(State())
  private static let taken = 16

  private struct State: Sendable {
    var rejected: [RejectedDocument] = []
    var spilled: [SpilledRun.Place] = []
    var tables: [SortedWords] = []
  }

  init(_ documents: [IndexDocument], _ order: [Int], _ file: SpillFile) {
    self.documents = documents
    self.order = order
    self.file = file
    counts = .allocate(capacity: documents.count)
    counts.initialize(repeating: -1, count: documents.count)
  }

  deinit { counts.deallocate() }

  func document(_ number: Int) -> IndexDocument { documents[order[number]] }

  /// Documents for one thread; nil when all are taken.
  func take() -> Range<Int>? {
    let start = next.add(Inversion.taken, ordering: .relaxed).oldValue
    guard start < documents.count else { return nil }
    return start..<min(documents.count, start + Inversion.taken)
  }

  func tokens(_ number: Int) -> Int64 { counts[number] }

  func accept(_ number: Int, tokens: Int) { counts[number] = Int64(tokens) }

  func reject(_ number: Int, _ rejection: TextRejection) {
    state.withLock {
      $0.rejected.append(
        RejectedDocument(
          index: order[number], reason: rejection.reason, message: rejection.message))
    }
  }

  /// Counts bytes read.
  ///
  /// - Returns: All of them.
  func count(_ bytes: Int64) -> Int64 { byteCount.add(bytes, ordering: .relaxed).newValue }

  var readByteCount: Int64 { byteCount.load(ordering: .relaxed) }

  var rejected: [RejectedDocument] {
    state.withLock { $0.rejected.sorted { $0.index < $1.index } }
  }

  func spill(_ table: WordTable) throws {
    let place = try SpilledRun.write(table.sorted(), to: file)
    state.withLock { $0.spilled.append(place) }
  }

  func keep(_ words: SortedWords) { state.withLock { $0.tables.append(words) } }

  /// All runs of words, to be merged.
  func runs(bufferByteCount: Int) throws -> [any WordRun] {
    let (spilled, tables) = state.withLock { ($0.spilled, $0.tables) }
    let share = min(256 << 10, bufferByteCount / max(1, spilled.count))
    var runs: [any WordRun] = tables.map { TableRun($0, 0..<$0.count) }
    for place in spilled { runs.append(try SpilledRun(file, place, bufferByteCount: share)) }
    return runs
  }

  /// Ranges of words that can be merged apart from each other, in the order of the words; nil where
  /// words were written aside.
  ///
  /// - Parameters:
  ///   - least: How many ranges there are at least, of as many words.
  ///   - size: How many words a range is to have at most, about.
  func ranges(_ least: Int, ofAtMost size: Int) -> [[MergedWords.Part]]? {
    let (spilled, tables) = state.withLock { ($0.spilled, $0.tables) }
    guard spilled.isEmpty, let largest = tables.max(by: { $0.count < $1.count }) else { return nil }
    let size = max(1, min(size, largest.count / least))
    let cuts = stride(from: size, to: largest.count, by: size)
    var starts = tables.map { _ in 0 }
    var ranges: [[MergedWords.Part]] = []
    for cut in Array(cuts) + [largest.count] {
      let ends = tables.map {
        cut < largest.count ? $0.firstIndex(notLess: largest.text(cut)) : $0.count
      }
      ranges.append(tables.indices.map { (tables[$0], starts[$0]..<ends[$0]) })
      starts = ends
    }
    return ranges
  }

  /// The numbers of the documents that were not rejected.
  var kept: [Int] { (0..<documents.count).filter { counts[$0] >= 0 } }

  /// What becomes of each document's number; nil where it stays the same.
  func ordinals(_ kept: [Int]) -> [UInt32]? {
    guard kept.count < documents.count else { return nil }
    var ordinals = [UInt32](repeating: .max, count: documents.count)
    for (ordinal, number) in kept.enumerated() { ordinals[number] = UInt32(ordinal) }
    return ordinals
  }

  /// Packs the documents in the order of their keys.
  func packDocuments(_ kept: [Int]) throws -> DocumentWriter {
    var writer = DocumentWriter(count: kept.count)
    let keys = KeyOrder(kept.map { documents[order[$0]].key })
    for ordinal in keys.order {
      let document = documents[order[kept[ordinal]]]
      try writer.add(
        ordinal: ordinal, key: Array(document.key.utf8), size: document.size,
        version: Array(document.version.utf8))
    }
    try writer.finish()
    return writer
  }
}

/// Keys in the order of their bytes.
struct KeyOrder {
  /// The keys' places.
  private(set) var order: [Int]

  init(_ keys: [String]) {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(keys.reduce(0) { $0 + $1.utf8.count })
    var starts: [Int] = []
    starts.reserveCapacity(keys.count + 1)
    for key in keys {
      starts.append(bytes.count)
      bytes.append(contentsOf: key.utf8)
    }
    starts.append(bytes.count)
    order = Array(keys.indices)
    bytes.withUnsafeBufferPointer { bytes in
      let base = bytes.start
      func isLess(_ a: Int, _ b: Int) -> Bool {
        compareBytes(
          base + starts[a], starts[a + 1] - starts[a], base + starts[b],
          starts[b + 1] - starts[b]) < 0
      }
      if zip(order, order.dropFirst()).allSatisfy({ isLess($0, $1) }) { return }
      // Keys mostly begin with the same folder; the eight bytes behind it tell most of them apart.
      var common = starts[1] - starts[0]
      for index in 1..<keys.count {
        common = commonPrefix(base, common, base + starts[index], starts[index + 1] - starts[index])
      }
      var items = order.map { index -> (prefix: UInt64, index: Int) in
        var prefix: UInt64 = 0
        for place in 0..<min(8, starts[index + 1] - starts[index] - common) {
          prefix |= UInt64(base[starts[index] + common + place]) << UInt64(56 - 8 * place)
        }
        return (prefix, index)
      }
      items.sort { $0.prefix != $1.prefix ? $0.prefix < $1.prefix : isLess($0.index, $1.index) }
      order = items.map(\.index)
    }
  }
}
