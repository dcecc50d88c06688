internal import CKernels

/// What counting wants of delimited text without quotes: of each row a key, which is a run of
/// neighbouring fields as they stand, and a number.
public struct KeyedLayout: Sendable, Hashable {
  /// What must be true of a field for its row to be taken.
  public enum Role: Sendable, Hashable {
    /// Anything.
    case any
    /// Any text: UTF-8.
    case text
    /// Empty, or an integer of 32 bits.
    case int32
    /// Empty, or an integer of 64 bits.
    case int64
    /// An integer of 64 bits: the row's number.
    case value
  }

  /// ASCII, and neither CR nor LF.
  public var delimiter: UInt8
  /// One for each field of a row; at most one is `.value`. Without one, each row's number is 1.
  public var roles: [Role]
  /// The fields that are the key; not empty.
  public var key: Range<Int>
  /// How many fields of the key, from its first, are its group; less than all.
  public var groupFieldCount: Int
  /// Longer rows are not taken.
  public var maximumRowByteCount: Int
  /// Rows that do not satisfy all of them are passed over.
  public var conditions: [FieldCondition]

  public init(
    delimiter: UInt8, roles: [Role], key: Range<Int>, groupFieldCount: Int,
    maximumRowByteCount: Int, conditions: [FieldCondition] = []
  ) {
    precondition(!key.isEmpty && key.upperBound <= roles.count && groupFieldCount < key.count)
    self.delimiter = delimiter
    self.roles = roles
    self.key = key
    self.groupFieldCount = groupFieldCount
    self.maximumRowByteCount = maximumRowByteCount
    self.conditions = conditions
  }
}

/// One row's key and number.
public struct KeyedRow: Sendable, Hashable {
  /// Of the key in its text.
  public var offset: UInt32
  /// Bytes of the key.
  public var count: UInt32
  /// Bytes of its group; the delimiter after them belongs to neither group nor member.
  public var groupCount: UInt32
  public var value: Int64
}

/// The rows of a piece of text that could be taken.
public final class KeyedRows: @unchecked Sendable {
  // Unchecked: written by the splitter, then only read.

  /// Valid while this object lives.
  public private(set) var rows: UnsafeMutableBufferPointer<KeyedRow>
  /// Rows that fit, but do not satisfy the conditions.
  public internal(set) var passedRowCount = 0
  /// All other rows, in order; a slower reader may make more of them.
  public internal(set) var misfits: [RowSpan] = []
  /// Empty lines, which are no rows unless rows have one field.
  public internal(set) var blankLineCount = 0

  private var capacity: Int

  convenience init(expectedByteCount: Int) { self.init(capacity: expectedByteCount / 24) }

  init(capacity wanted: Int) {
    capacity = max(64, wanted)
    rows = UnsafeMutableBufferPointer(start: .allocate(capacity: capacity), count: 0)
  }

  deinit { rows.baseAddress!.deallocate() }

  /// Makes room for `wanted` rows, of which `used` are there.
  func grow(to wanted: Int, used: Int) -> UnsafeMutablePointer<KeyedRow> {
    let larger = UnsafeMutablePointer<KeyedRow>.allocate(capacity: wanted)
    larger.moveInitialize(from: rows.baseAddress!, count: used)
    rows.baseAddress!.deallocate()
    capacity = wanted
    rows = UnsafeMutableBufferPointer(start: larger, count: used)
    return larger
  }

  var rowCapacity: Int { capacity }

  func finish(count: Int) {
    rows = UnsafeMutableBufferPointer(start: rows.baseAddress!, count: count)
  }
}

/// Splits text into rows that have exactly the layout's fields, each as its role has it.
///
/// - Parameters:
///   - text: Less than 1 GiB, whole rows; the last needs no line end. Rows end in LF or CRLF.
///   - checksUTF8: Rows with text that is not UTF-8 are not taken.
/// - Complexity: O(*n*).
public func splitKeyedRows(
  _ text: UnsafeBufferPointer<UInt8>, _ layout: KeyedLayout, checksUTF8: Bool
) -> KeyedRows {
  precondition(text.count < 1 << 30)
  let table = KeyedRows(expectedByteCount: text.count)
  guard let base = text.baseAddress else { return table }
  let checks = checksUTF8 && !isUTF8(base, count: text.count)
  let fieldCount = layout.roles.count
  let numbers = NumberField.all(in: layout)
  withUnsafeTemporaryAllocation(of: Int.self, capacity: fieldCount + 2) { bounds in
    numbers.withUnsafeBufferPointer { numbers in
      layout.conditions.withUnsafeBufferPointer { conditions in
        var scanner = KeyedScanner(
          table: table, base: base, layout: layout, numbers: numbers, conditions: conditions,
          bounds: bounds.baseAddress!, checksUTF8: checks)
        scanner.scan(end: text.count)
      }
    }
  }
  return table
}

/// A field that has to be an integer.
struct NumberField {
  var field: Int
  var isValue: Bool
  var is32Bits: Bool

  static func all(in layout: KeyedLayout) -> [NumberField] {
    layout.roles.enumerated().compactMap { field, role in
      switch role {
      case .any, .text: nil
      case .int32: NumberField(field: field, isValue: false, is32Bits: true)
      case .int64: NumberField(field: field, isValue: false, is32Bits: false)
      case .value: NumberField(field: field, isValue: true, is32Bits: false)
      }
    }
  }
}

