import Core
import Kernels

/// A search: words and prefixes (`c*`) with AND, OR, NOT and parentheses.
///
/// Words side by side mean AND. NOT binds closest, then AND, then OR. What is written between spaces
/// passes the index's tokenizer; where it becomes several words, all of them are wanted.
public struct IndexQuery: Sendable, Hashable {
  indirect enum Node: Sendable, Hashable {
    case word([UInt8])
    case prefix([UInt8])
    case all([Node])
    case any([Node])
    case not(Node)
  }

  let root: Node

  /// Parses a search.
  ///
  /// - Throws: `OperatorError` `.badQuery` with the column.
  public init(_ text: String, tokenizer: TokenizerSettings) throws {
    var parser = QueryParser(text, tokenizer)
    root = try parser.parse()
  }
}

/// Recursive descent over the search's symbols.
private struct QueryParser {
  private enum Symbol: Hashable {
    case open, close, and, or, not
    case text(String)
  }

  private var symbols: [(symbol: Symbol, column: Int)] = []
  private var place = 0
  private var depth = 0
  private let endColumn: Int
  private let tokenizer: Tokenizer
  private let prefixes: Tokenizer
  private var failure: OperatorError?
  private static let greatestDepth = 100

  init(_ text: String, _ settings: TokenizerSettings) {
    tokenizer = Tokenizer(settings)
    // The beginning of a word may be shorter than a word, and look like a stop word.
    var open = settings
    open.minimumLength = 1
    open.stopWords = []
    prefixes = Tokenizer(open)
    var word = ""
    var start = 1
    var column = 0
    func end(_ symbols: inout [(symbol: Symbol, column: Int)]) {
      guard !word.isEmpty else { return }
      let keywords: [String: Symbol] = ["AND": .and, "OR": .or, "NOT": .not]
      symbols.append((keywords[word] ?? .text(word), start))
      word = ""
    }
    for character in text {
      column += 1
      switch character {
      case "(", ")":
        end(&symbols)
        symbols.append((character == "(" ? .open : .close, column))
      case _ where character.isWhitespace: end(&symbols)
      case "\"":
        failure =
          failure
          ?? QueryParser.error(
            "phrases cannot be searched for: the index does not hold the words' places", column,
            "leave the quotes out, and all words are looked for")
      default:
        if word.isEmpty { start = column }
        word.append(character)
      }
    }
    end(&symbols)
    endColumn = column + 1
  }

  mutating func parse() throws -> IndexQuery.Node {
    if let failure { throw failure }
    guard !symbols.isEmpty else {
      throw QueryParser.error("the search is empty", 1, "name at least one word")
    }
    let node = try any()
    if place < symbols.count {
      throw QueryParser.error("this parenthesis closes nothing", symbols[place].column, nil)
    }
    guard let node else {
      throw QueryParser.error(
        "the search has no word that the index holds", 1,
        "stop words, and words that are too short or too long, are not indexed")
    }
    return node
  }

  // Nil stands for words that are not indexed, which say nothing about a document.

  private mutating func any() throws -> IndexQuery.Node? {
    var nodes = [try all()]
    while peek == .or {
      place += 1
      nodes.append(try all())
    }
    return joined(nodes) { .any($0) }
  }

  private mutating func all() throws -> IndexQuery.Node? {
    var nodes = [try one()]
    while let symbol = peek, symbol != .or, symbol != .close {
      if symbol == .and { place += 1 }
      nodes.append(try one())
    }
    return joined(nodes) { .all($0) }
  }

  private mutating func one() throws -> IndexQuery.Node? {
    guard let symbol = peek else { throw expected("a word", "the end", endColumn) }
    let column = symbols[place].column
    depth += 1
    defer { depth -= 1 }
    guard depth <= QueryParser.greatestDepth else {
      throw QueryParser.error("the search is nested too deep", column, "write it flatter")
    }
    switch symbol {
    case .not:
      place += 1
      return try one().map { .not($0) }
    case .open:
      place += 1
      let node = try any()
      guard peek == .close else {
        throw QueryParser.error("this parenthesis is never closed", column, nil)
      }
      place += 1
      return node
    case .text(let text):
      place += 1
      return try word(text, column)
    case .and: throw expected("a word", "AND", column)
    case .or: throw expected("a word", "OR", column)
    case .close: throw expected("a word", "a closing parenthesis", column)
    }
  }

  private func word(_ text: String, _ column: Int) throws -> IndexQuery.Node? {
    let stars = text.count { $0 == "*" }
    if stars == 0 { return joined(words(tokenizer, text)) { .all($0) } }
    let start = text.dropLast()
    guard stars == 1, text.last == "*", let last = prefixes.words(in: String(start)).last,
      let end = start.unicodeScalars.last, QueryParser.isPartOfWord(end, prefixes)
    else {
      throw QueryParser.error(
        "a star stands for the rest of a word, and nothing else", column,
        "write the word's beginning and one star behind it: `wor*`")
    }
    let others = prefixes.words(in: String(start)).dropLast().joined(separator: " ")
    var nodes = words(tokenizer, others)
    nodes.append(.prefix(Array(last.utf8)))
    return joined(nodes) { .all($0) }
  }

  private static func isPartOfWord(_ scalar: Unicode.Scalar, _ tokenizer: Tokenizer) -> Bool {
    // An accent alone is no word, but is part of one.
    !tokenizer.words(in: "x" + String(scalar) + "x").contains("x")
  }

  private func words(_ tokenizer: Tokenizer, _ text: String) -> [IndexQuery.Node?] {
    tokenizer.words(in: text).map { .word(Array($0.utf8)) }
  }

  private func joined(
    _ nodes: [IndexQuery.Node?], _ join: ([IndexQuery.Node]) -> IndexQuery.Node
  ) -> IndexQuery.Node? {
    let known = nodes.compactMap { $0 }
    return known.count <= 1 ? known.first : join(known)
  }

  private var peek: Symbol? { place < symbols.count ? symbols[place].symbol : nil }

  private func expected(_ what: String, _ found: String, _ column: Int) -> OperatorError {
    QueryParser.error("\(what) is missing before \(found)", column, nil)
  }

  private static func error(_ message: String, _ column: Int, _ advice: String?) -> OperatorError {
    OperatorError(
      .badQuery, message, at: Place(file: "search", line: 1, column: column), advice: advice,
      exitCode: 2)
  }
}
