import Kernels
import Testing

@Suite struct DeflaterTests {
  @Test("rule 17: gzip has time 0, no name, and does not depend on the sizes of pieces")
  func deterministic() {
    let text = sampleText(300_000)
    let whole = gzipCompressed(text)
    #expect(Array(whole.prefix(10)) == [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF])
    for size in [1000, 4097, 65_536] {
      let deflater = Deflater()
      var out: [UInt8] = []
      for start in stride(from: 0, to: text.count, by: size) {
        Array(text[start..<min(start + size, text.count)]).withUnsafeBytes { piece in
          deflater.write(piece) { out.append(contentsOf: $0) }
        }
      }
      deflater.finish { out.append(contentsOf: $0) }
      #expect(out == whole)
    }
  }

  @Test("Raw deflate comes back as it was", arguments: edgeSizes + [1 << 20])
  func raw(_ count: Int) throws {
    let text = sampleText(count)
    #expect(try inflateRaw(deflateRaw(text)) == text)
  }

  @Test("Raw deflate: cut off, damaged, followed by more, too large")
  func rawErrors() {
    let text = sampleText(5000)
    let packed = deflateRaw(text)
    func reason(_ bytes: [UInt8], limit: Int = 1 << 20) -> CompressionError.Reason? {
      do {
        _ = try inflateRaw(bytes, limit: limit)
        return nil
      } catch { return (error as? CompressionError)?.reason }
    }
    for count in 0..<packed.count {
      #expect(reason(Array(packed.prefix(count))) == .truncated, "cut at \(count)")
    }
    #expect(reason(packed + [1, 2]) == .trailingGarbage)
    #expect(reason(packed, limit: 4999) == .tooLarge)
    #expect(reason(packed, limit: 5000) == nil)
    #expect(reason([0xFF, 0xFF]) == .damaged("invalid block type"))
  }

  @Test("Whole buffers have a limit")
  func limit() throws {
    let packed = zstdCompressed([UInt8](repeating: 0, count: 1 << 20))
    #expect(throws: CompressionError(.zstd, .tooLarge, offset: 0)) {
      try packed.withUnsafeBytes { try zstdUnpacked($0, limit: 1 << 19) }
    }
    #expect(throws: CompressionError(.zstd, .tooLarge, offset: 0)) {
      try inflated(packed, .zstd, limit: 1 << 19)
    }
  }
}
