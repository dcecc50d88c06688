import Core
import Kernels

/// Unpacks one file and cuts it into blocks of whole rows. One thread at a time.
///
/// Memory is one block, or the longest row where that is longer.
final class BlockReader {
  private let file: InputFile
  private let format: DelimitedFormat
  private let blockByteCount: Int
  private let cancellation: Cancellation
  private let totalByteCountRead: ByteCounter
  private let local: LocalFile
  private let inflater: Inflater

  private var layout: FileLayout?
  /// The start of a row that the last block did not complete.
  private var carry: [UInt8] = []
  /// The line of the first byte of `carry`; 1-based.
  private var line = 1
  private var byteCountRead: Int64 = 0
  private var oversized: [OversizedRow] = []
  private var isFinished = false

  /// Of an oversized row, this much is kept for the reject log.
  static let keptByteCount = 64 << 10

  /// - Parameter byteCountRead: Counts every read, for progress.
  /// - Throws: `FormatError` where the file cannot be opened or is not the one listed.
  init(
    _ file: InputFile, _ format: DelimitedFormat, blockByteCount: Int,
    cancellation: Cancellation, byteCountRead: ByteCounter
  ) throws {
    self.file = file
    self.format = format
    self.blockByteCount = blockByteCount
    self.cancellation = cancellation
    totalByteCountRead = byteCountRead
    local = try LocalFile(file)
    let promised = BlockReader.promisedCompression(of: file)
    inflater = Inflater(format.compression == .auto ? promised ?? .auto : format.compression)
  }

  /// - Returns: The next block, or nil after the last, when the file is verified to its end.
  /// - Throws: `FormatError`, `Cancelled`.
  func next() throws -> TextBlock? {
    while !isFinished {
      try cancellation.check()
      // Doubling, so that a long row is looked at a few times only.
      let growing = min(carry.count * 2, fullByteCount)
      let capacity = max(blockByteCount, growing, carry.count + blockByteCount / 2)
      let (bytes, isAtEnd) = try fill(capacity)
      if isAtEnd { try local.expectUnchanged(byteCountRead: byteCountRead) }
      if let layout {
        if let block = try cut(bytes, layout, isAtEnd) { return block }
      } else {
        let consumed = try start(bytes, isAtEnd)
        carry = Array(bytes.dropFirst(consumed))
        if layout == nil && isAtEnd { isFinished = true }
      }
    }
    return nil
  }

  /// The longest row that is allowed, with its line end: where that much holds no row, none fits.
  private var fullByteCount: Int { format.maximumRowByteCount + 2 }

  /// A file's packing as its name has it; a URL's query does not count.
  private static func promisedCompression(of file: InputFile) -> Compression? {
    var name = Substring(file.name)
    if name.contains("://"), let end = name.firstIndex(where: { $0 == "?" || $0 == "#" }) {
      name = name[..<end]
    }
    return Compression.promised(byName: String(name))
  }

  /// The carry and what follows it, together `capacity` bytes unless the file ends.
  private func fill(_ capacity: Int) throws -> (bytes: [UInt8], isAtEnd: Bool) {
    var isAtEnd = false
    let bytes = try [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
      _ = buffer.update(from: carry)
      count = carry.count
      let room = UnsafeMutableRawBufferPointer(
        UnsafeMutableBufferPointer(rebasing: buffer[carry.count...]))
      let filled = try inflate(into: room)
      isAtEnd = filled < room.count
      count += filled
    }
    carry = []
    return (bytes, isAtEnd)
  }

  private func inflate(into room: UnsafeMutableRawBufferPointer) throws -> Int {
    do {
      return try inflater.read(into: room) { buffer in
        let count = try local.read(into: buffer)
        byteCountRead += Int64(count)
        totalByteCountRead.add(count)
        return count
      }
    } catch let error as CompressionError {
      throw FormatError.damaged(error, file: file.name)
    }
  }

  /// Skips the byte order mark and reads the header; sets `layout` unless that needs more text, or
  /// there is none at all: an empty file has no rows, and needs no header.
  ///
  /// - Returns: How many bytes are behind us.
  private func start(_ bytes: [UInt8], _ isAtEnd: Bool) throws -> Int {
    let skipped = bytes.withUnsafeBufferPointer { countOfByteOrderMark($0) }
    guard format.hasHeader else {
      let count = format.columns.count
      layout = FileLayout(fieldCount: count, fieldOfColumn: Array(0..<count))
      return skipped
    }
    let text = bytes[skipped...]
    if text.isEmpty && isAtEnd { return skipped }
    let isFull = text.count >= fullByteCount
    let row = try Header(file: file, format: format)
      .read(text, ending: isAtEnd ? .end : isFull ? .full : .more)
    guard let row else { return 0 }
    layout = row.layout
    line += row.lineCount
    return skipped + row.byteCount
  }

  /// Cuts behind the last complete row.
  ///
  /// - Returns: Nil where there is none yet; `carry` then holds all, or the row was too long.
  private func cut(
    _ bytes: [UInt8], _ layout: FileLayout, _ isAtEnd: Bool
  ) throws -> TextBlock? {
    var block = TextBlock(
      layout: layout, bytes: bytes, textByteCount: 0, firstLine: line, oversized: oversized)
    let isFull = bytes.count >= fullByteCount
    let lineCount: Int
    if let quote = format.quote {
      let table = bytes.withUnsafeBufferPointer {
        splitQuoted(
          $0, delimiter: format.delimiter, quote: quote, fieldCount: layout.fieldCount,
          ending: isAtEnd ? .end : isFull ? .full : .more)
      }
      block.table = table
      block.textByteCount = table.consumedByteCount
      lineCount = table.lineCount
    } else {
      (block.textByteCount, lineCount) = bytes.withUnsafeBufferPointer { text in
        guard let base = text.baseAddress else { return (0, 0) }
        let lastEnd = lastIndexOfByte(0x0A, in: base, count: text.count)
        let end = isAtEnd ? text.count : lastEnd.map { $0 + 1 } ?? 0
        return (end, countOfByte(0x0A, in: base, count: end))
      }
    }
    if isAtEnd {
      isFinished = true
      oversized = []
      return block
    }
    if block.textByteCount == 0 {
      if isFull { try skipRow(bytes) } else { carry = bytes }
      return nil
    }
    oversized = []
    line += lineCount
    carry = Array(bytes[block.textByteCount...])
    return block
  }

  /// Passes over a row that is longer than allowed, up to the next line end.
  private func skipRow(_ head: [UInt8]) throws {
    var row = OversizedRow(line: line, start: [], byteCount: 0)
    var last: UInt8 = 0
    func take(_ bytes: ArraySlice<UInt8>) {
      row.start += bytes.prefix(BlockReader.keptByteCount - row.start.count)
      row.byteCount += bytes.count
      last = bytes.last ?? last
    }
    take(head[...])
    line += head.withUnsafeBufferPointer {
      countOfByte(0x0A, in: $0.baseAddress!, count: $0.count)
    }
    while true {
      try cancellation.check()
      let (bytes, isAtEnd) = try fill(blockByteCount)
      let end = bytes.withUnsafeBufferPointer { text in
        text.baseAddress.map { indexOfByte(0x0A, in: $0, from: 0, to: text.count) } ?? 0
      }
      take(bytes[..<end])
      if end < bytes.count {
        line += 1
        carry = Array(bytes[(end + 1)...])
      }
      if end < bytes.count || isAtEnd { break }
    }
    if last == 0x0D {
      row.byteCount -= 1
      row.start = Array(row.start.prefix(row.byteCount))
    }
    oversized.append(row)
  }
}
