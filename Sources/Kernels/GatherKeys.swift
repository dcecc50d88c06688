/// How keys are put together of fields that are no neighbours, or do not stand in the text as they
/// are meant.
public struct KeyGathering: Sendable {
  public enum Coding: Sendable, Hashable {
    /// The fields as they stand, a delimiter between.
    case joined(delimiter: UInt8)
    /// Each a 1 and what `appendOrderedText` makes of it; a null is one byte of 0.
    case ordered
  }

  /// What the text of a field needs to become what it means.
  public enum Quoting: Sendable, Hashable {
    case none
    /// Two quotes stand for one; an unquoted empty field is null.
    case doubled(quote: UInt8)
    /// Escapes; an unquoted empty field is null.
    case json
  }

  /// One for each field of the table; at most one is `.value`. A null number adds nothing.
  public var roles: [KeyedLayout.Role]
  /// The fields of the key, groups first.
  public var key: [Int]
  public var groupFieldCount: Int
  public var maximumRowByteCount: Int
  public var conditions: [FieldCondition]
  public var coding: Coding
  public var quoting: Quoting

  public init(
    roles: [KeyedLayout.Role], key: [Int], groupFieldCount: Int, maximumRowByteCount: Int,
    conditions: [FieldCondition], coding: Coding, quoting: Quoting
  ) {
    self.roles = roles
    self.key = key
    self.groupFieldCount = groupFieldCount
    self.maximumRowByteCount = maximumRowByteCount
    self.conditions = conditions
    self.coding = coding
    self.quoting = quoting
  }
}

/// Appends text so that the order of what is appended is the order of texts, whatever follows: with
/// a 255 behind each 0, and 0 and 1 at its end.
public func appendOrderedText(_ text: UnsafeBufferPointer<UInt8>, to key: inout [UInt8]) {
  if text.contains(0) {
    for byte in text {
      key.append(byte)
      if byte == 0 { key.append(0xFF) }
    }
  } else {
    key.append(contentsOf: text)
  }
  key.append(0)
  key.append(1)
}

/// Takes from split text the keys and numbers of its rows.
///
/// - Parameters:
///   - text: What the table's spans are in.
///   - checksUTF8: Whether there may be text that is not UTF-8.
/// - Returns: The rows, and the bytes that their offsets are in. Rows that were misfits for the
///   splitter are so here.
/// - Complexity: O(*n*).
public func gatherKeyedRows(
  _ text: UnsafeBufferPointer<UInt8>, _ table: RowTable, _ gathering: KeyGathering,
  checksUTF8: Bool
) -> (rows: KeyedRows, bytes: [UInt8]) {
  let rows = KeyedRows(capacity: table.rows.count)
  rows.misfits = table.misfits.map(\.row)
  rows.blankLineCount = table.blankLineCount
  guard let base = text.baseAddress else { return (rows, []) }
  // What is gathered is no longer than the text, but for what the coding adds.
  let zeros = gathering.coding == .ordered ? countOfByte(0, in: base, count: text.count) : 0
  let capacity =
    (text.count + zeros) * repeats(gathering.key) + 3 * table.rows.count * gathering.key.count
  let bytes = [UInt8](unsafeUninitializedCapacity: max(1, capacity)) { buffer, count in
    var gatherer = Gatherer(
      base: base, table: table, gathering: gathering, checksUTF8: checksUTF8,
      out: buffer.baseAddress!)
    count = gatherer.gather(into: rows)
  }
  rows.misfits.sort { $0.offset < $1.offset }
  return (rows, bytes)
}

/// How often the field that is named most often is.
private func repeats(_ fields: [Int]) -> Int {
  fields.map { field in fields.count { $0 == field } }.max() ?? 1
}

private struct Gatherer {
  let base: UnsafePointer<UInt8>
  let table: RowTable
  let tableRows: [RowSpan]
  let spans: UnsafePointer<FieldSpan>
  let fieldCount: Int
  let gathering: KeyGathering
  let checksUTF8: Bool
  let out: UnsafeMutablePointer<UInt8>
  var used = 0
  private var scratch: [UInt8] = []

  init(
    base: UnsafePointer<UInt8>, table: RowTable, gathering: KeyGathering, checksUTF8: Bool,
    out: UnsafeMutablePointer<UInt8>
  ) {
    self.base = base
    self.table = table
    // What is a class's is looked up once.
    tableRows = table.rows
    spans = UnsafePointer(table.allSpans.baseAddress!)
    fieldCount = table.fieldCount
    self.gathering = gathering
    self.checksUTF8 = checksUTF8
    self.out = out
  }

  private enum Verdict { case taken, passed, misfit }

  mutating func gather(into rows: KeyedRows) -> Int {
    var count = 0
    for row in 0..<tableRows.count {
      var value: Int64 = 1
      let start = used
      switch judge(row, &value) {
      case .misfit: rows.misfits.append(tableRows[row])
      case .passed: rows.passedRowCount += 1
      case .taken:
        guard let groupCount = appendKey(row) else {
          used = start
          rows.misfits.append(tableRows[row])
          continue
        }
        (rows.rows.baseAddress! + count).initialize(
          to: KeyedRow(
            offset: UInt32(truncatingIfNeeded: start),
            count: UInt32(truncatingIfNeeded: used &- start),
            groupCount: UInt32(truncatingIfNeeded: groupCount), value: value))
        count &+= 1
      }
    }
    rows.finish(count: count)
    return used
  }

