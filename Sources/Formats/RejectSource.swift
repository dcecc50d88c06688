import Core
import Synchronization

/// Reads a reject log back, up to where it was when the source was made.
final class RejectSource: BatchSource {
  let schema = RejectLog.schema

  private let log: RejectLog
  private let end: Int64
  private let place = Mutex<Int64>(0)
  private static let batchRowCount = 2048
  private static let batchByteCount = 1 << 20

  init(_ log: RejectLog, end: Int64) {
    self.log = log
    self.end = end
  }

  var progress: (done: Int64, total: Int64) { (place.withLock { $0 }, end) }

  func next() throws -> ColumnBatch? {
    try place.withLock { place in
      guard place < end else { return nil }
      var rows: [Int64] = []
      var texts: [[ColumnBatch.Slice]] = [[], [], []]
      var bytes: [UInt8] = []
      do {
        while place < end && rows.count < Self.batchRowCount && bytes.count < Self.batchByteCount {
          let head = try read(RejectRecord.headByteCount, at: place)
          let (row, counts) = head.withUnsafeBytes { raw in
            (
              raw.loadUnaligned(as: Int64.self),
              (0..<3).map { raw.loadUnaligned(fromByteOffset: 8 + 4 * $0, as: UInt32.self) }
            )
          }
          rows.append(row)
          let total = counts.reduce(0) { $0 + Int($1) }
          var offset = UInt32(bytes.count)
          bytes += try read(total, at: place + Int64(RejectRecord.headByteCount))
          for (index, count) in counts.enumerated() {
            texts[index].append(.init(offset: offset, count: count))
            offset += count
          }
          place += Int64(RejectRecord.headByteCount + total)
        }
      } catch {
        place = end
        throw error
      }
      return ColumnBatch(
        rowCount: rows.count,
        columns: [
          .init(values: .bytes(texts[0])), .init(values: .bytes(texts[1])),
          .init(values: .int64(rows)), .init(values: .bytes(texts[2])),
        ], bytes: bytes)
    }
  }

  private func read(_ count: Int, at offset: Int64) throws(FormatError) -> [UInt8] {
    var failure: FormatError?
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      do throws(FormatError) {
        try log.read(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
        filled = count
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return bytes
  }
}
