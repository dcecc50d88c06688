import Core
import Kernels
import Synchronization

/// Delimited files as keys with numbers: what counting needs of them, several times cheaper than
/// typed batches. Rows are judged exactly as `DelimitedSource` judges them, except that a row whose
/// number is empty is malformed.
///
/// Only some formats and columns can be read this way: `init` says which.
public final class KeyedSource: Sendable {
  private let files: [InputFile]
  private let layout: KeyedLayout
  private let sum: Field?
  private let accounts: RowAccounts
  private let pool: BlockPool
  private let converter: RowConverter
  private let totalByteCount: Int64

  /// - Parameters:
  ///   - by: The columns of the key, which must be strings and neighbours in this order.
  ///   - groupCount: How many of them, from the first, are the group; all but the last.
  ///   - sum: The column of the number, a `bigint`; nil gives every row the number 1.
  ///   - rejects: Takes the malformed rows; needed for, and only used with, `.quarantine`.
  ///   - holdsRejects: Whether malformed rows are kept from the log until `commit`, so that the
  ///     files can be read once more by another source instead.
  /// - Returns: Nil where the rows have to be read as batches.
  public init?(
    files: [InputFile], format: DelimitedFormat, by: [String], groupCount: Int, sum: String?,
    rejects: RejectLog? = nil, holdsRejects: Bool = false, cancellation: Cancellation = .never,
    blockByteCount: Int = 256 << 10
  ) throws {
    try format.validate()
    guard
      let layout = KeyedSource.layout(of: format, by: by, groupCount: groupCount, sum: sum)
    else { return nil }
    self.files = files
    self.layout = layout
    self.sum = sum.flatMap { Schema(format.columns)[$0] }
    accounts = RowAccounts(
      format.malformed, rejects: rejects, holdsRejects: holdsRejects)
    pool = BlockPool(
      files, format, blockByteCount: blockByteCount, accounts: accounts,
      cancellation: cancellation)
    converter = RowConverter(format, rowsPerBatch: 1)
    totalByteCount = files.reduce(0) { $0 + $1.byteCount }
  }

  private static func layout(
    of format: DelimitedFormat, by: [String], groupCount: Int, sum: String?
  ) -> KeyedLayout? {
    guard format.quote == nil, !format.hasHeader, format.encoding == .utf8,
      format.nullTexts.isEmpty, groupCount == by.count - 1,
      let first = format.columns.firstIndex(where: { $0.name == by.first }),
      format.columns[first...].prefix(by.count).map(\.name) == by
    else { return nil }
    let key = first..<first + by.count
    var roles: [KeyedLayout.Role] = []
    for (index, column) in format.columns.enumerated() {
      if column.name == sum {
        guard column.type == .bigint, !key.contains(index) else { return nil }
        roles.append(.value)
        continue
      }
      switch column.type {
      case .string: roles.append(.text)
      case .int where !key.contains(index): roles.append(.int32)
      case .bigint where !key.contains(index): roles.append(.int64)
      default: return nil
      }
    }
    if sum != nil && !roles.contains(.value) { return nil }
    return KeyedLayout(
      delimiter: format.delimiter, roles: roles, key: key, groupFieldCount: groupCount,
      maximumRowByteCount: format.maximumRowByteCount)
  }

  /// Between the fields of a key.
  public var delimiter: UInt8 { layout.delimiter }

  public var fileCount: Int { files.count }

  /// Bytes of files read so far and in all.
  public var progress: (done: Int64, total: Int64) {
    (accounts.byteCountRead.value, totalByteCount)
  }

  /// What was read so far.
  public var tally: Tally { accounts.tally }

  /// How many malformed rows are held in memory.
  public var heldRejectCount: Int { accounts.heldCount }

  /// Hands the held rows to the reject log.
  ///
  /// - Throws: `FormatError` `.spill`.
  public func commit() throws { try accounts.commit() }

