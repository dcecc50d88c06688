import Core
import Kernels

/// Totals by key, exact: numbers that leave 64 bits on their way are kept aside and may come back.
final class SumTable {
  private let table: KeyTable
  private var aside: [Int: Int128] = [:]
  /// Entries that were moved to another table: two at most.
  private var moved: [Int] = []

  /// - Parameter copiesKeys: Else keys stay where they are, and must until `removeAll`.
  init(copiesKeys: Bool = true) {
    table = KeyTable(expectedCount: 1 << 12, copiesKeys: copiesKeys)
  }

  var count: Int { table.count }
  var byteCount: Int { table.byteCount }

  /// - Parameter hash: Of the key, by `hash64`.
  @inline(__always)
  func add(
    _ key: UnsafePointer<UInt8>, count: Int, groupCount: Int, hash: UInt64, _ value: Int64
  ) {
    let index = table.insert(key, count: count, hash: hash, mark: UInt32(groupCount))
    let entry = table.entries + index
    let (sum, overflow) = entry.pointee.value.addingReportingOverflow(value)
    if overflow {
      aside[index, default: 0] += Int128(entry.pointee.value) + Int128(value)
      entry.pointee.value = 0
    } else {
      entry.pointee.value = sum
    }
  }

  /// Hands every total over, and forgets all.
  ///
  /// - Throws: `OperatorError` `.overflow` for a total outside of 64 bits.
  func offer(to top: TopCandidates, _ coding: KeyCoding, label: String) throws(OperatorError) {
    let entries = table.entries
    var group = 0
    var last: KeyTable.Entry?
    for index in 0..<table.count {
      let entry = entries[index]
      if !moved.isEmpty && moved.contains(index) { continue }
      var value = entry.value
      if !aside.isEmpty, let more = aside[index] {
        let sum = Int128(value) + more
        guard let total = Int64(exactly: sum) else {
          throw overflow(
            sum,
            UnsafeBufferPointer(start: entry.key, count: Int(entry.keyCount)), coding, label)
        }
        value = total
      }
      let groupCount = Int(entry.mark)
      // Neighbours are mostly of one group.
      if last == nil || last!.mark != entry.mark
        || !equalBytes(last!.key, entry.key, count: groupCount)
      {
        group = top.group(of: entry.key, count: groupCount)
      }
      last = entry
      top.offer(
        group, value, entry.key, count: Int(entry.keyCount), groupCount: groupCount)
    }
    removeAll()
  }

  /// Adds one key's sum to another table, and forgets it here.
  func move(_ key: UnsafeBufferPointer<UInt8>, to other: SumTable) {
    let hash = hash64(key.start, count: key.count)
    guard let index = table.index(of: key.start, count: key.count, hash: hash),
      !moved.contains(index)
    else { return }
    moved.append(index)
    move(index, hash, to: other)
  }

  /// Adds all sums to another table.
  func moveAll(to other: SumTable) {
    for index in 0..<table.count {
      let entry = table.entries[index]
      move(index, hash64(entry.key, count: Int(entry.keyCount)), to: other)
    }
    removeAll()
  }

  private func move(_ index: Int, _ hash: UInt64, to other: SumTable) {
    let entry = table.entries[index]
    other.add(
      entry.key, count: Int(entry.keyCount), groupCount: Int(entry.mark), hash: hash, entry.value)
    if let more = aside[index],
      let there = other.table.index(of: entry.key, count: Int(entry.keyCount), hash: hash)
    {
      other.aside[there, default: 0] += more
    }
  }

  func removeAll() {
    table.removeAll()
    aside.removeAll()
    moved.removeAll()
  }
}

/// The failure of a total that no `bigint` holds.
func overflow(
  _ sum: Int128, _ key: UnsafeBufferPointer<UInt8>, _ coding: KeyCoding, _ label: String
) -> OperatorError {
  var parts: [String] = []
  coding.decode(key) { _, value in
    switch value {
    case .null: parts.append("NULL")
    case .text(let text): parts.append("'\(String(decoding: text.prefix(200), as: UTF8.self))'")
    case .number(let number): parts.append("\(number)")
    }
  }
  return OperatorError(
    .overflow, "the sum of (\(parts.joined(separator: ", "))) is \(sum), which no bigint holds",
    at: Place(model: label), advice: "look at the input's numbers: one of them may be damaged")
}