  private mutating func judge(_ row: Int, _ value: inout Int64) -> Verdict {
    guard Int(tableRows[row].count) <= gathering.maximumRowByteCount else { return .misfit }
    var isNull = false
    for (field, role) in gathering.roles.enumerated() where role != .any {
      let span = spans[row &* fieldCount &+ field]
      let start = base + Int(span.offset)
      if role == .text {
        if checksUTF8 && indexOfInvalidUTF8(start, count: span.count) < span.count {
          return .misfit
        }
        // Whether escapes can be undone is part of whether the row fits.
        if gathering.quoting == .json && span.hasDoubledQuotes && !isUnescapable(span) {
          return .misfit
        }
        continue
      }
      if span.count == 0 {
        if gathering.quoting == .json && span.isQuoted { return .misfit }
        if role == .value {
          if gathering.quoting == .none { return .misfit }
          isNull = true
        }
        continue
      }
      guard let number = KeyedScanner.integer(start, span.count) else { return .misfit }
      if role == .int32 && Int64(Int32(truncatingIfNeeded: number)) != number { return .misfit }
      if role == .value { value = number }
    }
    if isNull { return .passed }
    for condition in gathering.conditions where !holds(condition, row) { return .passed }
    return .taken
  }

  private mutating func isUnescapable(_ span: FieldSpan) -> Bool {
    scratch.removeAll(keepingCapacity: true)
    return appendUnescapedJSON(
      UnsafeBufferPointer(start: base + Int(span.offset), count: span.count), to: &scratch)
  }

  private func isNull(_ span: FieldSpan) -> Bool {
    gathering.quoting != .none && span.count == 0 && !span.isQuoted
  }

  private mutating func holds(_ condition: FieldCondition, _ row: Int) -> Bool {
    let span = spans[row &* fieldCount &+ condition.field]
    if isNull(span) { return false }
    return withPlain(span) { condition.holds($0.baseAddress!, $0.count) }
  }

  /// What a field's text means.
  @inline(__always)
  private mutating func withPlain<T>(
    _ span: FieldSpan, _ body: (UnsafeBufferPointer<UInt8>) -> T
  ) -> T {
    let text = UnsafeBufferPointer(start: base + Int(span.offset), count: span.count)
    guard span.hasDoubledQuotes else { return body(text) }
    scratch.removeAll(keepingCapacity: true)
    switch gathering.quoting {
    case .none: break
    case .doubled(let quote): appendUndoubled(text, quote: quote, to: &scratch)
    case .json: _ = appendUnescapedJSON(text, to: &scratch)
    }
    // An empty array has no address.
    scratch.append(0)
    return scratch.withUnsafeBufferPointer { body(UnsafeBufferPointer(rebasing: $0.dropLast())) }
  }

  /// - Returns: The bytes of the group.
  private mutating func appendKey(_ row: Int) -> Int? {
    let start = used
    var groupCount = 0
    for (place, field) in gathering.key.enumerated() {
      let span = spans[row &* fieldCount &+ field]
      if case .joined(let delimiter) = gathering.coding {
        if place == gathering.groupFieldCount { groupCount = used &- start }
        if place > 0 {
          out[used] = delimiter
          used &+= 1
        }
        append(base + Int(span.offset), span.count)
        continue
      }
      if place == gathering.groupFieldCount { groupCount = used &- start }
      if isNull(span) {
        out[used] = 0
        used &+= 1
        continue
      }
      out[used] = 1
      used &+= 1
      if span.hasDoubledQuotes {
        let out = out
        var place = used
        withPlain(span) { place = Gatherer.appendOrdered($0, to: out, at: place) }
        used = place
      } else {
        used = Gatherer.appendOrdered(
          UnsafeBufferPointer(start: base + Int(span.offset), count: span.count), to: out,
          at: used)
      }
    }
    return gathering.groupFieldCount == gathering.key.count ? used &- start : groupCount
  }

  @inline(__always)
  private mutating func append(_ text: UnsafePointer<UInt8>, _ count: Int) {
    (out + used).update(from: text, count: count)
    used &+= count
  }

  @inline(__always)
  private static func appendOrdered(
    _ text: UnsafeBufferPointer<UInt8>, to out: UnsafeMutablePointer<UInt8>, at start: Int
  ) -> Int {
    var place = start
    let base = text.baseAddress!
    if indexOfByte(0, in: base, from: 0, to: text.count) == text.count {
      (out + place).update(from: base, count: text.count)
      place &+= text.count
    } else {
      for byte in text {
        out[place] = byte
        place &+= 1
        if byte == 0 {
          out[place] = 0xFF
          place &+= 1
        }
      }
    }
    out[place] = 0
    out[place &+ 1] = 1
    return place &+ 2
  }
}
