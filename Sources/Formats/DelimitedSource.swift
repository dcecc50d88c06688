import Core
import Kernels
import Synchronization

/// Delimited files as typed batches: unpacked and verified, split, validated and converted here, so
/// that an engine gets nothing it could misread.
///
/// Any number of threads may call `next()`. Memory is about one block a thread (512 KiB), or the
/// longest rows where those are longer.
public final class DelimitedSource: BatchSource {
  public let schema: Schema

  private let accounts: RowAccounts
  private let pool: BlockPool
  private let cancellation: Cancellation
  private let converter: RowConverter
  private let totalByteCount: Int64
  private let state = Mutex(State())

  private struct State: Sendable {
    /// Batches of blocks that made more than one.
    var waiting: [ColumnBatch] = []
    var failure: (any Error)?
  }

  /// - Parameters:
  ///   - files: Read in any order.
  ///   - rejects: Takes the malformed rows; needed for, and only used with, `.quarantine`.
  ///   - carriesProvenance: Adds the columns of `Provenance` after the format's; all files then say
  ///     theirs.
  /// - Throws: `FormatError` `.badFormat` for a format no file can have. Files are opened later.
  public convenience init(
    files: [InputFile], format: DelimitedFormat, rejects: RejectLog? = nil,
    carriesProvenance: Bool = false, cancellation: Cancellation = .never
  ) throws {
    try self.init(
      files: files, format: format, rejects: rejects, carriesProvenance: carriesProvenance,
      cancellation: cancellation, blockByteCount: 512 << 10, rowsPerBatch: 16_384)
  }

  init(
    files: [InputFile], format: DelimitedFormat, rejects: RejectLog?,
    carriesProvenance: Bool = false, cancellation: Cancellation, blockByteCount: Int,
    rowsPerBatch: Int
  ) throws {
    try format.validate()
    precondition(
      !carriesProvenance || files.allSatisfy { $0.provenance != nil },
      "rows of a file without provenance cannot carry it")
    schema = Schema(format.columns + (carriesProvenance ? Provenance.fields : []))
    accounts = RowAccounts(format.malformed, rejects: rejects)
    pool = BlockPool(
      files, format, blockByteCount: blockByteCount, accounts: accounts,
      cancellation: cancellation)
    self.cancellation = cancellation
    converter = RowConverter(
      format, rowsPerBatch: rowsPerBatch, carriesProvenance: carriesProvenance)
    totalByteCount = files.reduce(0) { $0 + $1.byteCount }
  }

  public var progress: (done: Int64, total: Int64) {
    (accounts.byteCountRead.value, totalByteCount)
  }

  /// What was read so far; final after `finish()`.
  public var tally: Tally { accounts.tally }

  /// - Throws: `FormatError`, `Cancelled`. Every later call returns nil; `finish()` throws it again.
  public func next() throws -> ColumnBatch? {
    do {
      while true {
        if let batch = state.withLock({ $0.waiting.popLast() }) { return batch }
        try cancellation.check()
        guard let (block, origin) = try pool.next() else { return nil }
        if let batch = try convert(block, origin) { return batch }
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

  /// - Returns: Nil where the block has no row that fits.
  private func convert(_ block: TextBlock, _ origin: BlockPool.Origin) throws -> ColumnBatch? {
    var result = converter.convert(block, of: origin.file)
    if !result.rejected.isEmpty {
      try accounts.reject(result.rejected, of: origin)
    }
    accounts.add(
      rows: result.batches.reduce(0) { $0 + $1.rowCount }, blankLines: result.blankLineCount)
    // The last waiting batch goes first: one thread alone gets the rows of a file in their order.
    result.batches.reverse()
    let first = result.batches.popLast()
    state.withLock { state in
      if state.failure == nil { state.waiting += result.batches }
    }
    return first
  }

  private func fail(_ error: any Error) {
    pool.stop()
    state.withLock { state in
      if state.failure == nil { state.failure = error }
      state.waiting = []
    }
  }
}
