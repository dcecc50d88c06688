import Core
import Formats
import Kernels
import Synchronization

extension Rank {
  /// How many files are read side by side at most: each has a descriptor open.
  private static let mostStreams = 500
  /// What a file that is being read takes up: its unpacking, two pieces of text with their rows.
  private static let streamByteCount = 640 << 10
  /// Of malformed rows, this many are kept until it is certain that the files are in order.
  private static let mostHeldRejects = 20_000

  /// Sums files whose keys ascend, as those of the page-view dumps do: neither a table of all keys
  /// nor a second look at them is needed.
  ///
  /// - Returns: Nil where they do not; nothing is then left of the attempt.
  func sumOrdered(
    _ files: [InputFile], _ format: DelimitedFormat, _ rejects: RejectLog?, _ schema: Schema,
    _ coding: KeyCoding, _ exclusion: Exclusion?, progress: @escaping @Sendable (Double) -> Void
  ) throws -> Outcome? {
    guard !files.isEmpty && files.count <= Rank.mostStreams,
      files.count == 1 || files.count * Rank.streamByteCount <= memoryByteCount / 2,
      let source = try keyedSource(
        files, format, rejects, holdsRejects: true,
        blockByteCount: files.count < 4 ? 256 << 10 : 64 << 10)
    else { return nil }
    let isOrdered = Atomic<Bool>(true)
    let kept = Mutex<[SendableBox<OrderedSums>]>([])
    let chain = files.count == 1 ? OrderedChain(source) : nil
    let merge = OrderedMerge(source)
    try onWorkers { _, stop in
      let sums = OrderedSums(TopCandidates(definition, coding, exclusion))
      let report = {
        let (done, total) = source.progress
        progress(total > 0 ? Double(done) / Double(total) : 0)
        return isOrdered.load(ordering: .relaxed) && !stop.isSet
          && source.heldRejectCount <= Rank.mostHeldRejects
      }
      let isDone =
        if let chain {
          try chain.work(sums, isWanted: report)
        } else {
          try merge.work(sums, coding, label: label, isWanted: report)
        }
      if !isDone { isOrdered.store(false, ordering: .relaxed) }
      let box = SendableBox(sums)
      kept.withLock { $0.append(box) }
    }
    guard isOrdered.load(ordering: .relaxed) && chain?.isOrdered != false else { return nil }
    let all = kept.withLock { $0.map(\.value) }
    for other in all.dropFirst() { other.edges.moveAll(to: all[0].edges) }
    try all[0].edges.offer(to: all[0].top, coding, label: label)
    try source.commit()
    return try Outcome(
      rows: RankResult(schema: schema, definition, all.map(\.top), coding, threads: threads),
      tally: source.tally)
  }
}

/// One file whose keys ascend: pieces are unpacked one after the other, and summed by whoever has
/// unpacked them while others unpack the next.
final class OrderedChain: @unchecked Sendable {
  // Unchecked: what changes is under one of the monitors.

  private typealias Piece = (text: KeyedText, number: Int)

  /// So many pieces a thread unpacks ahead. Who finds another one unpacking sums these meanwhile:
  /// with none, threads wait for each other as soon as one piece takes longer than the next.
  private static let aheadLimit = 2

  private let source: KeyedSource
  private let unpacking = Monitor()
  private var file: KeyedFile?
  private var isFinished = false
  private var pieceCount = 0

  private let looking = Monitor()
  /// The first and the last key of each piece that has rows, by number.
  private var bounds: [Int: (first: [UInt8], last: [UInt8])] = [:]

  init(_ source: KeyedSource) { self.source = source }

  /// The next piece; nil after the last. Under the lock.
  private func unpack() throws -> Piece? {
    if isFinished { return nil }
    if file == nil { file = try source.open(0) }
    guard let text = try file!.next() else {
      isFinished = true
      return nil
    }
    pieceCount += 1
    return (text, pieceCount)
  }

  /// - Returns: False where keys do not ascend, or where nobody wants the rest.
  func work(_ sums: OrderedSums, isWanted: () -> Bool) throws -> Bool {
    var ahead: [Piece] = []
    while true {
      guard isWanted() else { return false }
      while ahead.count < OrderedChain.aheadLimit {
        let next =
          try ahead.isEmpty
          ? unpacking.withLock { try unpack() } : unpacking.withLockIfFree { try unpack() } ?? nil
        guard let next else { break }
        ahead.append(next)
      }
      guard !ahead.isEmpty else { return true }
      let (text, number) = ahead.removeFirst()
      let block = try source.rows(of: text)
      if block.rows.isEmpty { continue }
      let first = Array(block.key(0))
      let last = Array(block.key(block.rows.count - 1))
      let fits = looking.withLock { () -> Bool in
        bounds[number] = (first, last)
        // What lies between neighbours that are not there yet is looked at in the end.
        if let before = bounds[number - 1], first.lexicographicallyPrecedes(before.last) {
          return false
        }
        if let after = bounds[number + 1], after.first.lexicographicallyPrecedes(last) {
          return false
        }
        return true
      }
      guard fits, sums.add(block) else { return false }
    }
  }

  /// Whether each piece begins no earlier than the one before ends; to be asked when all are there.
  var isOrdered: Bool {
    let sorted = bounds.sorted { $0.key < $1.key }.map(\.value)
    return zip(sorted, sorted.dropFirst()).allSatisfy { a, b in
      !b.first.lexicographicallyPrecedes(a.last)
    }
  }
}
