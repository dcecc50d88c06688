import Core
import Kernels

/// Numbers that come one after the other and are packed once all of them are known: what exceeds a
/// little memory is written aside.
final class NumberSpool {
  private let file: SpillFile
  private var buffer: [Int64] = []
  /// Where what was written aside lies, `capacity` numbers each.
  private var offsets: [Int64] = []
  private(set) var count = 0
  private(set) var sum: Int64 = 0
  private var least = Int64.max
  private var greatest = Int64.min
  /// Half a megabyte.
  private static let capacity = 1 << 16

  /// - Parameter file: Others may write to it, too.
  init(_ file: SpillFile) { self.file = file }

  convenience init(_ numbers: some Sequence<Int64>, _ file: SpillFile) throws {
    self.init(file)
    for number in numbers { try append(number) }
  }

  func append(_ number: Int64) throws {
    if buffer.count == NumberSpool.capacity {
      try buffer.withUnsafeBytes {
        offsets.append(try file.write($0.baseAddress!, byteCount: $0.count))
      }
      buffer.removeAll(keepingCapacity: true)
    }
    buffer.append(number)
    count += 1
    sum &+= number
    least = min(least, number)
    greatest = max(greatest, number)
  }

  /// All numbers, in their order.
  func forEach(_ visit: (Int64) throws -> Void) throws {
    if !offsets.isEmpty {
      let piece = UnsafeMutableBufferPointer<Int64>.allocate(capacity: NumberSpool.capacity)
      defer { piece.deallocate() }
      for offset in offsets {
        try file.read(at: offset, into: UnsafeMutableRawBufferPointer(piece))
        for number in piece { try visit(number) }
      }
    }
    for number in buffer { try visit(number) }
  }

  /// How they are packed; they differ by less than 2^56.
  var form: PackedNumbers {
    count == 0
      ? PackedNumbers(count: 0, base: 0, width: 0)
      : PackedNumbers(count: count, least: least, greatest: greatest)
  }

  /// Writes them packed.
  ///
  /// - Parameter write: Gets one page after the other, each with its checksum.
  /// - Returns: The checksums of the pages.
  func pack(_ write: ([UInt8]) throws -> Void) throws -> [UInt8] {
    var packer = NumberPacker(form)
    try forEach { try packer.add($0, write) }
    try packer.finish(write)
    return packer.checksums
  }
}

/// Packs numbers page by page.
struct NumberPacker {
  private let form: PackedNumbers
  private var page: [UInt8] = []
  private var bits: UInt64 = 0
  private var bitCount = 0
  private var inPage = 0
  /// Of the pages so far.
  private(set) var checksums: [UInt8] = []

  init(_ form: PackedNumbers) {
    self.form = form
    page.reserveCapacity(form.pageByteCount + 4)
  }

  /// - Parameter write: Gets a page with its checksum when it is full.
  mutating func add(_ number: Int64, _ write: ([UInt8]) throws -> Void) throws {
    guard form.width > 0 else { return }
    put(UInt64(number - form.base))
    inPage += 1
    if inPage == PackedNumbers.pageCount { try endPage(write) }
  }

  /// Fills the last page up with zeros.
  mutating func finish(_ write: ([UInt8]) throws -> Void) throws {
    guard inPage > 0 else { return }
    for _ in inPage..<PackedNumbers.pageCount { put(0) }
    try endPage(write)
  }

  private mutating func put(_ number: UInt64) {
    bits |= number << UInt64(bitCount)
    bitCount += form.width
    while bitCount >= 8 {
      page.append(UInt8(truncatingIfNeeded: bits))
      bits >>= 8
      bitCount -= 8
    }
  }

  private mutating func endPage(_ write: ([UInt8]) throws -> Void) throws {
    var checksum = CRC32C()
    page.withUnsafeBytes { checksum.update($0) }
    withUnsafeBytes(of: checksum.value.littleEndian) {
      page += $0
      checksums += $0
    }
    try write(page)
    page.removeAll(keepingCapacity: true)
    inPage = 0
  }
}