  /// The next rows of any file. Any number of threads may call it, until it throws.
  ///
  /// - Returns: Nil after the last, when every file is verified to its end.
  /// - Throws: `FormatError`, `Cancelled`.
  public func next() throws -> KeyedBlock? {
    guard let (block, origin) = try pool.next() else { return nil }
    return try rows(of: KeyedText(block: block, origin: origin))
  }

  /// Opens one file, to be read in order; instead of `next()`.
  ///
  /// - Throws: `FormatError`.
  public func open(_ index: Int) throws -> KeyedFile {
    KeyedFile(
      .init(file: files[index], isRecorded: accounts.claim(files[index])),
      try pool.reader(of: files[index]), accounts: accounts)
  }

  /// Finds the rows of a block, and accounts for those that do not fit. Any thread.
  ///
  /// - Throws: `FormatError`.
  public func rows(of text: KeyedText) throws -> KeyedBlock {
    let block = text.block
    let table = block.bytes.withUnsafeBufferPointer { bytes in
      splitKeyedRows(
        UnsafeBufferPointer(rebasing: bytes[..<block.textByteCount]), layout, checksUTF8: true)
    }
    var rejected = block.oversized.map { row in
      RejectedRow(
        line: row.line, reason: Reason.lineTooLong, text: row.start, byteCount: row.byteCount)
    }
    rejected += table.misfits.map { reject($0, of: block) }
    if !rejected.isEmpty {
      try accounts.reject(rejected, of: text.origin)
    }
    accounts.add(rows: table.rows.count, blankLines: table.blankLineCount)
    return KeyedBlock(bytes: block.bytes, rows: table)
  }

  /// Why a row was not taken, by the reader that knows all reasons.
  private func reject(_ row: RowSpan, of block: TextBlock) -> RejectedRow {
    let start = Int(row.offset)
    let line = block.firstLine + Int(row.line)
    let alone = TextBlock(
      layout: block.layout, bytes: Array(block.bytes[start..<start + Int(row.count)]),
      textByteCount: Int(row.count), firstLine: line)
    if let rejected = converter.convert(alone).rejected.first { return rejected }
    // It fits, but has no number.
    return RejectedRow(
      line: line, reason: sum.map(Reason.notOfType) ?? Reason.columns,
      text: Array(alone.bytes.prefix(BlockReader.keptByteCount)), byteCount: Int(row.count))
  }
}

/// A file of a keyed source, read from its start to its end by one thread at a time.
public final class KeyedFile {
  private let origin: BlockPool.Origin
  private let reader: BlockReader
  private let accounts: RowAccounts

  init(_ origin: BlockPool.Origin, _ reader: BlockReader, accounts: RowAccounts) {
    self.origin = origin
    self.reader = reader
    self.accounts = accounts
  }

  /// Unpacks the next piece.
  ///
  /// - Returns: Whole rows; nil after the last, when the file is verified to its end.
  /// - Throws: `FormatError`, `Cancelled`.
  public func next() throws -> KeyedText? {
    guard let block = try reader.next() else {
      accounts.finishFile()
      return nil
    }
    return KeyedText(block: block, origin: origin)
  }
}

/// Unpacked text of whole rows.
public struct KeyedText: Sendable {
  let block: TextBlock
  let origin: BlockPool.Origin
}

/// Text with its rows found.
public final class KeyedBlock: Sendable {
  private let bytes: [UInt8]
  private let table: KeyedRows
  /// What the rows' offsets are in; valid while the block lives.
  public nonisolated(unsafe) let text: UnsafePointer<UInt8>

  init(bytes: [UInt8], rows: KeyedRows) {
    self.bytes = bytes
    table = rows
    // An array that nobody changes stays where it is: the block keeps it.
    text = bytes.withUnsafeBufferPointer { $0.baseAddress ?? KeyedBlock.nothing }
  }

  private nonisolated(unsafe) static let nothing = UnsafePointer(
    UnsafeMutablePointer<UInt8>.allocate(capacity: 1))

  public var rows: UnsafeMutableBufferPointer<KeyedRow> { table.rows }
}