struct KeyedScanner {
  let table: KeyedRows
  let base: UnsafePointer<UInt8>
  let delimiter: UInt8
  let fieldCount: Int
  let firstKey: Int
  let endKey: Int
  let endGroup: Int
  let maximum: Int
  let numbers: UnsafeBufferPointer<NumberField>
  let conditions: UnsafeBufferPointer<FieldCondition>
  let roles: [KeyedLayout.Role]
  /// Where each field starts; the one after the last, where the next would.
  let bounds: UnsafeMutablePointer<Int>
  let checksUTF8: Bool

  var rows: UnsafeMutablePointer<KeyedRow>
  var rowCount = 0
  var capacity: Int
  var fields = 0
  var rowStart = 0
  var line = 0

  init(
    table: KeyedRows, base: UnsafePointer<UInt8>, layout: KeyedLayout,
    numbers: UnsafeBufferPointer<NumberField>,
    conditions: UnsafeBufferPointer<FieldCondition>, bounds: UnsafeMutablePointer<Int>,
    checksUTF8: Bool
  ) {
    self.table = table
    self.base = base
    delimiter = layout.delimiter
    fieldCount = layout.roles.count
    firstKey = layout.key.lowerBound
    endKey = layout.key.upperBound
    endGroup = layout.key.lowerBound + layout.groupFieldCount
    maximum = layout.maximumRowByteCount
    self.numbers = numbers
    self.conditions = conditions
    roles = layout.roles
    self.bounds = bounds
    self.checksUTF8 = checksUTF8
    rows = table.rows.baseAddress!
    capacity = table.rowCapacity
    bounds[0] = 0
  }

  mutating func scan(end: Int) {
    var index = 0
    while index &+ 64 <= end {
      let marks = ckernels_mark(base + index, delimiter)
      var ends = marks.ends
      while ends != 0 {
        let bit = ends & (0 &- ends)
        let place = index &+ ends.trailingZeroBitCount
        ends ^= bit
        if marks.lines & bit == 0 {
          endField(at: place)
        } else {
          endRow(at: place)
        }
      }
      index &+= 64
    }
    while index < end {
      if base[index] == delimiter {
        endField(at: index)
      } else if base[index] == 0x0A {
        endRow(at: index)
      }
      index &+= 1
    }
    if rowStart < end { endRow(at: end) }
    table.finish(count: rowCount)
  }

  @inline(__always)
  private mutating func endField(at place: Int) {
    fields &+= 1
    if fields <= fieldCount { bounds[fields] = place &+ 1 }
  }

  @inline(__always)
  private mutating func endRow(at place: Int) {
    var rowEnd = place
    if place > rowStart && base[place &- 1] == 0x0D { rowEnd = place &- 1 }
    if fields &+ 1 == fieldCount && rowEnd &- rowStart <= maximum && take(rowEnd) {
      rowCount &+= 1
    } else {
      refuse(rowEnd)
    }
    line &+= 1
    fields = 0
    rowStart = place &+ 1
    bounds[0] = rowStart
  }

  /// Writes the row into the table; false where a field is not what its role wants.
  @inline(__always)
  private mutating func take(_ rowEnd: Int) -> Bool {
    bounds[fieldCount] = rowEnd &+ 1
    var value: Int64 = 1
    var index = 0
    while index < numbers.count {
      let number = numbers[index]
      index &+= 1
      let start = bounds[number.field]
      let count = bounds[number.field &+ 1] &- 1 &- start
      if count == 0 && !number.isValue { continue }
      guard let parsed = KeyedScanner.integer(base + start, count) else { return false }
      if number.isValue { value = parsed }
      if number.is32Bits && Int64(Int32(truncatingIfNeeded: parsed)) != parsed { return false }
    }
    if checksUTF8 && !isRowUTF8() { return false }
    if !conditions.isEmpty && !isWanted() {
      table.passedRowCount &+= 1
      // The row that comes next takes its place.
      rowCount &-= 1
      return true
    }
    if rowCount == capacity {
      capacity &*= 2
      rows = table.grow(to: capacity, used: rowCount)
    }
    let start = bounds[firstKey]
    let groupCount = endGroup == firstKey ? 0 : bounds[endGroup] &- 1 &- start
    (rows + rowCount).initialize(
      to: KeyedRow(
        offset: UInt32(truncatingIfNeeded: start),
        count: UInt32(truncatingIfNeeded: bounds[endKey] &- 1 &- start),
        groupCount: UInt32(truncatingIfNeeded: groupCount), value: value))
    return true
  }

  @inline(never)
  private func isRowUTF8() -> Bool {
    for (field, role) in roles.enumerated() where role == .text {
      let count = bounds[field &+ 1] &- 1 &- bounds[field]
      if indexOfInvalidUTF8(base + bounds[field], count: count) < count { return false }
    }
    return true
  }

  @inline(__always)
  private func isWanted() -> Bool {
    var index = 0
    while index < conditions.count {
      let field = conditions[index].field
      let count = bounds[field &+ 1] &- 1 &- bounds[field]
      if !conditions[index].holds(base + bounds[field], count) { return false }
      index &+= 1
    }
    return true
  }

  /// A few digits, as most numbers are; anything else goes the long way.
  @inline(__always)
  static func integer(_ text: UnsafePointer<UInt8>, _ count: Int) -> Int64? {
    var value: Int64 = 0
    var index = 0
    while index < count && index < 18 {
      let digit = text[index] &- 0x30
      if digit > 9 { return parseInteger(text, count: count) }
      value = value &* 10 &+ Int64(digit)
      index &+= 1
    }
    return index == count && count > 0 ? value : parseInteger(text, count: count)
  }

  @inline(never)
  private mutating func refuse(_ rowEnd: Int) {
    if rowEnd == rowStart && fieldCount > 1 {
      table.blankLineCount += 1
    } else {
      table.misfits.append(RowSpan(rowStart, rowEnd, line: line))
    }
  }
}
