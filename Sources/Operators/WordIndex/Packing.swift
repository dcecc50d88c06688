import Core
import Kernels

/// Merges ranges of words on several threads, and writes them in their order.
final class Packing: @unchecked Sendable {
  // Unchecked: all but the ranges is guarded by the monitor, and `kept` is one thread's.
  private let writer: SegmentWriter
  private let ranges: [[MergedWords.Part]]
  private let monitor = Monitor()
  private var taken = 0
  private var written = 0
  /// Ranges that wait for those before them to be written.
  private var finished: [Int: EncodedWords] = [:]
  private var isWriting = false
  private let most: Int
  private var kept: DocumentWriter?

  /// - Parameter threads: How many will work.
  init(_ writer: SegmentWriter, _ ranges: [[MergedWords.Part]], threads: Int) {
    self.writer = writer
    self.ranges = ranges
    most = 2 * threads
  }

  var isEmpty: Bool { ranges.isEmpty }

  var documents: DocumentWriter { kept! }

  func keep(_ documents: DocumentWriter) { kept = documents }

  /// Takes ranges until there are none.
  func work(ordinals: [UInt32]?, _ stop: StopSign, _ cancellation: Cancellation) throws {
    while let range = take(stop) {
      try cancellation.check()
      let words = try EncodedWords(ranges[range], ordinals: ordinals, check: cancellation.check)
      try write(words, range)
    }
  }

  /// The next range. What is in memory is bounded: no more ranges than two a thread go before the
  /// one that is to be written next.
  private func take(_ stop: StopSign) -> Int? {
    monitor.withLock {
      let range = taken
      guard range < ranges.count else { return nil }
      taken += 1
      while range >= written + most && !stop.isSet { monitor.wait() }
      return stop.isSet ? nil : range
    }
  }

  /// Writes a range and those that have waited for it, or leaves it to the thread that is writing or
  /// has one before it.
  private func write(_ words: EncodedWords, _ range: Int) throws {
    var next = monitor.withLock { () -> EncodedWords? in
      finished[range] = words
      guard !isWriting, let first = finished.removeValue(forKey: written) else { return nil }
      isWriting = true
      return first
    }
    while let words = next {
      try writer.dictionary.append(words)
      next = monitor.withLock {
        written += 1
        monitor.wakeAll()
        let following = finished.removeValue(forKey: written)
        isWriting = following != nil
        return following
      }
    }
  }

  /// Has those who wait look whether the work was stopped.
  func wake() { monitor.withLock { monitor.wakeAll() } }
}
