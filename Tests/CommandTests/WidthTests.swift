import Foundation
import Testing

@testable import sluice

#if canImport(Glibc)
  import Glibc
#endif

@Suite("Display width") struct WidthTests {
  @Test(
    "of text",
    arguments: [
      ("", 0), ("abc", 3), ("日本語", 6), ("e\u{301}", 1), ("ﬀ", 1), ("한국어", 6),
      ("\u{1112}\u{1161}\u{11AB}", 2), ("👍", 2), ("👍🏽", 2), ("👨‍👩‍👧", 2), ("🇩🇪", 2), ("❤️", 2), ("❤", 1),
      ("ｆｕｌｌ", 8), ("ｶﾅ", 2), ("a\u{200B}b", 2), ("العربية", 7), ("नमस्ते", 4), ("…", 1), ("─", 1),
    ])
  func widths(text: String, width: Int) { #expect(displayWidth(text) == width) }

  #if canImport(Glibc)
    /// The C library's table is an independent one; it differs where Unicode versions and emoji
    /// habits do, so only letters of settled blocks are compared.
    @Test("of letters agrees with the C library's wcwidth")
    func agreesWithTheCLibrary() throws {
      let locale = try #require(newlocale(LC_CTYPE_MASK, "C.UTF-8", nil))
      let before = uselocale(locale)
      defer {
        uselocale(before)
        freelocale(locale)
      }
      // The header hides it behind a macro that Swift's import does not set.
      typealias Wcwidth = @convention(c) (wchar_t) -> CInt
      let wcwidth = unsafeBitCast(try #require(dlsym(nil, "wcwidth")), to: Wcwidth.self)
      var compared = 0
      var different: [Unicode.Scalar] = []
      for value in Array(0x20...0x33FF) + Array(0x4E00...0xD7A3) + Array(0xF900...0xFFEF) {
        guard let scalar = Unicode.Scalar(UInt32(value)), scalar.properties.isAlphabetic,
          scalar.properties.age.map({ $0.major < 12 }) ?? false,
          scalar.properties.generalCategory != .nonspacingMark
        else { continue }
        compared += 1
        if wcwidth(wchar_t(value)) != columnCount(of: scalar) { different.append(scalar) }
      }
      #expect(compared > 40_000)
      #expect(different == [])
    }
  #endif

  @Test(
    "is kept to by cutting",
    arguments: [
      ("abc", 3, "abc"), ("abcd", 3, "ab…"), ("abc", 1, "…"), ("abc", 0, ""), ("日本語", 6, "日本語"),
      ("日本語", 5, "日本…"), ("日本語", 4, "日…"), ("日本語", 2, "…"), ("", 0, ""),
    ])
  func cutting(text: String, width: Int, cut: String) {
    #expect(truncated(text, to: width) == cut)
    #expect(displayWidth(cut) <= width)
  }

  @Test(
    "is kept to by cutting the beginning",
    arguments: [
      ("abc", 3, "abc"), ("abcd", 3, "…cd"), ("abc", 1, "…"), ("abc", 0, ""), ("日本語", 5, "…本語"),
      ("日本語", 4, "…語"), ("日本語", 2, "…"),
    ])
  func cuttingOnLeft(text: String, width: Int, cut: String) {
    #expect(truncatedOnLeft(text, to: width) == cut)
    #expect(displayWidth(cut) <= width)
  }

  @Test("is filled by padding")
  func padding() {
    #expect(padded("日", to: 4) == "日  ")
    #expect(padded("日", to: 4, onLeft: true) == "  日")
    #expect(padded("日本", to: 3) == "日本")
  }

  @Test(
    "Control characters become visible",
    arguments: [
      ("a\nb", "a\\nb"), ("\u{1B}[31m", "\\x1B[31m"), ("tab\t", "tab\\t"), ("\r\n", "\\r\\n"),
      ("\u{0}", "\\x00"), ("\u{9B}2J", "\\x9B2J"), ("\u{202E}x", "\\u{202E}x"),
      ("fine é 日", "fine é 日"),
      ("\u{7F}", "\\x7F"),
    ])
  func controls(text: String, shown: String) { #expect(printable(text) == shown) }
}
