import Core
import Formats
import Kernels

/// Files whose keys ascend, read side by side and cut into batches by ranges of keys.
///
/// A thread that asks for work gets a batch once every file has text, else a file to read on: the
/// one that has the least. So memory is two pieces a file, however long the files are.
final class OrderedMerge: @unchecked Sendable {
  // Unchecked: everything is under the monitor, but for the file that a thread was given.

  private final class Stream {
    let number: Int
    var file: KeyedFile?
    var blocks: [(block: KeyedBlock, start: Int)] = []
    var lastKey: [UInt8]?
    var isBusy = false
    var isFinished = false

    init(_ number: Int) { self.number = number }
  }

  private enum Work {
    case read(Stream)
    case sum(OrderedBatch)
    case nothing
  }

  private let source: KeyedSource
  private let monitor = Monitor()
  private let streams: [Stream]
  private var low: [UInt8]?
  private var isOver = false

  init(_ source: KeyedSource) {
    self.source = source
    streams = (0..<source.fileCount).map(Stream.init)
  }

  /// Works until all is summed; any number of threads.
  ///
  /// - Returns: False where a file's keys do not ascend, or where nobody wants the rest; that ends
  ///   the others too.
  func work(
    _ sums: OrderedSums, _ coding: KeyCoding, label: String, isWanted: () -> Bool
  ) throws -> Bool {
    do {
      while true {
        guard isWanted() else {
          end()
          return false
        }
        switch next() {
        case .nothing: return true
        case .sum(let batch): try sums.add(batch, coding, label: label)
        case .read(let stream):
          guard try read(stream) else {
            end()
            return false
          }
        }
      }
    } catch {
      end()
      throw error
    }
  }

  private func end() {
    monitor.withLock {
      isOver = true
      monitor.wakeAll()
    }
  }

  private func next() -> Work {
    monitor.withLock {
      while true {
        if isOver { return .nothing }
        if let batch = cut() { return .sum(batch) }
        let open = streams.filter { !$0.isFinished }
        if open.isEmpty {
          isOver = true
          monitor.wakeAll()
          return .nothing
        }
        let idle = open.filter { !$0.isBusy && $0.blocks.count < 2 }
        if let stream = idle.min(by: { $0.blocks.count < $1.blocks.count }) {
          stream.isBusy = true
          return .read(stream)
        }
        monitor.wait()
      }
    }
  }

  /// All rows up to the least of the files' greatest keys so far; nil while a file has none.
  private func cut() -> OrderedBatch? {
    let open = streams.filter { !$0.isFinished }
    var batch = OrderedBatch()
    guard open.allSatisfy({ !$0.blocks.isEmpty }) else { return nil }
    var bound: [UInt8]?
    for stream in open {
      let key = stream.lastKey!
      if let least = bound, !key.lexicographicallyPrecedes(least) { continue }
      bound = key
    }
    for stream in streams {
      while let (block, start) = stream.blocks.first {
        let count = bound.map { block.countUpTo($0, from: start) } ?? block.rows.count - start
        if count > 0 { batch.pieces.append(.init(block: block, rows: start..<start + count)) }
        guard start + count == block.rows.count else {
          stream.blocks[0].start = start + count
          break
        }
        stream.blocks.removeFirst()
      }
    }
    guard !batch.pieces.isEmpty else { return nil }
    batch.low = low
    batch.high = bound
    low = bound
    return batch
  }

  /// Reads a file on.
  ///
  /// - Returns: False where its keys do not ascend.
  private func read(_ stream: Stream) throws -> Bool {
    if stream.file == nil { stream.file = try source.open(stream.number) }
    var block: KeyedBlock?
    while let text = try stream.file!.next() {
      let read = try source.rows(of: text)
      if read.rows.isEmpty { continue }
      block = read
      break
    }
    if let block {
      guard block.isAscending(after: stream.lastKey) else { return false }
    } else {
      stream.file = nil
    }
    monitor.withLock {
      if let block {
        stream.blocks.append((block, 0))
        stream.lastKey = Array(block.key(block.rows.count - 1))
      } else {
        stream.isFinished = true
      }
      stream.isBusy = false
      monitor.wakeAll()
    }
    return true
  }
}
