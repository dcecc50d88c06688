import Core
import Kernels

/// The work on one batch: a column at a time, so that each loop does one thing.
struct BatchConversion {
  let converter: RowConverter
  /// `byteCount` bytes, which the fields of `table` are in.
  let text: UnsafePointer<UInt8>
  let byteCount: Int
  let table: RowTable
  /// Of the table.
  let rows: Range<Int>
  /// Whether all of the text is UTF-8, so that no field need be looked at.
  let isUTF8: Bool

  /// Rows of the table that do not fit, each with the first reason.
  private(set) var failures: [Int: String] = [:]
  /// Text that is not in the block as it stands: without doubled quotes, or re-encoded.
  private var rewritten: [UInt8] = []

  init(
    converter: RowConverter, text: UnsafePointer<UInt8>, byteCount: Int, table: RowTable,
    rows: Range<Int>, isUTF8: Bool
  ) {
    self.converter = converter
    self.text = text
    self.byteCount = byteCount
    self.table = table
    self.rows = rows
    self.isUTF8 = isUTF8
  }

  /// - Parameters:
  ///   - block: Of the text; the batch shares its bytes.
  ///   - origin: Where the rows come from, to say so in three columns more; nil for none.
  /// - Returns: The rows that fit.
  mutating func convert(
    _ block: TextBlock, carrying origin: InputFile.Origin? = nil
  ) -> ColumnBatch {
    let limit = converter.format.maximumRowByteCount
    for row in rows where Int(table.rows[row].count) > limit {
      failures[row] = Reason.lineTooLong
    }
    var columns: [ColumnBatch.Column] = []
    for (column, field) in zip(converter.format.columns, block.layout.fieldOfColumn) {
      columns.append(self.column(column, field: field))
    }
    if let origin { columns += provenance(origin, firstLine: block.firstLine) }
    var count = rows.count
    if !failures.isEmpty {
      let kept = rows.filter { failures[$0] == nil }.map { $0 - rows.lowerBound }
      columns = columns.map { $0.keeping(kept) }
      count = kept.count
    }
    var all = block.bytes
    if !rewritten.isEmpty { all += rewritten }
    return ColumnBatch(rowCount: count, columns: columns, bytes: all)
  }

  /// The columns of `Provenance`.
  private mutating func provenance(
    _ origin: InputFile.Origin, firstLine: Int
  ) -> [ColumnBatch.Column] {
    let name = ColumnBatch.Slice(
      offset: UInt32(byteCount + rewritten.count), count: UInt32(origin.file.utf8.count))
    rewritten += origin.file.utf8
    let lines = rows.map { Int64(firstLine + Int(table.rows[$0].line)) }
    return [
      .init(values: .bytes(Array(repeating: name, count: rows.count))),
      .init(values: .int64(Array(repeating: origin.batch, count: rows.count))),
      .init(values: .int64(lines)),
    ]
  }

  private mutating func column(_ column: Field, field: Int) -> ColumnBatch.Column {
    switch column.type {
    case .boolean:
      let (values, nulls) = parse(column, field, false) { TextValue.boolean($0, $1) }
      return .init(values: .boolean(values), nulls: nulls)
    case .int:
      let (values, nulls) = parse(column, field, Int32(0)) { text, count in
        parseInteger(text, count: count).flatMap { Int32(exactly: $0) }
      }
      return .init(values: .int32(values), nulls: nulls)
    case .bigint:
      let (values, nulls) = parse(column, field, Int64(0)) { parseInteger($0, count: $1) }
      return .init(values: .int64(values), nulls: nulls)
    case .float:
      let (values, nulls) = parse(column, field, Float(0)) { parseFloat($0, count: $1) }
      return .init(values: .float(values), nulls: nulls)
    case .double:
      let (values, nulls) = parse(column, field, 0.0) { parseDouble($0, count: $1) }
      return .init(values: .double(values), nulls: nulls)
    case .decimal(let precision, let scale):
      let (values, nulls) = parse(column, field, Int128(0)) {
        parseDecimal($0, count: $1, precision: precision, scale: scale)
      }
      return .init(values: .int128(values), nulls: nulls)
    case .date:
      let (values, nulls) = parse(column, field, Int32(0)) { TextValue.date($0, $1) }
      return .init(values: .int32(values), nulls: nulls)
    case .time:
      let (values, nulls) = parse(column, field, Int64(0)) { TextValue.time($0, $1) }
      return .init(values: .int64(values), nulls: nulls)
    case .timestamp, .timestamptz:
      let allowsZone = column.type == .timestamptz
      let (values, nulls) = parse(column, field, Int64(0)) {
        TextValue.timestamp($0, $1, allowsZone: allowsZone)
      }
      return .init(values: .int64(values), nulls: nulls)
    case .uuid:
      let (values, nulls) = parse(column, field, UInt128(0)) { TextValue.uuid($0, $1) }
      return .init(values: .uuid(values), nulls: nulls)
    case .string, .binary, .fixed: return slices(column, field)
    case .list, .map, .structure:
      preconditionFailure("delimited text has no nested columns; the format was validated")
    }
  }

