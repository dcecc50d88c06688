import Core
import Kernels

/// Numbers that lie packed, in pages of 1,024 with a checksum each: the form of the index's arrays.
///
/// All are stored as the difference to the least, with as many bits as the greatest needs; equal
/// numbers take up no room at all.
struct PackedNumbers: Sendable, Equatable {
  static let pageCount = 1024

  var count: Int
  /// The least number.
  var base: Int64
  /// 0 to 56.
  var width: Int

  /// The bytes of a page without its checksum.
  var pageByteCount: Int { PackedNumbers.pageCount / 8 * width }

  var byteCount: Int {
    pages * (pageByteCount + 4)
  }

  /// How many pages there are.
  var pages: Int {
    width > 0 ? (count + PackedNumbers.pageCount - 1) / PackedNumbers.pageCount : 0
  }

  /// The members of a footer.
  var json: JSON {
    ["count": .integer(Int64(count)), "base": .integer(base), "width": .integer(Int64(width))]
  }

  /// Nil where the members make no sense.
  init?(_ json: JSON) {
    guard let count = json["count"]?.integer, let base = json["base"]?.integer,
      let width = json["width"]?.integer, 0...Int64(Int32.max) ~= count, 0...56 ~= width,
      base.magnitude <= 1 << 62
    else { return nil }
    self.init(count: Int(count), base: base, width: Int(width))
  }

  init(count: Int, base: Int64, width: Int) {
    self.count = count
    self.base = base
    self.width = width
  }

  /// The form of numbers from `least` to `greatest`, which differ by less than 2^56.
  init(count: Int, least: Int64, greatest: Int64) {
    let width = 64 - UInt64(greatest - least).leadingZeroBitCount
    precondition(width <= 56, "numbers this far apart are not packed")
    self.init(count: count, base: least, width: width)
  }

  /// A number of a page.
  ///
  /// - Parameter page: With the checksum behind it: its bytes are read, too.
  func number(_ index: Int, of page: UnsafeRawBufferPointer) -> Int64 {
    let bit = index * width
    let start = min(bit >> 3, page.count - 8)
    let word = UInt64(littleEndian: page.loadUnaligned(fromByteOffset: start, as: UInt64.self))
    let shift = UInt64(bit - 8 * start)
    return base &+ Int64(bitPattern: word >> shift & (1 << UInt64(width) - 1))
  }
}

/// Packed numbers in a file.
struct PackedColumn: Sendable {
  var form: PackedNumbers
  var offset: Int64
  var bytes: any SegmentBytes
  /// The checksums that the pages must have; nil where only those behind the pages are known.
  var checksums: SegmentPart?

  /// A number that is there.
  func callAsFunction(_ index: Int) throws -> Int64 {
    precondition(index >= 0 && index < form.count, "a number of the column")
    guard form.width > 0 else { return form.base }
    let page = try page(index / PackedNumbers.pageCount)
    return form.number(index % PackedNumbers.pageCount, of: page.bytes)
  }

  /// All numbers in a range, in their order.
  func forEach(in range: Range<Int>, _ visit: (Int64) throws -> Void) throws {
    guard form.width > 0 else {
      for _ in range { try visit(form.base) }
      return
    }
    var index = range.lowerBound
    while index < range.upperBound {
      let pageIndex = index / PackedNumbers.pageCount
      let part = try page(pageIndex)
      let end = min(range.upperBound, (pageIndex + 1) * PackedNumbers.pageCount)
      while index < end {
        try visit(form.number(index % PackedNumbers.pageCount, of: part.bytes))
        index += 1
      }
    }
  }

  /// A page with its checksum, which is verified.
  func page(_ index: Int) throws -> SegmentPart {
    let start = offset + Int64(index * (form.pageByteCount + 4))
    let part = try bytes.read(start..<start + Int64(form.pageByteCount + 4))
    let body = UnsafeRawBufferPointer(rebasing: part.bytes[..<form.pageByteCount])
    let stored = part.bytes.loadUnaligned(fromByteOffset: form.pageByteCount, as: UInt32.self)
    try bytes.expect(UInt32(littleEndian: stored), of: body, at: start)
    if let checksums,
      checksums.bytes.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self) != stored
    {
      throw bytes.damaged("the page at \(start) is another one")
    }
    return part
  }
}

/// Looks packed numbers up in any order; a page is read and verified once.
struct ColumnLookup {
  let form: PackedNumbers
  private let column: PackedColumn
  private var pages: [SegmentPart?]

  init(_ column: PackedColumn) {
    form = column.form
    self.column = column
    pages = Array(repeating: nil, count: column.form.pages)
  }

  mutating func callAsFunction(_ index: Int) throws -> Int64 {
    precondition(index >= 0 && index < form.count, "a number of the column")
    guard form.width > 0 else { return form.base }
    let place = index / PackedNumbers.pageCount
    let page: SegmentPart
    if let known = pages[place] {
      page = known
    } else {
      page = try column.page(place)
      pages[place] = page
    }
    return form.number(index % PackedNumbers.pageCount, of: page.bytes)
  }
}

/// Goes through packed numbers one after the other.
struct ColumnScan {
  private let column: PackedColumn
  private var page: SegmentPart?
  /// How many have been given.
  private(set) var count = 0

  init(_ column: PackedColumn) { self.column = column }

  /// The next number; nil at the end.
  mutating func next() throws -> Int64? {
    guard count < column.form.count else { return nil }
    defer { count += 1 }
    guard column.form.width > 0 else { return column.form.base }
    let place = count % PackedNumbers.pageCount
    if place == 0 { page = try column.page(count / PackedNumbers.pageCount) }
    return column.form.number(place, of: page!.bytes)
  }
}
