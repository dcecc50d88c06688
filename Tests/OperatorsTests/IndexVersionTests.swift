import Core
import Kernels
import TestSupport
import Testing

@testable import Operators

@Suite("index segments, how versions are stored")
struct IndexVersionTests {
  /// Versions as stores make them, and as nobody does.
  private static func version(_ size: Int64, _ kind: Int, _ random: inout Seeded) -> [UInt8] {
    let text =
      switch kind % 9 {
      case 0...3: "\(size)-17952878699\(random.next() % 1000)-\(random.next() % 5000)"
      case 4: "\(size)"
      case 5: "\"\(String(random.next(), radix: 16))\""
      case 6: ""
      case 7: "\(random.next() % 20)\(size)-x"
      default: String(repeating: "\(size)9", count: Int(random.next() % 60))
      }
    return Array(text.utf8)
  }

  private static func documents(_ count: Int, seed: UInt64) -> [(size: Int64, version: [UInt8])] {
    var random = Seeded(seed)
    return (0..<count).map { _ in
      let sizes: [Int64] = [0, 9, 10, 99, .max, -1, .min, Int64(random.next() % 100_000)]
      let size = sizes[Int(random.next() % 8)]
      return (size, version(size, Int(random.next() % 9), &random))
    }
  }

  private func write(
    _ documents: [(size: Int64, version: [UInt8])], _ format: Int64, _ scratch: Scratch
  ) throws -> SegmentReader {
    let path = "\(scratch.path)/\(format).seg"
    let writer = try SegmentWriter(
      path: path, sequence: 1, tokenizer: TokenizerSettings().canonicalText, format: format)
    var packed = try writer.documents(count: documents.count)
    for (ordinal, document) in documents.enumerated() {
      try packed.add(
        ordinal: ordinal, key: Array("\(ordinal + 1_000_000)".utf8), size: document.size,
        version: document.version)
    }
    try packed.finish()
    let spill = SpillFile("spool", directory: { scratch.path })
    _ = try writer.finish(
      packed, ids: NumberSpool((0..<documents.count).map { _ in 0 }, spill),
      tokens: NumberSpool([Int64](repeating: 9, count: documents.count), spill), spill: spill)
    return try SegmentReader(MappedSegment(path: path))
  }

  @Test(
    "in this format and the one before it, all versions are read as they were", arguments: 1...6)
  func all(_ seed: UInt64) throws {
    let documents = Self.documents(1000, seed: seed)
    for format in [1, SegmentFrame.format] {
      let scratch = try Scratch()
      let reader = try write(documents, format, scratch)
      try reader.verify()
      for (ordinal, document) in documents.enumerated() {
        let found = try #require(try reader.document(id: UInt32(ordinal)))
        #expect(found.size == document.size && Array(found.version.utf8) == document.version)
      }
    }
  }

  @Test("versions of local files take up little room")
  func small() throws {
    let documents = (0..<1280).map { number in
      let size = Int64(number * 7919 % 100_000)
      return (size: size, version: Array("\(size)-1795287869956354271-\(6_488_497 + number)".utf8))
    }
    let (old, new) = (try Scratch(), try Scratch())
    let before = try write(documents, 1, old).documentBlocks.blocks.reduce(0) { $0 + $1.byteCount }
    let after = try write(documents, 2, new).documentBlocks.blocks.reduce(0) { $0 + $1.byteCount }
    // Though they are not packed, as those of format 1 are. A version alone is some 32 bytes.
    #expect(after < 12 * documents.count && after < before)
  }

  @Test("a size that is cut into does not let a version grow past its room")
  func growth() throws {
    var documents: [(size: Int64, version: [UInt8])] = []
    // Each takes over as many bytes as it can, and stores one at most.
    for number in 0..<500 {
      let size = number % 2 == 0 ? Int64.max : Int64(number % 10)
      let text = number % 3 == 0 ? "\(Int64.max)x" : "\(size)"
      documents.append((size, Array(text.utf8)))
    }
    let scratch = try Scratch()
    let reader = try write(documents, SegmentFrame.format, scratch)
    for (ordinal, document) in documents.enumerated() {
      let found = try #require(try reader.document(id: UInt32(ordinal)))
      #expect(Array(found.version.utf8) == document.version)
    }
  }
}
