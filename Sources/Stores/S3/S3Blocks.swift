import Core
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The later part of a large object, fetched block by block on several threads and given out in
/// order.
///
/// Threads run at most a few blocks ahead of the reader, so memory does not grow with the object.
/// All reads of a service share a number of threads; one that finds none free has its single stream.
final class S3Blocks: Sendable {
  /// The first byte that comes by blocks.
  let start: Int64

  private struct State {
    var nextToFetch = 0
    var nextToGive = 0
    var isStopped = false
    var fetched: [Int: Result<[UInt8], any Error>] = [:]
  }
  private let monitor = Monitor(State())
  private let ranges: [Range<Int64>]
  private let store: S3Store
  private let object: Object
  /// Cancelled with the read, and when it ends for another reason.
  private let stopping = Cancellation()
  private let outer: Cancellation
  private let threads = Mutex<[Thread]>([])

  private struct Thread: @unchecked Sendable {
    // A thread's name is a value; it is joined once.
    let name: pthread_t
  }

  /// Threads of all reads of this process.
  private static let busy = Atomic<Int>(0)
  private static let maximumBusy = 16

  /// Starts fetching.
  ///
  /// - Returns: nil where the object is too small to be worth it, or too many others are at it.
  init?(_ store: S3Store, _ object: Object, _ wanted: Range<Int64>, _ outer: Cancellation) {
    let size = store.service.configuration.blockByteCount
    let count = store.service.configuration.parallelism
    guard count > 1, wanted.upperBound - wanted.lowerBound >= 4 * size else { return nil }
    guard S3Blocks.busy.add(count, ordering: .relaxed).newValue <= S3Blocks.maximumBusy else {
      S3Blocks.busy.subtract(count, ordering: .relaxed)
      return nil
    }
    self.store = store
    self.object = object
    self.outer = outer
    let start = wanted.lowerBound + size
    self.start = start
    ranges = stride(from: start, to: wanted.upperBound, by: Int(size)).map {
      $0..<min($0 + size, wanted.upperBound)
    }
    threads.withLock { threads in
      threads = (0..<count).map { _ in Thread(name: startThread { self.fetch() }) }
    }
  }

  /// Gives out all blocks, in order, on the calling thread.
  func deliver(_ sink: (UnsafeRawBufferPointer) throws -> Void) throws {
    for index in ranges.indices {
      let block = try outer.withHandler({ self.monitor.change { $0.isStopped = true } }) {
        monitor.wait { state -> Result<[UInt8], any Error>? in
          if state.isStopped { return .failure(Cancelled()) }
          guard let block = state.fetched.removeValue(forKey: index) else { return nil }
          state.nextToGive = index + 1
          return block
        }
      }
      try block.get().withUnsafeBytes { bytes in
        // In pieces as they come from the network: readers may count on them being small.
        for start in stride(from: 0, to: bytes.count, by: 256 << 10) {
          let end = min(start + (256 << 10), bytes.count)
          try sink(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
        }
      }
    }
  }

  /// Ends the threads and waits for them. May be called again.
  func stop() {
    stopping.cancel()
    monitor.change { $0.isStopped = true }
    let ended = threads.withLock { threads in
      defer { threads = [] }
      return threads
    }
    for thread in ended { pthread_join(thread.name, nil) }
    S3Blocks.busy.subtract(ended.count, ordering: .relaxed)
  }

  /// What each thread does.
  private func fetch() {
    let ahead = store.service.configuration.parallelism + 1
    while true {
      let next = monitor.wait { state -> Int?? in
        if state.isStopped || state.nextToFetch == self.ranges.count { return .some(nil) }
        guard state.nextToFetch < state.nextToGive + ahead else { return nil }
        state.nextToFetch += 1
        return .some(state.nextToFetch - 1)
      }
      guard let index = next else { return }
      let block = Result { try fetch(ranges[index]) }
      monitor.change { $0.fetched[index] = block }
      if case .failure = block { return }
    }
  }

  private func fetch(_ range: Range<Int64>) throws -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(range.count)
    try withoutActuallyEscaping({ bytes.append(contentsOf: $0) }) {
      (sink: @escaping (UnsafeRawBufferPointer) throws -> Void) in
      let reading = ObjectReading(
        S3ReadSource(store: store, key: object.key), range: range, ifMatch: object.version,
        sink: sink)
      _ = try outer.withHandler({ self.stopping.cancel() }) { try reading.run(stopping) }
    }
    return bytes
  }
}
