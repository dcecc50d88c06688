import Foundation
import Kernels
import TestSupport
import Testing

@Suite struct NumberTests {
  private func integer(_ text: String) -> Int64? {
    Array(text.utf8 + [0x39]).withUnsafeBufferPointer {
      parseInteger($0.baseAddress!, count: text.utf8.count)
    }
  }

  private func decimal(_ text: String, _ precision: Int, _ scale: Int) -> Int128? {
    Array(text.utf8 + [0x39]).withUnsafeBufferPointer {
      parseDecimal(
        $0.baseAddress!, count: text.utf8.count, precision: precision, scale: scale)
    }
  }

  private func double(_ text: String) -> Double? {
    Array(text.utf8 + [0x39]).withUnsafeBufferPointer {
      parseDouble($0.baseAddress!, count: text.utf8.count)
    }
  }

  private func float(_ text: String) -> Float? {
    Array(text.utf8 + [0x39]).withUnsafeBufferPointer {
      parseFloat($0.baseAddress!, count: text.utf8.count)
    }
  }

  @Test(
    "Integers at the edges",
    arguments: [
      "0", "-0", "+7", "9223372036854775807", "-9223372036854775808", "9223372036854775808",
      "-9223372036854775809", "99999999999999999999", "18446744073709551616",
      "00000000000000000000000000042", "", "-", "+", "--1", "1 ", " 1", "1.0", "1e3", "0x10", "١",
      "36893488147419103232", "-18446744073709551615",
    ])
  func integers(_ text: String) {
    #expect(integer(text) == Int64(text))
  }

  @Test("Random integers agree with Swift's own reading")
  func randomIntegers() {
    var random = Seeded(11)
    for _ in 0..<20_000 {
      let length = Int.random(in: 0...21, using: &random)
      let text = String(
        (0..<length).map { _ in "0123456789-+9999".randomElement(using: &random)! })
      #expect(integer(text) == Int64(text), "\(text)")
    }
  }

  @Test(
    "Decimals keep every digit or are refused",
    arguments: [
      ("12.50", 10, 2, 1250), ("12.5", 10, 2, 1250), ("12", 10, 2, 1200), ("-0.01", 10, 2, -1),
      (".5", 3, 1, 5), ("5.", 3, 1, 50), ("+1.10", 3, 1, 11), ("1.11", 3, 1, nil),
      ("99999999.99", 10, 2, 9_999_999_999), ("100000000.00", 10, 2, nil),
      ("100000000", 10, 2, nil), ("000000000000001.00", 3, 2, 100), ("0.00", 1, 1, 0),
      ("", 3, 1, nil), (".", 3, 1, nil), ("-", 3, 1, nil), ("1.2.3", 5, 2, nil), ("1,5", 5, 2, nil),
      ("1e2", 5, 2, nil), ("1", 2, 2, nil), ("0.99", 2, 2, 99), ("0", 38, 38, 0),
      ("1.0000000000000000000000000000000000000000", 2, 1, 10),
    ] as [(String, Int, Int, Int128?)])
  func decimals(_ text: String, _ precision: Int, _ scale: Int, _ expected: Int128?) {
    #expect(decimal(text, precision, scale) == expected)
  }

  @Test("38 digits fit")
  func widest() {
    let digits = String(repeating: "9", count: 38)
    #expect(decimal(digits, 38, 0) == Int128(digits)!)
    #expect(decimal("-" + digits, 38, 0) == -Int128(digits)!)
    #expect(decimal(digits + "9", 38, 0) == nil)
    #expect(decimal("0." + digits, 38, 38) == Int128(digits)!)
    #expect(decimal("1", 38, 38) == nil)
  }

  @Test("Doubles and floats agree with Swift's own reading, bit for bit")
  func randomFloats() {
    var random = Seeded(17)
    for _ in 0..<50_000 {
      let text: String
      switch Int.random(in: 0..<4, using: &random) {
      case 0: text = "\(Double(bitPattern: random.next()))"
      case 1: text = "\(Float(bitPattern: UInt32.random(in: 0...UInt32.max, using: &random)))"
      case 2:
        let whole = Int.random(in: -1_000_000...1_000_000, using: &random)
        text = "\(whole).\(UInt32.random(in: 0...999_999, using: &random))"
      default:
        let digits = (0..<Int.random(in: 1...40, using: &random)).map { _ in
          "0123456789".randomElement(using: &random)!
        }
        text = String(digits) + "e" + "\(Int.random(in: -340...310, using: &random))"
      }
      if text.contains("nan") { continue }
      let isInfinite = text.contains("inf")
      let expected = Double(text).flatMap { $0.isFinite || isInfinite ? $0 : nil }
      #expect(double(text)?.bitPattern == expected?.bitPattern, "\(text)")
      let narrow = Float(text).flatMap { $0.isFinite || isInfinite ? $0 : nil }
      #expect(float(text)?.bitPattern == narrow?.bitPattern, "\(text)")
    }
  }

  @Test(
    "Forms of floating-point text",
    arguments: [
      ("1", 1), ("-1.5", -1.5), ("+.5", 0.5), ("5.", 5), ("1e3", 1000), ("1E-3", 0.001),
      ("1e+2", 100), ("inf", .infinity), ("-Infinity", -.infinity), ("1e-999999", 0),
      ("0e99999999999999999999", 0), ("1e-99999999999999999999", 0),
      ("4.9e-324", .leastNonzeroMagnitude),
      ("1e400", nil), ("-1e99999999999999999999", nil), ("", nil), (".", nil), ("e5", nil),
      ("1e", nil), ("1e+", nil), ("1 ", nil), (" 1", nil), ("0x1p3", nil), ("1.2.3", nil),
      ("infinit", nil), ("1_000", nil), ("1,5", nil),
    ] as [(String, Double?)])
  func forms(_ text: String, _ expected: Double?) {
    #expect(double(text) == expected)
  }

  @Test("NaN is read in any case")
  func notANumber() {
    #expect(double("NaN")?.isNaN == true)
    #expect(float("nan")?.isNaN == true)
    #expect(float("1e39") == nil)
  }
}
