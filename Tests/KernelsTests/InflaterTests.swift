import Foundation
import Kernels
import TestSupport
import Testing

@Suite struct InflaterTests {
  /// A member with every optional header field, written by hand (RFC 1952).
  private func member(_ text: [UInt8], flags: UInt8 = 0, headerCRC: Bool = false) -> [UInt8] {
    var header: [UInt8] = [0x1F, 0x8B, 8, flags | (headerCRC ? 2 : 0), 1, 2, 3, 4, 0, 3]
    if flags & 4 != 0 { header += [3, 0, 9, 9, 9] }
    if flags & 8 != 0 { header += Array("name.txt") + [0] }
    if flags & 16 != 0 { header += Array("a comment") + [0] }
    if headerCRC {
      var crc = CRC32()
      header.withUnsafeBytes { crc.update($0) }
      header += [UInt8(crc.value & 0xFF), UInt8(crc.value >> 8 & 0xFF)]
    }
    var crc = CRC32()
    text.withUnsafeBytes { crc.update($0) }
    return header + deflateRaw(text) + littleEndian(crc.value) + littleEndian(UInt32(text.count))
  }

  private func littleEndian(_ value: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(value >> (8 * $0) & 0xFF) }
  }

  private func reason(
    _ packed: [UInt8], _ compression: Compression = .gzip, pull: Int = .max, read: Int = 4096
  ) -> CompressionError.Reason? {
    do {
      _ = try inflateAll(packed, compression, pull: pull, read: read)
      return nil
    } catch { return (error as? CompressionError)?.reason }
  }

  @Test("What zlib packs, ISA-L unpacks, at every size", arguments: edgeSizes + [100_000, 3 << 20])
  func sizes(_ count: Int) throws {
    let text = sampleText(count)
    let packed = gzipCompressed(text)
    #expect(try inflateAll(packed, .gzip) == text)
    #expect(try inflateAll(packed, .auto, read: 70_000, window: 16) == text)
    #expect(try inflated(packed, .gzip) == text)
  }

  @Test("Members split at any byte, pulled and read in any sizes, are one text", arguments: 0..<4)
  func members(_ seed: UInt64) throws {
    let first = sampleText(700, seed: seed)
    let second = sampleText(90, seed: seed + 100)
    let packed =
      member(first, flags: 4 | 8 | 16, headerCRC: true) + gzipCompressed([]) + member(second)
    for pull in [1, 2, 3, 7, 16, 100, 10_000] {
      for read in [1, 2, 5, 64, 333, 100_000] {
        for window in [16, 19, 4096] {
          let text = try inflateAll(packed, .gzip, pull: pull, read: read, window: window)
          #expect(text == first + second, "pull \(pull) read \(read) window \(window)")
        }
      }
    }
  }

  @Test("Incompressible and highly compressible input survives small reads")
  func extremes() throws {
    var random = Seeded(5)
    let noise = (0..<200_000).map { _ in UInt8.random(in: 0...255, using: &random) }
    let zeros = [UInt8](repeating: 0, count: 2_000_000)
    for text in [noise, zeros] {
      let packed = gzipCompressed(text)
      #expect(try inflateAll(packed, .gzip, pull: 999, read: 1000, window: 64) == text)
      #expect(try inflateAll(packed, .gzip, read: 1 << 20) == text)
    }
  }

  @Test("rule 34: gzip cut off at any byte is an error")
  func truncated() {
    let packed = gzipCompressed(sampleText(3000)) + member(sampleText(50), flags: 8)
    let firstMember = gzipCompressed(sampleText(3000)).count
    for count in 0..<packed.count {
      let cut = Array(packed.prefix(count))
      switch count {
      case 0: #expect(reason(cut) == .empty)
      case firstMember: #expect(reason(cut) == nil)
      default:
        #expect(reason(cut) == .truncated, "cut at \(count)")
        #expect(reason(cut, pull: 1, read: 3) == .truncated, "cut at \(count)")
      }
    }
  }

  @Test("rule 34: a changed bit anywhere is an error or changes no text")
  func flippedBits() {
    let text = sampleText(600)
    let packed = gzipCompressed(text)
    var errorCount = 0
    for place in packed.indices {
      for bit in 0..<8 {
        var damaged = packed
        damaged[place] ^= 1 << bit
        let result = try? inflateAll(damaged, .gzip, pull: 50)
        if result == nil { errorCount += 1 }
        // Time, system, padding bits, and distances to the same words change nothing.
        let isHarmless = result == nil || result == text
        #expect(isHarmless, "byte \(place) bit \(bit)")
      }
    }
    #expect(errorCount > (packed.count - 18) * 8)
  }

  @Test("rule 34: CRC and length are verified, in every member")
  func checksums() {
    let good = gzipCompressed(sampleText(100))
    for offset in 1...8 {
      var bad = good
      bad[bad.count - offset] ^= 0x40
      #expect(reason(bad) == .wrongChecksum)
      #expect(reason(good + bad) == .wrongChecksum)
      #expect(reason(bad + good, pull: 1) == .wrongChecksum)
    }
    var header = member(sampleText(10), headerCRC: true)
    header[10] ^= 1
    #expect(reason(header) == .wrongChecksum)
  }

  @Test("Zeros may follow the last member; anything else may not")
  func trailing() throws {
    let text = sampleText(1000)
    let packed = gzipCompressed(text)
    #expect(try inflateAll(packed + [UInt8](repeating: 0, count: 5000), .gzip) == text)
    #expect(reason(packed + [1]) == .trailingGarbage)
    #expect(reason(packed + Array("hello")) == .trailingGarbage)
    #expect(reason(packed + [0, 0, 1]) == .trailingGarbage)
    #expect(reason(packed + [0x1F]) == .truncated)
    #expect(reason(packed + [0x1F, 0x8C, 8]) == .trailingGarbage)
    #expect(reason([0, 0, 0, 0]) == .notCompressed)
    #expect(reason(Array("plain text")) == .notCompressed)
    #expect(reason([0x1F, 0x8B, 7, 0, 0, 0, 0, 0, 0, 0]) == .damaged("unknown method 7"))
  }

  @Test("An error says where in the packed bytes it was noticed")
  func offsets() {
    let packed = gzipCompressed(sampleText(1000))
    func offset(_ bytes: [UInt8]) -> Int64? {
      do {
        _ = try inflateAll(bytes, .gzip)
        return nil
      } catch { return (error as? CompressionError)?.offset }
    }
    #expect(offset(Array(packed.dropLast(3))) == Int64(packed.count - 3))
    #expect(offset(packed + Array("xy")) == Int64(packed.count))
    #expect(offset(packed + [0, 0, 9]) == Int64(packed.count + 2))
  }

  @Test("zstd frames, skippable frames, checksums, ends")
  func zstd() throws {
    for size in edgeSizes + [1 << 20] {
      let text = sampleText(size)
      let packed = zstdCompressed(text)
      #expect(try inflateAll(packed, .zstd, pull: 11, read: 501, window: 16) == text)
      #expect(try inflateAll(packed, .auto) == text)
    }
    let text = sampleText(5000)
    let packed = zstdCompressed(text)
    let skippable: [UInt8] = [0x50, 0x2A, 0x4D, 0x18, 2, 0, 0, 0, 7, 7]
    #expect(try inflateAll(packed + skippable + packed, .zstd) == text + text)
    #expect(try inflateAll(skippable + packed, .auto) == text)
    for count in 1..<packed.count {
      #expect(reason(Array(packed.prefix(count)), .zstd) == .truncated, "cut at \(count)")
    }
    #expect(reason([], .zstd) == .empty)
    #expect(reason(Array("plain text"), .zstd) == .notCompressed)
    #expect(reason(packed + Array("more"), .zstd) == .trailingGarbage)
    var bad = packed
    bad[bad.count - 1] ^= 1
    #expect(reason(bad, .zstd) == .wrongChecksum)
  }

  @Test("Plain bytes pass as they are", arguments: edgeSizes + [300_000])
  func plain(_ count: Int) throws {
    let text = sampleText(count)
    #expect(try inflateAll(text, .none, pull: 13, read: 100, window: 16) == text)
    #expect(try inflateAll(text, .auto, pull: 1, read: 9) == text)
  }

  @Test("What a pull throws comes through")
  func pullThrows() {
    struct Broken: Error {}
    let inflater = Inflater(.auto)
    #expect(throws: Broken.self) {
      try withUnsafeTemporaryAllocation(byteCount: 10, alignment: 1) { buffer in
        try inflater.read(into: buffer) { _ in throw Broken() }
      }
    }
  }

  @Test("The system's gzip reads what is packed here, and the other way round")
  func systemGzip() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let text = sampleText(500_000)
    let plain = folder.appendingPathComponent("text")
    try Data(text).write(to: plain)
    func run(_ command: String) throws {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/bin/sh")
      process.arguments = ["-c", command]
      process.currentDirectoryURL = folder
      try process.run()
      process.waitUntilExit()
      #expect(process.terminationStatus == 0)
    }
    try run("gzip -9 -c text > text.gz && gzip -1 -c text >> text.gz")
    let packed = Array(try Data(contentsOf: folder.appendingPathComponent("text.gz")))
    #expect(try inflated(packed, .auto) == text + text)
    try Data(gzipCompressed(text)).write(to: folder.appendingPathComponent("ours.gz"))
    try run("gzip -d -c ours.gz | cmp - text")
  }
}
