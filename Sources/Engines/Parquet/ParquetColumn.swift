import Core
import Kernels

/// A column of the row group at hand: pages that are packed already, and what is known of their
/// values.
struct ParquetColumn {
  /// What a column may hold; nothing in it is null.
  enum Kind {
    case number, text, numbers
  }

  let field: Field
  let kind: Kind
  /// Of the row group.
  private(set) var pages: [UInt8] = []
  private(set) var plainByteCount: Int64 = 0
  private(set) var valueCount: Int64 = 0
  /// Whether the pages of the row group are packed, which the first of them decides.
  private var isPacked = true
  private var group = Bounds()
  /// Of the file: what its manifest entry is made of.
  private(set) var file = Bounds()
  private(set) var fileByteCount: Int64 = 0
  private(set) var fileValueCount: Int64 = 0

  enum Bounds {
    case none
    case numbers(Int64, Int64)
    case texts([UInt8], [UInt8])

    init() { self = .none }

    mutating func formUnion(_ other: Bounds) {
      switch (self, other) {
      case (_, .none): break
      case (.numbers(let a, let b), .numbers(let c, let d)): self = .numbers(min(a, c), max(b, d))
      case (.texts(let a, let b), .texts(let c, let d)):
        self = .texts(
          c.lexicographicallyPrecedes(a) ? c : a, b.lexicographicallyPrecedes(d) ? d : b)
      default: self = other
      }
    }
  }

  /// Nil for columns of other types.
  init?(_ field: Field) {
    switch field.type {
    case .bigint: kind = .number
    case .string: kind = .text
    case .list(let element) where element.type == .bigint: kind = .numbers
    default: return nil
    }
    self.field = field
  }

  /// Whether the values of a batch are the column's.
  func holds(_ column: ColumnBatch.Column) -> Bool {
    guard column.nulls == nil else { return false }
    return switch (column.values, kind) {
    case (.int64, .number), (.bytes, .text), (.int64Lists, .numbers): true
    default: false
    }
  }

  // MARK: - Pages

  /// Adds a page.
  ///
  /// - Parameter room: What it is made in.
  /// - Throws: `EngineError` `.failed` for a page that is too large for its format.
  mutating func append(
    _ batch: ColumnBatch, column: Int, _ rows: Range<Int>, _ room: PageRoom
  ) throws(EngineError) {
    var page = room.takePage()
    defer { room.page = page }
    var count = rows.count
    var encoding = ParquetEncoding.plain
    switch batch.columns[column].values {
    case .int64(let values):
      ParquetEncoding.append(level: 1, count: count, to: &page)
      ParquetEncoding.appendDeltas(values[rows], to: &page)
      encoding = .deltaBinaryPacked
      group.formUnion(ParquetColumn.bounds(values[rows]))
    case .bytes(let slices):
      ParquetEncoding.append(level: 1, count: count, to: &page)
      group.formUnion(ParquetColumn.append(slices[rows], of: batch.bytes, to: &page, room))
      encoding = .deltaByteArray
    case .int64Lists(let offsets, let elements):
      let lists = offsets[rows.lowerBound...rows.upperBound]
      count = ParquetEncoding.appendListLevels(lists, to: &page)
      ParquetEncoding.appendDeltas(elements[Int(lists.first!)..<Int(lists.last!)], to: &page)
      encoding = .deltaBinaryPacked
    default: preconditionFailure("a column that 'holds' has let through")
    }
    try append(page, count: count, encoding, room)
  }

  private mutating func append(
    _ page: [UInt8], count: Int, _ encoding: ParquetEncoding, _ room: PageRoom
  ) throws(EngineError) {
    // A level above 1 takes longer and gains little: what is packed are differences already, and
    // few of their bytes begin a run that repeats.
    let packed = room.packed(ofAtLeast: zstdBound(page.count))
    var packedByteCount = page.count
    if isPacked {
      packedByteCount = page.withUnsafeBytes {
        zstdCompress($0, into: packed, level: 1, stride: 4)
      }
      // Numbers as they come are no shorter for it.
      if pages.isEmpty && packedByteCount > page.count / 32 * 31 {
        (isPacked, packedByteCount) = (false, page.count)
      }
    }
    guard max(page.count, packedByteCount) <= Int(Int32.max) else {
      throw EngineError(.failed, "a page of column \(field.name) has more than 2 GiB")
    }
    var header = ThriftWriter()
    header.structure {
      $0.int32(1, 0)
      $0.int32(2, page.count)
      $0.int32(3, packedByteCount)
      $0.structure(5) {
        $0.int32(1, count)
        $0.int32(2, encoding.rawValue)
        $0.int32(3, ParquetEncoding.rle.rawValue)
        $0.int32(4, ParquetEncoding.rle.rawValue)
      }
    }
    pages += header.bytes
    if isPacked { pages += packed[..<packedByteCount] } else { pages += page }
    plainByteCount += Int64(header.bytes.count + page.count)
    valueCount += Int64(count)
  }

