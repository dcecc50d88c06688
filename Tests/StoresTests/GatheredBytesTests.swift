import Testing

@testable import Stores

struct GatheredBytesTests {
  static let most = GatheredBytes.maximumByteCount
  static let bytes = (0..<4 * most).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }

  /// What is written of pieces of these sizes.
  func writes(_ sizes: [Int], upTo total: Int64) -> [[UInt8]] {
    var gathered = GatheredBytes(upTo: total)
    var writes: [[UInt8]] = []
    var next = 0
    for size in sizes {
      Self.bytes[next..<next + size].withUnsafeBytes {
        gathered.add($0) { writes.append(Array($0)) }
      }
      next += size
    }
    gathered.flush { writes.append(Array($0)) }
    gathered.flush { writes.append(Array($0)) }
    return writes
  }

  @Test(
    "all bytes come, in order, in large writes while they come fast",
    arguments: [
      ([], []), ([0], []), ([1], [1]), ([1, 16383, 2], [1, 16383, 2]),
      (Array(repeating: 16384, count: 40), [most, most, 8 * 16384]),
      ([16384, 16384, 5, 16384], [32773, 16384]),
      ([most - 1], [most - 1]), ([most], [most]), ([most + 1], [most + 1]),
      ([most - 1, 1], [most]), ([most - 1, 2], [most, 1]),
      ([16384, most, most], [most, most, 16384]), ([20000, 3 * most], [most, 2 * most + 20000]),
    ])
  func order(_ sizes: [Int], _ expected: [Int]) {
    let count = sizes.reduce(0, +)
    // As unknown, as known, and as wrongly stated.
    for total in [-1, Int64(count), 0, 70_000] {
      let writes = writes(sizes, upTo: total)
      let isSame = writes.flatMap { $0 } == Array(Self.bytes[..<count])
      #expect(isSame, "\(writes.map(\.count)) bytes instead of \(sizes), or others")
      if total == -1 { #expect(writes.map(\.count) == expected) }
    }
  }

  @Test("what could not be written is not written a second time")
  func failure() {
    struct Full: Error {}
    var gathered = GatheredBytes(upTo: -1)
    let piece = [UInt8](repeating: 7, count: Self.most - 1)
    #expect(throws: Full.self) {
      for _ in 0..<2 { try piece.withUnsafeBytes { try gathered.add($0) { _ in throw Full() } } }
    }
    gathered.flush { _ in Issue.record("written again") }
  }
}
