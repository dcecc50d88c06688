import TestSupport
import Testing

@testable import Kernels

@Suite struct KeyTests {
  /// What `splitKeyedRows` means, in the plainest words.
  private static func naive(_ text: [UInt8], _ layout: KeyedLayout) -> (
    rows: [String], misfits: Int
  ) {
    var rows: [String] = []
    var misfits = 0
    var lines = text.split(separator: 0x0A, omittingEmptySubsequences: false).map(Array.init)
    if lines.last == [] { lines.removeLast() }
    for var line in lines {
      if line.last == 0x0D { line.removeLast() }
      if line.isEmpty && layout.roles.count > 1 { continue }
      let fields = line.split(separator: layout.delimiter, omittingEmptySubsequences: false)
      var value: Int64? = 1
      var fits = fields.count == layout.roles.count && line.count <= layout.maximumRowByteCount
      if fits {
        for (field, role) in zip(fields, layout.roles) {
          let text = String(decoding: field, as: UTF8.self)
          let number = text.first == "_" ? nil : Int64(text)
          switch role {
          case .any, .text: break
          case .int32: fits = fits && (field.isEmpty || number.flatMap(Int32.init(exactly:)) != nil)
          case .int64: fits = fits && (field.isEmpty || number != nil)
          case .value: value = number
          }
        }
        fits = fits && value != nil && String(validating: line, as: UTF8.self) != nil
      }
      guard fits else {
        misfits += 1
        continue
      }
      let key = fields[layout.key]
      let group = Array(key.prefix(layout.groupFieldCount).joined(separator: [layout.delimiter]))
      rows.append("\(Array(key.joined(separator: [layout.delimiter]))) \(group.count) \(value!)")
    }
    return (rows, misfits)
  }

  @Test("rows are taken as the plain words take them", arguments: 0..<60 as Range<UInt64>)
  func split(_ seed: UInt64) {
    var random = Seeded(seed)
    let layouts = [
      KeyedLayout(
        delimiter: 0x20, roles: [.text, .text, .value, .int64], key: 0..<2, groupFieldCount: 1,
        maximumRowByteCount: 60),
      KeyedLayout(
        delimiter: 0x2C, roles: [.int32, .text, .text, .text], key: 1..<4, groupFieldCount: 2,
        maximumRowByteCount: 1000),
      KeyedLayout(
        delimiter: 0x20, roles: [.text], key: 0..<1, groupFieldCount: 0, maximumRowByteCount: 9),
    ]
    let words = [
      "en", "", "Größe", "12", "-3", "+7", "x", "9223372036854775807", "9223372036854775808",
      "-9223372036854775808", "2147483648", "0000000000000000000001", "a_longer_title_that_fills",
    ]
    for layout in layouts {
      var text: [UInt8] = []
      for _ in 0..<Int.random(in: 0...40, using: &random) {
        let count = layout.roles.count + [0, 0, 0, 0, 1, -1].randomElement(using: &random)!
        for field in 0..<max(0, count) {
          if field > 0 { text.append(layout.delimiter) }
          let role = field < layout.roles.count ? layout.roles[field] : .text
          text +=
            role == .text || Int.random(in: 0..<6, using: &random) == 0
            ? Array(words.randomElement(using: &random)!.utf8)
            : Array("\(Int.random(in: -9...99, using: &random))".utf8)
          if Int.random(in: 0..<40, using: &random) == 0 { text.append(0xFF) }
        }
        text += [[0x0A], [0x0A], [0x0D, 0x0A]].randomElement(using: &random)!
      }
      if Bool.random(using: &random) && text.last == 0x0A { text.removeLast() }
      let expected = KeyTests.naive(text, layout)
      let found = text.withUnsafeBufferPointer {
        splitKeyedRows($0, layout, checksUTF8: true)
      }
      let rows = found.rows.map { row in
        "\(Array(text[Int(row.offset)..<Int(row.offset + row.count)])) \(row.groupCount) \(row.value)"
      }
      #expect(rows == expected.rows)
      #expect(found.misfits.count == expected.misfits)
    }
  }

