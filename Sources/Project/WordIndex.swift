import Core

/// The settings of `operator: word_index:`; what they mean is told in docs/project-files.md.
public struct WordIndexSettings: Sendable, Hashable {
  /// How files get their numbers.
  public enum DocumentID: String, Sendable, CaseIterable {
    /// By the number in the name where the whole collection has one, else assigned.
    case auto
    case number
    case assigned
  }

  /// What counts as a word, and which words are the same.
  public struct Tokenizer: Sendable, Hashable {
    public enum Words: String, Sendable, CaseIterable { case unicode, ascii }
    public enum LetterCase: String, Sendable, CaseIterable { case lower, fold, keep }
    public enum Accents: String, Sendable, CaseIterable { case keep, fold }

    public var words: Words
    public var letterCase: LetterCase
    /// In code points.
    public var minimumLength: Int
    /// In code points.
    public var maximumLength: Int
    public var accents: Accents
    public var stopWords: [String]

    public init(
      words: Words = .unicode, letterCase: LetterCase = .lower, minimumLength: Int = 1,
      maximumLength: Int = 255, accents: Accents = .keep, stopWords: [String] = []
    ) {
      self.words = words
      self.letterCase = letterCase
      self.minimumLength = minimumLength
      self.maximumLength = maximumLength
      self.accents = accents
      self.stopWords = stopWords
    }
  }

  /// The source it reads.
  public var input: String
  public var documentID: DocumentID
  public var tokenizer: Tokenizer

  public init(
    input: String, documentID: DocumentID = .auto, tokenizer: Tokenizer = Tokenizer()
  ) {
    self.input = input
    self.documentID = documentID
    self.tokenizer = tokenizer
  }

  /// The tables that it makes, in the order in which they follow the index (rule 16).
  public static let tables: [(name: String, columns: [(name: String, type: FieldType)])] = [
    ("words", [("word_id", .bigint), ("word", .string)]),
    (
      "documents",
      [
        ("doc_id", .bigint), ("file", .string), ("size", .bigint), ("version", .string),
        ("tokens", .bigint), ("segment", .bigint),
      ]
    ),
    (
      "postings",
      [
        ("word_id", .bigint),
        ("doc_ids", .list(element: Field(name: "element", type: .bigint))), ("segment", .bigint),
      ]
    ),
  ]
}
