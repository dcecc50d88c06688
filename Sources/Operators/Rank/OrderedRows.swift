import Formats
import Kernels

/// Sums of keys that come in ascending order: no table is needed where equal keys are neighbours.
///
/// One thread's: it takes pieces of the input whose keys overlap those of other pieces in their
/// first and last key at most. Those two are summed apart, the others are final.
final class OrderedSums {
  let top: TopCandidates
  /// Keys that other pieces may have too.
  let edges = SumTable()
  private let sums = SumTable(copiesKeys: false)

  init(_ top: TopCandidates) { self.top = top }

  /// Takes a piece of one file.
  ///
  /// - Returns: False, with the sums of no use, where a key is less than the one before.
  func add(_ block: KeyedBlock) -> Bool {
    let rows = UnsafeBufferPointer(block.rows)
    guard var open = rows.first else { return true }
    let text = block.text
    var sum = open.value
    // The first key may have begun in the piece before.
    var isEdge = true
    var group = top.group(of: text + Int(open.offset), count: Int(open.groupCount))
    var index = 1
    while index < rows.count {
      let row = rows[index]
      index &+= 1
      let (key, openKey) = (text + Int(row.offset), text + Int(open.offset))
      let (count, openCount) = (Int(row.count), Int(open.count))
      let common = commonPrefix(openKey, openCount, key, count)
      if common == count && common == openCount {
        let (total, overflow) = sum.addingReportingOverflow(row.value)
        if overflow {
          edges.add(open, sum, of: text)
          isEdge = true
          sum = row.value
        } else {
          sum = total
        }
        continue
      }
      if common == count || (common < openCount && key[common] < openKey[common]) { return false }
      if isEdge {
        edges.add(open, sum, of: text)
        isEdge = false
      } else {
        top.offer(
          group, sum, openKey, count: openCount, groupCount: Int(open.groupCount))
      }
      if row.groupCount != open.groupCount || common < Int(row.groupCount) {
        group = top.group(of: key, count: Int(row.groupCount))
      }
      open = row
      sum = row.value
    }
    edges.add(open, sum, of: text)
    return true
  }

  /// Takes a batch of rows of several files.
  func add(_ batch: OrderedBatch, _ coding: KeyCoding, label: String) throws {
    for piece in batch.pieces {
      let text = piece.block.text
      let rows = UnsafeBufferPointer(piece.block.rows)
      for row in UnsafeBufferPointer(rebasing: rows[piece.rows]) {
        let key = text + Int(row.offset)
        sums.add(
          key, count: Int(row.count), groupCount: Int(row.groupCount),
          hash: hash64(key, count: Int(row.count)), row.value)
      }
    }
    for edge in [batch.low, batch.high].compactMap({ $0 }) {
      edge.withUnsafeBufferPointer { sums.move($0, to: edges) }
    }
    try sums.offer(to: top, coding, label: label)
  }
}

/// Rows of several files, in whose range of keys no other batch has rows.
struct OrderedBatch {
  struct Piece {
    var block: KeyedBlock
    var rows: Range<Int>
  }

  var pieces: [Piece] = []
  /// The greatest key of the batch before, and of this one; these two may stand in others too.
  var low: [UInt8]?
  var high: [UInt8]?
}

extension SumTable {
  func add(_ row: KeyedRow, _ value: Int64, of text: UnsafePointer<UInt8>) {
    let key = text + Int(row.offset)
    add(
      key, count: Int(row.count), groupCount: Int(row.groupCount),
      hash: hash64(key, count: Int(row.count)), value)
  }
}

extension KeyedBlock {
  /// The key of a row.
  func key(_ index: Int) -> UnsafeBufferPointer<UInt8> { key(of: rows[index]) }

  private func key(of row: KeyedRow) -> UnsafeBufferPointer<UInt8> {
    UnsafeBufferPointer(start: text + Int(row.offset), count: Int(row.count))
  }

  /// Whether no key is less than the one before.
  func isAscending(after last: [UInt8]?) -> Bool {
    if rows.isEmpty { return true }
    if let last, compare(key(0), last) < 0 { return false }
    let rows = UnsafeBufferPointer(rows)
    let text = text
    var index = 1
    while index < rows.count {
      let (a, b) = (rows[index &- 1], rows[index])
      if compareBytes(
        text + Int(a.offset), Int(a.count), text + Int(b.offset), Int(b.count)) > 0
      {
        return false
      }
      index &+= 1
    }
    return true
  }

  /// How many of the rows from `start` on have keys of at most `bound`.
  func countUpTo(_ bound: [UInt8], from start: Int) -> Int {
    let rows = UnsafeBufferPointer(rows)
    var (low, high) = (start, rows.count)
    while low < high {
      let middle = (low + high) / 2
      if compare(key(of: rows[middle]), bound) <= 0 { low = middle + 1 } else { high = middle }
    }
    return low - start
  }
}

func compare(_ a: UnsafeBufferPointer<UInt8>, _ b: [UInt8]) -> Int {
  b.withUnsafeBufferPointer { b in compareBytes(a.start, a.count, b.start, b.count) }
}
