import Core
import Kernels
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Rejected rows on their way to a quarantine table: written aside to disk, so that memory stays
/// flat however many there are, and read back as batches.
///
/// The spill file has no name once it is open, so a killed process leaves nothing behind. One log
/// serves one consumer and batch; its files may be read more than once, but count once.
public final class RejectLog: Sendable {
  /// `rule` (`malformed:<reason>`), `source_file`, `source_row` (1-based line), `row` (text).
  public static let schema = Schema([
    Field(id: 1, name: "rule", type: .string, isRequired: true),
    Field(id: 2, name: "source_file", type: .string, isRequired: true),
    Field(id: 3, name: "source_row", type: .bigint, isRequired: true),
    Field(id: 4, name: "row", type: .string, isRequired: true),
  ])

  private struct State: Sendable {
    var claimed = Set<String>()
    var buffer: [UInt8] = []
    var rowCount: Int64 = 0
    var byteCountWritten: Int64 = 0
  }

  private let descriptor: Int32
  private let state = Mutex(State())
  private static let bufferByteCount = 256 << 10

  /// Opens a log. Calls `mkstemp` and `unlink`.
  ///
  /// - Parameter directory: An existing folder with room for the rejected rows.
  /// - Throws: `FormatError` `.spill`.
  public init(directory: String) throws(FormatError) {
    var path = Array("\(directory)/rejects-XXXXXX".utf8CString)
    descriptor = mkstemp(&path)
    guard descriptor >= 0 else {
      throw FormatError(
        .spill, "cannot create a file for rejected rows: \(systemMessage(errno))",
        at: Place(file: directory), advice: "check that the folder exists and can be written to")
    }
    unlink(path)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
  }

  deinit { close(descriptor) }

  /// Rows in the log.
  public var rowCount: Int64 { state.withLock { $0.rowCount } }

  /// Asks to report a file's rejects.
  ///
  /// - Returns: True for the first reader of that file, false for all others: theirs are the same.
  public func claim(file: String) -> Bool {
    state.withLock { $0.claimed.insert(file).inserted }
  }

  /// Adds a row.
  ///
  /// - Parameters:
  ///   - row: The 1-based line, or number, of the row in the file.
  ///   - text: The row's bytes, or their start. At most 64 KiB are kept: well-formed UTF-8 as it
  ///     is, other bytes as `\xNN`; what was cut off shows as `… (10485760 bytes)`.
  ///   - byteCount: Of the whole row; nil where `text` is all of it.
  /// - Throws: `FormatError` `.spill`.
  public func append(
    rule: String, file: String, row: Int64, text: [UInt8], byteCount: Int? = nil
  ) throws {
    let readable = RejectLog.readable(text, byteCount: byteCount ?? text.count)
    try state.withLock { state in
      let record = RejectRecord(
        rule: Array(rule.utf8), file: Array(file.utf8), row: row, text: readable)
      record.append(to: &state.buffer)
      state.rowCount += 1
      if state.buffer.count >= RejectLog.bufferByteCount { try flush(&state) }
    }
  }

  /// The rows so far, in the order of their arrival; each source starts at the first.
  ///
  /// - Throws: `FormatError` `.spill`.
  public func source() throws -> any BatchSource {
    let end = try state.withLock { state in
      try flush(&state)
      return state.byteCountWritten
    }
    return RejectSource(self, end: end)
  }

  /// Reads from the spill file. Calls `pread`.
  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(FormatError) {
    var done = 0
    while done < buffer.count {
      let count = pread(
        descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(offset) + off_t(done))
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else {
        let why = count == 0 ? "it was cut off" : systemMessage(errno)
        throw FormatError(.spill, "cannot read rejected rows back: \(why)")
      }
      done += count
    }
  }

  private func flush(_ state: inout State) throws(FormatError) {
    var done = 0
    while done < state.buffer.count {
      let count = state.buffer.withUnsafeBytes { bytes in
        write(descriptor, bytes.baseAddress! + done, bytes.count - done)
      }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else {
        throw FormatError(
          .spill, "cannot write rejected rows aside: \(systemMessage(errno))",
          advice: "free space in the spill folder, or look at why so many rows are rejected")
      }
      done += count
    }
    state.byteCountWritten += Int64(state.buffer.count)
    state.buffer.removeAll(keepingCapacity: true)
  }

  private static let keptByteCount = 64 << 10

  static func readable(_ text: [UInt8], byteCount: Int) -> [UInt8] {
    var kept = text.prefix(keptByteCount)
    let isCut = kept.count < byteCount
    if isCut {
      // Do not cut through a character: go back to where the last one starts, at most 3 bytes.
      let tail = kept.suffix(4)
      if let start = tail.lastIndex(where: { $0 & 0xC0 != 0x80 }), kept[start] >= 0xC0 {
        let whole = kept[start...].withUnsafeBufferPointer {
          indexOfInvalidUTF8($0.baseAddress!, count: $0.count) > 0
        }
        if !whole { kept = kept[..<start] }
      }
    }
    var readable: [UInt8] = []
    readable.reserveCapacity(kept.count + 32)
    kept.withUnsafeBufferPointer { appendReadable($0, to: &readable) }
    if isCut { readable += Array("… (\(byteCount) bytes)".utf8) }
    return readable
  }
}

/// One rejected row as the spill file has it: four lengths or numbers, then the three texts.
struct RejectRecord {
  var rule: [UInt8]
  var file: [UInt8]
  var row: Int64
  var text: [UInt8]

  static let headByteCount = 20

  func append(to out: inout [UInt8]) {
    withUnsafeBytes(of: row) { out.append(contentsOf: $0) }
    for part in [rule, file, text] {
      withUnsafeBytes(of: UInt32(part.count)) { out.append(contentsOf: $0) }
    }
    for part in [rule, file, text] { out.append(contentsOf: part) }
  }
}
