import Core
import Kernels
import Synchronization

/// The rows of a ranking, by group, rank and member: batches that an engine writes.
public final class RankResult: BatchSource, @unchecked Sendable {
  // Unchecked: the candidates are only read.

  /// The columns of `by`, the measure's and `rank`.
  public let schema: Schema
  public var rowCount: Int { rows.count }

  private let candidates: [TopCandidates]
  private let rows: [Ranking.Row]
  private let coding: KeyCoding
  /// Of each column of a key, the column of the result.
  private let columnOfKey: [Int]
  private let place = Mutex(0)
  private static let batchRowCount = 16_384

  /// - Parameter candidates: What each thread has kept; no key in two of them.
  init(
    schema: Schema, _ definition: RankDefinition, _ candidates: [TopCandidates],
    _ coding: KeyCoding, threads: Int
  ) throws {
    self.schema = schema
    self.candidates = candidates
    self.coding = coding
    rows = try Ranking(candidates).rows(threads: threads)
    columnOfKey = definition.keyColumns.map { name in definition.by.firstIndex(of: name)! }
  }

  public var progress: (done: Int64, total: Int64) {
    (Int64(place.withLock { $0 }), Int64(rows.count))
  }

  public func next() throws -> ColumnBatch? {
    let range = place.withLock { place in
      let start = place
      place = min(rows.count, start + RankResult.batchRowCount)
      return start..<place
    }
    return range.isEmpty ? nil : batch(range)
  }

  private func batch(_ range: Range<Int>) -> ColumnBatch {
    var builders = columnOfKey.map { ColumnBuilder(schema.fields[$0].type) }
    var values: [Int64] = []
    var ranks: [Int64] = []
    var bytes: [UInt8] = []
    for row in rows[range] {
      let (key, value) = candidates[Int(row.owner)].candidate(row.place)
      coding.decode(key) { column, decoded in
        var slice: ColumnBatch.Slice?
        if case .text(let text) = decoded {
          slice = .init(offset: UInt32(bytes.count), count: UInt32(text.count))
          bytes += text
        }
        builders[column].append(decoded, slice: slice)
      }
      values.append(value)
      ranks.append(row.rank)
    }
    var columns = [ColumnBatch.Column](
      repeating: .init(values: .boolean([])), count: columnOfKey.count)
    for (column, place) in columnOfKey.enumerated() { columns[place] = builders[column].finish() }
    columns.append(.init(values: .int64(values)))
    columns.append(.init(values: .int64(ranks)))
    return ColumnBatch(rowCount: range.count, columns: columns, bytes: bytes)
  }
}
