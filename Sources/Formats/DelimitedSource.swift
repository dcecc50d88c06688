import Core
import Kernels
import Synchronization

/// What became of the rows of a source. `rows + quarantined + dropped` is all rows there were.
public struct Tally: Sendable, Hashable {
  /// Rows that fit.
  public var rows: Int64 = 0
  /// Rows handed to the reject log.
  public var quarantined: Int64 = 0
  /// Rows left out under `malformed: drop`, by reason.
  public var dropped: [String: Int64] = [:]
  /// Empty lines, which are no rows.
  public var blankLines: Int64 = 0
  /// Bytes read, as they are on disk.
  public var bytes: Int64 = 0
  /// Files read and verified to their end.
  public var filesFinished = 0

  public init() {}

  public var droppedCount: Int64 { dropped.values.reduce(0, +) }
}

/// Delimited files as typed batches: unpacked and verified, split, validated and converted here, so
/// that an engine gets nothing it could misread.
///
/// Any number of threads may call `next()`. Each takes a file of its own while there are some; then
/// they share: one unpacks and cuts the next block while others convert theirs. Memory is about one
/// block a thread (512 KiB), or the longest rows where those are longer.
public final class DelimitedSource: BatchSource {
  public let schema: Schema

  private let files: [InputFile]
  private let format: DelimitedFormat
  private let rejects: RejectLog?
  private let cancellation: Cancellation
  private let converter: RowConverter
  private let blockByteCount: Int
  private let totalByteCount: Int64
  private let byteCountRead = ByteCounter()
  private let state = Mutex(State())

  private struct State: Sendable {
    var nextFile = 0
    var open: [OpenFile] = []
    /// Batches of blocks that made more than one.
    var waiting: [ColumnBatch] = []
    var tally = Tally()
    var failure: (any Error)?
  }

  /// - Parameters:
  ///   - files: Read in any order.
  ///   - rejects: Takes the malformed rows; needed for, and only used with, `.quarantine`.
  /// - Throws: `FormatError` `.badFormat` for a format no file can have. Files are opened later.
  public convenience init(
    files: [InputFile], format: DelimitedFormat, rejects: RejectLog? = nil,
    cancellation: Cancellation = .never
  ) throws {
    try self.init(
      files: files, format: format, rejects: rejects, cancellation: cancellation,
      blockByteCount: 512 << 10, rowsPerBatch: 16_384)
  }

  init(
    files: [InputFile], format: DelimitedFormat, rejects: RejectLog?, cancellation: Cancellation,
    blockByteCount: Int, rowsPerBatch: Int
  ) throws {
    try format.validate()
    precondition(
      format.malformed != .quarantine || rejects != nil, "quarantine needs a reject log")
    schema = Schema(format.columns)
    self.files = files
    self.format = format
    self.rejects = rejects
    self.cancellation = cancellation
    self.blockByteCount = blockByteCount
    converter = RowConverter(format, rowsPerBatch: rowsPerBatch)
    totalByteCount = files.reduce(0) { $0 + $1.byteCount }
  }

  public var progress: (done: Int64, total: Int64) {
    (byteCountRead.value, totalByteCount)
  }

  /// What was read so far; final after `finish()`.
  public var tally: Tally {
    var tally = state.withLock { $0.tally }
    tally.bytes = byteCountRead.value
    return tally
  }

  /// - Throws: `FormatError`, `Cancelled`. Every later call returns nil; `finish()` throws it again.
  public func next() throws -> ColumnBatch? {
    do {
      while true {
        if let batch = state.withLock({ $0.waiting.popLast() }) { return batch }
        try cancellation.check()
        guard let open = takeFile() else { return nil }
        if let batch = try read(open) { return batch }
      }
    } catch {
      fail(error)
      throw error
    }
  }

  /// Reads what `next()` was not asked for, so that every file is verified to its end and every row
  /// is accounted for. Call it when nobody calls `next()` any more.
  ///
  /// - Throws: The first failure of this source, also one that `next()` has already thrown.
  public func finish() throws {
    while try next() != nil {}
    if let failure = state.withLock({ $0.failure }) { throw failure }
  }

