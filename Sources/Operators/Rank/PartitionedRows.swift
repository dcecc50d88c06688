import Core
import Kernels
import Synchronization

/// Keys with numbers, dealt out by their hash: equal keys come together in one of 256 parts, each of
/// which is small enough to be summed in memory. What exceeds the memory is written to a file that
/// has no name, and is gone with the process.
final class PartitionedRows: @unchecked Sendable {
  // Unchecked: chunks are handed over under a lock, and freed by who reads their part.

  static let partCount = 256
  /// Bytes of a record before its key: the number, the key's length, the group's.
  static let headByteCount = 16

  struct Chunk: @unchecked Sendable {
    /// Nil where it was written to the file.
    var memory: UnsafeMutableRawPointer?
    var offset: Int64
    var byteCount: Int
  }

  private struct State: @unchecked Sendable {
    var parts = [[Chunk]](repeating: [], count: partCount)
    var memoryByteCount = 0
  }

  private let state = Mutex(State())
  private let memoryByteCount: Int
  private let file: SpillFile

  /// - Parameters:
  ///   - memoryByteCount: What records may take up before more are written aside.
  ///   - directory: Gives a folder for the file, when one is needed.
  init(memoryByteCount: Int, directory: @escaping @Sendable () throws -> String) {
    self.memoryByteCount = memoryByteCount
    file = SpillFile("rank", directory: directory)
  }

  deinit {
    state.withLock { state in
      for chunk in state.parts.joined() { chunk.memory?.deallocate() }
    }
  }

  /// Bytes written aside.
  var spilledByteCount: Int64 { file.byteCount }

  func byteCount(ofPart part: Int) -> Int {
    state.withLock { $0.parts[part].reduce(0) { $0 + $1.byteCount } }
  }

  /// Takes a full chunk.
  ///
  /// - Returns: Whether the memory may be written anew; else it belongs to the rows now.
  /// - Throws: `OperatorError` `.spill`.
  func take(
    _ memory: UnsafeMutableRawPointer, byteCount: Int, part: Int
  ) throws -> Bool {
    let isKept = state.withLock { state in
      guard state.memoryByteCount + byteCount <= memoryByteCount else { return false }
      state.memoryByteCount += byteCount
      state.parts[part].append(Chunk(memory: memory, offset: 0, byteCount: byteCount))
      return true
    }
    if isKept { return false }
    let offset = try file.write(memory, byteCount: byteCount)
    state.withLock {
      $0.parts[part].append(Chunk(memory: nil, offset: offset, byteCount: byteCount))
    }
    return true
  }

  /// Calls `visit` with the part's records, chunk by chunk; afterwards, with `frees`, they are gone.
  ///
  /// - Throws: `OperatorError` `.spill`, and what `visit` throws.
  func forEachChunk(
    ofPart part: Int, frees: Bool, _ visit: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    let chunks = state.withLock { $0.parts[part] }
    var buffer = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    defer { buffer.deallocate() }
    for chunk in chunks {
      if let memory = chunk.memory {
        try visit(UnsafeRawBufferPointer(start: memory, count: chunk.byteCount))
        continue
      }
      if buffer.count < chunk.byteCount {
        buffer.deallocate()
        buffer = .allocate(byteCount: chunk.byteCount, alignment: 16)
      }
      try file.read(
        at: chunk.offset,
        into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<chunk.byteCount]))
      try visit(UnsafeRawBufferPointer(start: buffer.baseAddress, count: chunk.byteCount))
    }
    guard frees else { return }
    let gone = state.withLock { state in
      defer { state.parts[part] = [] }
      return state.parts[part].compactMap(\.memory)
    }
    for memory in gone { memory.deallocate() }
  }
}

/// One thread's way into partitioned rows: a chunk for each part, handed over when it is full.
struct PartitionWriter: ~Copyable {
  private let rows: PartitionedRows
  private let chunkByteCount: Int
  private let chunks: UnsafeMutablePointer<UnsafeMutableRawPointer?>
  private let used: UnsafeMutablePointer<Int>

  init(_ rows: PartitionedRows, chunkByteCount: Int = 32 << 10) {
    self.rows = rows
    self.chunkByteCount = chunkByteCount
    chunks = .allocate(capacity: PartitionedRows.partCount)
    chunks.initialize(repeating: nil, count: PartitionedRows.partCount)
    used = .allocate(capacity: PartitionedRows.partCount)
    used.initialize(repeating: 0, count: PartitionedRows.partCount)
  }

  deinit {
    for part in 0..<PartitionedRows.partCount { chunks[part]?.deallocate() }
    chunks.deallocate()
    used.deallocate()
  }

  /// - Parameter hash: Of the key, by `hash64`.
  /// - Throws: `OperatorError` `.spill`.
  @inline(__always)
  func append(
    _ key: UnsafePointer<UInt8>, count: Int, groupCount: Int, hash: UInt64, _ value: Int64
  ) throws {
    let part = Int(truncatingIfNeeded: hash &>> 56)
    let byteCount = PartitionedRows.headByteCount &+ count
    if chunks[part] == nil || used[part] &+ byteCount > chunkByteCount {
      try makeRoom(part, byteCount)
    }
    let place = chunks[part]! + used[part]
    place.storeBytes(of: value, as: Int64.self)
    place.storeBytes(
      of: UInt32(truncatingIfNeeded: count), toByteOffset: 8, as: UInt32.self)
    place.storeBytes(
      of: UInt32(truncatingIfNeeded: groupCount), toByteOffset: 12, as: UInt32.self)
    (place + PartitionedRows.headByteCount).copyMemory(from: key, byteCount: count)
    used[part] &+= byteCount
  }

  @inline(never)
  private func makeRoom(_ part: Int, _ byteCount: Int) throws {
    try handOver(part)
    if chunks[part] != nil && byteCount > chunkByteCount {
      chunks[part]!.deallocate()
      chunks[part] = nil
    }
    if chunks[part] == nil {
      chunks[part] = .allocate(byteCount: max(chunkByteCount, byteCount), alignment: 16)
    }
  }

  private func handOver(_ part: Int) throws {
    guard let chunk = chunks[part], used[part] > 0 else { return }
    let isReusable = try rows.take(chunk, byteCount: used[part], part: part)
    used[part] = 0
    if !isReusable { chunks[part] = nil }
  }

  /// Hands over what is left.
  func finish() throws {
    for part in 0..<PartitionedRows.partCount { try handOver(part) }
  }
}