  private static func bounds(_ values: ArraySlice<Int64>) -> Bounds {
    guard var least = values.first else { return .none }
    var greatest = least
    for value in values {
      least = min(least, value)
      greatest = max(greatest, value)
    }
    return .numbers(least, greatest)
  }

  // MARK: - The row group's end

  /// Writes what the footer says of the column in this row group.
  ///
  /// - Parameter offset: Where the pages begin in the file.
  func describe(_ writer: inout ThriftWriter, at offset: Int64) {
    writer.int64(2, 0)
    writer.structure(3) {
      $0.int32(1, kind == .text ? 6 : 2)
      let values: ParquetEncoding = kind == .text ? .deltaByteArray : .deltaBinaryPacked
      $0.integers(2, [ParquetEncoding.rle.rawValue, values.rawValue])
      $0.texts(3, kind == .numbers ? [field.name, "list", "element"] : [field.name])
      $0.int32(4, isPacked ? 6 : 0)
      $0.int64(5, valueCount)
      $0.int64(6, plainByteCount)
      $0.int64(7, Int64(pages.count))
      $0.int64(9, offset)
      guard let (lower, upper) = storedBounds else { return }
      $0.structure(12) {
        $0.int64(3, 0)
        $0.binary(5, upper)
        $0.binary(6, lower)
        $0.yes(7)
        $0.yes(8)
      }
    }
  }

  /// Long texts would only make the footer long.
  private var storedBounds: (lower: [UInt8], upper: [UInt8])? {
    switch group {
    case .numbers(let lower, let upper):
      return (
        withUnsafeBytes(of: lower.littleEndian) { Array($0) },
        withUnsafeBytes(of: upper.littleEndian) { Array($0) }
      )
    case .texts(let lower, let upper):
      return max(lower.count, upper.count) <= 256 ? (lower, upper) : nil
    case .none: return nil
    }
  }

  /// Writes the column's elements of the file's schema.
  func describe(_ elements: inout [@Sendable (inout ThriftWriter) -> Void]) {
    let (name, id) = (field.name, field.id)
    switch field.type {
    case .list(let element):
      let elementID = element.id
      elements.append {
        $0.int32(3, 1)
        $0.binary(4, Array(name.utf8))
        $0.int32(5, 1)
        $0.int32(6, 3)
        $0.int32(9, id)
        $0.structure(10) { $0.structure(3) { _ in } }
      }
      elements.append {
        $0.int32(3, 2)
        $0.binary(4, Array("list".utf8))
        $0.int32(5, 1)
      }
      elements.append {
        $0.int32(1, 2)
        $0.int32(3, 1)
        $0.binary(4, Array("element".utf8))
        $0.int32(9, elementID)
      }
    case .string:
      elements.append {
        $0.int32(1, 6)
        $0.int32(3, 1)
        $0.binary(4, Array(name.utf8))
        $0.int32(6, 0)
        $0.int32(9, id)
        $0.structure(10) { $0.structure(1) { _ in } }
      }
    default:
      elements.append {
        $0.int32(1, 2)
        $0.int32(3, 1)
        $0.binary(4, Array(name.utf8))
        $0.int32(9, id)
      }
    }
  }

  /// Begins the next row group.
  mutating func endGroup() {
    file.formUnion(group)
    fileByteCount += Int64(pages.count)
    fileValueCount += valueCount
    group = .none
    pages.removeAll(keepingCapacity: true)
    (plainByteCount, valueCount, isPacked) = (0, 0, true)
  }

  /// What a manifest says of the column, by field ID.
  var statistics: (id: Int, ColumnStatistics) {
    var result = ColumnStatistics(
      byteCount: fileByteCount, valueCount: fileValueCount, nullCount: 0)
    guard case .list(let element) = field.type else {
      switch file {
      case .numbers(let lower, let upper):
        (result.lower, result.upper) = (.integer(lower), .integer(upper))
      case .texts(let lower, let upper):
        result.lower = .string(String(decoding: lower, as: UTF8.self))
        result.upper = .string(String(decoding: upper, as: UTF8.self))
      case .none: break
      }
      return (field.id, result)
    }
    // Iceberg keeps no bounds of elements, and an empty list would count as a null.
    result.nullCount = nil
    return (element.id, result)
  }
}
