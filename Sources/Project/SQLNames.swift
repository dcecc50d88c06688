/// Where names stand in a query, without parsing it: to point at one that someone else found.
enum SQLNames {
  /// The place of `name` (`table` or `pipeline.table`) in `sql`, after FROM or JOIN where it stands
  /// there; nil where it stands nowhere outside strings and comments.
  static func mark(of name: String, in sql: String) -> YAMLNode.Mark? {
    var tokenizer = SQLTokenizer(sql)
    var tokens: [SQLTokenizer.Token] = []
    while let token = tokenizer.next() { tokens.append(token) }
    let parts = name.split(separator: ".", omittingEmptySubsequences: false).map { $0.lowercased() }
    var firstAnywhere: YAMLNode.Mark?
    // FROM a, b: a comma continues the list until another keyword of a SELECT ends it.
    var isInFrom = false
    for index in tokens.indices {
      let word = tokens[index].word?.lowercased()
      if let word, !tokens[index].isQuoted {
        if ["from", "join"].contains(word) { isInFrom = true }
        if SQLNames.clauses.contains(word) { isInFrom = false }
      }
      let before = index > 0 ? tokens[index - 1] : nil
      guard before?.symbol != ".", matches(parts, tokens[index...]) else { continue }
      let mark = tokens[index].mark
      let follows =
        before.map { before in
          ["from", "join", "lateral"].contains(before.word?.lowercased())
            || before.symbol == "," || before.symbol == "("
        } ?? false
      if isInFrom && follows { return mark }
      firstAnywhere = firstAnywhere ?? mark
    }
    return firstAnywhere
  }

  private static let clauses: Set<String> = [
    "select", "where", "group", "having", "window", "qualify", "order", "limit", "union", "except",
    "intersect", "on", "using",
  ]

  /// Whether the tokens begin with `a . b`, and not in the middle of a longer name.
  private static func matches(_ parts: [String], _ tokens: ArraySlice<SQLTokenizer.Token>) -> Bool {
    var rest = tokens
    for (index, part) in parts.enumerated() {
      if index > 0 {
        guard rest.popFirst()?.symbol == "." else { return false }
      }
      guard let word = rest.popFirst()?.word, word.lowercased() == part else { return false }
    }
    return rest.first?.symbol != "."
  }
}

/// Splits SQL into names and symbols; strings, numbers and comments are passed over.
struct SQLTokenizer {
  struct Token {
    /// A keyword or a name, its quotes undone.
    var word: String?
    var isQuoted = false
    /// Any other single character.
    var symbol: Unicode.Scalar?
    var mark: YAMLNode.Mark
  }

  private let scalars: [Unicode.Scalar]
  private var index = 0
  private var mark = YAMLNode.Mark(line: 1, column: 1)

  init(_ sql: String) { scalars = Array(sql.unicodeScalars) }

  mutating func next() -> Token? {
    while index < scalars.count {
      let start = mark
      let scalar = scalars[index]
      if startsLineComment {
        skip { $0 != "\n" }
      } else if startsBlockComment {
        skipBlockComment()
      } else if scalar.properties.isWhitespace {
        advance()
      } else if scalar == "'" {
        _ = quoted("'")
      } else if (scalar == "e" || scalar == "E") && peek(1) == "'" {
        advance()
        skipEscapeString()
      } else if scalar == "$" {
        skipDollar()
      } else if scalar == "\"" {
        return Token(word: quoted("\""), isQuoted: true, mark: start)
      } else if isWordStart(scalar) {
        return Token(word: take { isWordStart($0) || isDigit($0) || $0 == "$" }, mark: start)
      } else if isDigit(scalar) {
        skip { isWordStart($0) || isDigit($0) || $0 == "." }
      } else {
        advance()
        return Token(symbol: scalar, mark: start)
      }
    }
    return nil
  }

  private var startsLineComment: Bool { scalars[index] == "-" && peek(1) == "-" }
  private var startsBlockComment: Bool { scalars[index] == "/" && peek(1) == "*" }

  private func peek(_ offset: Int) -> Unicode.Scalar? {
    index + offset < scalars.count ? scalars[index + offset] : nil
  }

  private mutating func advance() {
    if scalars[index] == "\n" {
      mark = YAMLNode.Mark(line: mark.line + 1, column: 1)
    } else {
      mark.column += 1
    }
    index += 1
  }

  private mutating func skip(while condition: (Unicode.Scalar) -> Bool) {
    while index < scalars.count, condition(scalars[index]) { advance() }
  }

  private mutating func take(while condition: (Unicode.Scalar) -> Bool) -> String {
    var view = String.UnicodeScalarView()
    while index < scalars.count, condition(scalars[index]) {
      view.append(scalars[index])
      advance()
    }
    return String(view)
  }

  /// Text between quotes, a doubled quote standing for one.
  private mutating func quoted(_ quote: Unicode.Scalar) -> String {
    var view = String.UnicodeScalarView()
    advance()
    while index < scalars.count {
      if scalars[index] == quote {
        if peek(1) != quote { break }
        advance()
      }
      view.append(scalars[index])
      advance()
    }
    if index < scalars.count { advance() }
    return String(view)
  }

  /// `E'…'`: here a backslash escapes the quote too.
  private mutating func skipEscapeString() {
    advance()
    while index < scalars.count {
      if scalars[index] == "\\" && peek(1) != nil {
        advance()
      } else if scalars[index] == "'" {
        if peek(1) != "'" { break }
        advance()
      }
      advance()
    }
    if index < scalars.count { advance() }
  }

  private mutating func skipBlockComment() {
    var depth = 0
    repeat {
      if startsBlockComment {
        depth += 1
        advance()
      } else if scalars[index] == "*" && peek(1) == "/" {
        depth -= 1
        advance()
      }
      advance()
    } while depth > 0 && index < scalars.count
  }

  /// `$name` and `$1` are parameters; `$$…$$` and `$tag$…$tag$` are strings.
  private mutating func skipDollar() {
    advance()
    let tag = take { isWordStart($0) || isDigit($0) }
    guard index < scalars.count, scalars[index] == "$" else { return }
    let end = Array("$\(tag)$".unicodeScalars)
    advance()
    while index < scalars.count, !scalars[index...].starts(with: end) { advance() }
    for _ in end where index < scalars.count { advance() }
  }
}

private func isWordStart(_ scalar: Unicode.Scalar) -> Bool {
  scalar == "_" || scalar.properties.isAlphabetic
}

private func isDigit(_ scalar: Unicode.Scalar) -> Bool { ("0"..."9").contains(scalar) }