  // MARK: Files

  /// A file that one or several threads read.
  private final class OpenFile: Sendable {
    let file: InputFile
    let recordsRejects: Bool
    /// Nil until the first thread opens it.
    let reader = Mutex<BlockReader?>(nil)
    /// Threads inside or waiting; under the source's lock.
    let userCount = Atomic<Int>(0)

    init(_ file: InputFile, recordsRejects: Bool) {
      self.file = file
      self.recordsRejects = recordsRejects
    }
  }

  /// A file nobody reads, else one nobody has opened, else the one with the fewest readers.
  private func takeFile() -> OpenFile? {
    state.withLock { state in
      func users(_ open: OpenFile) -> Int { open.userCount.load(ordering: .relaxed) }
      var chosen = state.open.min { users($0) < users($1) }
      if chosen.map(users) != 0, state.nextFile < files.count {
        let file = files[state.nextFile]
        state.nextFile += 1
        let open = OpenFile(file, recordsRejects: rejects?.claim(file: file.name) ?? false)
        state.open.append(open)
        chosen = open
      }
      chosen?.userCount.add(1, ordering: .relaxed)
      return chosen
    }
  }

  /// - Returns: Nil where the file's next block has no row that fits, or the file is at its end.
  private func read(_ open: OpenFile) throws -> ColumnBatch? {
    defer { open.userCount.subtract(1, ordering: .relaxed) }
    let block = try open.reader.withLock { reader -> TextBlock? in
      if reader == nil {
        reader = try BlockReader(
          open.file, format, blockByteCount: blockByteCount, cancellation: cancellation,
          byteCountRead: byteCountRead)
      }
      return try reader!.next()
    }
    guard let block else {
      state.withLock { state in
        guard let index = state.open.firstIndex(where: { $0 === open }) else { return }
        state.open.remove(at: index)
        state.tally.filesFinished += 1
      }
      return nil
    }
    var result = converter.convert(block)
    if !result.rejected.isEmpty { try reject(result.rejected, open) }
    // The last waiting batch goes first: one thread alone gets the rows of a file in their order.
    result.batches.reverse()
    let first = result.batches.popLast()
    state.withLock { state in
      state.tally.blankLines += Int64(result.blankLineCount)
      for batch in result.batches { state.tally.rows += Int64(batch.rowCount) }
      state.tally.rows += Int64(first?.rowCount ?? 0)
      if state.failure == nil { state.waiting += result.batches }
    }
    return first
  }

  private func reject(_ rejected: [RejectedRow], _ open: OpenFile) throws {
    switch format.malformed {
    case .fail: throw malformed(rejected[0], open.file)
    case .drop:
      state.withLock { state in
        for row in rejected { state.tally.dropped[row.reason, default: 0] += 1 }
      }
    case .quarantine:
      if open.recordsRejects, let rejects {
        for row in rejected {
          try rejects.append(
            rule: Reason.rule(row.reason), file: open.file.name, row: Int64(row.line),
            text: row.text, byteCount: row.byteCount)
        }
      }
      state.withLock { $0.tally.quarantined += Int64(rejected.count) }
    }
  }

  private func malformed(_ row: RejectedRow, _ file: InputFile) -> FormatError {
    FormatError(
      .malformed, "the row does not fit its format: \(Reason.rule(row.reason))",
      at: Place(file: file.name, line: row.line),
      advice: "correct the file or the declared columns, or set `malformed: quarantine` to keep "
        + "such rows aside")
  }

  private func fail(_ error: any Error) {
    state.withLock { state in
      if state.failure == nil { state.failure = error }
      state.nextFile = files.count
      state.open = []
      state.waiting = []
    }
  }
}

/// Bytes read, counted by several threads.
final class ByteCounter: Sendable {
  private let count = Atomic<Int64>(0)

  var value: Int64 { count.load(ordering: .relaxed) }

  func add(_ byteCount: Int) { count.add(Int64(byteCount), ordering: .relaxed) }
}
