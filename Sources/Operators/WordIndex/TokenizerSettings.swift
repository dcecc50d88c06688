import Core
import Kernels

/// What a word of an index is.
///
/// A word is a maximal run of letters, marks, numbers (Unicode's general categories L, M, N) and `_`.
public struct TokenizerSettings: Sendable, Hashable {
  public enum Words: String, Sendable, Hashable, CaseIterable {
    case unicode
    /// ASCII letters, digits and `_`; all other characters separate words.
    case ascii
  }

  public enum Accents: String, Sendable, Hashable, CaseIterable {
    case keep
    /// Letters lose the combining marks U+0300 to U+036F that they carry or are composed with.
    case fold
  }

  public typealias LetterCase = WordRules.LetterCase

  public var words = Words.unicode
  public var letterCase = LetterCase.lower
  public var accents = Accents.keep
  /// In code points of the word as it is indexed; shorter and longer words are left out.
  public var minimumLength = 1
  public var maximumLength = 255
  /// Words that are left out; their case and accents are folded like the text's.
  public var stopWords: [String] = []

  /// Raised when the same text and settings would give other words.
  public static let version: Int64 = 1
  public static let greatestMaximumLength = 4096

  public init() {}

  /// - Throws: `OperatorError` `.badSettings`.
  public func validate() throws {
    guard minimumLength >= 1, maximumLength <= TokenizerSettings.greatestMaximumLength,
      minimumLength <= maximumLength
    else {
      throw OperatorError(
        .badSettings,
        "words of \(minimumLength) to \(maximumLength) characters cannot be indexed",
        advice: "min_length is at least 1, max_length at least that and at most "
          + "\(TokenizerSettings.greatestMaximumLength)", exitCode: 2)
    }
  }

  /// The settings as one line of JSON: the same text, the same words.
  public var canonicalText: String {
    var seen: Set<String> = []
    let stops = Tokenizer.folded(stopWords, self).filter { seen.insert($0).inserted }
    let sorted = stops.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    let members: JSON = [
      "version": .integer(TokenizerSettings.version), "words": .string(words.rawValue),
      "case": .string(letterCase.rawValue), "accents": .string(accents.rawValue),
      "min_length": .integer(Int64(minimumLength)), "max_length": .integer(Int64(maximumLength)),
      "stop_words": .array(sorted.map { .string($0) }),
    ]
    return members.description
  }

  /// - Throws: `OperatorError` `.unusable` for what no version up to this one wrote.
  public init(canonicalText: String) throws {
    guard let members = try? JSON(parsing: canonicalText),
      let version = members["version"]?.integer, version <= TokenizerSettings.version,
      let words = members["words"]?.string.flatMap(Words.init),
      let letterCase = members["case"]?.string.flatMap(LetterCase.init),
      let accents = members["accents"]?.string.flatMap(Accents.init),
      let minimum = members["min_length"]?.integer, let maximum = members["max_length"]?.integer,
      let stops = members["stop_words"]?.array
    else {
      throw OperatorError(
        .unusable, "the index was made with a tokenizer that is not known: \(canonicalText)",
        advice: "use the version of sluice that made it, or a newer one")
    }
    self.words = words
    self.letterCase = letterCase
    self.accents = accents
    minimumLength = Int(minimum)
    maximumLength = Int(maximum)
    stopWords = stops.compactMap(\.string)
    try validate()
  }

  var rules: WordRules {
    var rules = WordRules()
    rules.takesUnicode = words == .unicode
    rules.letterCase = letterCase
    rules.foldsAccents = accents == .fold
    rules.lengths = minimumLength...maximumLength
    return rules
  }
}

/// Splits text into words, as an index does. Not for several threads at once.
public final class Tokenizer {
  private let splitter: WordSplitter
  private let stops: Set<[UInt8]>

  /// - Parameter settings: Valid.
  public init(_ settings: TokenizerSettings) {
    splitter = WordSplitter(settings.rules)
    stops = Tokenizer.stops(settings)
  }

  /// The words of a text in their order, repeated as they are.
  public func words(in text: String) -> [String] {
    words(in: Array(text.utf8)).map { String(decoding: $0, as: UTF8.self) }
  }

  /// - Parameter text: Well-formed UTF-8.
  func words(in text: [UInt8]) -> [[UInt8]] {
    Tokenizer.split(text, splitter).filter { !stops.contains($0) }
  }

  /// The stop words as they would be found in text.
  static func stops(_ settings: TokenizerSettings) -> Set<[UInt8]> {
    Set(folded(settings.stopWords, settings).map { Array($0.utf8) })
  }

  fileprivate static func folded(_ words: [String], _ settings: TokenizerSettings) -> [String] {
    let splitter = WordSplitter(settings.rules)
    return words.flatMap { word in
      split(Array(word.utf8), splitter).map { String(decoding: $0, as: UTF8.self) }
    }
  }

  private static func split(_ text: [UInt8], _ splitter: WordSplitter) -> [[UInt8]] {
    var padded = text
    padded.append(contentsOf: repeatElement(0, count: WordSplitter.paddingByteCount))
    return padded.withUnsafeMutableBufferPointer { all in
      let found = splitter.split(
        UnsafeMutableBufferPointer(rebasing: all[..<text.count]), isLast: true)
      return found.map { Array(UnsafeBufferPointer(start: $0.text, count: $0.count)) }
    }
  }
}
