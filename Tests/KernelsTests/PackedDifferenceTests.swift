import TestSupport
import Testing

@testable import Kernels

@Suite("Packed differences") struct PackedDifferenceTests {
  @Test("numbers come back, of any width and count")
  func roundTrip() {
    var random = Seeded(11)
    for round in 0..<3000 {
      let width = round % 65
      let count = Int.random(in: 1...BitPacking.groupCount, using: &random)
      let mask = width == 64 ? UInt64.max : (1 << UInt64(width)) - 1
      let values = (0...count).map { _ in
        Int64(bitPattern: UInt64.random(in: .min ... .max, using: &random) & mask)
      }
      #expect(unpacked(packed(values), first: values[0], count: count) == values)
    }
  }

  @Test("differences that are all the same take up nothing; those that wrap around, all they need")
  func edges() {
    let steps = packed((0...128).map { 7 + 3 * $0 })
    #expect(steps.least == 3 && steps.widths == [0, 0, 0, 0] && steps.bytes.isEmpty)
    let wrapping: [Int64] = [.max, .min, .max, 0, .min]
    let found = packed(wrapping)
    #expect(unpacked(found, first: .max, count: 4) == wrapping)
    // Of groups without numbers nothing is said.
    #expect(found.widths[1...] == [0, 0, 0])
    #expect(found.bytes.count == 4 * Int(found.widths[0]))
  }

  private struct Packed {
    var least: Int64
    var widths: [UInt8]
    var bytes: [UInt8]
  }

  private func packed(_ values: [Int64]) -> Packed {
    var widths = [UInt8](repeating: 0xAA, count: 4)
    var out = [UInt8](repeating: 0xAA, count: 1024)
    let (least, byteCount) = values.withUnsafeBufferPointer {
      BitPacking.packDeltas(
        $0.baseAddress! + 1, count: values.count - 1, widths: &widths, into: &out)
    }
    return Packed(least: least, widths: widths, bytes: Array(out[..<byteCount]))
  }

  /// Bit by bit.
  private func unpacked(_ packed: Packed, first: Int64, count: Int) -> [Int64] {
    var values = [first]
    var start = 0
    for (group, width) in packed.widths.enumerated() {
      for number in 32 * group..<max(32 * group, min(count, 32 * group + 32)) {
        var excess: UInt64 = 0
        for bit in 0..<Int(width) {
          let place = 8 * start + (number - 32 * group) * Int(width) + bit
          if packed.bytes[place / 8] >> UInt8(place % 8) & 1 == 1 { excess |= 1 << UInt64(bit) }
        }
        values.append(values.last! &+ packed.least &+ Int64(bitPattern: excess))
      }
      start += 4 * Int(width)
    }
    return values
  }
}