  @Test("a table tells keys apart and keeps what they are given", arguments: [1, 100, 20_000])
  func table(_ count: Int) {
    var random = Seeded(UInt64(count))
    var twin: [[UInt8]: Int64] = [:]
    let table = KeyTable(expectedCount: 1)
    for round in 0..<2 {
      for _ in 0..<count {
        let key = (0..<Int.random(in: 0...20, using: &random)).map { _ in
          UInt8.random(in: 0...(round == 0 ? 3 : 255), using: &random)
        }
        twin[key, default: 0] += 1
        key.withUnsafeBufferPointer { text in
          let start = text.baseAddress ?? UnsafePointer(bitPattern: 8)!
          let index = table.insert(
            start, count: key.count, hash: hash64(start, count: key.count), mark: 7)
          table.entries[index].value += 1
        }
      }
      #expect(table.count == twin.count)
      for index in 0..<table.count {
        let entry = table.entries[index]
        let key = Array(UnsafeBufferPointer(start: entry.key, count: Int(entry.keyCount)))
        #expect(twin[key] == entry.value && entry.mark == 7)
      }
      table.removeAll()
      twin = [:]
      #expect(table.count == 0)
    }
  }

  @Test("keys that share a hash stay apart") func collisions() {
    let table = KeyTable()
    let keys: [[UInt8]] = [[1, 2, 3], [1, 2, 4], [], [1, 2, 3, 0]]
    for (number, key) in (keys + keys).enumerated() {
      key.withUnsafeBufferPointer { text in
        let start = text.baseAddress ?? UnsafePointer(bitPattern: 8)!
        #expect(
          table.insert(start, count: key.count, hash: 42, mark: 0) == number % keys.count)
      }
    }
  }

  @Test("the hash looks at every byte", arguments: edgeSizes.filter { $0 > 0 })
  func hash(_ count: Int) {
    var bytes = [UInt8](repeating: 7, count: count)
    func hash() -> UInt64 {
      bytes.withUnsafeBufferPointer { hash64($0.baseAddress!, count: count) }
    }
    var seen: Set<UInt64> = [hash()]
    for index in 0..<count {
      bytes[index] ^= 0x10
      seen.insert(hash())
      bytes[index] ^= 0x10
    }
    #expect(seen.count == count + 1)
  }

  @Test("bytes compare as their lists do", arguments: 0..<50 as Range<UInt64>)
  func comparison(_ seed: UInt64) {
    var random = Seeded(seed)
    for _ in 0..<50 {
      let a = (0..<Int.random(in: 0...20, using: &random)).map { _ in
        UInt8.random(in: 0...1, using: &random)
      }
      var b = a
      if !b.isEmpty && Bool.random(using: &random) { b[b.count - 1] ^= 0x80 }
      if Bool.random(using: &random) { b.append(UInt8.random(in: 0...255, using: &random)) }
      if Bool.random(using: &random) { b.removeLast(min(b.count, 3)) }
      a.withUnsafeBufferPointer { x in
        b.withUnsafeBufferPointer { y in
          let nothing = UnsafePointer<UInt8>(bitPattern: 8)!
          let order = compareBytes(
            x.baseAddress ?? nothing, a.count, y.baseAddress ?? nothing, b.count)
          #expect((order < 0) == a.lexicographicallyPrecedes(b))
          #expect((order == 0) == (a == b))
          if a.count == b.count && !a.isEmpty {
            #expect(equalBytes(x.baseAddress!, y.baseAddress!, count: a.count) == (a == b))
          }
        }
      }
    }
  }

  @Test("the bound of the top is where sorting finds it", arguments: 0..<40 as Range<UInt64>)
  func top(_ seed: UInt64) {
    var random = Seeded(seed)
    let count = Int.random(in: 0...200, using: &random)
    let spread = [Int64(0), 3, 1000].randomElement(using: &random)!
    let values = (0..<count).map { _ in
      Int.random(in: 0..<30, using: &random) == 0
        ? [Int64.min, .max].randomElement(using: &random)!
        : Int64.random(in: -spread...spread, using: &random)
    }
    for top in [1, 2, 5, 25, count, count + 1] where top > 0 {
      let sorted = values.sorted(by: >)
      let distinct = Set(values).sorted(by: >)
      var copy = values
      #expect(
        copy.withUnsafeMutableBufferPointer { boundOfTop(top, of: $0) }
          == (top <= sorted.count ? sorted[top - 1] : nil))
      #expect(copy.sorted(by: >) == sorted)
      #expect(
        copy.withUnsafeMutableBufferPointer { boundOfTop(top, of: $0, isDistinct: true) }
          == (top <= distinct.count ? distinct[top - 1] : nil))
    }
  }

  @Test(
    "percent-encoding is undone where UTF-8 comes out",
    arguments: [
      ("", ""), ("abc", "abc"), ("%41%42", "AB"), ("%c3%A9", "é"), ("100%", "100%"),
      ("%4", "%4"), ("%4x", "%4x"), ("a+b", "a+b"), ("%25%34", "%4"), ("%FF", nil), ("%C3", nil),
      ("é%41", "éA"),
    ] as [(String, String?)])
  func percent(_ text: String, _ expected: String?) {
    var out: [UInt8] = [1]
    let isDecoded = Array(text.utf8).withUnsafeBufferPointer {
      appendPercentDecoded($0, to: &out)
    }
    #expect(isDecoded == (expected != nil))
    #expect(out == [1] + Array((expected ?? "").utf8))
  }

  @Test("an arena's bytes stay where they are") func arena() {
    let arena = ByteArena(chunkByteCount: 64)
    for _ in 0..<3 {
      var kept: [(UnsafePointer<UInt8>, [UInt8])] = []
      for count in [0, 1, 60, 64, 65, 1000, 3] {
        let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: count), count: count)
        bytes.withUnsafeBufferPointer {
          kept.append(
            (arena.copy($0.baseAddress ?? UnsafePointer(bitPattern: 8)!, count: count), bytes))
        }
      }
      for (place, bytes) in kept {
        #expect(Array(UnsafeBufferPointer(start: place, count: bytes.count)) == bytes)
      }
      arena.reset()
    }
  }
}

