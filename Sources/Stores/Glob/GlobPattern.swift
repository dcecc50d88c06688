import Core

/// A pattern without braces, ready to be matched.
struct GlobPattern: Sendable {
  private enum Token: Sendable {
    case byte(UInt8)
    case anyCharacter
    case set([ClosedRange<UInt32>], isNegated: Bool)
    /// `*`
    case anyCharacters
    /// `**/`
    case anySegments
    /// `**` at the end.
    case anyRest
  }

  private let tokens: [Token]
  /// The most segments that a matching key can have.
  let maximumDepth: Int

  private static let slash = UInt8(ascii: "/")
  private static let dot = UInt8(ascii: ".")

  init(_ text: GlobText, of address: String) throws {
    let elements = text.elements
    var tokens: [Token] = []
    var index = 0
    while index < elements.count {
      let element = elements[index]
      index += 1
      if element.is("?") {
        tokens.append(.anyCharacter)
      } else if element.is("[") {
        tokens.append(try GlobPattern.set(elements, &index, address))
      } else if element.is("*") {
        let start = index - 1
        while index < elements.count, elements[index].is("*") { index += 1 }
        let isWhole =
          index - start == 2 && (start == 0 || elements[start - 1].byte == GlobPattern.slash)
        if isWhole && index == elements.count {
          tokens.append(.anyRest)
        } else if isWhole && elements[index].byte == GlobPattern.slash {
          tokens.append(.anySegments)
          index += 1
        } else {
          tokens.append(.anyCharacters)
        }
      } else {
        tokens.append(.byte(element.byte))
      }
    }
    self.tokens = tokens
    let isOpen = tokens.contains {
      switch $0 {
      case .anySegments, .anyRest: true
      default: false
      }
    }
    maximumDepth = isOpen ? .max : 1 + elements.count { $0.byte == GlobPattern.slash }
  }

  /// Reads a set from behind its `[` on.
  private static func set(
    _ elements: [GlobText.Element], _ index: inout Int, _ address: String
  ) throws -> Token {
    var isNegated = false
    if index < elements.count, elements[index].is("!") || elements[index].is("^") {
      isNegated = true
      index += 1
    }
    // A bracket right at the start is one of the set.
    let start = index
    var end = index + 1
    while end < elements.count, !elements[end].is("]") { end += 1 }
    guard end < elements.count else {
      throw StoreURI.bad("a [ without its ] in a pattern ([[] is a bracket that is none)", address)
    }
    index = end + 1
    let bytes = elements[start..<end].map(\.byte)
    guard !bytes.contains(slash) else {
      throw StoreURI.bad("a slash in a set of characters of a pattern", address)
    }
    let scalars = Array(String(decoding: bytes, as: UTF8.self).unicodeScalars).map(\.value)
    var ranges: [ClosedRange<UInt32>] = []
    var next = 0
    while next < scalars.count {
      let isRange = next + 2 < scalars.count && scalars[next + 1] == UInt32(UInt8(ascii: "-"))
      let last = isRange ? scalars[next + 2] : scalars[next]
      guard scalars[next] <= last else {
        throw StoreURI.bad("a backward range in a set of characters of a pattern", address)
      }
      ranges.append(scalars[next]...last)
      next += isRange ? 3 : 1
    }
    return .set(ranges, isNegated: isNegated)
  }

  /// Whether the whole key matches.
  ///
  /// On a mismatch the last `*` takes one byte more, and where that is not possible the last `**`
  /// one segment more. Earlier ones need no second look: what they could still take, the later ones
  /// have been through already.
  ///
  /// - Complexity: O(*n* × *m*) for each `**`.
  func matches(_ key: UnsafeBufferPointer<UInt8>) -> Bool {
    var position = 0
    var token = 0
    var star: (token: Int, position: Int)?
    var folders: (token: Int, position: Int)?
    while true {
      var isMatch = false
      if token == tokens.count {
        if position == key.count { return true }
      } else {
        switch tokens[token] {
        case .byte(let byte):
          isMatch = position < key.count && key[position] == byte
          // A star that took nothing does not make `*.csv` match `.csv`.
          if isMatch, !isPlain(key, position), byte == GlobPattern.dot, token > 0,
            case .anyCharacters = tokens[token - 1]
          {
            isMatch = false
          }
          if isMatch { position += 1 }
        case .anyCharacter:
          isMatch = takeCharacter(key, &position) { _ in true }
        case .set(let ranges, let isNegated):
          isMatch = takeCharacter(key, &position) { scalar in
            ranges.contains { $0.contains(scalar) } != isNegated
          }
        case .anyCharacters:
          star = (token, position)
          isMatch = true
        case .anySegments:
          folders = (token, position)
          star = nil
          isMatch = true
        case .anyRest:
          if position < key.count && !hasHiddenSegment(key, from: position) { return true }
        }
      }
      if isMatch {
        token += 1
      } else if let last = star, last.position < key.count, isPlain(key, last.position) {
        star = (last.token, last.position + 1)
        (token, position) = (last.token + 1, last.position + 1)
      } else if let last = folders, last.position < key.count,
        // In a bucket a segment may be empty.
        isPlain(key, last.position) || key[last.position] == GlobPattern.slash,
        let slash = key[last.position...].firstIndex(of: GlobPattern.slash)
      {
        folders = (last.token, slash + 1)
        star = nil
        (token, position) = (last.token + 1, slash + 1)
      } else {
        return false
      }
    }
  }

  /// Whether a wildcard may take this byte: no slash, and no dot at the start of a segment.
  private func isPlain(_ key: UnsafeBufferPointer<UInt8>, _ position: Int) -> Bool {
    let isStart = position == 0 || key[position - 1] == GlobPattern.slash
    return key[position] != GlobPattern.slash && !(isStart && key[position] == GlobPattern.dot)
  }

  private func hasHiddenSegment(_ key: UnsafeBufferPointer<UInt8>, from start: Int) -> Bool {
    (start..<key.count).contains {
      key[$0] == GlobPattern.dot && ($0 == 0 || key[$0 - 1] == GlobPattern.slash)
    }
  }

  /// Takes one character of UTF-8 if it fits.
  private func takeCharacter(
    _ key: UnsafeBufferPointer<UInt8>, _ position: inout Int, _ fits: (UInt32) -> Bool
  ) -> Bool {
    guard position < key.count, isPlain(key, position) else { return false }
    var bytes = key[position...].makeIterator()
    var decoder = UTF8()
    guard case .scalarValue(let scalar) = decoder.decode(&bytes), fits(scalar.value) else {
      return false
    }
    position += UTF8.width(scalar)
    return true
  }
}
