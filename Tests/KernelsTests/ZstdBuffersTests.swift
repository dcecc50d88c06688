import Foundation
import Kernels
import Testing

@Suite("whole buffers of zstd")
struct ZstdBuffersTests {
  private func unpacked(_ packed: [UInt8]) throws -> [UInt8] {
    try packed.withUnsafeBytes { try zstdUnpacked($0) }
  }

  @Test("what was packed comes back, on many threads at once, and packs the same each time")
  func roundTrip() throws {
    let texts = (0..<64).map { index in
      (0..<(index * index * 40)).map { UInt8(truncatingIfNeeded: $0 * $0 / (index + 1)) }
    }
    let first = texts.map { zstdCompressed($0, level: 1) }
    DispatchQueue.concurrentPerform(iterations: 640) { index in
      let text = texts[index % texts.count]
      let level: Int32 = index % 3 == 0 ? 9 : 1
      let packed = zstdCompressed(text, level: level)
      #expect(level == 9 || packed == first[index % texts.count])
      #expect((try? unpacked(packed)) == text)
    }
  }

  @Test("several frames, frames without a length, damage")
  func others() throws {
    let (a, b) = (Array("first".utf8), Array("second".utf8))
    #expect(try unpacked(zstdCompressed(a) + zstdCompressed(b)) == a + b)
    // A frame of one raw block, "first" again, that does not say how long it is.
    let unsized: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x00, 0x29, 0x00, 0x00]
    #expect(try unpacked(unsized + a) == a)
    var damaged = zstdCompressed(b)
    damaged[damaged.count - 1] ^= 1
    #expect(throws: CompressionError.self) { try unpacked(damaged) }
    #expect(throws: CompressionError.self) { try unpacked(Array(zstdCompressed(b).dropLast(3))) }
    #expect(throws: CompressionError.self) { try unpacked(Array("no zstd".utf8)) }
    #expect(throws: CompressionError.self) { try unpacked([]) }
  }
}
