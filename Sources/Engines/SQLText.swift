/// A piece of SQL text, as far as Sluice has to tell pieces apart.
struct SQLToken: Equatable {
  enum Kind: Equatable {
    /// `$name`; the name without the `$`.
    case parameter(String)
    case semicolon
    /// White space or a comment.
    case gap
    /// Anything else: words, quoted names, literals, numbers, operators.
    case other
  }

  var kind: Kind
  /// Offsets of UTF-8 bytes in the text.
  var range: Range<Int>
}

/// SQL cut into tokens by the lexical rules of DuckDB's parser (PostgreSQL's): doubled quotes,
/// `E''` escapes, dollar quotes, nested comments.
struct SQLText {
  let bytes: [UInt8]
  let tokens: [SQLToken]

  init(_ text: String) {
    bytes = Array(text.utf8)
    tokens = SQLText.scan(bytes)
  }

  /// The text up to its last token that is neither a gap nor a semicolon.
  var statement: String {
    let end = tokens.last { $0.kind != .gap && $0.kind != .semicolon }?.range.upperBound ?? 0
    return String(decoding: bytes[..<end], as: UTF8.self)
  }

  /// The statement with each `$name` replaced.
  ///
  /// - Returns: The new text, and where each replaced piece ends in it and in the old text, for
  ///   finding the old place of a new offset.
  func replacingParameters(
    _ replacement: (String) throws -> String
  ) rethrows -> (text: String, edits: [(new: Int, old: Int)]) {
    let end = statement.utf8.count
    var result: [UInt8] = []
    var edits: [(new: Int, old: Int)] = []
    for token in tokens where token.range.upperBound <= end {
      if case .parameter(let name) = token.kind {
        result += Array(try replacement(name).utf8)
        edits.append((result.count, token.range.upperBound))
      } else {
        result += bytes[token.range]
      }
    }
    return (String(decoding: result, as: UTF8.self), edits)
  }

  /// Line and column, both from 1, of a byte's offset; the column counts characters.
  func position(ofByte offset: Int) -> (line: Int, column: Int) {
    let before = bytes[..<min(max(offset, 0), bytes.count)]
    let line = before.count { $0 == 0x0A } + 1
    let start = before.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
    return (line, String(decoding: before[start...], as: UTF8.self).count + 1)
  }

  private static func scan(_ bytes: [UInt8]) -> [SQLToken] {
    var tokens: [SQLToken] = []
    var i = 0
    func at(_ index: Int) -> UInt8 { index < bytes.count ? bytes[index] : 0 }
    while i < bytes.count {
      let start = i
      var kind = SQLToken.Kind.other
      switch bytes[i] {
      case _ where isSpace(bytes[i]):
        while i < bytes.count && isSpace(bytes[i]) { i += 1 }
        kind = .gap
      case UInt8(ascii: "-") where at(i + 1) == UInt8(ascii: "-"):
        while i < bytes.count && bytes[i] != 0x0A { i += 1 }
        kind = .gap
      case UInt8(ascii: "/") where at(i + 1) == UInt8(ascii: "*"):
        i = endOfComment(bytes, i)
        kind = .gap
      case UInt8(ascii: ";"):
        i += 1
        kind = .semicolon
      case UInt8(ascii: "'"): i = endOfQuoted(bytes, i, escapes: false)
      case UInt8(ascii: "\""): i = endOfQuoted(bytes, i, escapes: false)
      case UInt8(ascii: "e"), UInt8(ascii: "E"):
        if at(i + 1) == UInt8(ascii: "'") {
          i = endOfQuoted(bytes, i + 1, escapes: true)
        } else {
          i = endOfWord(bytes, i)
        }
      case UInt8(ascii: "$"):
        if let end = endOfDollarQuoted(bytes, i) {
          i = end
        } else {
          i = endOfWord(bytes, i + 1)
          let name = String(decoding: bytes[start + 1..<i], as: UTF8.self)
          if !name.isEmpty { kind = .parameter(name) }
        }
      case _ where isWord(bytes[i]): i = endOfWord(bytes, i)
      default: i += 1
      }
      tokens.append(SQLToken(kind: kind, range: start..<i))
    }
    return tokens
  }

  private static func isSpace(_ byte: UInt8) -> Bool {
    byte == 0x20 || (0x09...0x0D).contains(byte)
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...:
      true
    default: false
    }
  }

  /// A `$` inside a word belongs to it.
  private static func endOfWord(_ bytes: [UInt8], _ start: Int) -> Int {
    var i = start
    while i < bytes.count && (isWord(bytes[i]) || (i > start && bytes[i] == UInt8(ascii: "$"))) {
      i += 1
    }
    return i
  }

  /// A doubled quote stays inside; so does one after a backslash where there are escapes.
  private static func endOfQuoted(_ bytes: [UInt8], _ start: Int, escapes: Bool) -> Int {
    let quote = bytes[start]
    var i = start + 1
    while i < bytes.count {
      if escapes && bytes[i] == UInt8(ascii: "\\") {
        i += 2
      } else if bytes[i] == quote {
        guard i + 1 < bytes.count && bytes[i + 1] == quote else { return i + 1 }
        i += 2
      } else {
        i += 1
      }
    }
    return bytes.count
  }

  private static func endOfComment(_ bytes: [UInt8], _ start: Int) -> Int {
    var depth = 0
    var i = start
    while i + 1 < bytes.count {
      switch (bytes[i], bytes[i + 1]) {
      case (UInt8(ascii: "/"), UInt8(ascii: "*")):
        depth += 1
        i += 2
      case (UInt8(ascii: "*"), UInt8(ascii: "/")):
        depth -= 1
        i += 2
        if depth == 0 { return i }
      default: i += 1
      }
    }
    return bytes.count
  }

  /// `$$…$$` or `$tag$…$tag$`; nil where the `$` begins something else.
  private static func endOfDollarQuoted(_ bytes: [UInt8], _ start: Int) -> Int? {
    var i = start + 1
    if i < bytes.count && (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[i]) { return nil }
    while i < bytes.count && isWord(bytes[i]) { i += 1 }
    guard i < bytes.count && bytes[i] == UInt8(ascii: "$") else { return nil }
    let tag = bytes[start...i]
    i += 1
    while i + tag.count <= bytes.count {
      if bytes[i..<i + tag.count].elementsEqual(tag) { return i + tag.count }
      i += 1
    }
    return bytes.count
  }
}

extension String {
  /// As an SQL name: `"a""b"`.
  public var quotedName: String { "\"" + doubling("\"") + "\"" }

  /// As an SQL string literal: `'it''s'`.
  var quotedLiteral: String { "'" + doubling("'") + "'" }

  private func doubling(_ quote: Character) -> String {
    contains(quote) ? reduce(into: "") { $0 += $1 == quote ? "\(quote)\(quote)" : "\($1)" } : self
  }
}
