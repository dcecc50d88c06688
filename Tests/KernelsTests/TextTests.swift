import Kernels
import TestSupport
import Testing

@Suite struct TextTests {
  @Test("Searching and counting bytes agree with plain loops", arguments: edgeSizes)
  func search(_ count: Int) {
    var random = Seeded(UInt64(count))
    for _ in 0..<20 {
      // Neighbours of the byte in value, and high bytes, are what inexact tricks get wrong.
      let text =
        (0..<count).map { _ in [0x0A, 0x0B, 0x8A, 0x09, 0].randomElement(using: &random)! }
        as [UInt8]
      text.withUnsafeBufferPointer { buffer in
        guard let base = buffer.baseAddress else { return }
        #expect(countOfByte(0x0A, in: base, count: count) == text.count { $0 == 0x0A })
        #expect(lastIndexOfByte(0x0A, in: base, count: count) == text.lastIndex(of: 0x0A))
        for start in [0, count / 2, count] {
          let expected = text[start...].firstIndex(of: 0x0A) ?? count
          #expect(indexOfByte(0x0A, in: base, from: start, to: count) == expected)
        }
      }
    }
  }

  @Test("Validation agrees with Swift's own, on every two-byte text and on random ones")
  func utf8() {
    func isValid(_ bytes: [UInt8]) -> Bool {
      bytes.withUnsafeBufferPointer {
        indexOfInvalidUTF8($0.baseAddress!, count: $0.count) == $0.count
      }
    }
    for first in UInt8.min...UInt8.max {
      for second in UInt8.min...UInt8.max {
        let bytes = [first, second]
        #expect(isValid(bytes) == (String(validating: bytes, as: UTF8.self) != nil))
      }
    }
    var random = Seeded(3)
    let pieces: [[UInt8]] = [
      Array("a"), Array("abcdefghijklmnop"), Array("ü"), Array("€"), Array("𐍈"),
      [0xED, 0xA0, 0x80],
      [0xF4, 0x90, 0x80, 0x80], [0xE0, 0x80, 0x80], [0xF0, 0x80, 0x80, 0x80], [0xC0, 0x80],
      [0xE2, 0x82], [0xF0, 0x90, 0x8D], [0xFF], [0x80], [0xEF, 0xBF, 0xBF],
      [0xF4, 0x8F, 0xBF, 0xBF],
    ]
    var invalidCount = 0
    for _ in 0..<20_000 {
      var bytes: [UInt8] = []
      for _ in 0..<Int.random(in: 1...12, using: &random) {
        // Mostly good pieces, else nothing long would ever be valid.
        let limit = Int.random(in: 0..<4, using: &random) == 0 ? pieces.count : 5
        bytes += pieces[Int.random(in: 0..<limit, using: &random)]
      }
      let expected = String(validating: bytes, as: UTF8.self) != nil
      invalidCount += expected ? 0 : 1
      #expect(isValid(bytes) == expected, "\(bytes)")
      let text = bytes
      text.withUnsafeBufferPointer { buffer in
        let index = indexOfInvalidUTF8(buffer.baseAddress!, count: buffer.count)
        #expect(String(validating: text.prefix(index), as: UTF8.self) != nil)
        #expect(isASCII(buffer.baseAddress!, count: buffer.count) == text.allSatisfy { $0 < 128 })
      }
    }
    #expect(invalidCount > 1000 && invalidCount < 19_000)
  }

  @Test("The index of the first wrong byte", arguments: edgeSizes)
  func invalidIndex(_ count: Int) {
    for bad in [[0xFF], [0xC3], [0xE2, 0x82], [0xED, 0xA0, 0x80]] as [[UInt8]] {
      let bytes = [UInt8](repeating: 0x61, count: count) + bad
      bytes.withUnsafeBufferPointer {
        #expect(indexOfInvalidUTF8($0.baseAddress!, count: $0.count) == count)
      }
    }
  }

  @Test("Every byte of the single-byte encodings")
  func encodings() {
    func decoded(_ bytes: [UInt8], _ encoding: TextEncoding) -> String {
      var out: [UInt8] = []
      bytes.withUnsafeBufferPointer { appendUTF8(of: $0, in: encoding, to: &out) }
      return String(validating: out, as: UTF8.self)!
    }
    for byte in UInt8.min...UInt8.max {
      let scalar = String(Character(Unicode.Scalar(byte)))
      #expect(decoded([byte], .latin1) == scalar)
      if !(0x80...0x9F).contains(byte) { #expect(decoded([byte], .windows1252) == scalar) }
    }
    #expect(decoded(Array(0x80...0x8F), .windows1252) == "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8D}Ž\u{8F}")
    #expect(decoded(Array(0x90...0x9F), .windows1252) == "\u{90}‘’“”•–—˜™š›œ\u{9D}žŸ")
  }

  @Test("Readable text escapes what is not UTF-8 and nothing else")
  func readable() {
    func readable(_ bytes: [UInt8]) -> String {
      var out: [UInt8] = []
      bytes.withUnsafeBufferPointer { appendReadable($0, to: &out) }
      return String(validating: out, as: UTF8.self)!
    }
    #expect(readable(Array("Größe \\x41\u{0}")) == "Größe \\x41\u{0}")
    #expect(readable([0x61, 0xFC, 0x62, 0xE2, 0x82]) == "a\\xFCb\\xE2\\x82")
    #expect(readable([]) == "")
  }

  @Test("Byte order mark")
  func byteOrderMark() {
    func count(_ bytes: [UInt8]) -> Int {
      bytes.withUnsafeBufferPointer { countOfByteOrderMark($0) }
    }
    #expect(count([0xEF, 0xBB, 0xBF, 0x61]) == 3)
    #expect(count([0xEF, 0xBB]) == 0)
    #expect(count([]) == 0)
  }
}