  /// Reads every row's field with one function.
  private mutating func parse<T>(
    _ column: Field, _ field: Int, _ placeholder: T,
    _ read: (UnsafePointer<UInt8>, Int) -> T?
  ) -> (values: [T], nulls: [Bool]?) {
    var nulls: [Bool]?
    var failed: [Int] = []
    let hasNullTexts = !converter.nullTexts.isEmpty
    let isJSON = converter.format.syntax == .jsonLines
    let values = [T](unsafeUninitializedCapacity: rows.count) { out, count in
      for (index, row) in rows.enumerated() {
        let span = table.span(row: row, field: field)
        var value = placeholder
        if (span.count == 0 && !(isJSON && span.isQuoted)) || (hasNullTexts && isNullText(span)) {
          markNull(index, &nulls)
        } else if let read = read(text + Int(span.offset), span.count) {
          value = read
        } else {
          failed.append(row)
        }
        (out.baseAddress! + index).initialize(to: value)
      }
      count = rows.count
    }
    fail(failed, Reason.notOfType(column))
    return (values, nulls)
  }

  /// Finds every row's field in the block, or rewrites it.
  private mutating func slices(_ column: Field, _ field: Int) -> ColumnBatch.Column {
    let isJSON = converter.format.syntax == .jsonLines
    let hasQuotes = converter.format.quote != nil || isJSON
    let hasNullTexts = !converter.nullTexts.isEmpty
    let isString = column.type == .string
    let checks = isString && converter.format.encoding == .utf8 && !isUTF8
    let encodes = isString && converter.format.encoding != .utf8
    var nulls: [Bool]?
    var failed: [Int] = []
    var slices: [ColumnBatch.Slice] = []
    slices.reserveCapacity(rows.count)
    for (index, row) in rows.enumerated() {
      let span = table.span(row: row, field: field)
      var slice = ColumnBatch.Slice(offset: span.offset, count: UInt32(span.count))
      if (span.count == 0 && hasQuotes && !span.isQuoted) || (hasNullTexts && isNullText(span)) {
        markNull(index, &nulls)
      } else {
        let start = text + Int(span.offset)
        if checks && indexOfInvalidUTF8(start, count: span.count) < span.count {
          failed.append(row)
        } else if isJSON && span.hasDoubledQuotes {
          if let plain = unescape(span) { slice = plain } else { failed.append(row) }
        } else if span.hasDoubledQuotes || (encodes && !isASCII(start, count: span.count)) {
          slice = rewrite(span, encodes: encodes)
        }
      }
      slices.append(slice)
    }
    fail(failed, Reason.utf8)
    return .init(values: .bytes(slices), nulls: nulls)
  }

  private mutating func rewrite(_ span: FieldSpan, encodes: Bool) -> ColumnBatch.Slice {
    let start = rewritten.count
    var field = UnsafeBufferPointer(start: text + Int(span.offset), count: span.count)
    var single: [UInt8] = []
    if span.hasDoubledQuotes, let quote = converter.format.quote {
      appendUndoubled(field, quote: quote, to: &single)
    } else {
      single = Array(field)
    }
    single.withUnsafeBufferPointer { bytes in
      field = bytes
      appendUTF8(of: field, in: encodes ? converter.format.encoding : .utf8, to: &rewritten)
    }
    return ColumnBatch.Slice(
      offset: UInt32(byteCount + start), count: UInt32(rewritten.count - start))
  }

  private mutating func unescape(_ span: FieldSpan) -> ColumnBatch.Slice? {
    let start = rewritten.count
    let field = UnsafeBufferPointer(start: text + Int(span.offset), count: span.count)
    guard appendUnescapedJSON(field, to: &rewritten) else { return nil }
    return ColumnBatch.Slice(
      offset: UInt32(byteCount + start), count: UInt32(rewritten.count - start))
  }

  private func isNullText(_ span: FieldSpan) -> Bool {
    let field = UnsafeBufferPointer(start: text + Int(span.offset), count: span.count)
    return converter.nullTexts.contains { $0.count == field.count && field.elementsEqual($0) }
  }

  private func markNull(_ index: Int, _ nulls: inout [Bool]?) {
    if nulls == nil { nulls = Array(repeating: false, count: rows.count) }
    nulls![index] = true
  }

  private mutating func fail(_ failed: [Int], _ reason: String) {
    for row in failed where failures[row] == nil { failures[row] = reason }
  }
}

extension ColumnBatch.Column {
  /// The column of the rows at `indices` only.
  fileprivate func keeping(_ indices: [Int]) -> ColumnBatch.Column {
    func pick<T>(_ values: [T]) -> [T] { indices.map { values[$0] } }
    let picked: ColumnBatch.Values =
      switch values {
      case .boolean(let values): .boolean(pick(values))
      case .int32(let values): .int32(pick(values))
      case .int64(let values): .int64(pick(values))
      case .float(let values): .float(pick(values))
      case .double(let values): .double(pick(values))
      case .int128(let values): .int128(pick(values))
      case .uuid(let values): .uuid(pick(values))
      case .bytes(let values): .bytes(pick(values))
      case .int64Lists: preconditionFailure("delimited text holds no lists")
      }
    let pickedNulls = nulls.map(pick)
    return .init(values: picked, nulls: pickedNulls?.contains(true) == true ? pickedNulls : nil)
  }
}
