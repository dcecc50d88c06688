import Core
import Kernels
import Synchronization

/// Text files as keys with numbers: what counting needs of them, several times cheaper than typed
/// batches. Rows are judged exactly as `DelimitedSource` judges them, except that a row of a format
/// without quotes whose number is empty is malformed.
///
/// Only some formats and columns can be read this way: `init` says which.
public final class KeyedSource: Sendable {
  /// How the columns of a key stand in its bytes.
  public enum Coding: Sendable, Hashable {
    /// As in the file, the delimiter between.
    case joined(delimiter: UInt8)
    /// Each a 1 and its ordered text (`appendOrderedText`), or a 0 for null.
    case ordered
  }

  private let files: [InputFile]
  private let format: DelimitedFormat
  private let wanted: Wanted
  private let sum: Field?
  public let coding: Coding
  private let accounts: RowAccounts
  private let pool: BlockPool
  private let converter: RowConverter
  private let totalByteCount: Int64

  /// What is taken of a row, by declared column.
  private struct Wanted {
    var roles: [KeyedLayout.Role]
    var key: [Int]
    var groupCount: Int
    var conditions: [FieldCondition]
  }

  /// - Parameters:
  ///   - by: The columns of the key, strings, those of the group first.
  ///   - groupCount: How many of them are the group.
  ///   - sum: The column of the number, a `bigint`; nil gives every row the number 1.
  ///   - conditions: By declared column. Rows that do not satisfy them count as read, no more.
  ///   - rejects: Takes the malformed rows; needed for, and only used with, `.quarantine`.
  ///   - holdsRejects: Whether malformed rows are kept from the log until `commit`, so that the
  ///     files can be read once more by another source instead.
  /// - Returns: Nil where the rows have to be read as batches.
  public init?(
    files: [InputFile], format: DelimitedFormat, by: [String], groupCount: Int, sum: String?,
    conditions: [FieldCondition] = [], rejects: RejectLog? = nil, holdsRejects: Bool = false,
    cancellation: Cancellation = .never, blockByteCount: Int = 256 << 10
  ) throws {
    try format.validate()
    guard
      let wanted = KeyedSource.wanted(
        of: format, by: by, groupCount: groupCount, sum: sum, conditions)
    else { return nil }
    self.files = files
    self.format = format
    self.wanted = wanted
    self.sum = sum.flatMap { Schema(format.columns)[$0] }
    let isPlain = format.syntax == .delimited && format.quote == nil
    coding =
      isPlain && groupCount == by.count - 1 ? .joined(delimiter: format.delimiter) : .ordered
    accounts = RowAccounts(
      format.malformed, rejects: rejects, holdsRejects: holdsRejects)
    pool = BlockPool(
      files, format, blockByteCount: blockByteCount, accounts: accounts,
      cancellation: cancellation)
    converter = RowConverter(format, rowsPerBatch: 1)
    totalByteCount = files.reduce(0) { $0 + $1.byteCount }
  }

  private static func wanted(
    of format: DelimitedFormat, by: [String], groupCount: Int, sum: String?,
    _ conditions: [FieldCondition]
  ) -> Wanted? {
    guard format.encoding == .utf8, format.nullTexts.isEmpty else { return nil }
    let key = by.compactMap { name in format.columns.firstIndex { $0.name == name } }
    guard key.count == by.count, !key.isEmpty else { return nil }
    var roles: [KeyedLayout.Role] = []
    for (index, column) in format.columns.enumerated() {
      switch column.type {
      case .string: roles.append(.text)
      case .int where !key.contains(index): roles.append(.int32)
      case .bigint where !key.contains(index):
        roles.append(column.name == sum ? .value : .int64)
      default: return nil
      }
    }
    if sum != nil && !roles.contains(.value) { return nil }
    return Wanted(roles: roles, key: key, groupCount: groupCount, conditions: conditions)
  }

  /// A layout where a file's rows can be taken as they stand.
  private func layout(of file: FileLayout) -> KeyedLayout? {
    let key = wanted.key.map { file.fieldOfColumn[$0] }
    guard case .joined(let delimiter) = coding,
      zip(key, key.dropFirst()).allSatisfy({ $0 + 1 == $1 })
    else { return nil }
    return KeyedLayout(
      delimiter: delimiter, roles: roles(of: file), key: key[0]..<key[0] + key.count,
      groupFieldCount: wanted.groupCount, maximumRowByteCount: format.maximumRowByteCount,
      conditions: conditions(of: file))
  }

  private func roles(of file: FileLayout) -> [KeyedLayout.Role] {
    var roles = [KeyedLayout.Role](repeating: .any, count: file.fieldCount)
    for (field, role) in zip(file.fieldOfColumn, wanted.roles) { roles[field] = role }
    return roles
  }

  private func conditions(of file: FileLayout) -> [FieldCondition] {
    wanted.conditions.map { condition in
      var condition = condition
      condition.field = file.fieldOfColumn[condition.field]
      return condition
    }
  }

  private func gathering(of file: FileLayout) -> KeyGathering {
    let quoting: KeyGathering.Quoting =
      format.syntax == .jsonLines
      ? .json : format.quote.map { .doubled(quote: $0) } ?? .none
    let coding: KeyGathering.Coding =
      switch coding {
      case .joined(let delimiter): .joined(delimiter: delimiter)
      case .ordered: .ordered
      }
    return KeyGathering(
      roles: roles(of: file), key: wanted.key.map { file.fieldOfColumn[$0] },
      groupFieldCount: wanted.groupCount, maximumRowByteCount: format.maximumRowByteCount,
      conditions: conditions(of: file), coding: coding, quoting: quoting)
  }

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
    let (table, gathered) = block.bytes.withUnsafeBufferPointer { bytes in
      split(UnsafeBufferPointer(rebasing: bytes[..<block.textByteCount]), block)
    }
    var rejected = block.oversized.map { row in
      RejectedRow(
        line: row.line, reason: Reason.lineTooLong, text: row.start, byteCount: row.byteCount)
    }
    rejected += table.misfits.map { reject($0, of: block) }
    if !rejected.isEmpty {
      try accounts.reject(rejected, of: text.origin)
    }
    accounts.add(
      rows: table.rows.count + table.passedRowCount, blankLines: table.blankLineCount)
    return KeyedBlock(bytes: gathered ?? block.bytes, rows: table)
  }

  /// - Returns: The rows; the bytes they are in, where those are not the block's.
  private func split(
    _ text: UnsafeBufferPointer<UInt8>, _ block: TextBlock
  ) -> (rows: KeyedRows, gathered: [UInt8]?) {
    if let layout = layout(of: block.layout) {
      return (splitKeyedRows(text, layout, checksUTF8: true), nil)
    }
    let checks = text.baseAddress.map { !isUTF8($0, count: text.count) } ?? false
    let (rows, bytes) = gatherKeyedRows(
      text, block.table ?? converter.split(text, block.layout), gathering(of: block.layout),
      checksUTF8: checks)
    return (rows, bytes)
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
