/// What counts as a word, and how its letters are written: see `WordSplitter`.
public struct WordRules: Sendable, Hashable {
  public enum LetterCase: String, Sendable, Hashable, CaseIterable {
    /// Each letter in its simple lower case.
    case lower
    /// Each letter in the simple lower case of its simple upper case: so ς is σ, and ſ is s.
    case fold
    case keep
  }

  /// Else ASCII letters, digits and `_` only, and all other characters separate words.
  public var takesUnicode = true
  public var letterCase = LetterCase.lower
  /// Letters that consist of a base and combining accents (U+0300 to U+036F) lose the accents.
  public var foldsAccents = false
  /// In code points, of the word as it comes out; words outside of this are left out.
  public var lengths = 1...255

  public init() {}
}

/// What becomes of a code point in a word; worked out for 256 code points at a time, when first met.
///
/// A word is a maximal run of `[\p{L}\p{M}\p{N}_]`. Not for several threads at once.
final class CharacterTable {
  static let separator: UInt32 = 0
  /// Part of a word, but not written: no word holds U+0001.
  static let dropped: UInt32 = 1

  private let rules: WordRules
  private var pages: [UnsafeMutablePointer<UInt32>?]

  init(_ rules: WordRules) {
    self.rules = rules
    pages = Array(repeating: nil, count: 0x1100)
  }

  deinit {
    for page in pages { page?.deallocate() }
  }

  /// - Parameter codePoint: At most 10FFFF.
  /// - Returns: `separator`, `dropped`, or the code point to write.
  @inline(__always)
  func meaning(of codePoint: UInt32) -> UInt32 {
    let index = Int(codePoint &>> 8)
    if let page = pages[index] { return page[Int(codePoint & 0xFF)] }
    return fill(index)[Int(codePoint & 0xFF)]
  }

  @inline(never)
  private func fill(_ index: Int) -> UnsafeMutablePointer<UInt32> {
    let page = UnsafeMutablePointer<UInt32>.allocate(capacity: 256)
    for place in 0..<256 {
      let scalar = Unicode.Scalar(UInt32(index << 8 | place))
      (page + place).initialize(to: scalar.map(worked) ?? CharacterTable.separator)
    }
    pages[index] = page
    return page
  }

  private func worked(_ scalar: Unicode.Scalar) -> UInt32 {
    guard CharacterTable.isPartOfWord(scalar), rules.takesUnicode || scalar.isASCII else {
      return CharacterTable.separator
    }
    var result = scalar
    if rules.foldsAccents {
      if AccentFolding.isAccent(scalar.value) { return CharacterTable.dropped }
      result = AccentFolding.base(of: scalar.value).flatMap(Unicode.Scalar.init) ?? scalar
    }
    switch rules.letterCase {
    case .lower: result = result.simpleLowercase
    case .fold: result = result.simpleUppercase.simpleLowercase
    case .keep: break
    }
    return result.value
  }

  private static func isPartOfWord(_ scalar: Unicode.Scalar) -> Bool {
    if scalar == "_" { return true }
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter,
      .nonspacingMark, .spacingMark, .enclosingMark,
      .decimalNumber, .letterNumber, .otherNumber:
      return true
    default: return false
    }
  }
}

extension Unicode.Scalar {
  /// The simple mapping of UnicodeData.txt: the full one where that is a single code point, which
  /// in lower case it is for all but U+0130.
  fileprivate var simpleLowercase: Unicode.Scalar {
    if value == 0x130 { return "i" }
    let mapped = properties.lowercaseMapping.unicodeScalars
    return mapped.count == 1 ? mapped.first! : self
  }

  /// The simple mapping of UnicodeData.txt where the full one is a single code point; of the others,
  /// whose simple mapping is never another letter's lower case, the code point itself.
  fileprivate var simpleUppercase: Unicode.Scalar {
    let mapped = properties.uppercaseMapping.unicodeScalars
    return mapped.count == 1 ? mapped.first! : self
  }
}