@Suite struct UTF8Tests {
  @Test("the quick answer agrees with the place of the first error", arguments: edgeSizes)
  func quick(_ size: Int) {
    var random = Seeded(UInt64(size))
    let pieces: [[UInt8]] = [
      [0x41], Array("sixteen letters.".utf8), Array("é".utf8), Array("日".utf8), Array("😀".utf8),
      [0xE0, 0xA0, 0x80], [0xED, 0x9F, 0xBF], [0xF4, 0x8F, 0xBF, 0xBF],
    ]
    let wrong: [[UInt8]] = [
      [0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xC3], [0xE0, 0x9F, 0x80], [0xE2, 0x82],
      [0xED, 0xA0, 0x80], [0xF0, 0x8F, 0xBF, 0xBF], [0xF4, 0x90, 0x80, 0x80], [0xF5], [0xFF],
      [0xF0, 0x9F, 0x98],
    ]
    for round in 0..<60 {
      var text: [UInt8] = []
      while text.count < size { text += pieces.randomElement(using: &random)! }
      if round % 3 != 0 {
        let place = Int.random(in: 0...text.count, using: &random)
        text.insert(contentsOf: wrong.randomElement(using: &random)!, at: place)
      }
      if round % 5 == 0 { text.removeLast(min(text.count, Int.random(in: 0...3, using: &random))) }
      text.withUnsafeBufferPointer { text in
        let start = text.baseAddress ?? UnsafePointer(bitPattern: 8)!
        let isSound = indexOfInvalidUTF8(start, count: text.count) == text.count
        #expect(isUTF8(start, count: text.count) == isSound, "\(Array(text))")
      }
    }
  }
}
