import Core
import Kernels

/// Turns rows of typed batches into keys with numbers.
struct BatchEncoder: Sendable {
  private let definition: RankDefinition
  private let keyColumns: [Int]
  private let measure: Int?
  private let conditions: [(condition: RankCondition, column: Int)]

  /// - Parameter schema: Of the batches; the definition was checked against it.
  init(_ definition: RankDefinition, _ schema: Schema) {
    func index(_ name: String) -> Int { schema.fields.firstIndex { $0.name == name }! }
    self.definition = definition
    keyColumns = definition.keyColumns.map(index)
    if case .sum(let name) = definition.measure { measure = index(name) } else { measure = nil }
    conditions = definition.conditions.map { ($0, index($0.column)) }
  }

  func append(_ batch: ColumnBatch, to writer: borrowing PartitionWriter) throws {
    var rows = Array(0..<batch.rowCount)
    for (condition, column) in conditions {
      condition.filter(&rows, of: batch, column: column)
    }
    let column = measure.map { batch.columns[$0] }
    if let nulls = column?.nulls { rows.removeAll { nulls[$0] } }
    var key: [UInt8] = []
    let groupCount = definition.within.count
    try batch.bytes.withUnsafeBufferPointer { bytes in
      for row in rows {
        key.removeAll(keepingCapacity: true)
        var groupByteCount = 0
        for (place, column) in keyColumns.enumerated() {
          if place == groupCount { groupByteCount = key.count }
          KeyCoding.append(batch.columns[column], row, of: bytes.start, to: &key)
        }
        if groupCount == keyColumns.count { groupByteCount = key.count }
        let value = column?.number(row) ?? 1
        try key.withUnsafeBufferPointer { key in
          try writer.append(
            key.start, count: key.count, groupCount: groupByteCount,
            hash: hash64(key.start, count: key.count), value)
        }
      }
    }
  }
}

extension ColumnBatch.Column {
  /// The integer of a row that is not null.
  fileprivate func number(_ row: Int) -> Int64 {
    switch values {
    case .int32(let values): Int64(values[row])
    case .int64(let values): values[row]
    default: preconditionFailure("the definition was checked")
    }
  }
}
