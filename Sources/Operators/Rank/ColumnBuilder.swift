import Core

/// A column of a batch, value by value, from decoded keys.
struct ColumnBuilder {
  private var values: ColumnBatch.Values
  private var nulls: [Bool] = []
  private var hasNulls = false

  /// - Parameter type: One that keys hold.
  init(_ type: FieldType) {
    switch type {
    case .boolean: values = .boolean([])
    case .int, .date: values = .int32([])
    case .decimal: values = .int128([])
    case .uuid: values = .uuid([])
    case .string, .binary: values = .bytes([])
    default: values = .int64([])
    }
  }

  /// - Parameter slice: Where the text stands in the batch's bytes.
  mutating func append(_ value: KeyCoding.Decoded, slice: ColumnBatch.Slice? = nil) {
    var number: Int128 = 0
    if case .number(let given) = value { number = given }
    var isNull = false
    if case .null = value { isNull = true }
    nulls.append(isNull)
    hasNulls = hasNulls || isNull
    switch values {
    case .boolean(var list):
      values = .boolean([])
      list.append(number != 0)
      values = .boolean(list)
    case .int32(var list):
      values = .boolean([])
      list.append(Int32(truncatingIfNeeded: number))
      values = .int32(list)
    case .int64(var list):
      values = .boolean([])
      list.append(Int64(truncatingIfNeeded: number))
      values = .int64(list)
    case .int128(var list):
      values = .boolean([])
      list.append(number)
      values = .int128(list)
    case .uuid(var list):
      values = .boolean([])
      list.append(UInt128(bitPattern: number))
      values = .uuid(list)
    case .bytes(var list):
      values = .boolean([])
      list.append(slice ?? ColumnBatch.Slice(offset: 0, count: 0))
      values = .bytes(list)
    case .float, .double, .int64Lists: preconditionFailure("keys hold whole numbers and texts")
    }
  }

  func finish() -> ColumnBatch.Column {
    ColumnBatch.Column(values: values, nulls: hasNulls ? nulls : nil)
  }
}
