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

  /// Packs numbers, the greatest of which differ by less than 2^56.
  static func pack(_ numbers: some RandomAccessCollection<Int64>) -> (PackedNumbers, [UInt8]) {
    let base = numbers.min() ?? 0
    let greatest = UInt64((numbers.max() ?? 0) - base)
    let width = 64 - greatest.leadingZeroBitCount
    precondition(width <= 56, "numbers this far apart are not packed")
    let form = PackedNumbers(count: numbers.count, base: base, width: width)
    var bytes: [UInt8] = []
    guard width > 0 else { return (form, bytes) }
    bytes.reserveCapacity(form.byteCount)
    var bits: UInt64 = 0
    var bitCount = 0
    var pageStart = 0
    func put(_ number: UInt64) {
      bits |= number << UInt64(bitCount)
      bitCount += width
      while bitCount >= 8 {
        bytes.append(UInt8(truncatingIfNeeded: bits))
        bits >>= 8
        bitCount -= 8
      }
    }
    var inPage = 0
    func endPage() {
      var checksum = CRC32C()
      bytes.withUnsafeBytes { checksum.update(UnsafeRawBufferPointer(rebasing: $0[pageStart...])) }
      withUnsafeBytes(of: checksum.value.littleEndian) { bytes += $0 }
      pageStart = bytes.count
      inPage = 0
    }
    for number in numbers {
      put(UInt64(number - base))
      inPage += 1
      if inPage == pageCount { endPage() }
    }
    if inPage > 0 {
      while inPage < pageCount {
        put(0)
        inPage += 1
      }
      endPage()
    }
    return (form, bytes)
  }

  /// The checksums of all pages, one behind the other, from the packed numbers' bytes.
  func checksums(in bytes: [UInt8]) -> [UInt8] {
    guard width > 0 else { return [] }
    return stride(from: pageByteCount, to: bytes.count, by: pageByteCount + 4).flatMap {
      bytes[$0..<$0 + 4]
    }
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
    return number(index % PackedNumbers.pageCount, of: page)
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
        try visit(number(index % PackedNumbers.pageCount, of: part))
        index += 1
      }
    }
  }

  /// The checksum's four bytes, and those of the padding below, are behind the page.
  private func number(_ index: Int, of page: SegmentPart) -> Int64 {
    let bit = index * form.width
    let start = min(bit >> 3, page.bytes.count - 8)
    let word = UInt64(
      littleEndian: page.bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self))
    let shift = UInt64(bit - 8 * start)
    return form.base &+ Int64(bitPattern: word >> shift & (1 << UInt64(form.width) - 1))
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
