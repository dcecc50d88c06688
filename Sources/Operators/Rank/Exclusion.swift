import Core
import Kernels

/// The keys that another input lists, to be left out. Built by one thread, then read by many.
final class Exclusion: @unchecked Sendable {
  // Unchecked: finished before other threads see it.

  private let table = KeyTable()
  /// By column of the ranked keys: its place among `on`, and whether it is percent-decoded.
  private let uses: [Use?]
  private let columnCount: Int
  /// Whether the columns of `on` come in the order of the keys'.
  private let isInOrder: Bool
  private let coding: KeyCoding

  private struct Use {
    var place: Int
    var decodes: Bool
  }

  /// - Parameters:
  ///   - source: Is read to its end.
  ///   - coding: Of the keys that will be asked for.
  init(
    _ source: any BatchSource, _ exception: RankDefinition.Exception, keyColumns: [String],
    keyTypes: [FieldType], coding: KeyCoding, label: String
  ) throws {
    self.coding = coding
    columnCount = exception.on.count
    uses = keyColumns.map { name in
      exception.on.firstIndex(of: name).map {
        Use(place: $0, decodes: exception.percentDecode.contains(name))
      }
    }
    let places = uses.compactMap { $0?.place }
    isInOrder = places == Array(exception.on.indices)
    let columns = try exception.on.map { name in
      let type = keyColumns.firstIndex(of: name).map { keyTypes[$0] }
      guard let index = source.schema.fields.firstIndex(where: { $0.name == name }) else {
        throw OperatorError(
          .badSettings, "the input of 'except' has no column '\(name)'",
          at: Place(model: label),
          advice: hint(for: name, among: source.schema.fields.map(\.name)), exitCode: 2)
      }
      let field = source.schema.fields[index]
      guard field.type == type else {
        throw OperatorError(
          .badSettings,
          "'except' compares '\(name)', \(type.map { "\($0)" } ?? "?") in the one input and "
            + "\(field.type) in the other",
          at: Place(model: label), advice: "declare both alike", exitCode: 2)
      }
      return index
    }
    let decodes = exception.on.map(exception.percentDecode.contains)
    var key: [UInt8] = []
    while let batch = try source.next() {
      batch.bytes.withUnsafeBufferPointer { bytes in
        rows: for row in 0..<batch.rowCount {
          key.removeAll(keepingCapacity: true)
          for (place, column) in columns.enumerated() {
            // As in SQL, null equals nothing.
            if batch.columns[column].nulls?[row] == true { continue rows }
            Exclusion.append(
              batch.columns[column], row, bytes.start, decodes: decodes[place], to: &key)
          }
          key.withUnsafeBufferPointer { key in
            _ = table.insert(
              key.start, count: key.count, hash: hash64(key.start, count: key.count), mark: 0)
          }
        }
      }
    }
  }

  var isEmpty: Bool { table.count == 0 }

  private static func append(
    _ column: ColumnBatch.Column, _ row: Int, _ bytes: UnsafePointer<UInt8>, decodes: Bool,
    to key: inout [UInt8]
  ) {
    guard case .bytes(let slices) = column.values else {
      KeyCoding.append(column, row, of: bytes, to: &key)
      return
    }
    let slice = slices[row]
    append(
      UnsafeBufferPointer(start: bytes + Int(slice.offset), count: Int(slice.count)),
      decodes: decodes, to: &key)
  }

  /// Text with its length before it, so that no two lists of texts look the same.
  private static func append(
    _ text: UnsafeBufferPointer<UInt8>, decodes: Bool, to key: inout [UInt8]
  ) {
    let start = key.count
    key.append(contentsOf: [0, 0, 0, 0])
    if !(decodes && text.contains(UInt8(ascii: "%")) && appendPercentDecoded(text, to: &key)) {
      key.append(contentsOf: text)
    }
    let count = UInt32(key.count - start - 4)
    for index in 0..<4 { key[start + index] = UInt8(truncatingIfNeeded: count >> (8 * index)) }
  }

  /// Whether the key is listed.
  func contains(_ key: UnsafeBufferPointer<UInt8>) -> Bool {
    if case .text(let delimiter, _) = coding, isInOrder,
      let isListed = containsPlain(key, delimiter)
    {
      return isListed
    }
    return containsAny(key)
  }

  /// Looks a key of text up that needs no decoding, without an allocation: most do not.
  ///
  /// - Returns: Nil where it needs some.
  private func containsPlain(
    _ key: UnsafeBufferPointer<UInt8>, _ delimiter: UInt8
  ) -> Bool? {
    let percent = UInt8(ascii: "%")
    return withUnsafeTemporaryAllocation(
      of: UInt8.self, capacity: key.count + 4 * columnCount
    ) { wanted -> Bool? in
      let out = wanted.baseAddress!
      var count = 0
      var start = 0
      for (column, use) in uses.enumerated() {
        let end =
          column == uses.count - 1
          ? key.count : indexOfByte(delimiter, in: key.start, from: start, to: key.count)
        if let use {
          if use.decodes && indexOfByte(percent, in: key.start, from: start, to: end) < end {
            return nil
          }
          UnsafeMutableRawPointer(out + count)
            .storeBytes(of: UInt32(end - start).littleEndian, as: UInt32.self)
          (out + count + 4).update(from: key.start + start, count: end - start)
          count += 4 + end - start
        }
        start = end + 1
      }
      return table.index(of: out, count: count, hash: hash64(out, count: count)) != nil
    }
  }

  private func containsAny(_ key: UnsafeBufferPointer<UInt8>) -> Bool {
    var parts = [[UInt8]](repeating: [], count: columnCount)
    var hasNull = false
    coding.decode(key) { column, value in
      guard let use = uses[column] else { return }
      switch value {
      case .null: hasNull = true
      case .text(let text):
        text.withUnsafeBufferPointer {
          Exclusion.append($0, decodes: use.decodes, to: &parts[use.place])
        }
      case .number(let number): parts[use.place] = Exclusion.encoded(number, coding, column)
      }
    }
    if hasNull { return false }
    let wanted = parts.count == 1 ? parts[0] : Array(parts.joined())
    return wanted.withUnsafeBufferPointer {
      table.index(of: $0.start, count: $0.count, hash: hash64($0.start, count: $0.count)) != nil
    }
  }

  private static func encoded(_ number: Int128, _ coding: KeyCoding, _ column: Int) -> [UInt8] {
    guard case .typed(let types) = coding else { return [] }
    var values = ColumnBuilder(types[column])
    values.append(.number(number))
    var key: [UInt8] = []
    let column = values.finish()
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 1) { nothing in
      KeyCoding.append(column, 0, of: UnsafePointer(nothing.baseAddress!), to: &key)
    }
    return key
  }
}
